//! The desktop's Secret Service, asked on the session bus.

use std::collections::HashMap;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use dbus_secret_service::{EncryptionType, Item, SecretService};
use mpr_helper::dirs;
use zeroize::Zeroizing;

use crate::{Account, Error};

/// How long a desktop may take to have its user unlock the passwords, in seconds.
const PATIENCE: u64 = 60;
/// What our items are marked with.
const SCHEMA: (&str, &str) = ("xdg:schema", "org.mpr.Account");
/// The most items that are listed.
const MOST: usize = 1024;

pub(crate) fn find(account: &Account) -> Result<Option<Zeroizing<String>>, Error> {
    let Some(service) = service() else { return Ok(None) };
    let found = service.search_items(attributes(account)).map_err(|error| failed(&error))?;
    let Some(item) = found.unlocked.first() else { return Ok(None) };
    let secret = Zeroizing::new(item.get_secret().map_err(|error| failed(&error))?);
    match std::str::from_utf8(&secret) {
        Ok(password) => Ok(Some(Zeroizing::new(password.to_owned()))),
        Err(_) => Err(Error("what the Secret Service holds is no password of ours".to_owned())),
    }
}

/// Says whether there is a place to keep it.
pub(crate) fn save(account: &Account, password: &str) -> Result<bool, Error> {
    let Some(service) = service() else { return Ok(false) };
    // A service without a collection, as on a desktop that was never used, is none.
    let Ok(collection) = service.get_default_collection() else { return Ok(false) };
    collection.ensure_unlocked().or_else(|_| collection.unlock()).map_err(|error| failed(&error))?;
    let label = format!("{} on {}", account.user, account.server);
    collection
        .create_item(&label, attributes(account), password.as_bytes(), true, "text/plain")
        .map_err(|error| failed(&error))?;
    Ok(true)
}

pub(crate) fn remove(account: &Account) -> Result<bool, Error> {
    let Some(service) = service() else { return Ok(false) };
    let found = service.search_items(attributes(account)).map_err(|error| failed(&error))?;
    for item in &found.locked {
        item.unlock().map_err(|error| failed(&error))?;
    }
    let mut any = false;
    for item in found.unlocked.iter().chain(&found.locked) {
        item.delete().map_err(|error| failed(&error))?;
        any = true;
    }
    Ok(any)
}

pub(crate) fn list() -> Result<Vec<Account>, Error> {
    let Some(service) = service() else { return Ok(Vec::new()) };
    let found = service.search_items(HashMap::from([SCHEMA])).map_err(|error| failed(&error))?;
    let items = found.unlocked.iter().chain(&found.locked).take(MOST);
    Ok(items.filter_map(account).collect())
}

/// The service, if this user has a session bus and there is one on it.
fn service() -> Option<SecretService> {
    if !is_own_bus(
        env::var("DBUS_SESSION_BUS_ADDRESS").ok().as_deref(),
        env::var_os("XDG_RUNTIME_DIR").as_deref(),
    ) {
        return None;
    }
    // In plain text on the bus: who could listen in on it could ask for the passwords as well.
    SecretService::connect_with_max_prompt_timeout(EncryptionType::Plain, PATIENCE).ok()
}

/// Whether the session bus that the environment names belongs to this user. It may be left from somebody else,
/// as after `su`, and root is let in on every bus; and where none is named, one would be started.
fn is_own_bus(address: Option<&str>, runtime: Option<&OsStr>) -> bool {
    let socket = match address.filter(|address| !address.is_empty()) {
        // Other ways to reach a bus have no owner to look at.
        Some(address) => match address.strip_prefix("unix:path=") {
            Some(path) => PathBuf::from(path.split([',', ';']).next().unwrap_or_default()),
            None => return false,
        },
        None => match runtime.filter(|runtime| !runtime.is_empty()) {
            Some(runtime) => Path::new(runtime).join("bus"),
            None => return false,
        },
    };
    fs::symlink_metadata(socket)
        .is_ok_and(|meta| meta.file_type().is_socket() && meta.uid() == dirs::effective_uid())
}

fn attributes(account: &Account) -> HashMap<&str, &str> {
    HashMap::from([SCHEMA, ("server", &account.server), ("user", &account.user)])
}

fn account(item: &Item<'_>) -> Option<Account> {
    let attributes = item.get_attributes().ok()?;
    Account::new(attributes.get("server")?, attributes.get("user")?)
}

fn failed(error: &dbus_secret_service::Error) -> Error {
    let said: String = error.to_string().chars().filter(|c| !c.is_control()).take(200).collect();
    Error(format!("the Secret Service of this session refuses: {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_bus_is_asked_only_if_it_is_this_users_own() {
        let runtime = tempfile::tempdir().unwrap();
        let socket = runtime.path().join("bus");
        let address = format!("unix:path={},guid=0123", socket.display());
        assert!(!is_own_bus(Some(&address), None), "there is none");
        let _listener = UnixListener::bind(&socket).unwrap();
        assert!(is_own_bus(Some(&address), None));
        assert!(is_own_bus(None, Some(runtime.path().as_os_str())));
        assert!(!is_own_bus(None, None));
        for other in ["unix:abstract=/tmp/dbus-x", "tcp:host=nas,port=1", "autolaunch:"] {
            assert!(!is_own_bus(Some(other), Some(runtime.path().as_os_str())), "{other}");
        }
        // A test of what root must not do can be made by root alone.
        if dirs::effective_uid() == 0 {
            std::os::unix::fs::chown(&socket, Some(65534), None).unwrap();
            assert!(!is_own_bus(Some(&address), None), "it is somebody else's");
        }
    }
}
