//! Notification libraries outside the caller's process, and commands (`docs/isolation.md`).
//!
//! To the router an isolated library is a [`Notifyee`] like any other: one that talks to a host process and never
//! takes longer than its deadline, whatever the library does. What cannot be had from the host is decided by the
//! registration: `on-failure`.
//!
//! A host is asked one thing at a time, on one thread, so that a library keeps its thread from the call before to
//! the call after. Operations of other threads wait for their turn, at most until their own deadline; no lock is
//! held meanwhile.

mod line;

use crate::config::{Events, NotifyeeEntry, OnFailure, Source};
use crate::library::{LoadError, examine, examine_program};
use crate::{Problem, extended_error, notifyees, report, trace};
use line::{Line, Silence};
use mpr_helper::dirs;
use mpr_helper::failures::{Failing, Failures};
use mpr_helper::host::{self, Answer, Call, Load};
use mpr_plugin::abi::{NOTIFY_PRE, NOTIFYINFO};
use mpr_plugin::{AddNotice, CancelNotice, Event, Notifyee, Status, WideStr, WideString, wide};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// In a host: whether operations that would be announced are refused.
static REFUSING: AtomicBool = AtomicBool::new(false);

/// For `mpr-host`: refuses every connect and disconnect in this process from now on, with `WN_NOT_SUPPORTED`. A
/// library that runs in a host could not be left out of the announcements of what it does itself (DECISION 29).
pub fn refuse_operations() {
    REFUSING.store(true, Ordering::Relaxed);
}

pub(crate) fn is_refusing() -> bool {
    REFUSING.load(Ordering::Relaxed)
}

/// How an isolated notification library has been failing; `None` for one that is well. Reads what all processes
/// of this user have seen.
#[must_use]
pub fn failing(entry: &NotifyeeEntry) -> Option<Failing> {
    Failures::of(&dirs::runtime_path().ok()?, &entry.stem, &entry.file).read()
}

/// A notification library in a host process, or a command.
pub(crate) struct Isolated {
    label: String,
    /// The registration, for messages.
    file: PathBuf,
    load: Load,
    events: Events,
    timeout_ms: u32,
    on_failure: OnFailure,
    /// Where failures are written down; `None` where there is no place for it.
    failures: Option<Failures>,
    /// Whether something is written down there that an answer makes obsolete.
    failed: AtomicBool,
    turn: Mutex<Turn>,
    free: Condvar,
}

/// Who talks to the host, and the host while nobody does.
struct Turn {
    /// The process this is about: a fork has neither the thread that is talking nor a host of its own.
    process: u32,
    taken: bool,
    line: Option<Line>,
    /// Hosts started so far.
    generation: u32,
}

impl Isolated {
    /// Prepares to call what `entry` names. Nothing is started before it is first needed.
    ///
    /// # Errors
    ///
    /// What is wrong with the file, as far as it shows without running it.
    pub(crate) fn new(entry: &NotifyeeEntry, elevated: bool) -> Result<Self, LoadError> {
        let Events { add, cancel } = entry.events;
        let load = match &entry.source {
            Source::Library(path) => {
                examine(path, elevated)?;
                Load::Library { path: path.clone(), add, cancel }
            }
            Source::Command(command) => {
                examine_program(command.first().map(String::as_ref).unwrap_or("".as_ref()), elevated)?;
                Load::Command { command: command.clone() }
            }
        };
        let runtime = dirs::runtime_path().ok();
        Ok(Isolated {
            label: entry.stem.clone(),
            file: entry.file.clone(),
            load,
            events: entry.events,
            timeout_ms: entry.timeout_ms,
            on_failure: entry.on_failure,
            failures: runtime.map(|runtime| Failures::of(&runtime, &entry.stem, &entry.file)),
            failed: AtomicBool::new(false),
            turn: Mutex::new(Turn { process: std::process::id(), taken: false, line: None, generation: 0 }),
            free: Condvar::new(),
        })
    }

    /// One notification, from the question whether it is asked at all to what becomes of it.
    fn notify(&self, info: &mut NOTIFYINFO, mut call: Call<&[u16]>) -> Status {
        let before = info.dwNotifyStatus == NOTIFY_PRE;
        if before && let Some(failing) = self.failures.as_ref().and_then(Failures::read) {
            self.failed.store(true, Ordering::Relaxed);
            if let Some(left) = failing.suspended() {
                let why = self.suspended(&failing, left);
                trace::remark("suspended", || why.clone());
                return self.give_up(&why);
            }
        }
        call.when = info.dwNotifyStatus;
        call.status = info.dwOperationStatus;
        call.operation = notifyees::operation();
        let (generation, context) = split(info.lpContext.addr());
        call.context = context;
        info.lpContext = std::ptr::null_mut();
        let deadline = Instant::now() + Duration::from_millis(self.timeout_ms.into());
        let asked = match self.take_turn(deadline) {
            Ok(mut turn) if before => turn.ask(call, deadline),
            Ok(mut turn) => match turn.ask_again(generation, call, deadline) {
                Some(asked) => asked,
                // The host that had the context is gone, and the context with it: there is nothing to be undone.
                None => {
                    trace::remark("lost", || format!("the host of {} has ended since", self.name()));
                    return Status::SUCCESS;
                }
            },
            Err(silence) => Err(silence),
        };
        match asked {
            Ok((generation, answer)) => self.take(answer, generation, before, info),
            Err(silence) => self.fail(&silence, before),
        }
    }

    /// An answer, as the router takes it from any library.
    fn take(&self, answer: Answer, generation: u32, before: bool, info: &mut NOTIFYINFO) -> Status {
        // One that was only asked before has not shown yet that it comes through the call after.
        let done = !before || answer.context == 0;
        if done && self.failed.swap(false, Ordering::Relaxed) {
            self.failures.iter().for_each(Failures::clear);
        }
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
    fn fail(&self, silence: &Silence, before: bool) -> Status {
        let what = self.describe(silence);
        trace::remark(word(silence), || what.clone());
        // To be late because others were first is no failing of the library, nor is a name that fits nowhere.
        if !matches!(silence, Silence::Busy | Silence::TooLong) {
            self.failed.store(true, Ordering::Relaxed);
            if let Some(Err(error)) = self.failures.as_ref().map(|failures| failures.add(&what)) {
                self.report(&format!("{what}, which cannot be written down: {error}"));
            }
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

    fn name(&self) -> String {
        let kind = match self.load {
            Load::Library { .. } => "library",
            Load::Command { .. } => "command",
        };
        format!("the notification {kind} \"{}\"", self.label)
    }

    fn describe(&self, silence: &Silence) -> String {
        let name = self.name();
        let limit = self.timeout_ms;
        match silence {
            Silence::Late => format!("{name} did not answer within {limit} ms"),
            Silence::Busy => format!("{name} was busy with other operations for {limit} ms"),
            Silence::Ended(None) => format!("{name} hung up without an answer"),
            Silence::Ended(Some(status)) => {
                let exit = ExitStatus::from_raw(*status);
                match (exit.signal(), exit.code()) {
                    (Some(signal), _) => format!("{name} crashed (signal {signal})"),
                    (None, code) => {
                        format!(
                            "{name} ended its process without an answer (exit status {})",
                            code.unwrap_or(-1)
                        )
                    }
                }
            }
            Silence::Garbage => format!("{name} answered with garbage"),
            Silence::TooLong => format!("{name} cannot be told of names that long"),
            Silence::Unstarted(error) => format!("{name} cannot be run: {error}"),
            Silence::Unloaded(what) => format!("{name} could not be loaded: {what}"),
            Silence::Failed(what) => format!("{name} failed: {what}"),
        }
    }

    fn suspended(&self, failing: &Failing, left: Duration) -> String {
        format!(
            "{} failed {} times in a row and is not asked for another {} s; the last time, {}",
            self.name(),
            failing.failures,
            left.as_millis().div_ceil(1000),
            failing.last
        )
    }

    fn lock(&self) -> MutexGuard<'_, Turn> {
        // A thread that panicked here left nothing half done.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody else talks to the host.
    fn take_turn(&self, deadline: Instant) -> Result<Talking<'_>, Silence> {
        let mut turn = self.lock();
        let process = std::process::id();
        if turn.process != process {
            // Closes this process's copies; the host is that of the other process and goes on.
            *turn = Turn { process, taken: false, line: None, generation: turn.generation };
        }
        while turn.taken {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Silence::Busy);
            }
            turn = self.free.wait_timeout(turn, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        turn.taken = true;
        Ok(Talking { isolated: self, line: turn.line.take(), generation: turn.generation })
    }
}

/// The turn of one thread: nobody else talks to the host while this lives.
struct Talking<'a> {
    isolated: &'a Isolated,
    line: Option<Line>,
    generation: u32,
}

impl Talking<'_> {
    /// Asks the host, and starts one if none is there.
    fn ask(&mut self, call: Call<&[u16]>, deadline: Instant) -> Result<(u32, Answer), Silence> {
        // One that ended since, or said something unasked, is replaced: nobody has been waiting for it.
        if let Some(line) = self.line.take_if(|line| !line.is_quiet()) {
            line.hang_up();
        }
        let line = match self.line.take() {
            Some(line) => line,
            None => {
                self.generation = next(self.generation);
                Line::open(&self.isolated.load, self.generation, deadline)?
            }
        };
        self.ask_on(line, call, deadline)
    }

    /// Asks this host, which is there for the next operation if it is still good for one.
    fn ask_on(
        &mut self,
        mut line: Line,
        call: Call<&[u16]>,
        deadline: Instant,
    ) -> Result<(u32, Answer), Silence> {
        let asked = line.ask(call, deadline);
        match asked {
            // The host is as it was: it has not been asked, or has answered in order.
            Ok(_) | Err(Silence::TooLong | Silence::Failed(_)) => {
                let generation = line.generation;
                self.line = Some(line);
                asked.map(|answer| (generation, answer))
            }
            Err(silence) => {
                line.hang_up();
                Err(silence)
            }
        }
    }

    /// Asks the host that has the context; `None` if that one is gone.
    fn ask_again(
        &mut self,
        generation: u32,
        call: Call<&[u16]>,
        deadline: Instant,
    ) -> Option<Result<(u32, Answer), Silence>> {
        let line = self.line.take_if(|line| line.generation == generation && line.is_quiet())?;
        Some(self.ask_on(line, call, deadline))
    }
}

impl Drop for Talking<'_> {
    fn drop(&mut self) {
        let mut turn = self.isolated.lock();
        turn.taken = false;
        turn.generation = self.generation;
        turn.line = self.line.take();
        drop(turn);
        self.isolated.free.notify_one();
    }
}

/// Half of a context is the host it belongs to, the other half what that host calls it.
const HALF: u32 = usize::BITS / 2;
const MASK: usize = (1 << HALF) - 1;

fn join(generation: u32, context: u32) -> usize {
    (generation as usize & MASK) << HALF | (context as usize & MASK)
}

fn split(context: usize) -> (u32, u32) {
    let half = |value: usize| u32::try_from(value & MASK).unwrap_or_default();
    (half(context >> HALF), half(context))
}

/// The number of the next host: never 0, and as wide as half a context.
fn next(generation: u32) -> u32 {
    match (generation as usize + 1) & MASK {
        0 => 1,
        next => u32::try_from(next).unwrap_or(1),
    }
}

/// What became of a call, in a word (`docs/audit.md`).
fn word(silence: &Silence) -> &'static str {
    match silence {
        Silence::Late => "late",
        Silence::Busy => "busy",
        Silence::Ended(_) => "ended",
        Silence::Garbage => "garbage",
        Silence::TooLong => "too-long",
        Silence::Unstarted(_) => "unstarted",
        Silence::Unloaded(_) => "unloaded",
        Silence::Failed(_) => "failed",
    }
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

fn blank<'a>(event: host::Event) -> Call<&'a [u16]> {
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
    }
}

/// Stands in the place of all notification libraries in a host: refuses what they would be told of.
pub(crate) struct Refusing;

impl Refusing {
    fn refuse(info: &NOTIFYINFO) -> Status {
        if info.dwNotifyStatus != NOTIFY_PRE {
            return Status::SUCCESS;
        }
        let text = "a notification library that runs isolated can neither connect nor disconnect";
        extended_error::record(Status::NOT_SUPPORTED.0, &wide(text), &wide("mpr-host"));
        Status::NOT_SUPPORTED
    }
}

impl Notifyee for Refusing {
    fn wants(&self, _: Event) -> bool {
        true
    }

    fn add_connect_notify(&self, info: &mut NOTIFYINFO, _: &AddNotice<'_>) -> Status {
        Refusing::refuse(info)
    }

    fn cancel_connect_notify(&self, info: &mut NOTIFYINFO, _: &CancelNotice<'_>) -> Status {
        Refusing::refuse(info)
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
        assert_eq!(next(u32::try_from(MASK).unwrap()), 1);
    }
}
