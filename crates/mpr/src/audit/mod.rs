//! The audit trail: one record of every operation, from whichever program, on disk before its caller gets the
//! result (`docs/audit.md`). Where a plug-in outside the program has used up its time, the disk gets little more of
//! it, unless the trail is required.
//!
//! Each process of a user appends to the same file, in turns. A record carries a number and the hash of the line
//! before it, so that a record that was changed or taken away shows. What could not be written is made up for by
//! a record of the gap, as soon as something can be written again.

mod chain;
mod commit;
mod entry;
mod journal;
mod lost;
mod plugins;
mod read;
mod rotation;
mod sync;
mod trail;
mod vanished;

pub use chain::Digest;
pub use entry::{Caller, Connection, Entry, Event, Gap, LostWrite, VERSION};
pub use plugins::{Changes, Plugin};
pub use read::{Flaw, Line, Reader, Report, scan};
pub use trail::TrailError;

use crate::trace::Operation;
use crate::{Problem, extended_error, report};
use commit::{Came, Queue, Until};
use journal::Journal;
use mpr_helper::dirs;
use mpr_plugin::{Status, wide};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use trail::Trail;

/// Size at which a file of the trail is put aside, unless `audit-max-bytes` says otherwise.
pub const DEFAULT_MAX_BYTES: u64 = 16 << 20;
/// How many files that were put aside are kept, unless `audit-keep` says otherwise.
pub const DEFAULT_KEEP: u32 = 8;

/// How long the disk is waited for in an operation in which a plug-in has used up its time: half of what the caller
/// may wait beyond that (`docs/isolation.md`).
const GRACE: Duration = Duration::from_millis(50);
/// Who has more time than this left waits for the disk like everybody else: it takes that long only if it hangs.
const PLENTY: Duration = Duration::from_secs(1);

/// What becomes of an operation that cannot be recorded. The later the stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Mode {
    /// Nothing is recorded.
    Off,
    /// It takes place, and is missing from the trail; that something is missing is recorded.
    #[default]
    BestEffort,
    /// It does not take place.
    Required,
}

/// What the configuration says of the trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// `audit`.
    pub mode: Mode,
    /// `audit-max-bytes`: size at which a file is put aside.
    pub max_bytes: u64,
    /// `audit-keep`: how many files that were put aside are kept.
    pub keep: u32,
    /// `audit-journal`: whether the journal gets a copy, where there is one.
    pub journal: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { mode: Mode::default(), max_bytes: DEFAULT_MAX_BYTES, keep: DEFAULT_KEEP, journal: true }
    }
}

/// Where the trail of a state directory is.
#[must_use]
pub fn directory(state: &Path) -> PathBuf {
    state.join("audit")
}

/// The file of the trail in `directory` that is appended to.
#[must_use]
pub fn current(directory: &Path) -> PathBuf {
    directory.join(trail::FILE)
}

/// Where the trail of this user is.
///
/// # Errors
///
/// This user has no place for it.
pub fn of_this_user() -> std::io::Result<PathBuf> {
    dirs::state_path().map(|state| directory(&state))
}

/// The trail of this user, to be written to.
#[derive(Debug)]
pub struct Auditor {
    mode: Mode,
    queue: Queue,
    journal: Option<Journal>,
    /// Where it is noted that something could not be written; `None` where there is no place for it.
    lost: Option<PathBuf>,
    /// Whether it was told that nothing can be written.
    told: AtomicBool,
}

impl Auditor {
    /// The trail in the state directory `state`; `None` where none is to be kept.
    #[must_use]
    pub fn new(state: &Path, runtime: Option<&Path>, settings: &Settings) -> Option<Self> {
        if settings.mode == Mode::Off {
            return None;
        }
        let trail = Trail::new(directory(state), settings.max_bytes, settings.keep);
        Some(Auditor {
            mode: settings.mode,
            queue: Queue::new(trail),
            journal: settings.journal.then(Journal::system),
            lost: runtime.map(|runtime| runtime.join(lost::NAME)),
            told: AtomicBool::new(false),
        })
    }

    /// Sends its copies elsewhere. For tests.
    #[doc(hidden)]
    #[must_use]
    pub fn with_journal(self, socket: &Path) -> Self {
        Auditor { journal: Some(Journal::at(socket)), ..self }
    }

    /// The trail of this user as the configuration of the system has it.
    pub(crate) fn of_system(settings: &Settings) -> Option<Self> {
        if settings.mode == Mode::Off {
            return None;
        }
        // Without a place for it, each record fails, and the mode says what becomes of the operation.
        let state = dirs::state_path().unwrap_or_default();
        Auditor::new(&state, dirs::runtime_path().ok().as_deref(), settings)
    }

    /// Where a trail is required: records what is going to be done, before it is.
    ///
    /// # Errors
    ///
    /// `ERROR_AUDIT_FAILED`: it must not be done.
    pub(crate) fn intend(&self, operation: &Operation) -> Result<(), Status> {
        if self.mode != Mode::Required {
            return Ok(());
        }
        self.write(&Entry::now(Event::intent(operation)), Until::OnDisk).map(drop).map_err(|error| {
            let text = format!("the operation cannot be audited, and must be: {error}");
            extended_error::record(Status::AUDIT_FAILED.0, &wide(&text), &wide("mpr"));
            Status::AUDIT_FAILED
        })
    }

    /// Records what was done. What cannot be recorded any more is made up for later: the caller gets the result
    /// whatever comes of it, since the connection is as it is. `spare` is what the plug-ins outside the program that
    /// were asked left of their time, the one that left least.
    pub(crate) fn record(&self, operation: &Operation, spare: Option<Duration>) {
        let until = match spare {
            Some(spare) if spare < PLENTY && self.mode != Mode::Required => {
                Until::OnDiskOr(Instant::now() + spare + GRACE)
            }
            _ => Until::OnDisk,
        };
        self.note(&Entry::now(Event::Operation(operation.clone())), until);
    }

    /// Records something, or notes that it is missing, or late.
    fn note(&self, entry: &Entry, until: Until) {
        let note = match self.write(entry, until) {
            Ok(Came::There(_)) => return,
            Ok(Came::Late) => lost::Note::Late,
            Err(error) => {
                if !self.told.swap(true, Ordering::Relaxed) {
                    report::problem(&Problem::new(
                        self.queue.trail().file(),
                        None,
                        format!("what is done cannot be recorded: {error}"),
                        "see mpr events verify",
                    ));
                }
                lost::Note::Unwritten
            }
        };
        if let Some(lost) = &self.lost {
            lost::add(lost, entry.operation(), note);
        }
    }

    fn write(&self, entry: &Entry, until: Until) -> Result<Came, TrailError> {
        let came = self.queue.write(entry.body(), entry.operation(), until, self.lost.as_deref())?;
        self.told.store(false, Ordering::Relaxed);
        if let Some(journal) = &self.journal {
            journal.send(entry, came);
        }
        Ok(came)
    }

    /// Tells of the plug-ins of one kind that were loaded or would be: a set that differs from the one seen last
    /// is recorded.
    pub(crate) fn plugins(&self, kind: &str, plugins: Vec<Plugin>) {
        // Without a trail there is nothing to compare with; the next process will try again.
        let changed = plugins::changed(self.queue.trail(), kind, plugins);
        if let Ok(Some(changes)) = changed {
            // The operation they were loaded for puts it on disk.
            self.note(&Entry::now(Event::Plugins(changes)), Until::Written);
        }
    }

    /// Records what was written to a connection and did not reach the server. For the process that serves the
    /// connection, on a thread that may wait.
    pub fn lost_write(&self, lost: LostWrite) {
        self.note(&Entry::now(Event::LostWrite(lost)), Until::OnDisk);
    }

    /// Records each connection that is gone though nobody cancelled it, once. Nobody waits for the disk: whoever
    /// lists connections is not to.
    pub fn vanished(&self) {
        let Ok(runtime) = dirs::runtime_path() else { return };
        for connection in vanished::new(self.queue.trail(), &runtime) {
            self.note(&Entry::now(Event::Vanished(connection)), Until::Written);
        }
    }
}

#[cfg(test)]
mod tests;
