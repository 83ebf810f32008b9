//! One attempt after another to connect a resource, as `mpr connect` and `mpr net use` make them.

use crate::failure::{Failure, Refusal};
use crate::interrupt::Interrupt;
use crate::names::RemoteName;
use crate::output::{Output, clean};
use crate::patience;
use crate::place::Places;
use crate::terminal::Terminal;
use mpr::extended_error::{self, ExtendedError};
use mpr::{AccessBuffer, AddRequest, CancelRequest, Router, Secret, UseError};
use mpr_core::device::LocalDevice;
use mpr_plugin::abi::{
    CONNECT_REDIRECT, CONNECT_UPDATE_PROFILE, CONNECT_UPDATE_RECENT, RESOURCETYPE_ANY, RESOURCETYPE_DISK,
};
use mpr_plugin::{Status, WideStr, WideString, wide};
use std::path::PathBuf;

/// How often a password is asked for.
pub(crate) const TRIES: u32 = 3;

/// The local name of a connection to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Local {
    /// None: a deviceless connection.
    None,
    /// `*`: a free drive letter is to be chosen.
    Chosen,
    /// This one.
    Named(LocalDevice),
}

/// A connection to be made.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) remote: RemoteName,
    pub(crate) local: Local,
    pub(crate) provider: Option<String>,
    pub(crate) user: Option<String>,
    /// `None`: whatever the provider has.
    pub(crate) password: Option<Secret>,
    /// Options of the provider's, as it takes them; empty for none.
    pub(crate) options: String,
    /// `CONNECT_*` flags besides those that follow from the rest.
    pub(crate) flags: u32,
    pub(crate) persist: bool,
    /// Whether to ask when the provider refuses the credentials.
    pub(crate) ask: bool,
}

/// A connection that was made.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) local: Option<LocalDevice>,
    pub(crate) remote: String,
    pub(crate) path: Option<PathBuf>,
    pub(crate) remembered: bool,
}

/// What to say when it is asked for credentials.
pub(crate) struct Questions {
    /// Asked where no user is named, with the resource.
    pub(crate) user: fn(&str) -> String,
    /// With the resource, and the user if one is named.
    pub(crate) password: fn(&str, Option<&str>) -> String,
}

impl Wish {
    /// "connect Z: to \\nas\photos"
    pub(crate) fn doing(&self) -> String {
        let remote = clean(&self.remote.canonical);
        match &self.local {
            Local::None => format!("connect {remote}"),
            Local::Chosen => format!("connect a drive letter to {remote}"),
            Local::Named(device) => format!("connect {device} to {remote}"),
        }
    }

    fn local_text(&self) -> Option<String> {
        match &self.local {
            Local::Named(device) => Some(device.to_string()),
            Local::None | Local::Chosen => None,
        }
    }

    /// The request as the router takes it.
    pub(crate) fn with_request<T>(&self, router: &Router, work: impl FnOnce(&AddRequest<'_>) -> T) -> T {
        let local = self.local_text().as_deref().map(wide);
        let remote = wide(&self.remote.typed);
        let provider = self.provider.as_deref().map(wide);
        let user = self.user.as_deref().map(wide);
        work(&AddRequest {
            // A drive is to be chosen for disks alone; otherwise the device, or the provider, says what it is.
            kind: if self.local == Local::Chosen { RESOURCETYPE_DISK } else { RESOURCETYPE_ANY },
            local: local.as_deref(),
            remote: Some(&remote),
            provider: provider.as_deref(),
            credentials: mpr::Credentials::Password {
                user: user.as_deref(),
                password: self.password.as_ref().map(Secret::as_wide),
            },
            use_options: self.options.as_bytes(),
            flags: self.flags(router),
            ..AddRequest::default()
        })
    }

    fn failure(&self, status: Status) -> Failure {
        Failure::about(status, self.doing(), Some(&self.remote.canonical), self.local_text().as_deref())
    }

    fn flags(&self, router: &Router) -> u32 {
        let mut flags = self.flags;
        if self.local == Local::Chosen {
            flags |= CONNECT_REDIRECT;
        }
        if self.local != Local::None {
            if self.persist {
                flags |= CONNECT_UPDATE_PROFILE;
            }
            // The list of recent names is a convenience: not worth failing for after the connection is made.
            if router.store().is_ok_and(|store| store.check_writable().is_ok()) {
                flags |= CONNECT_UPDATE_RECENT;
            }
        }
        flags
    }
}

/// Connects. Asks for credentials when they are refused, somebody is there to be asked, and the wish allows it.
pub(crate) fn connect(
    router: &Router,
    wish: &mut Wish,
    questions: &Questions,
    output: &Output,
) -> Result<Connected, Failure> {
    let interrupt = Interrupt::ask_to_stop()
        .map_err(|error| Failure::other(format!("cannot watch for interrupts: {error}"), "try again"))?;
    let terminal = if wish.ask { Terminal::open(Some(&interrupt)) } else { None };
    let mut tries = 0;
    loop {
        let failure = match attempt(router, wish, &interrupt, output) {
            Ok(connected) => return Ok(connected),
            Err(failure) => failure,
        };
        let Failure::Status(refusal) = &failure else { return Err(failure) };
        let Some(terminal) =
            terminal.as_ref().filter(|_| tries < TRIES && is_about_credentials(router, refusal))
        else {
            return Err(failure);
        };
        tries += 1;
        // Before anybody was asked, "none was given" is no news; that a ticket is of no use, is.
        let none_given = wish.password.is_none() && refusal.status == Status::BAD_PASSWORD;
        if !none_given || refusal.extended.text.to_string_lossy().contains("Kerberos") {
            output.note(format_args!("{}", clean(&why_asked(refusal))));
        }
        if !ask(terminal, wish, questions)? {
            return Err(Failure::about(Status::CANCEL, wish.doing(), Some(&wish.remote.canonical), None));
        }
    }
}

/// Whether other credentials could help. A code alone does not tell: a notification library that refuses with
/// 5 is not to be answered with a password, and it is told by its name in the error it leaves behind.
pub(crate) fn is_about_credentials(router: &Router, refusal: &Refusal) -> bool {
    let by_provider = |error: &ExtendedError| {
        let nobody = error.provider.is_empty();
        let name = error.provider.to_string_lossy().to_lowercase();
        nobody
            || router
                .network_providers()
                .any(|provider| provider.name.to_string_lossy().to_lowercase() == name)
    };
    match refusal.status {
        Status::BAD_PASSWORD | Status::LOGON_FAILURE => true,
        Status::ACCESS_DENIED => by_provider(&refusal.extended),
        _ => false,
    }
}

pub(crate) fn why_asked(refusal: &Refusal) -> String {
    let text = refusal.extended.text.to_string_lossy();
    let reason = if text.is_empty() { crate::explain::meaning(refusal.status).to_owned() } else { text };
    format!("{} ({}): {reason}", crate::explain::name(refusal.status), refusal.status.0)
}

/// What was answered.
pub(crate) struct Credentials {
    /// `None`: the user known before.
    pub(crate) user: Option<String>,
    pub(crate) password: Secret,
}

/// Asks for a password, and before it for a user where none is `known`. `None`: there was no answer.
pub(crate) fn credentials(
    terminal: &Terminal<'_>,
    known: Option<&str>,
    user_question: impl FnOnce() -> String,
    password_question: impl FnOnce(Option<&str>) -> String,
) -> Result<Option<Credentials>, Failure> {
    let failed = |error: std::io::Error| {
        Failure::other(
            format!("cannot ask at the terminal: {error}"),
            "use --password-stdin or --password-file",
        )
    };
    let mut user = None;
    if known.is_none() {
        let Some(answer) = terminal.ask(&user_question()).map_err(failed)? else { return Ok(None) };
        user = Some(answer).filter(|answer| !answer.is_empty());
    }
    let question = password_question(user.as_deref().or(known));
    let password = terminal.ask_secret(&question).map_err(failed)?;
    Ok(password.map(|password| Credentials { user, password }))
}

/// Asks for what is missing; `false` if there was no answer.
pub(crate) fn ask(terminal: &Terminal<'_>, wish: &mut Wish, questions: &Questions) -> Result<bool, Failure> {
    let known = wish.user.as_deref().or(wish.remote.user.as_deref());
    let answer = credentials(
        terminal,
        known,
        || (questions.user)(&wish.remote.canonical),
        |user| (questions.password)(&wish.remote.canonical, user),
    )?;
    let Some(Credentials { user, password }) = answer else { return Ok(false) };
    wish.user = user.or(wish.user.take());
    wish.password = Some(password);
    Ok(true)
}

fn attempt(
    router: &Router,
    wish: &Wish,
    interrupt: &Interrupt,
    output: &Output,
) -> Result<Connected, Failure> {
    let flags = wish.flags(router);
    let before = Before::of(router, &wish.local);
    extended_error::clear();
    let waiting = format!("connecting to {}", clean(&wish.remote.canonical));
    let added = patience::during(&waiting, output.quiet, Some(interrupt), || {
        wish.with_request(router, |request| {
            let access = AccessBuffer { capacity: Some(u32::MAX), length };
            let added = router.use_connection(request, Some(access))?;
            Ok(Made {
                local: added.local.as_deref().map(WideStr::to_ucstring),
                remote: added.remote.as_ref().to_ucstring(),
            })
        })
    });
    let added = match added {
        Ok(added) => added,
        Err(_) if interrupt.came() => return Err(wish.failure(Status::CANCEL)),
        Err(UseError::Failed(status)) => return Err(wish.failure(status)),
        Err(UseError::AccessNameTooLong { .. }) => return Err(wish.failure(Status::MORE_DATA)),
    };
    let device = added.local.as_deref().and_then(|local| LocalDevice::parse(local.as_slice()));
    if interrupt.came() {
        take_back(router, added.access_name(), device.is_some() && !before.remembered(device.as_ref()));
        return Err(wish.failure(Status::CANCEL));
    }
    let remote = added.remote.to_string_lossy();
    Ok(Connected {
        path: Places::now(router).of(device.as_ref(), &remote),
        remembered: flags & CONNECT_UPDATE_PROFILE != 0 && device.is_some(),
        local: device,
        remote,
    })
}

/// What was connected, as the router names it.
struct Made {
    local: Option<WideString>,
    remote: WideString,
}

impl Made {
    fn access_name(&self) -> &WideStr {
        self.local.as_deref().unwrap_or(&self.remote)
    }
}

fn length(name: &WideStr) -> u32 {
    name.len() as u32 + 1
}

/// What was remembered before, so that taking a connection back forgets no more than it brought.
struct Before(Vec<LocalDevice>);

impl Before {
    fn of(router: &Router, local: &Local) -> Before {
        if *local == Local::None {
            return Before(Vec::new());
        }
        let entries = router.store().ok().and_then(|store| store.entries().ok()).unwrap_or_default();
        Before(entries.into_iter().map(|entry| entry.device).collect())
    }

    fn remembered(&self, device: Option<&LocalDevice>) -> bool {
        device.is_some_and(|device| self.0.contains(device))
    }
}

/// Undoes a connection that nobody wants any more.
fn take_back(router: &Router, name: &WideStr, forget: bool) {
    let flags = if forget { CONNECT_UPDATE_PROFILE } else { 0 };
    // It was interrupted either way; a connection that would not go is in `mpr list`.
    _ = router.cancel_connection(&CancelRequest { name, flags, force: true });
}
