//! "Local Directory Network": directories of this machine, offered as shares of a server called `local`.
//!
//! It needs no server, no privilege and no file system driver, which makes it the network to try the router
//! with; and it gives a directory a drive letter, for programs that want one.
//!
//! What is connected is told by symbolic links alone:
//!
//! ```text
//! <runtime>/local/photos         -> /srv/photos                     the share
//! <drives>/z                     -> <runtime>/local/photos/2024     Z: is \\local\photos\2024
//! <runtime>/unc/local/photos%5C2024 -> <runtime>/local/photos/2024  the same without a device
//! ```

use mpr_core::device::LocalDevice;
use mpr_core::remote::{Unc, same_resource};
use mpr_plugin::abi::{
    RESOURCE_CONNECTED, RESOURCE_GLOBALNET, RESOURCETYPE_DISK, RESOURCETYPE_PRINT, RESOURCEUSAGE_CONNECTABLE,
    RESOURCEUSAGE_CONTAINER, WNNC_CON_ADDCONNECTION, WNNC_CON_ADDCONNECTION3, WNNC_CON_CANCELCONNECTION,
    WNNC_CON_GETCONNECTIONS, WNNC_DLG_GETRESOURCEINFORMATION, WNNC_DLG_GETRESOURCEPARENT, WNNC_ENUM_GLOBAL,
    WNNC_ENUM_LOCAL,
};
use mpr_plugin::{
    AddConnection, CancelConnection, Capabilities, Entries, EnumQuery, NetResource, NetworkProvider,
    ResourceQuery, Start, Status, WideStr, WideString, last_error, wide,
};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Registered name.
const NAME: &str = "Local Directory Network";
/// The one server of this network.
const SERVER: &str = "local";

/// Directories of this machine as a network.
#[derive(Debug)]
pub struct LocalDirectories {
    shares: BTreeMap<String, PathBuf>,
    runtime: PathBuf,
    drives: PathBuf,
}

/// A name of this network, understood.
struct Target<'a> {
    /// Share as it is configured.
    share: &'a str,
    directory: &'a Path,
    /// Path inside the share, with backslashes; may be empty.
    path: String,
}

impl Target<'_> {
    fn remote(&self) -> String {
        let Target { share, path, .. } = self;
        if path.is_empty() { format!(r"\\{SERVER}\{share}") } else { format!(r"\\{SERVER}\{share}\{path}") }
    }
}

impl LocalDirectories {
    /// Name under which the provider is registered.
    pub const NAME: &str = NAME;

    /// Offers `shares`: directories by share name. Connections live below `runtime`, the drive letters in
    /// `drives`.
    #[must_use]
    pub fn new(shares: BTreeMap<String, PathBuf>, runtime: PathBuf, drives: PathBuf) -> Self {
        LocalDirectories { shares, runtime, drives }
    }

    fn target(&self, remote: &WideStr) -> Result<Target<'_>, Status> {
        let remote = remote.to_string().map_err(|_| Status::BAD_NETNAME)?;
        let unc = Unc::parse(&remote).ok_or(Status::BAD_NETNAME)?;
        if !unc.server.eq_ignore_ascii_case(SERVER) || unc.port.is_some() {
            return Err(Status::BAD_NETNAME);
        }
        let share = unc.share.ok_or(Status::BAD_NETNAME)?;
        let share = self.shares.iter().find(|(name, _)| name.to_lowercase() == share.to_lowercase());
        let (share, directory) = share.ok_or(Status::BAD_NETNAME)?;
        Ok(Target { share, directory, path: unc.path.to_owned() })
    }

    fn shares_dir(&self) -> PathBuf {
        self.runtime.join("local")
    }

    fn deviceless_dir(&self) -> PathBuf {
        self.runtime.join("unc").join(SERVER)
    }

    /// The link that stands for a drive; other devices are not redirected here.
    fn drive_link(&self, local: &WideStr) -> Result<PathBuf, Status> {
        match LocalDevice::parse(local.as_slice()) {
            Some(LocalDevice::Drive(letter)) => Ok(self.drives.join(letter.to_ascii_lowercase().to_string())),
            _ => Err(Status::BAD_LOCALNAME),
        }
    }

    /// The link that stands for a deviceless connection.
    fn deviceless_link(&self, target: &Target<'_>) -> PathBuf {
        let name = match target.path.is_empty() {
            true => target.share.to_owned(),
            // A file name cannot hold the separator, and `%` is made unmistakable, too.
            false => {
                let whole = format!(r"{}\{}", target.share, target.path);
                whole.replace('%', "%25").replace('\\', "%5C")
            }
        };
        self.deviceless_dir().join(name)
    }

    /// The remote name a link leads to; `None` if it is not one of this network.
    fn remote_of(&self, link: &Path) -> Option<String> {
        let inside = fs::read_link(link).ok()?;
        let inside = inside.strip_prefix(self.shares_dir()).ok()?.to_str()?;
        Some(format!(r"\\{SERVER}\{}", inside.replace('/', r"\")))
    }

    fn make_links(&self, target: &Target<'_>, link: &Path) -> io::Result<()> {
        let share = self.shares_dir().join(target.share);
        let parents = [share.parent(), link.parent()];
        for parent in parents.into_iter().flatten() {
            mpr_helper::dirs::ensure_private(parent)?;
        }
        if fs::read_link(&share).ok().as_deref() != Some(target.directory) {
            // Replaced in one step, since other connections go through it.
            let fresh = share.with_file_name(format!(".{}.{}", target.share, std::process::id()));
            symlink(target.directory, &fresh)?;
            fs::rename(&fresh, &share)?;
        }
        symlink(share.join(target.path.replace('\\', "/")), link)
    }

    /// Links of this network in a directory, with the names of the links.
    fn links(&self, directory: &Path) -> Vec<(String, String)> {
        let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
        let mut links: Vec<_> = entries
            .flatten()
            .filter_map(|entry| Some((entry.file_name().into_string().ok()?, self.remote_of(&entry.path())?)))
            .collect();
        links.sort();
        links
    }

    fn connections(&self) -> Vec<NetResource> {
        let drives = self.links(&self.drives).into_iter().map(|(name, remote)| {
            NetResource::connection(Some(wide(&format!("{}:", name.to_ascii_uppercase()))), wide(&remote))
        });
        let deviceless = self.links(&self.deviceless_dir()).into_iter();
        drives.chain(deviceless.map(|(_, remote)| NetResource::connection(None, wide(&remote)))).collect()
    }

    fn share(&self, name: &str) -> NetResource {
        let comment = self.shares.get(name).map(|directory| wide(&directory.to_string_lossy()));
        NetResource::share(wide(&format!(r"\\{SERVER}\{name}")), comment)
    }
}

fn server() -> NetResource {
    NetResource::server(wide(&format!(r"\\{SERVER}")))
}

/// Tells the application what happened, beside the code it gets.
fn explain(error: &io::Error, what: &str, path: &Path) -> Status {
    last_error::set(
        error.raw_os_error().unwrap_or(0).unsigned_abs(),
        &format!("{what} {}: {error}", path.display()),
        NAME,
    );
    match error.kind() {
        ErrorKind::AlreadyExists => Status::ALREADY_CONNECTED,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Status::ACCESS_DENIED,
        _ => Status::NET_ERROR,
    }
}

impl NetworkProvider for LocalDirectories {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            // Types below 0xFF00 belong to networks known elsewhere.
            net_type: 0xFF01_0000,
            version: 0x0000_0001,
            connection: WNNC_CON_ADDCONNECTION
                | WNNC_CON_ADDCONNECTION3
                | WNNC_CON_CANCELCONNECTION
                | WNNC_CON_GETCONNECTIONS,
            dialog: WNNC_DLG_GETRESOURCEINFORMATION | WNNC_DLG_GETRESOURCEPARENT,
            enumeration: WNNC_ENUM_GLOBAL | WNNC_ENUM_LOCAL,
            ..Capabilities::default()
        }
    }

    /// Without shares there is no such network.
    fn start(&self) -> Start {
        if self.shares.is_empty() { Start::Never } else { Start::Running }
    }

    fn add_connection(&self, add: &AddConnection<'_>) -> Result<(), Status> {
        let target = self.target(add.remote)?;
        if add.kind == RESOURCETYPE_PRINT {
            return Err(Status::BAD_DEV_TYPE);
        }
        let link = match add.local {
            Some(local) => self.drive_link(local)?,
            None => self.deviceless_link(&target),
        };
        let directory = target.directory.join(target.path.replace('\\', "/"));
        match fs::metadata(&directory) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(Status::BAD_NETNAME),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(Status::ACCESS_DENIED),
            Err(error) => {
                _ = explain(&error, "no directory to connect to at", &directory);
                return Err(Status::BAD_NETNAME);
            }
        }
        match self.make_links(&target, &link) {
            // A second deviceless connection to the same resource is the same connection.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && add.local.is_none() => Ok(()),
            Err(error) => Err(explain(&error, "cannot make the link", &link)),
            Ok(()) => Ok(()),
        }
    }

    fn cancel_connection(&self, cancel: &CancelConnection<'_>) -> Result<(), Status> {
        let link = match LocalDevice::parse(cancel.name.as_slice()) {
            Some(_) => self.drive_link(cancel.name).map_err(|_| Status::NOT_CONNECTED)?,
            None => {
                let links = self.links(&self.deviceless_dir());
                let named = links.into_iter().find(|(_, remote)| {
                    let remote: Vec<u16> = remote.encode_utf16().collect();
                    same_resource(&remote, cancel.name.as_slice())
                });
                self.deviceless_dir().join(named.ok_or(Status::NOT_CONNECTED)?.0)
            }
        };
        self.remote_of(&link).ok_or(Status::NOT_CONNECTED)?;
        fs::remove_file(&link).map_err(|error| explain(&error, "cannot remove the link", &link))
    }

    fn connection(&self, local: &WideStr) -> Result<WideString, Status> {
        let link = self.drive_link(local).map_err(|_| Status::NOT_CONNECTED)?;
        self.remote_of(&link).map(|remote| wide(&remote)).ok_or(Status::NOT_CONNECTED)
    }

    fn enumerate(&self, query: &EnumQuery<'_>) -> Result<Entries, Status> {
        if query.kind != 0 && query.kind & RESOURCETYPE_DISK == 0 {
            return Ok(Box::new(std::iter::empty()));
        }
        let wanted = |usage: u32| query.usage == 0 || query.usage & usage != 0;
        let entries = match (query.scope, query.container.and_then(|container| container.remote.as_deref())) {
            (RESOURCE_CONNECTED, _) => self.connections(),
            (RESOURCE_GLOBALNET, None) if wanted(RESOURCEUSAGE_CONTAINER) => vec![server()],
            (RESOURCE_GLOBALNET, None) => Vec::new(),
            (RESOURCE_GLOBALNET, Some(name)) => {
                let name = name.to_string().map_err(|_| Status::BAD_NETNAME)?;
                match Unc::parse(&name) {
                    Some(unc) if unc.server.eq_ignore_ascii_case(SERVER) && unc.port.is_none() => {
                        match unc.share {
                            None if wanted(RESOURCEUSAGE_CONNECTABLE) => {
                                self.shares.keys().map(|name| self.share(name)).collect()
                            }
                            None => Vec::new(),
                            Some(_) => return Err(Status::NOT_CONTAINER),
                        }
                    }
                    _ => return Err(Status::BAD_NETNAME),
                }
            }
            _ => return Err(Status::NOT_SUPPORTED),
        };
        Ok(Box::new(entries.into_iter().map(Ok)))
    }

    fn resource_information(
        &self,
        query: &ResourceQuery<'_>,
    ) -> Result<(NetResource, Option<WideString>), Status> {
        let name = query.remote.to_string().map_err(|_| Status::BAD_NETNAME)?;
        if let Some(Unc { server: host, port: None, share: None, .. }) = Unc::parse(&name)
            && host.eq_ignore_ascii_case(SERVER)
        {
            return Ok((server(), None));
        }
        let target = self.target(query.remote)?;
        let rest = (!target.path.is_empty()).then(|| wide(&format!(r"\{}", target.path)));
        Ok((self.share(target.share), rest))
    }

    fn resource_parent(&self, query: &ResourceQuery<'_>) -> Result<NetResource, Status> {
        let name = query.remote.to_string().map_err(|_| Status::BAD_NETNAME)?;
        let unc = Unc::parse(&name).filter(|unc| unc.server.eq_ignore_ascii_case(SERVER));
        let unc = unc.ok_or(Status::BAD_NETNAME)?;
        if unc.share.is_none() {
            return Ok(NetResource { remote: None, ..server() });
        }
        let target = self.target(query.remote)?;
        Ok(match target.path.rsplit_once('\\') {
            _ if target.path.is_empty() => server(),
            None => self.share(target.share),
            Some((above, _)) => {
                let above = Target { path: above.to_owned(), ..target };
                NetResource::share(wide(&above.remote()), None)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture {
        network: LocalDirectories,
        home: tempfile::TempDir,
    }

    fn fixture() -> Fixture {
        let home = tempfile::tempdir().unwrap();
        let photos = home.path().join("Photos");
        fs::create_dir_all(photos.join("2024/may")).unwrap();
        fs::write(photos.join("2024/a.txt"), "a").unwrap();
        let shares =
            BTreeMap::from([("photos".to_owned(), photos), ("gone".to_owned(), home.path().join("gone"))]);
        let runtime = home.path().join("run");
        Fixture { network: LocalDirectories::new(shares, runtime.clone(), runtime.join("drives")), home }
    }

    impl Fixture {
        fn add(&self, local: Option<&str>, remote: &str) -> Result<(), Status> {
            let (local, remote) = (local.map(wide), wide(remote));
            self.network.add_connection(&AddConnection {
                owner: std::ptr::null_mut(),
                kind: RESOURCETYPE_DISK,
                local: local.as_deref(),
                remote: &remote,
                provider: None,
                user: None,
                password: None,
                auth: None,
                flags: 0,
            })
        }

        fn cancel(&self, name: &str) -> Result<(), Status> {
            self.network.cancel_connection(&CancelConnection { name: &wide(name), force: false, flags: 0 })
        }

        fn list(&self) -> Vec<(String, String)> {
            let text = |name: Option<WideString>| name.map(|name| name.to_string_lossy()).unwrap_or_default();
            self.network
                .connections()
                .into_iter()
                .map(|entry| (text(entry.local), text(entry.remote)))
                .collect()
        }
    }

    #[test]
    fn a_connected_drive_shows_the_files_of_its_directory() {
        let it = fixture();
        it.add(Some("Z:"), r"\\LOCAL\Photos\2024").unwrap();
        let file = it.home.path().join("run/drives/z/a.txt");
        assert_eq!(fs::read_to_string(&file).unwrap(), "a");
        assert_eq!(it.network.connection(&wide("z:")).unwrap(), wide(r"\\local\photos\2024"));
        assert_eq!(it.list(), [("Z:".into(), r"\\local\photos\2024".into())]);
        assert_eq!(it.cancel("Z:"), Ok(()));
        assert!(!file.exists());
        assert_eq!(it.cancel("Z:"), Err(Status::NOT_CONNECTED));
    }

    #[test]
    fn a_deviceless_connection_is_cancelled_by_its_name() {
        let it = fixture();
        it.add(None, r"\\local\photos\2024\may").unwrap();
        it.add(None, r"\\local\photos\2024\may").unwrap();
        assert_eq!(it.list(), [(String::new(), r"\\local\photos\2024\may".into())]);
        assert_eq!(it.cancel(r"\\local\photos"), Err(Status::NOT_CONNECTED));
        assert_eq!(it.cancel(r"\\LOCAL\PHOTOS\2024\may\"), Ok(()));
        assert_eq!(it.list(), []);
    }

    #[test]
    fn names_of_other_networks_are_refused_at_once() {
        let it = fixture();
        for remote in [
            r"\\nas\photos",
            r"\\local@445\photos",
            r"\\local\nothing",
            r"\\local",
            "photos",
            r"\\local\gone",
        ] {
            assert_eq!(it.add(Some("Z:"), remote), Err(Status::BAD_NETNAME), "{remote}");
        }
        assert_eq!(it.add(Some("LPT1"), r"\\local\photos"), Err(Status::BAD_LOCALNAME));
    }

    #[test]
    fn a_letter_that_is_taken_stays_as_it_is() {
        let it = fixture();
        it.add(Some("Z:"), r"\\local\photos").unwrap();
        assert_eq!(it.add(Some("z:"), r"\\local\photos\2024"), Err(Status::ALREADY_CONNECTED));
        assert_eq!(it.list(), [("Z:".into(), r"\\local\photos".into())]);
    }

    #[test]
    fn a_link_that_leads_elsewhere_is_not_a_connection() {
        let it = fixture();
        let drives = it.home.path().join("run/drives");
        fs::create_dir_all(&drives).unwrap();
        symlink("/etc", drives.join("y")).unwrap();
        assert_eq!(it.network.connection(&wide("Y:")), Err(Status::NOT_CONNECTED));
        assert_eq!(it.cancel("Y:"), Err(Status::NOT_CONNECTED));
        assert!(drives.join("y").is_symlink());
    }

    #[test]
    fn the_parent_of_a_directory_is_above_it_up_to_the_network() {
        let it = fixture();
        let parent = |remote: &str| {
            let remote = wide(remote);
            let query = ResourceQuery { remote: &remote, kind: 0, provider: None };
            it.network
                .resource_parent(&query)
                .map(|entry| entry.remote.map(|remote| remote.to_string_lossy()))
        };
        assert_eq!(parent(r"\\local\photos\2024\may"), Ok(Some(r"\\local\photos\2024".into())));
        assert_eq!(parent(r"\\local\photos\2024"), Ok(Some(r"\\local\photos".into())));
        assert_eq!(parent(r"\\local\photos"), Ok(Some(r"\\local".into())));
        assert_eq!(parent(r"\\local"), Ok(None));
        assert_eq!(parent(r"\\nas\x"), Err(Status::BAD_NETNAME));
    }
}
