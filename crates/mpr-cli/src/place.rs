//! Where in the file system a connection is (`DESIGN.md`, State).
//!
//! Nothing here touches a mounted file system: a server that hangs must not hang a question about it.

use crate::names::same_resource;
use mpr::Router;
use mpr_core::device::LocalDevice;
use mpr_core::remote::Unc;
use mpr_helper::connections::{Connection, Connections, State};
use mpr_helper::dirs;
use mpr_helper::mounts::Table;
use std::path::{Path, PathBuf};

/// What the file system knows of connections, at one moment.
#[derive(Debug, Default)]
pub(crate) struct Places {
    runtime: Option<PathBuf>,
    drives: Option<PathBuf>,
    mounts: Table,
    helped: Vec<Connection>,
}

impl Places {
    pub(crate) fn now(router: &Router) -> Places {
        // What cannot be read is not there to be shown; `mpr doctor` says why.
        let runtime = dirs::runtime_path().ok();
        let configured = router.config().and_then(|config| config.drives_dir.clone());
        let drives = configured.or_else(|| Some(runtime.as_ref()?.join("drives")));
        let helped = runtime.as_deref().and_then(|runtime| Connections::of(runtime).all().ok());
        Places {
            runtime,
            drives,
            mounts: Table::now().unwrap_or_default(),
            helped: helped.unwrap_or_default(),
        }
    }

    /// The record of a connection that has a helper process.
    pub(crate) fn helped(&self, local: Option<&str>, remote: &str) -> Option<&Connection> {
        self.helped.iter().find(|connection| match (local, connection.record.local.as_deref()) {
            (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
            (None, None) => same_resource(remote, &connection.record.remote),
            _ => false,
        })
    }

    /// Whether the helper of a connection has died.
    pub(crate) fn is_lost(&self, local: Option<&str>, remote: &str) -> bool {
        self.helped(local, remote).is_some_and(|connection| connection.state == State::Lost)
    }

    /// The directory a connection's files are in.
    pub(crate) fn of(&self, local: Option<&LocalDevice>, remote: &str) -> Option<PathBuf> {
        let name = local.map(LocalDevice::to_string);
        if let Some(connection) = self.helped(name.as_deref(), remote) {
            return Some(connection.record.mount_point.clone().into());
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
