//! A network provider, called in this process.

use crate::library::{confine, said, terms};
use crate::sandbox;
use crate::serve::{Hosted, Refusal, malformed};
use mpr::library::LoadedProvider;
use mpr::{extended_error, isolated};
use mpr_helper::host::provider::{Ask, Function, Resource, Told};
use mpr_helper::host::{Conditions, Sandbox};
use mpr_plugin::{
    AddConnection, AuthBuffer, CancelConnection, Capabilities, Entries, EnumQuery, NetResource,
    NetworkProvider, Performance, ResourceQuery, Status, UniversalName, WideStr, WideString,
};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::ptr::with_exposed_provenance_mut;
use zeroize::Zeroizing;

/// Enumerations that may be open at a time. Who forgets to close them ends at a limit rather than with all memory.
const MOST_OPEN: usize = 4096;
/// Entries that are told at a time, and how many units of names may be among them before one more.
const PAGE: usize = 256;
const PAGE_UNITS: usize = 64 << 10;

/// A network provider and its open enumerations.
pub(crate) struct Provider {
    provider: LoadedProvider,
    /// By the names the router knows them under.
    open: HashMap<u32, Open>,
    last: u32,
}

/// An enumeration that is open.
struct Open {
    entries: Entries,
    /// An error that came behind entries, which are told first.
    failed: Option<Status>,
}

/// A call as it was read.
type Asked = Ask<Vec<u16>, Zeroizing<Vec<u8>>>;

impl Provider {
    pub(crate) fn load(path: &Path, sandbox: Sandbox, conditions: &Conditions) -> Result<Self, Refusal> {
        confine(false)
            .map_err(|error| Refusal::of_process(format!("its process cannot be confined: {error}")))?;
        sandbox::enter(sandbox, false).map_err(Refusal::of_process)?;
        isolated::refuse_operations();
        isolated::refuse_isolated_providers();
        let provider = LoadedProvider::load(path, &terms(conditions)?)?;
        Ok(Provider { provider, open: HashMap::new(), last: 0 })
    }
}

impl Hosted for Provider {
    fn answer(&mut self, body: &[u8], wire: &mut Vec<u8>) -> io::Result<()> {
        let ask = Ask::parse(body).map_err(malformed)?;
        extended_error::clear();
        let mut told = Told::of(ask.number, 0);
        told.status = match self.call(&ask, &mut told) {
            Ok(()) => 0,
            Err(status) => status.0,
        };
        told.error = said();
        if told.frame(wire).is_ok() {
            return Ok(());
        }
        // What no frame can carry.
        Told::of(ask.number, Status::NET_ERROR.0).frame(wire).map_err(io::Error::from)
    }
}

impl Provider {
    /// Calls the function that is meant, and fills in what it tells.
    fn call(&mut self, ask: &Asked, told: &mut Told) -> Result<(), Status> {
        let provider = &self.provider;
        let [first, second, third, _] = ask.numbers;
        let [one, two, ..] = texts(ask);
        let owner = || with_exposed_provenance_mut(usize::try_from(ask.owner).unwrap_or_default());
        let name = || one.as_deref().ok_or(Status::BAD_VALUE);
        match ask.function {
            Function::Capabilities => {
                let Capabilities { net_type, version, user, connection, dialog, admin, enumeration } =
                    provider.capabilities();
                told.numbers = [net_type, version, user, connection, dialog, admin, enumeration];
            }
            Function::Start => told.numbers[0] = provider.start().to_raw(),
            Function::Add | Function::AddWithBuffers => return add(provider, ask),
            Function::Cancel => {
                let cancel = CancelConnection { name: name()?, force: second != 0, flags: first };
                return provider.cancel_connection(&cancel);
            }
            Function::Connection => told.texts[0] = Some(provider.connection(name()?)?.into_vec()),
            Function::DeferredConnection => {
                told.texts[0] = Some(provider.deferred_connection(name()?)?.into_vec());
            }
            Function::Performance => {
                let Performance { flags, speed, delay, optimal_size } = provider.performance(name()?)?;
                told.numbers[..4].copy_from_slice(&[flags, speed, delay, optimal_size]);
            }
            Function::UniversalName => {
                let UniversalName { universal, connection, remaining } = provider.universal_name(name()?)?;
                told.texts = [universal, Some(connection), Some(remaining)].map(units);
            }
            Function::User => told.texts[0] = Some(provider.user(name()?)?.into_vec()),
            Function::UseOptions => {
                let options = ask.secrets[0].as_deref().map_or(&[][..], Vec::as_slice);
                told.bytes = provider.persistent_use_options(name()?, options)?;
            }
            Function::OpenEnum => {
                let container = ask.resource.as_ref().map(resource);
                let query =
                    EnumQuery { scope: first, kind: second, usage: third, container: container.as_ref() };
                if self.open.len() >= MOST_OPEN {
                    return Err(Status::OUT_OF_MEMORY);
                }
                let entries = provider.enumerate(&query)?;
                // After four thousand million of them some may still be open.
                self.last = (1..=u32::MAX)
                    .map(|step| self.last.wrapping_add(step))
                    .find(|number| !self.open.contains_key(number))
                    .ok_or(Status::OUT_OF_MEMORY)?;
                self.open.insert(self.last, Open { entries, failed: None });
                told.numbers[0] = self.last;
            }
            Function::EnumResource => {
                let open = self.open.get_mut(&first).ok_or(Status::BAD_HANDLE)?;
                return open.page(&mut told.resources);
            }
            Function::CloseEnum => {
                return self.open.remove(&first).ok_or(Status::BAD_HANDLE)?.entries.close();
            }
            Function::Information => {
                let query = ResourceQuery { remote: name()?, kind: first, provider: two.as_deref() };
                let (found, rest) = provider.resource_information(&query)?;
                told.resources.push(packed(found));
                told.texts[0] = units(rest);
            }
            Function::Parent => {
                let query = ResourceQuery { remote: name()?, kind: first, provider: two.as_deref() };
                told.resources.push(packed(provider.resource_parent(&query)?));
            }
            Function::Format => {
                told.texts[0] = Some(provider.format_network_name(name()?, first, second)?.into_vec());
            }
            Function::DirectoryType => {
                told.numbers[0] = provider.directory_type(name()?, first != 0)?.cast_unsigned();
            }
            Function::DirectoryNotify => return provider.directory_notify(owner(), name()?, first),
            Function::PropertyText => {
                told.texts[0] = Some(provider.property_text(first, second, name()?, third)?.into_vec());
            }
            Function::PropertyDialog => {
                return provider.property_dialog(owner(), first, second, name()?, third);
            }
            Function::PermissionCapabilities => told.numbers[0] = provider.permission_capabilities(name()?),
            Function::EditPermissions => return provider.edit_permissions(name()?, owner(), first),
            Function::PermissionHelp => {
                let (file, topic) = provider.permission_help(name()?, first, second != 0)?;
                told.texts[0] = Some(file.into_vec());
                told.numbers[0] = topic;
            }
        }
        Ok(())
    }
}

fn add(provider: &LoadedProvider, ask: &Asked) -> Result<(), Status> {
    let [local, remote, named, user] = texts(ask);
    let [kind, flags, ..] = ask.numbers;
    let bytes = |at: usize| ask.secrets[at].as_deref().map_or(&[][..], Vec::as_slice);
    let with_buffers = ask.function == Function::AddWithBuffers;
    let password = ask.secrets[0].as_deref().filter(|_| !with_buffers).map(|bytes| terminated(bytes));
    let password = match &password {
        Some(units) => Some(WideStr::from_slice(units).map_err(|_| Status::BAD_VALUE)?),
        None => None,
    };
    provider.add_connection(&AddConnection {
        owner: with_exposed_provenance_mut(usize::try_from(ask.owner).unwrap_or_default()),
        kind,
        local: local.as_deref(),
        remote: remote.as_deref().ok_or(Status::BAD_VALUE)?,
        provider: named.as_deref(),
        user: user.as_deref(),
        password,
        auth: with_buffers.then(|| AuthBuffer { auth: bytes(0), use_options: bytes(1) }),
        flags,
    })
}

/// A password in UTF-16 with its terminator, in memory that is wiped.
fn terminated(bytes: &[u8]) -> Zeroizing<Vec<u16>> {
    let mut units = Zeroizing::new(Vec::with_capacity(bytes.len() / 2 + 1));
    units.extend(bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])));
    units.push(0);
    units
}

impl Open {
    /// The next entries; none at the end.
    fn page(&mut self, into: &mut Vec<Resource<Vec<u16>>>) -> Result<(), Status> {
        if let Some(status) = self.failed.take() {
            return Err(status);
        }
        let mut room = PAGE_UNITS;
        while into.len() < PAGE {
            match self.entries.next_entry() {
                None => break,
                Some(Err(status)) if into.is_empty() => return Err(status),
                Some(Err(status)) => {
                    self.failed = Some(status);
                    break;
                }
                Some(Ok(entry)) => {
                    let entry = packed(entry);
                    let taken: usize = entry.texts.iter().flatten().map(Vec::len).sum();
                    into.push(entry);
                    let Some(left) = room.checked_sub(taken) else { break };
                    room = left;
                }
            }
        }
        Ok(())
    }
}

fn texts(ask: &Asked) -> [Option<WideString>; 4] {
    ask.texts.each_ref().map(|text| text.clone().map(WideString::from_vec_truncate))
}

fn units(text: Option<WideString>) -> Option<Vec<u16>> {
    text.map(WideString::into_vec)
}

fn resource(packed: &Resource<Vec<u16>>) -> NetResource {
    let [scope, kind, display, usage] = packed.numbers;
    let [local, remote, comment, provider] =
        packed.texts.each_ref().map(|text| text.clone().map(WideString::from_vec_truncate));
    NetResource { scope, kind, display, usage, local, remote, comment, provider }
}

fn packed(resource: NetResource) -> Resource<Vec<u16>> {
    let NetResource { scope, kind, display, usage, local, remote, comment, provider } = resource;
    Resource { numbers: [scope, kind, display, usage], texts: [local, remote, comment, provider].map(units) }
}
