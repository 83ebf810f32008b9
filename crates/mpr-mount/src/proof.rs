//! By what a user is proved to a server: by the password that was given; else by a Kerberos ticket, where the user named
//! no account or the one the ticket is for; else by a password that is kept.
//!
//! Whoever cannot be proved is never made a guest. By what it was is settled once: a connection that is made again is made
//! by the same, and as the same user.

use std::time::Duration;

use mpr_abi::Status;
use mpr_helper::protocol::{Failure, Login, Server};
use mpr_kerberos::Why;
use mpr_remotefs::Reached;
use mpr_smb::Proof;
use zeroize::Zeroizing;

use crate::passwords;

/// How long looking for tickets may take. Whoever connects waits for it.
const LOOKING: Duration = Duration::from_secs(5);

/// Something that was reached.
#[derive(Debug)]
pub(crate) struct Proved<T> {
    pub(crate) reached: T,
    /// Why it was not by the ticket there is, if there is one.
    pub(crate) remark: Option<String>,
}

/// Reaches something by what there is.
pub(crate) async fn by_what_there_is<T>(
    server: &Server,
    login: &Login,
    given: Option<Zeroizing<String>>,
    reach: impl AsyncFn(Proof, Option<Zeroizing<String>>) -> Reached<T>,
) -> Reached<Proved<T>> {
    let mut remark = None;
    let mut no_ticket = None;
    if given.is_none()
        && let Some(wanted) = by_ticket(login)
    {
        match look(wanted.clone()).await {
            Ok(_) => match reach(Proof::Ticket(wanted), None).await {
                Ok(reached) => return Ok(Proved { reached, remark: None }),
                Err(failure) if is_about_the_user(&failure) => remark = Some(failure.message),
                Err(failure) => return Err(failure),
            },
            Err(Why::NoKerberos) => {}
            Err(why @ Why::NoTicket) => no_ticket = Some(why.to_string()),
            Err(why) => remark = Some(why.to_string()),
        }
    }
    let is_given = given.is_some();
    let password = passwords::or_kept(given, server, login).await;
    let is_kept = !is_given && password.is_some();
    match reach(Proof::Password, password).await {
        Ok(reached) => Ok(Proved { reached, remark }),
        Err(mut failure) => {
            if is_kept && failure.status == Status::LOGON_FAILURE.0 {
                failure.message += "; it was the password that is kept";
            }
            if let Some(why) = remark.or(no_ticket).filter(|_| is_about_the_user(&failure)) {
                failure.message = format!("{}; {why}", failure.message);
            }
            Err(failure)
        }
    }
}

/// Whether a ticket may prove this user, and the principal it has to be of if an account was named.
fn by_ticket(login: &Login) -> Option<Option<String>> {
    match login {
        Login::Own { .. } => Some(None),
        Login::Account { user, domain } if domain.is_empty() && user.contains('@') => {
            Some(Some(user.clone()))
        }
        // Of the server's own, as far as anybody knows.
        Login::Account { .. } | Login::Guest | Login::Anonymous => None,
    }
}

fn is_about_the_user(failure: &Failure) -> bool {
    matches!(Status(failure.status), Status::BAD_PASSWORD | Status::LOGON_FAILURE)
}

/// Looks whether there is a ticket; nobody on the network is asked.
async fn look(wanted: Option<String>) -> Result<String, Why> {
    let looking = tokio::task::spawn_blocking(move || mpr_kerberos::look(wanted.as_deref()));
    match tokio::time::timeout(LOOKING, looking).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => Err(Why::Failed(error.to_string())),
        Err(_) => Err(Why::Failed("where the Kerberos tickets are kept does not answer".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_for_whoever_named_nobody_or_its_principal() {
        let account =
            |user: &str, domain: &str| Login::Account { user: user.to_owned(), domain: domain.to_owned() };
        assert_eq!(by_ticket(&Login::Own { user: "joe".into() }), Some(None));
        assert_eq!(by_ticket(&account("joe@corp.example", "")), Some(Some("joe@corp.example".into())));
        for other in [account("joe", ""), account("joe", "CORP"), Login::Guest, Login::Anonymous] {
            assert_eq!(by_ticket(&other), None, "{other:?}");
        }
    }
}
