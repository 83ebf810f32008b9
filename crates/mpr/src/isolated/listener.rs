//! Notification libraries in a host process, and commands.

use super::silence::Silence;
use super::turn::Hosted;
use super::{HALF, MASK, failures};
use crate::config::{Events, NotifyeeEntry, OnFailure, Source};
use crate::library::{LoadError, examine, examine_program};
use crate::{Problem, extended_error, notifyees, report, trace};
use mpr_helper::failures::Kind;
use mpr_helper::host::{self, Answer, Call, Load};
use mpr_plugin::abi::{NOTIFY_PRE, NOTIFYINFO};
use mpr_plugin::{AddNotice, CancelNotice, Event, Notifyee, Status, WideStr, WideString, wide};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A notification library in a host process, or a command.
pub(crate) struct Isolated {
    label: String,
    /// The registration, for messages.
    file: PathBuf,
    events: Events,
    timeout_ms: u32,
    on_failure: OnFailure,
    hosted: Hosted,
}

impl Isolated {
    /// Prepares to call what `entry` names. Nothing is started before it is first needed.
    ///
    /// # Errors
    ///
    /// What is wrong with the file, as far as it shows without running it.
    pub(crate) fn new(entry: &NotifyeeEntry, elevated: bool) -> Result<Self, LoadError> {
        let Events { add, cancel } = entry.events;
        let terms = entry.terms(elevated);
        let conditions = terms.conditions();
        let load = match &entry.source {
            Source::Library(path) => {
                examine(path, &terms)?;
                Load::Library { path: path.clone(), add, cancel, sandbox: entry.sandbox, conditions }
            }
            Source::Command(command) => {
                examine_program(command.first().map(String::as_ref).unwrap_or("".as_ref()), &terms)?;
                Load::Command { command: command.clone(), sandbox: entry.sandbox, conditions }
            }
        };
        let kind = match load {
            Load::Command { .. } => "command",
            _ => "library",
        };
        let name = format!("the notification {kind} \"{}\"", entry.stem);
        let failures = failures(Kind::Notifyee, &entry.stem, &entry.file);
        Ok(Isolated {
            label: entry.stem.clone(),
            file: entry.file.clone(),
            events: entry.events,
            timeout_ms: entry.timeout_ms,
            on_failure: entry.on_failure,
            hosted: Hosted::new(name, load, failures),
        })
    }

    /// One notification, from the question whether it is asked at all to what becomes of it.
    fn notify(&self, info: &mut NOTIFYINFO, mut call: Call<&[u16]>) -> Status {
        let before = info.dwNotifyStatus == NOTIFY_PRE;
        if before && let Some(why) = self.hosted.suspended() {
            trace::remark("suspended", || why.clone());
            return self.give_up(&why);
        }
        let function = function(call.event);
        call.when = info.dwNotifyStatus;
        call.status = info.dwOperationStatus;
        call.operation = notifyees::operation();
        call.simulation = trace::is_simulation();
        let (generation, context) = split(info.lpContext.addr());
        call.context = context;
        info.lpContext = std::ptr::null_mut();
        let deadline = Instant::now() + Duration::from_millis(self.timeout_ms.into());
        let asked = match self.hosted.take_turn(deadline) {
            Ok(mut turn) if before => turn.ask(&mut call, deadline),
            Ok(mut turn) => match turn.ask_again(generation, &mut call, deadline) {
                Some(asked) => asked,
                // The host that had the context is gone, and the context with it: there is nothing to be undone.
                None => {
                    trace::remark("lost", || format!("the host of {} has ended since", self.hosted.name));
                    return Status::SUCCESS;
                }
            },
            Err(silence) => Err(silence),
        };
        trace::had_until(deadline);
        match asked {
            Ok((generation, answer)) => {
                // One that was only asked before has not shown yet that it comes through the call after.
                if !before || answer.context == 0 {
                    self.hosted.well(function);
                }
                self.take(answer, generation, info)
            }
            Err(silence) => self.fail(function, &silence, before),
        }
    }

    /// An answer, as the router takes it from any library.
    fn take(&self, answer: Answer, generation: u32, info: &mut NOTIFYINFO) -> Status {
        if let Some(said) = answer.error {
            let [text, name] = [said.text, said.name].map(WideString::from_vec_truncate);
            let name = if name.is_empty() { wide(&self.label) } else { name };
            extended_error::record(said.code, &text, &name);
        }
        if answer.context != 0 {
            info.lpContext = std::ptr::without_provenance_mut(join(generation, answer.context));
        }
        Status(answer.status)
    }

    /// No answer: it is written down and told, and the registration decides.
    fn fail(&self, function: &str, silence: &Silence, before: bool) -> Status {
        let what = silence.describe(&self.hosted.name, self.timeout_ms);
        trace::remark(silence.word(), || what.clone());
        if silence.is_failure()
            && let Err(error) = self.hosted.fail(function, &what)
        {
            self.report(&format!("{what}, which cannot be written down: {error}"));
        }
        self.report(&what);
        if before { self.give_up(&what) } else { Status::SUCCESS }
    }

    /// What becomes of an operation whose listener is not heard.
    fn give_up(&self, why: &str) -> Status {
        match self.on_failure {
            OnFailure::Allow => Status::SUCCESS,
            OnFailure::Deny => {
                extended_error::record(Status::ACCESS_DENIED.0, &wide(why), &wide(&self.label));
                Status::ACCESS_DENIED
            }
        }
    }

    fn report(&self, what: &str) {
        let becomes = match self.on_failure {
            OnFailure::Allow => "operations go on without it",
            OnFailure::Deny => "what it is asked about is refused",
        };
        report::problem(&Problem::new(
            &self.file,
            None,
            format!("{what}; {becomes}"),
            "see mpr notifyee list, or set enabled = false",
        ));
    }
}

/// What it is asked with, by which its failures are told apart: one that never comes through a connect is not well
/// because it answers disconnects.
fn function(event: host::Event) -> &'static str {
    match event {
        host::Event::Add => "AddConnectNotify",
        host::Event::Cancel => "CancelConnectNotify",
    }
}

fn join(generation: u32, context: u32) -> usize {
    (generation as usize & MASK) << HALF | (context as usize & MASK)
}

fn split(context: usize) -> (u32, u32) {
    let half = |value: usize| u32::try_from(value & MASK).unwrap_or_default();
    (half(context >> HALF), half(context))
}

fn units(text: &WideStr) -> &[u16] {
    text.as_slice()
}

impl Notifyee for Isolated {
    fn wants(&self, event: Event) -> bool {
        match event {
            Event::Add => self.events.add,
            Event::Cancel => self.events.cancel,
        }
    }

    /// A command is told; a library is asked by its host only if it can be told.
    fn sees_simulations(&self) -> bool {
        true
    }

    fn add_connect_notify(&self, info: &mut NOTIFYINFO, add: &AddNotice<'_>) -> Status {
        let call = Call {
            owner: add.owner.addr() as u64,
            scope: add.scope,
            kind: add.kind,
            display: add.display,
            usage: add.usage,
            flags: add.flags,
            local: add.local.map(units),
            remote: add.remote.map(units),
            provider: add.provider.map(units),
            ..blank(host::Event::Add)
        };
        self.notify(info, call)
    }

    fn cancel_connect_notify(&self, info: &mut NOTIFYINFO, cancel: &CancelNotice<'_>) -> Status {
        let call = Call {
            flags: cancel.flags,
            force: cancel.force,
            remote: Some(units(cancel.name)),
            provider: Some(units(cancel.provider)),
            ..blank(host::Event::Cancel)
        };
        self.notify(info, call)
    }
}

pub(super) fn blank<'a>(event: host::Event) -> Call<&'a [u16]> {
    Call {
        number: 0,
        event,
        when: 0,
        status: 0,
        context: 0,
        owner: 0,
        scope: 0,
        kind: 0,
        display: 0,
        usage: 0,
        flags: 0,
        force: false,
        local: None,
        remote: None,
        provider: None,
        operation: 0,
        simulation: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_says_which_host_it_belongs_to() {
        for pair in [(1, 1), (7, 9), (u32::try_from(MASK).unwrap(), 3)] {
            assert_eq!(split(join(pair.0, pair.1)), pair);
            assert_ne!(join(pair.0, pair.1), 0);
        }
    }
}
