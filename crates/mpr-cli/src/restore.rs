//! `mpr restore`

use crate::connect;
use crate::connecting::{self, Credentials};
use crate::explain;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::names;
use crate::output::{Output, clean};
use crate::patience;
use crate::terminal::Terminal;
use mpr::store::Entry;
use mpr::{Answer, AskCredentials, Restoration, Restored, Router, extended_error};
use mpr_plugin::{Status, wide};
use serde_json::json;

/// Connects what is remembered
#[derive(clap::Args, Debug)]
pub(crate) struct Restore {
    /// Local name; everything remembered if left out
    local: Option<String>,
    /// Ask for the password where the one at hand is refused
    #[arg(long)]
    ask: bool,
}

pub(crate) fn run(restore: &Restore, output: &Output) -> Result<(), Failure> {
    let router = Router::system();
    if restore.ask && Terminal::open(None).is_none() {
        return Err(Failure::other(
            "there is no terminal to ask for a password at",
            "restore without --ask, or connect by hand",
        ));
    }
    let mut asking = Asking { output, about: String::new(), times: 0 };
    let ask = if restore.ask { Some(&mut asking as &mut dyn AskCredentials) } else { None };
    match &restore.local {
        Some(local) => one(router, local, ask, output),
        None => everything(router, ask, output),
    }
}

fn one(
    router: &Router,
    local: &str,
    ask: Option<&mut dyn AskCredentials>,
    output: &Output,
) -> Result<(), Failure> {
    let local = names::device(local).map_or_else(|| local.to_owned(), |device| device.to_string());
    extended_error::clear();
    let waiting = format!("restoring {}", clean(&local));
    let restored = patience::during(&waiting, output.quiet, None, || router.restore_one(&wide(&local), ask));
    restored.map_err(|status| failure(status, format!("restore {local}"), None, &local))?;
    output.result(
        &json!({ "local": local, "result": "restored" }),
        format_args!("{} is restored", clean(&local)),
    )
}

fn everything(router: &Router, ask: Option<&mut dyn AskCredentials>, output: &Output) -> Result<(), Failure> {
    extended_error::clear();
    let waiting = "restoring the remembered connections";
    let restored = patience::during(waiting, output.quiet, None, || router.restore_all(ask));
    let restored =
        restored.map_err(|status| Failure::status(status, "restore the remembered connections"))?;
    if restored.is_empty() {
        output.note("nothing is remembered");
    }
    let mut failed = false;
    for one in &restored {
        failed |= one.result.is_err();
        tell(one, output)?;
    }
    if failed { Err(Failure::Told) } else { Ok(()) }
}

fn tell(one: &Restoration, output: &Output) -> Result<(), Failure> {
    let (local, remote) = (one.entry.device.to_string(), &one.entry.remote);
    let shown = format!("{local} to {}", clean(remote));
    let (result, text, status) = match one.result {
        Ok(Restored::Now) => ("restored", format!("{shown} is restored"), None),
        Ok(Restored::Already) => ("already", format!("{local} is connected already"), None),
        Err(status) => ("failed", String::new(), Some(status)),
    };
    if output.json {
        let error = status.map(|status| json!({ "code": status.0, "name": explain::name(status) }));
        return output.object(&json!({ "local": local, "remote": remote, "result": result, "error": error }));
    }
    match status {
        None => output.done(text),
        Some(status) => {
            failure(status, format!("restore {shown}"), Some(remote), &local).tell(output);
            Ok(())
        }
    }
}

/// Why one is not restored. Where it is for want of a password, that can be asked for without connecting anew.
fn failure(status: Status, doing: String, remote: Option<&str>, local: &str) -> Failure {
    let failure = Failure::about(status, doing, remote, Some(local));
    match status {
        Status::BAD_PASSWORD | Status::LOGON_FAILURE => {
            failure.with_hint("be asked for it: mpr restore LOCAL --ask")
        }
        _ => failure,
    }
}

/// Asks at the terminal.
struct Asking<'a> {
    output: &'a Output,
    /// What was asked about last, and how often.
    about: String,
    times: u32,
}

impl AskCredentials for Asking<'_> {
    fn ask(&mut self, entry: &Entry, status: Status) -> Answer {
        let (device, remote) = (entry.device.to_string(), clean(&entry.remote));
        if self.about != device {
            (self.about, self.times) = (device.clone(), 0);
        }
        // Servers lock accounts for which wrong passwords do not end.
        if self.times == connecting::TRIES {
            return Answer::Leave;
        }
        self.times += 1;
        self.output.note(format_args!("{device} to {remote}: {} ({})", explain::meaning(status), status.0));
        // An interrupt ends the question, and with it the restoring; between questions it ends the process.
        let Ok(interrupt) = Interrupt::ask_to_stop() else { return Answer::Stop };
        let Some(terminal) = Terminal::open(Some(&interrupt)) else { return Answer::Stop };
        let answer = connecting::credentials(
            &terminal,
            entry.user.as_deref(),
            || (connect::QUESTIONS.user)(&entry.remote),
            |user| (connect::QUESTIONS.password)(&entry.remote, user),
        );
        match answer {
            Ok(Some(Credentials { user, password })) => {
                Answer::Retry { user: user.as_deref().map(wide), password }
            }
            Ok(None) if interrupt.came() => Answer::Stop,
            Ok(None) => Answer::Skip,
            // Where a question cannot be put, the next one cannot either.
            Err(_) => Answer::Stop,
        }
    }
}
