//! What is known of a request in this process, found out when a rule asks for it.

use super::zone;
use crate::Router;
use mpr_core::device::LocalDevice;
use mpr_core::policy::{Choice, Event, Facts, Identity, Moment, Name};
use mpr_core::remote;
use mpr_helper::protocol::{self, Request};
use mpr_helper::spawn::{self, Helper, MPR_MOUNT};
use mpr_helper::{accounts, dirs};
use mpr_plugin::WideStr;
use std::cell::OnceCell;
use std::net::IpAddr;
use std::time::Duration;

/// How long a server's addresses may take to be found.
const RESOLVING: Duration = Duration::from_secs(5);

/// A request to be judged. What is not given is what holds for this process, now.
#[derive(Debug)]
pub struct Asked {
    event: Event,
    remote: OnceCell<Name>,
    /// Where the resource has to be looked up: the device of a disconnect.
    device: Option<String>,
    local: Option<String>,
    provider: Option<String>,
    flags: u32,
    moment: OnceCell<Option<Moment>>,
    user: OnceCell<Identity>,
    groups: OnceCell<Option<Vec<Identity>>>,
    addresses: OnceCell<Option<Vec<IpAddr>>>,
}

impl Asked {
    fn new(event: Event, flags: u32) -> Self {
        Asked {
            event,
            remote: OnceCell::new(),
            device: None,
            local: Some(String::new()),
            provider: None,
            flags,
            moment: OnceCell::new(),
            user: OnceCell::new(),
            groups: OnceCell::new(),
            addresses: OnceCell::new(),
        }
    }

    /// A connect to `remote`, without a device, through a provider that is yet to be found.
    #[must_use]
    pub fn add(remote: &WideStr, flags: u32) -> Self {
        Asked { remote: resource(remote).into(), ..Asked::new(Event::Add, flags) }
    }

    /// A disconnect of a device or a remote name.
    #[must_use]
    pub fn cancel(name: &WideStr, flags: u32) -> Self {
        let asked = Asked::new(Event::Cancel, flags);
        match LocalDevice::parse(name.as_slice()) {
            Some(device) => Asked {
                device: Some(device.to_string()),
                local: Some(device.to_string().to_lowercase()),
                ..asked
            },
            None => Asked { remote: resource(name).into(), ..asked },
        }
    }

    /// To this device.
    #[must_use]
    pub fn on(mut self, local: &WideStr) -> Self {
        let device = LocalDevice::parse(local.as_slice()).map(|device| device.to_string());
        self.local = Some(device.unwrap_or_else(|| local.to_string_lossy()).to_lowercase());
        self
    }

    /// To a device that will be chosen.
    #[must_use]
    pub fn on_any_device(mut self) -> Self {
        self.local = None;
        self
    }

    /// Through this provider.
    #[must_use]
    pub fn through(mut self, provider: &WideStr) -> Self {
        self.provider = Some(provider.to_string_lossy().to_lowercase());
        self
    }

    /// At this time instead of now.
    #[must_use]
    pub fn at(mut self, moment: Moment) -> Self {
        self.moment = Some(moment).into();
        self
    }

    /// By this user, who is in these groups, instead of by whoever started this process.
    #[must_use]
    pub fn by(mut self, user: Identity, groups: Option<Vec<Identity>>) -> Self {
        (self.user, self.groups) = (user.into(), groups.into());
        self
    }

    /// With a server of these addresses, which are not looked up.
    #[must_use]
    pub fn with_addresses(mut self, addresses: Vec<IpAddr>) -> Self {
        let canonical = addresses.into_iter().map(|address| address.to_canonical()).collect();
        self.addresses = Some(canonical).into();
        self
    }
}

/// The name as the router hands it on.
fn resource(name: &WideStr) -> Name {
    let name = match remote::canonical(name.as_slice()) {
        Ok(Some(canonical)) => String::from_utf16_lossy(&canonical.name),
        _ => name.to_string_lossy(),
    };
    Name::new(&name)
}

impl Facts for Asked {
    fn event(&self) -> Event {
        self.event
    }

    fn remote(&self) -> &Name {
        self.remote.get_or_init(|| {
            let device = self.device.as_deref().map(mpr_plugin::wide);
            let connected = device.and_then(|device| Router::system().connection(&device).ok());
            connected.map_or_else(Name::unknown, |connection| resource(connection.remote()))
        })
    }

    fn local(&self) -> Choice<'_> {
        self.local.as_deref().map_or(Choice::Open, Choice::Made)
    }

    fn provider(&self) -> Choice<'_> {
        self.provider.as_deref().map_or(Choice::Open, Choice::Made)
    }

    fn flags(&self) -> u32 {
        self.flags
    }

    fn moment(&self) -> Option<Moment> {
        *self.moment.get_or_init(zone::now)
    }

    fn user(&self) -> &Identity {
        self.user.get_or_init(|| {
            let uid = accounts::real_uid();
            Identity { id: Some(uid), name: accounts::user_name(uid) }
        })
    }

    fn groups(&self) -> Option<&[Identity]> {
        let groups = self.groups.get_or_init(|| {
            let groups = accounts::real_groups()?.into_iter();
            Some(groups.map(|gid| Identity { id: Some(gid), name: accounts::group_name(gid) }).collect())
        });
        groups.as_deref()
    }

    fn addresses(&self) -> Option<&[IpAddr]> {
        self.addresses.get_or_init(|| addresses_of(self.remote())).as_deref()
    }
}

/// The addresses of the server of a name. Whatever has to be asked for on a network is asked by a helper, within a
/// deadline: this may be anybody's process.
fn addresses_of(name: &Name) -> Option<Vec<IpAddr>> {
    if let Some(address) = name.address() {
        return Some(vec![address]);
    }
    let request = Request::Resolve { host: name.host()?.to_owned() };
    let helper = Helper::start(&spawn::find(MPR_MOUNT).ok()?, &dirs::runtime_path().ok()?).ok()?;
    let mut found = Vec::new();
    let asked = helper.ask(&request, None, RESOLVING, &mut |event| {
        if let protocol::Event::Addresses { addresses } = event {
            found.extend(addresses.into_iter().map(|address| address.to_canonical()));
        }
    });
    asked.ok().map(|_| found)
}
