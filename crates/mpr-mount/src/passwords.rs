//! Passwords that are kept: used where none is given, replaced when the server takes another, and looked after on
//! request. All of it away from the threads that serve, and for no longer than somebody waits.

use std::time::Duration;

use mpr_abi::Status;
use mpr_helper::protocol::{Failure, Kept, KeptIn, Login, Server};
use mpr_remotefs::Reached;
use mpr_secrets::{Account, Error, Place};
use zeroize::Zeroizing;

/// How long looking for a kept password may take. Whoever connects waits for it.
const LOOKING: Duration = Duration::from_secs(2);
/// How long it may take to keep one: the desktop may have to ask its user.
const KEEPING: Duration = Duration::from_secs(90);

/// The password kept for `login`, where none was given. Wherever passwords are kept and cannot be asked, there
/// is none: connecting says then what is missing.
pub(crate) async fn or_kept(
    given: Option<Zeroizing<String>>,
    server: &Server,
    login: &Login,
) -> Option<Zeroizing<String>> {
    if given.is_some() {
        return given;
    }
    let account = account(server, login)?;
    apart(LOOKING, move || mpr_secrets::find(&account)).await.ok().flatten()
}

/// The server has taken `password`: whatever else is kept for this account is out of date. Waits for that a little,
/// so that a connection which is ended at once leaves no old password behind, and has it go on by itself where the
/// desktop asks its user.
pub(crate) async fn renew(server: &Server, login: &Login, password: Zeroizing<String>) {
    let Some(account) = account(server, login) else { return };
    let renewed = tokio::spawn(apart(KEEPING, move || match mpr_secrets::find(&account)? {
        Some(kept) if kept != password => mpr_secrets::save(&account, &password).map(drop),
        _ => Ok(()),
    }));
    let _ = tokio::time::timeout(LOOKING, renewed).await;
}

pub(crate) async fn keep(
    server: &Server,
    login: &Login,
    password: Option<Zeroizing<String>>,
) -> Reached<Vec<Kept>> {
    let account = account(server, login).ok_or_else(nobodys)?;
    let password =
        password.ok_or_else(|| Failure::new(Status::BAD_PASSWORD, "there is no password to keep"))?;
    let (server, user) = (account.server.clone(), account.user.clone());
    let place = apart(KEEPING, move || mpr_secrets::save(&account, &password)).await?;
    Ok(vec![Kept { server, user, place: kept_in(place) }])
}

pub(crate) async fn forget(server: &Server, login: &Login) -> Reached<Vec<Kept>> {
    let account = account(server, login).ok_or_else(nobodys)?;
    apart(KEEPING, move || {
        let kept = mpr_secrets::list()?.into_iter().filter(|(of, _)| *of == account).map(told).collect();
        mpr_secrets::remove(&account)?;
        Ok(kept)
    })
    .await
}

pub(crate) async fn list() -> Reached<Vec<Kept>> {
    apart(KEEPING, || Ok(mpr_secrets::list()?.into_iter().map(told).collect())).await
}

fn told((account, place): (Account, Place)) -> Kept {
    Kept { server: account.server, user: account.user, place: kept_in(place) }
}

fn kept_in(place: Place) -> KeptIn {
    match place {
        Place::SecretService => KeptIn::SecretService,
        Place::KernelKeyring => KeptIn::KernelKeyring,
    }
}

/// Whose password it would be; guests and nobody have none.
fn account(server: &Server, login: &Login) -> Option<Account> {
    let (user, domain) = match login {
        Login::Account { user, domain } => (user, domain.as_str()),
        Login::Own { user } => (user, ""),
        Login::Guest | Login::Anonymous => return None,
    };
    let server = match server.port {
        Some(port) => format!("//{}@{port}", server.host),
        None => format!("//{}", server.host),
    };
    let user = if domain.is_empty() { user.to_owned() } else { format!(r"{domain}\{user}") };
    Account::new(&server, &user)
}

fn nobodys() -> Failure {
    Failure::new(Status::BAD_USER, "passwords are kept for accounts only; name a user")
}

async fn apart<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Reached<T> {
    match tokio::time::timeout(patience, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(Ok(done))) => Ok(done),
        Ok(Ok(Err(error))) => Err(Failure::new(Status::NET_ERROR, error.to_string())),
        Ok(Err(_)) => Err(Failure::new(Status::NET_ERROR, "looking after passwords has failed")),
        Err(_) => Err(Failure::new(
            Status::NET_ERROR,
            format!(
                "the place where passwords are kept did not answer within {} seconds",
                patience.as_secs()
            ),
        )),
    }
}
