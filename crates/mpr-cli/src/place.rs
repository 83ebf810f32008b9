//! Where in the file system a connection is (`DESIGN.md`, State).
//!
//! Nothing here touches a mounted file system: a server that hangs must not hang a question about it.

use crate::names::same_resource;
use mpr::Router;
use mpr_core::device::LocalDevice;
use mpr_core::remote::Unc;
use mpr_helper::connections::{Connection, Connections, State};
use mpr_helper::control::{self, Health, Order, Reply};
use mpr_helper::dirs;
use mpr_helper::mounts::Table;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the file system knows of connections, at one moment.
#[derive(Debug, Default)]
pub(crate) struct Places {
    runtime: Option<PathBuf>,
    drives: Option<PathBuf>,
    mounts: Table,
    helped: Vec<Helped>,
}

/// A connection that has a helper process.
#[derive(Debug)]
pub(crate) struct Helped {
    pub(crate) connection: Connection,
    /// What the helper says of itself, if it was asked and did.
    pub(crate) health: Option<Health>,
    /// Since when the connection is lost, in seconds since 1970.
    pub(crate) lost: Option<u64>,
}

/// How long the helpers may take to say how they are, all together. That is a matter of microseconds for each.
const PATIENCE: Duration = Duration::from_millis(10);

impl Helped {
    fn of(connections: &Connections, connection: Connection) -> Helped {
        let (slot, record) = (&connection.slot, &connection.record);
        let lost = (connection.state == State::Lost).then(|| connections.records().lost_since(slot, record));
        Helped { connection, health: None, lost }
    }

    /// Takes the reply to the question how the helper is, or that there was none in time.
    fn heard(&mut self, connections: &Connections, reply: Option<Reply>) {
        let (records, slot, record) = (connections.records(), &self.connection.slot, &self.connection.record);
        let well = match reply {
            Some(Reply::Status(health)) => {
                let connected = health.connected;
                self.health = Some(*health);
                connected
            }
            // One that sleeps with a question before it will not answer the next one either. One that is awake has not
            // come to it yet, on a machine with much to do.
            _ => !record.helper.is_asleep(),
        };
        if well {
            records.found_again(slot);
        } else {
            self.lost = Some(records.lost_since(slot, record));
        }
    }
}

impl Places {
    pub(crate) fn now(router: &Router) -> Places {
        // What cannot be read is not there to be shown; `mpr doctor` says why.
        let runtime = dirs::runtime_path().ok();
        let configured = router.config().and_then(|config| config.drives_dir.clone());
        let drives = configured.or_else(|| Some(runtime.as_ref()?.join("drives")));
        let found = runtime.as_deref().map(Connections::of).and_then(|connections| {
            let all = connections.all().ok()?;
            Some(all.into_iter().map(|connection| Helped::of(&connections, connection)).collect())
        });
        Places {
            runtime,
            drives,
            mounts: Table::now().unwrap_or_default(),
            helped: found.unwrap_or_default(),
        }
    }

    /// The same, with what the helpers say of themselves. All are asked together, and none is waited for longer than
    /// a list may take.
    pub(crate) fn asked(router: &Router) -> Places {
        Places::asked_within(router, PATIENCE)
    }

    /// The same, for those who wait for the answers alone.
    pub(crate) fn asked_within(router: &Router, patience: Duration) -> Places {
        let mut places = Places::now(router);
        let Some(connections) = places.runtime.as_deref().map(Connections::of) else { return places };
        let mut running: Vec<&mut Helped> =
            places.helped.iter_mut().filter(|one| one.lost.is_none()).collect();
        let sockets: Vec<PathBuf> =
            running.iter().map(|helped| connections.socket(&helped.connection)).collect();
        let replies = control::order_all(&sockets, Order::Status, patience);
        for (helped, reply) in running.iter_mut().zip(replies) {
            helped.heard(&connections, reply);
        }
        places
    }

    /// Every connection that has a helper process.
    pub(crate) fn all(&self) -> &[Helped] {
        &self.helped
    }

    /// A connection that has a helper process.
    pub(crate) fn helped(&self, local: Option<&str>, remote: &str) -> Option<&Helped> {
        self.helped.iter().find(|helped| {
            let record = &helped.connection.record;
            match (local, record.local.as_deref()) {
                (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
                (None, None) => same_resource(remote, &record.remote),
                _ => false,
            }
        })
    }

    /// The directory a connection's files are in.
    pub(crate) fn of(&self, local: Option<&LocalDevice>, remote: &str) -> Option<PathBuf> {
        let name = local.map(LocalDevice::to_string);
        if let Some(helped) = self.helped(name.as_deref(), remote) {
            return Some(helped.connection.record.mount_point.clone().into());
        }
        let expected = match local {
            Some(LocalDevice::Directory(path)) => return Some(path.into()),
            Some(LocalDevice::Drive(letter)) => {
                self.drives.as_ref()?.join(letter.to_ascii_lowercase().to_string())
            }
            Some(LocalDevice::Printer(_)) => return None,
            None => self.deviceless(remote)?,
        };
        self.is_there(&expected).then_some(expected)
    }

    /// `<runtime>/unc/<server>/<share>`; separators below the share cannot stand in a file name.
    fn deviceless(&self, remote: &str) -> Option<PathBuf> {
        let unc = Unc::parse(remote)?;
        let server = match unc.port {
            Some(port) => format!("{}@{port}", unc.server),
            None => unc.server.to_owned(),
        };
        let name = match unc.path {
            "" => unc.share?.to_owned(),
            path => format!(r"{}\{path}", unc.share?).replace('%', "%25").replace('\\', "%5C"),
        };
        Some(self.runtime.as_ref()?.join("unc").join(server).join(name))
    }

    /// Whether something is mounted there, or a link leads from there. The mount table is asked first, since
    /// to look at a mount point is to ask the file system that is mounted.
    fn is_there(&self, path: &Path) -> bool {
        self.mounts.at(path).is_some() || path.symlink_metadata().is_ok_and(|meta| meta.is_symlink())
    }

    /// The drive letter whose directory a path is in, and the rest of the path.
    pub(crate) fn drive_of<'p>(&self, path: &'p str) -> Option<(LocalDevice, &'p str)> {
        let rest = crate::names::below(path, self.drives.as_ref()?.to_str()?, '/', false)?;
        let rest = rest.strip_prefix('/')?;
        let letter = rest.chars().next().filter(char::is_ascii_lowercase)?;
        let rest = &rest[1..];
        (rest.is_empty() || rest.starts_with('/'))
            .then_some((LocalDevice::Drive(letter.to_ascii_uppercase()), rest))
    }
}
