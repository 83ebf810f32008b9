//! Trying a plug-in in a host, to see what it does and how long it takes: `mpr notifyee check`, `mpr provider check`.
//!
//! Nothing is written down of what comes of it, and nothing is registered.

use super::line::Question;
use super::silence::Silence;
use super::turn::Hosted;
use super::{listener, provider};
use crate::config::Sandbox;
use crate::library::{LoadError, Terms, examine};
use mpr_helper::host::provider::{Ask, Function};
use mpr_helper::host::{self, Load};
use mpr_plugin::abi::{NOTIFY_POST, NOTIFY_PRE, RESOURCETYPE_DISK};
use mpr_plugin::{Capabilities, Event, Status, WideStr, WideString, wide};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A plug-in in a host of its own.
#[derive(Debug)]
pub struct Trial {
    hosted: Hosted,
    path: PathBuf,
    limit: u32,
}

/// What came of one call.
#[derive(Debug)]
pub struct Tried {
    /// What it was called for.
    pub call: &'static str,
    /// How long it took.
    pub took: Duration,
    /// What it returned; the error is why there is no answer.
    pub answer: Result<Status, String>,
    /// What it left for `WNetGetLastError`.
    pub said: Option<String>,
}

/// What a plug-in is called with: a name that is nobody's, and says what it is there for.
const REMOTE: &str = r"\\mpr-check\test";

impl Trial {
    /// Loads the notification library at `path` in a host. Says how long that took.
    ///
    /// # Errors
    ///
    /// Why it cannot be.
    pub fn of_notifyee(
        path: &Path,
        sandbox: Sandbox,
        limit: u32,
        terms: &Terms,
    ) -> Result<(Trial, Duration), LoadError> {
        let load = Load::Library {
            path: path.to_owned(),
            add: true,
            cancel: true,
            sandbox,
            conditions: terms.conditions(),
        };
        Trial::begin("the notification library", path, load, limit, terms)
    }

    /// Loads the provider at `path` in a host. Says how long that took.
    ///
    /// # Errors
    ///
    /// Why it cannot be.
    pub fn of_provider(
        path: &Path,
        sandbox: Sandbox,
        limit: u32,
        terms: &Terms,
    ) -> Result<(Trial, Duration), LoadError> {
        let load = Load::Provider { path: path.to_owned(), sandbox, conditions: terms.conditions() };
        Trial::begin("the provider", path, load, limit, terms)
    }

    fn begin(
        kind: &str,
        path: &Path,
        load: Load,
        limit: u32,
        terms: &Terms,
    ) -> Result<(Trial, Duration), LoadError> {
        examine(path, terms)?;
        let hosted = Hosted::new(kind.to_owned(), load, None);
        let trial = Trial { hosted, path: path.to_owned(), limit };
        let began = Instant::now();
        let deadline = trial.deadline();
        let opened = trial.hosted.take_turn(deadline).and_then(|mut turn| turn.open(deadline));
        match opened {
            Ok(()) => Ok((trial, began.elapsed())),
            Err(Silence::Unloaded { what, remedy }) => Err(trial.failed(what, remedy)),
            Err(silence) => {
                let what = silence.describe(&trial.hosted.name, limit);
                Err(trial.failed(what, "mend what it does when it is loaded".into()))
            }
        }
    }

    fn failed(&self, what: String, remedy: String) -> LoadError {
        LoadError { file: self.path.clone(), what, remedy }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.limit.into())
    }

    fn ask<Q: Question>(&self, question: &mut Q) -> (Duration, Result<Q::Answer, String>) {
        let deadline = self.deadline();
        let began = Instant::now();
        let asked = self.hosted.take_turn(deadline).and_then(|mut turn| turn.ask(question, deadline));
        let answer = asked.map(|(_, answer)| answer);
        (began.elapsed(), answer.map_err(|silence| silence.describe(&self.hosted.name, self.limit)))
    }

    /// Tells the library of an operation that does not take place: before it, and after it failed, if it asks for that.
    #[must_use]
    pub fn notify(&self, event: Event) -> Vec<Tried> {
        let (remote, empty) = (wide(REMOTE), wide(""));
        let told = |when, status, context| host::Call {
            when,
            status,
            context,
            kind: if event == Event::Add { RESOURCETYPE_DISK } else { 0 },
            remote: Some(remote.as_slice()),
            provider: (event == Event::Cancel).then_some(empty.as_slice()),
            ..listener::blank(match event {
                Event::Add => host::Event::Add,
                Event::Cancel => host::Event::Cancel,
            })
        };
        let names = match event {
            Event::Add => ["before a connect", "after a connect"],
            Event::Cancel => ["before a disconnect", "after a disconnect"],
        };
        let mut tried = Vec::new();
        let mut context = 0;
        let calls = [(NOTIFY_PRE, Status::SUCCESS), (NOTIFY_POST, Status::BAD_NETNAME)];
        for (call, (when, status)) in names.into_iter().zip(calls) {
            let (took, answer) = self.ask(&mut told(when, status.0, context));
            context = answer.as_ref().map_or(0, |answer| answer.context);
            let said = answer.as_ref().ok().and_then(|answer| answer.error.as_ref());
            let said = said.map(|said| text(&said.text));
            tried.push(Tried { call, took, answer: answer.map(|answer| Status(answer.status)), said });
            if context == 0 {
                break;
            }
        }
        tried
    }

    /// What the provider says it can do.
    ///
    /// # Errors
    ///
    /// Why it says nothing.
    pub fn capabilities(&self) -> Result<Capabilities, String> {
        let (_, told) = self.ask(&mut provider::blank(Function::Capabilities));
        let [net_type, version, user, connection, dialog, admin, enumeration] = told?.numbers;
        Ok(Capabilities { net_type, version, user, connection, dialog, admin, enumeration })
    }

    /// Asks the provider for its start, and to connect a name that is nobody's, which a provider that judges names
    /// declines at once. If it connects, that is taken back.
    #[must_use]
    pub fn connect(&self) -> Vec<Tried> {
        let remote = wide(REMOTE);
        let texts = provider::texts([None, Some(&remote)]);
        let add = Ask { numbers: [RESOURCETYPE_DISK, 0, 0, 0], texts, ..provider::blank(Function::Add) };
        let mut tried =
            vec![self.tried("start", provider::blank(Function::Start)), self.tried("connect", add)];
        if matches!(tried[1].answer, Ok(Status::SUCCESS)) {
            let texts = provider::texts([Some(&remote)]);
            let cancel = Ask { numbers: [0, 1, 0, 0], texts, ..provider::blank(Function::Cancel) };
            tried.push(self.tried("disconnect", cancel));
        }
        tried
    }

    fn tried(&self, call: &'static str, mut ask: Ask<&[u16], &[u8]>) -> Tried {
        let (took, told) = self.ask(&mut ask);
        let said = told.as_ref().ok().and_then(|told| told.error.as_ref()).map(|said| text(&said.text));
        Tried { call, took, answer: told.map(|told| Status(told.status)), said }
    }
}

fn text(units: &[u16]) -> String {
    let text = WideString::from_vec_truncate(units);
    WideStr::to_string_lossy(&text)
}
