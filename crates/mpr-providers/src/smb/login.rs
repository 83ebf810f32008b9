//! Who connects: the user and the password an application gave, as a helper wants them.

use mpr_helper::dirs;
use mpr_helper::protocol::Login;
use mpr_plugin::{Status, WideStr};
use zeroize::Zeroizing;

/// The longest name of a user, and of a domain, in characters.
const MAX_NAME: usize = 256;
/// The longest password, in bytes of UTF-8.
const MAX_PASSWORD: usize = mpr_helper::frame::MAX_SECRET;

/// A user and perhaps a password.
pub(super) struct Credentials {
    /// What the helper is told.
    pub(super) login: Login,
    /// What `NPGetUser` answers later: usable in another add.
    pub(super) user: Option<String>,
    /// Wiped when dropped.
    pub(super) password: Option<Zeroizing<Vec<u8>>>,
}

impl Credentials {
    /// | user | password | |
    /// |---|---|---|
    /// | none | none | whoever the user's ticket is for, else the user of this process |
    /// | none | any | the user of this process |
    /// | empty | none or empty | nobody: an anonymous connection |
    /// | `guest` | any | the server's guest account |
    /// | `DOMAIN\user`, `user@domain`, `user` | any | that account |
    ///
    /// An account without a password is for the helper to find a ticket or a kept password for, or to refuse.
    pub(super) fn of(user: Option<&WideStr>, password: Option<&WideStr>) -> Result<Credentials, Status> {
        let password = password.map(password_in).transpose()?;
        let given = user.map(name_in).transpose()?;
        let login = match given.as_deref() {
            None => Login::Own { user: dirs::user_name().ok_or(Status::BAD_USER)? },
            Some("") if password.as_ref().is_none_or(|password| password.is_empty()) => Login::Anonymous,
            Some("") => return Err(Status::BAD_USER),
            Some(user) if user.eq_ignore_ascii_case("guest") => Login::Guest,
            Some(user) => match user.split_once('\\') {
                None => Login::Account { user: user.to_owned(), domain: String::new() },
                Some((domain, user)) if !user.is_empty() && !user.contains('\\') => {
                    Login::Account { user: user.to_owned(), domain: domain.to_owned() }
                }
                Some(_) => return Err(Status::BAD_USER),
            },
        };
        // The password of nobody is nothing to send.
        let password = password.filter(|_| login != Login::Anonymous);
        Ok(Credentials { login, user: given, password })
    }
}

fn name_in(user: &WideStr) -> Result<String, Status> {
    let user = user.to_string().map_err(|_| Status::BAD_USER)?;
    if user.chars().count() > 2 * MAX_NAME + 1 || user.chars().any(char::is_control) {
        return Err(Status::BAD_USER);
    }
    Ok(user)
}

/// As UTF-8, without a copy that is not wiped.
fn password_in(password: &WideStr) -> Result<Zeroizing<Vec<u8>>, Status> {
    // Room for the longest form at once: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(3 * password.len()));
    for unit in char::decode_utf16(password.as_slice().iter().copied()) {
        let mut buffer = Zeroizing::new([0; 4]);
        let character = unit.map_err(|_| Status::BAD_PASSWORD)?;
        bytes.extend_from_slice(character.encode_utf8(&mut *buffer).as_bytes());
    }
    if bytes.len() > MAX_PASSWORD { Err(Status::BAD_PASSWORD) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mpr_plugin::{WideString, wide};

    fn credentials(user: Option<&str>, password: Option<&str>) -> Result<Credentials, Status> {
        let (user, password) = (user.map(wide), password.map(wide));
        Credentials::of(user.as_deref(), password.as_deref())
    }

    fn login(user: Option<&str>, password: Option<&str>) -> Result<Login, Status> {
        credentials(user, password).map(|credentials| credentials.login)
    }

    fn account(user: &str, domain: &str) -> Result<Login, Status> {
        Ok(Login::Account { user: user.into(), domain: domain.into() })
    }

    #[test]
    fn a_user_may_carry_a_domain_in_front() {
        assert_eq!(login(Some(r"CORP\ann"), Some("x")), account("ann", "CORP"));
        assert_eq!(login(Some("ann@corp.example"), Some("x")), account("ann@corp.example", ""));
        assert_eq!(login(Some(r".\ann"), Some("x")), account("ann", "."));
        for wrong in [r"CORP\", r"A\B\c", "a\nb"] {
            assert_eq!(login(Some(wrong), Some("x")), Err(Status::BAD_USER), "{wrong:?}");
        }
    }

    #[test]
    fn nobody_and_guests_are_who_say_so() {
        assert_eq!(login(Some(""), None), Ok(Login::Anonymous));
        assert_eq!(login(Some(""), Some("")), Ok(Login::Anonymous));
        assert_eq!(login(Some(""), Some("x")), Err(Status::BAD_USER));
        assert_eq!(login(Some("Guest"), None), Ok(Login::Guest));
        assert!(matches!(login(None, None), Ok(Login::Own { .. })));
    }

    #[test]
    fn a_password_arrives_in_utf_8() {
        let given = credentials(Some("ann"), Some("pä\u{1F600}")).unwrap();
        assert_eq!(given.password.unwrap().as_slice(), "pä\u{1F600}".as_bytes());
        assert_eq!(given.user.as_deref(), Some("ann"));
        let lone = WideString::from_vec(vec![0xD800]).unwrap();
        assert_eq!(Credentials::of(None, Some(&lone)).err(), Some(Status::BAD_PASSWORD));
        let long = "x".repeat(MAX_PASSWORD + 1);
        assert_eq!(credentials(Some("ann"), Some(&long)).err(), Some(Status::BAD_PASSWORD));
    }
}
