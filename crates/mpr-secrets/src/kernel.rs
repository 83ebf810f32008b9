//! The kernel's keyring: the one a user has for three days after using it last, or else the one a user has while
//! logged in.

use linux_keyutils::{Key, KeyError, KeyRing, KeyRingIdentifier, LinkNode};
use zeroize::Zeroizing;

use crate::{Account, Error, LONGEST};

/// What the names of our keys begin with, before server and user.
const PREFIX: &str = "mpr";
/// Between the parts of a name: no part holds a control character.
const BETWEEN: char = '\u{1F}';
/// The most keys that are looked through.
const MOST: usize = 1024;

pub(crate) fn find(account: &Account) -> Result<Option<Zeroizing<String>>, Error> {
    let Some(keyring) = keyring() else { return Ok(None) };
    let Some(key) = look_up(&keyring, account)? else { return Ok(None) };
    let mut password = Zeroizing::new(vec![0; LONGEST]);
    let length = match key.read(&mut password) {
        Ok(length) => length.min(LONGEST),
        Err(error) if is_absent(error) => return Ok(None),
        Err(error) => return Err(failed("read from", error)),
    };
    match std::str::from_utf8(&password[..length]) {
        Ok(password) => Ok(Some(Zeroizing::new(password.to_owned()))),
        Err(_) => Err(Error("what the kernel keyring holds is no password of ours".to_owned())),
    }
}

pub(crate) fn save(account: &Account, password: &str) -> Result<(), Error> {
    let keyring = keyring().ok_or_else(|| {
        Error("there is neither a Secret Service nor a kernel keyring to keep a password in".to_owned())
    })?;
    keyring.add_key(&name(account), password.as_bytes()).map_err(|error| failed("write to", error))?;
    Ok(())
}

pub(crate) fn remove(account: &Account) -> Result<bool, Error> {
    let Some(keyring) = keyring() else { return Ok(false) };
    let Some(key) = look_up(&keyring, account)? else { return Ok(false) };
    // Whoever holds the key by its number finds nothing in it either.
    let _ = key.invalidate();
    Ok(true)
}

pub(crate) fn list() -> Result<Vec<Account>, Error> {
    let Some(keyring) = keyring() else { return Ok(Vec::new()) };
    let links = keyring.get_links(MOST).map_err(|error| failed("look into", error))?;
    let accounts = links.iter().filter_map(|link| match link {
        LinkNode::Key(key) => account(key.metadata().ok()?.get_description()),
        LinkNode::KeyRing(_) => None,
    });
    Ok(accounts.collect())
}

/// The keyring; none if the kernel has none for us.
fn keyring() -> Option<KeyRing> {
    KeyRing::get_persistent(KeyRingIdentifier::Process)
        .or_else(|_| KeyRing::from_special_id(KeyRingIdentifier::User, true))
        .ok()
}

fn look_up(keyring: &KeyRing, account: &Account) -> Result<Option<Key>, Error> {
    match keyring.search(&name(account)) {
        Ok(key) => Ok(Some(key)),
        Err(error) if is_absent(error) => Ok(None),
        Err(error) => Err(failed("look into", error)),
    }
}

fn is_absent(error: KeyError) -> bool {
    matches!(error, KeyError::KeyDoesNotExist | KeyError::KeyExpired | KeyError::KeyRevoked)
}

fn name(account: &Account) -> String {
    format!("{PREFIX}{BETWEEN}{}{BETWEEN}{}", account.server, account.user)
}

fn account(name: &str) -> Option<Account> {
    let (server, user) = name.strip_prefix(PREFIX)?.strip_prefix(BETWEEN)?.split_once(BETWEEN)?;
    Account::new(server, user)
}

fn failed(doing: &str, error: KeyError) -> Error {
    Error(format!("cannot {doing} the kernel keyring: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_for_its_account() {
        let joe = Account::new("//nas@14450", r"HOME\joe").unwrap();
        assert_eq!(account(&name(&joe)), Some(joe));
        assert_eq!(account("krb_ccache"), None);
        assert_eq!(account("mpr\u{1F}//nas"), None);
    }
}
