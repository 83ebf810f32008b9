//! Proving to a server who the user is by a Kerberos ticket.
//!
//! The tickets are the system's affair, and so is the library that knows about them: MIT's GSSAPI, loaded when it is
//! first needed. It finds the user's tickets wherever they are kept (files, directories, the kernel's keyring, KCM), the
//! realm of a server and its key distribution centres, and gets the ticket for the server. What remains to be done here is to
//! judge whether the place of the tickets is the user's own ([`cache`]), to name the server, and to keep the failures
//! apart ([`Why`]).
//!
//! Everything here waits for files, and for key distribution centres: it is not for threads that others wait for.

mod cache;
mod gss;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mpr_helper::dirs;
use zeroize::Zeroizing;

use crate::gss::{Context, Credential, Gss, Name, NameKind, Refusal};

/// After a first name of the server has taken longer than this, no second one is tried.
const FIRST_NAME: Duration = Duration::from_secs(3);

/// Why there is no proof by a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// This system has no Kerberos library, or neither realm nor ticket, or the process is not to use it.
    NoKerberos,
    /// The user has no ticket, or none of the one that was asked for.
    NoTicket,
    /// There are tickets, and their time is over.
    Expired {
        /// Whose they are, if that is known.
        principal: String,
    },
    /// What holds the tickets could be somebody else's work.
    Distrusted(String),
    /// Anything else, in the library's words.
    Failed(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::NoKerberos => f.write_str("this system has no Kerberos"),
            Why::NoTicket => f.write_str("there is no Kerberos ticket"),
            Why::Expired { principal } if principal.is_empty() => {
                f.write_str("the Kerberos ticket has expired; renew it with kinit")
            }
            Why::Expired { principal } => {
                write!(f, "the Kerberos ticket of {principal} has expired; renew it with kinit")
            }
            Why::Distrusted(what) => write!(f, "the Kerberos tickets are not used: {what}"),
            Why::Failed(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Why {}

/// An exchange of proofs with a server that has begun.
pub struct Exchange {
    context: Context,
    principal: String,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("principal", &self.principal).finish_non_exhaustive()
    }
}

/// The name of the place the user's tickets are in, as `FILE:/tmp/krb5cc_1000`; `None` without Kerberos. Asks nobody.
#[must_use]
pub fn place() -> Option<String> {
    library().ok()?.default_cache().ok()
}

/// Begins to prove to the service `service` on `host` who the user is; answers the first message to it, which is of
/// SPNEGO. `wanted` names the principal that is to be proved; without it, it is the one the user's tickets are for, or
/// among several the one that suits the server best.
pub fn begin(service: &str, host: &str, wanted: Option<&str>) -> Result<(Exchange, Vec<u8>), Why> {
    let gss = library()?;
    let host = plain_host(host).ok_or_else(|| Why::Failed("the server's name is no host name".to_owned()))?;
    let credential = Arc::new(tickets(gss, wanted)?);

    let begun = Instant::now();
    let realm = gss.realm_of(&host).map_err(failed)?;
    // As it was typed, which nobody on the network can change.
    let typed = Name::of(gss, NameKind::Principal, &format!("{service}/{host}@{realm}")).map_err(failed)?;
    let first = match Context::begin(gss, Arc::clone(&credential), typed) {
        // What the administrator has the names of servers made into; by default that asks the DNS. An address would be
        // made into whatever its owner says.
        Err(refusal)
            if !refusal.expired && host.parse::<IpAddr>().is_err() && begun.elapsed() < FIRST_NAME =>
        {
            let made = Name::of(gss, NameKind::HostService, &format!("{service}@{host}")).map_err(failed)?;
            Context::begin(gss, Arc::clone(&credential), made).map_err(|_| refusal)
        }
        first => first,
    };
    let (context, message) = first.map_err(|refusal| match refusal.expired {
        true => Why::Expired { principal: credential.principal.clone() },
        false => failed(refusal),
    })?;
    let principal = context.principal().unwrap_or_else(|_| credential.principal.clone());
    Ok((Exchange { context, principal }, message))
}

/// Looks whether there is a ticket of this principal, or any at all, and answers whose it is. Nobody on the network
/// is asked.
pub fn look(wanted: Option<&str>) -> Result<String, Why> {
    let gss = library()?;
    match tickets(gss, wanted) {
        Ok(credential) => Ok(credential.principal.clone()),
        Err(Why::NoTicket) if !gss.has_realm() => Err(Why::NoKerberos),
        Err(why) => Err(why),
    }
}

impl Exchange {
    /// Goes on with what the server has answered; answers what it is to be told next, if anything.
    pub fn go_on(&mut self, answer: &[u8]) -> Result<Option<Vec<u8>>, Why> {
        let next = self.context.go_on(answer).map_err(failed)?;
        if self.is_complete() && self.context.principal().map_err(failed)? != self.principal {
            return Err(Why::Failed(format!("it was not {} who was proved", self.principal)));
        }
        Ok(next)
    }

    /// Whether both sides have proved who they are.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.context.is_complete()
    }

    /// Who has been proved to be there: `joe@CORP.EXAMPLE`.
    #[must_use]
    pub fn principal(&self) -> &str {
        &self.principal
    }

    /// The key both sides have now. `None` before the exchange is complete.
    pub fn key(&self) -> Result<Option<Zeroizing<Vec<u8>>>, Why> {
        if !self.is_complete() {
            return Ok(None);
        }
        self.context.key().map(Some).map_err(failed)
    }
}

fn library() -> Result<&'static Gss, Why> {
    // Whoever started a privileged program would choose its tickets, and so whom it becomes.
    if dirs::is_elevated() {
        return Err(Why::NoKerberos);
    }
    Gss::of_the_system().ok_or(Why::NoKerberos)
}

/// The user's tickets, of this principal or of whomever they are for.
fn tickets(gss: &'static Gss, wanted: Option<&str>) -> Result<Credential, Why> {
    let cache = gss.default_cache().map_err(failed)?;
    cache::judge(&cache, dirs::effective_uid())?;
    let owner = wanted.map(|wanted| owner(gss, wanted)).transpose()?;
    let expired = |principal: &str| match (principal, wanted) {
        ("", Some(wanted)) => Why::Expired { principal: wanted.to_owned() },
        ("", None) => Why::Expired { principal: gss.owner_of_cache() },
        (principal, _) => Why::Expired { principal: principal.to_owned() },
    };
    match Credential::acquire(gss, owner.as_ref()) {
        Ok(credential) if credential.expired => Err(expired(&credential.principal)),
        Ok(credential) => Ok(credential),
        Err(refusal) if refusal.expired => Err(expired("")),
        Err(refusal) if refusal.none => Err(Why::NoTicket),
        Err(refusal) => Err(failed(refusal)),
    }
}

/// The principal that is meant by `joe@corp.example`: of realms, nobody writes the case.
fn owner(gss: &'static Gss, wanted: &str) -> Result<Name, Why> {
    let (user, realm) = wanted.rsplit_once('@').ok_or(Why::NoTicket)?;
    let plain = |text: &str| !text.is_empty() && !text.contains(['/', '@', '\\', '\0']);
    if !plain(user) || !plain(realm) {
        return Err(Why::NoTicket);
    }
    Name::of(gss, NameKind::Principal, &format!("{user}@{}", realm.to_uppercase())).map_err(failed)
}

/// A host as services are named by it; `None` for what could not be one.
fn plain_host(host: &str) -> Option<String> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    (!host.is_empty() && host.len() <= 255 && host.chars().all(plain)).then(|| host.to_ascii_lowercase())
}

fn failed(refusal: Refusal) -> Why {
    Why::Failed(refusal.words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_never_part_of_a_principal() {
        assert_eq!(plain_host("NAS.corp.example.").as_deref(), Some("nas.corp.example"));
        assert_eq!(plain_host("fe80::1").as_deref(), Some("fe80::1"));
        for bad in ["", ".", "nas@EVIL", "nas/x", "a b", "n\u{e4}s", "nas\\", "nas\0"] {
            assert_eq!(plain_host(bad).filter(|host| !host.is_empty()), None, "{bad:?}");
        }
    }

    #[test]
    fn what_went_wrong_is_said_with_what_to_do() {
        let why = Why::Expired { principal: "joe@CORP.EXAMPLE".into() };
        assert!(why.to_string().contains("joe@CORP.EXAMPLE has expired; renew it with kinit"));
    }
}
