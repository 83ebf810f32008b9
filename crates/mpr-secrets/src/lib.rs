//! Where passwords are kept that people asked to be kept.
//!
//! | place | when | until |
//! |---|---|---|
//! | the desktop's Secret Service (GNOME Keyring, KWallet, KeePassXC) | if one answers on the session bus | it is removed |
//! | the kernel's keyring of the user | else | the machine is shut down, or nobody has used it for three days |
//!
//! One password is kept for one user on one server, whatever is connected there. Everything here may take as long
//! as the Secret Service takes: it is not for the process of an application, and not for a thread that others
//! wait for.

#![forbid(unsafe_code)]

mod kernel;
mod service;

use std::fmt;

use zeroize::Zeroizing;

/// The longest password that is kept, and the longest name.
const LONGEST: usize = 4096;

/// Whose password: a user on a server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account {
    /// The server as people write it, `//nas` or `//nas@14450`.
    pub server: String,
    /// The user as the server is told, `joe` or `DOMAIN\joe`.
    pub user: String,
}

impl Account {
    /// The account of `user` on `server`, if both are names. Neither servers nor users differ in case alone.
    #[must_use]
    pub fn new(server: &str, user: &str) -> Option<Account> {
        let usable =
            |name: &str| !name.is_empty() && name.len() <= LONGEST / 4 && !name.chars().any(char::is_control);
        (usable(server) && usable(user))
            .then(|| Account { server: server.to_lowercase(), user: user.to_lowercase() })
    }
}

/// Where a password is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The desktop's Secret Service.
    SecretService,
    /// The kernel's keyring.
    KernelKeyring,
}

/// Why a password could not be kept, found or removed. Says nothing of the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// The password kept for an account. A Secret Service that is locked has none: nobody is asked to unlock it.
pub fn find(account: &Account) -> Result<Option<Zeroizing<String>>, Error> {
    // What one place cannot say the other may.
    let in_service = service::find(account);
    if let Ok(Some(found)) = in_service {
        return Ok(Some(found));
    }
    match kernel::find(account)? {
        Some(found) => Ok(Some(found)),
        None => in_service,
    }
}

/// Keeps a password in place of any other for the account. May have the desktop ask the user to unlock theirs.
pub fn save(account: &Account, password: &str) -> Result<Place, Error> {
    if password.len() > LONGEST {
        return Err(Error(format!("a password of more than {LONGEST} bytes is not kept")));
    }
    if service::save(account, password)? {
        // One that is kept in two places is soon not the same in both.
        kernel::remove(account)?;
        return Ok(Place::SecretService);
    }
    kernel::save(account, password)?;
    Ok(Place::KernelKeyring)
}

/// Removes the password of an account wherever it is. Says whether there was one.
pub fn remove(account: &Account) -> Result<bool, Error> {
    let in_kernel = kernel::remove(account)?;
    Ok(service::remove(account)? | in_kernel)
}

/// Every account whose password is kept, in order.
pub fn list() -> Result<Vec<(Account, Place)>, Error> {
    let in_service = service::list()?.into_iter().map(|account| (account, Place::SecretService));
    let in_kernel = kernel::list()?.into_iter().map(|account| (account, Place::KernelKeyring));
    let mut all: Vec<(Account, Place)> = in_service.chain(in_kernel).collect();
    all.sort();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_differ_in_more_than_case() {
        assert_eq!(Account::new("//NAS", "Joe"), Account::new("//nas", "joe"));
        assert_ne!(Account::new("//nas@14450", "joe"), Account::new("//nas", "joe"));
        assert_eq!(Account::new("//nas", ""), None);
        assert_eq!(Account::new("//n\nas", "joe"), None);
        assert_eq!(Account::new(&"n".repeat(2000), "joe"), None);
    }
}
