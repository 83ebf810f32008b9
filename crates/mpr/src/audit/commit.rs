//! Many threads, one write and one wait for the disk: who comes while another writes has its record written together
//! with those of all others who came meanwhile, and the same again for putting on disk what was written.

use super::lost;
use super::trail::{PATIENCE, Trail, TrailError, Unsynced};
use crate::PerProcess;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Records on their way to the disk.
#[derive(Debug)]
pub(super) struct Queue {
    trail: Trail,
    /// A fork has none of the threads that wait or write.
    threads: PerProcess<Threads>,
}

/// What the threads of one process are doing.
#[derive(Debug)]
struct Threads {
    state: Mutex<State>,
    changed: Condvar,
}

impl Threads {
    fn new() -> Self {
        Threads { state: Mutex::new(State::new()), changed: Condvar::new() }
    }

    /// In a fork: nothing is under way.
    fn forked(&self) -> Self {
        // Closes the copies of what is open.
        if let Ok(mut theirs) = self.state.try_lock() {
            *theirs = State::new();
        }
        Threads::new()
    }
}

/// How far a record must have come before whoever made it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// It is in the file, for everybody to read.
    Written,
    /// It is on disk.
    OnDisk,
    /// It is on disk, or it is this late.
    OnDiskOr(Instant),
}

impl Until {
    fn deadline(self) -> Option<Instant> {
        match self {
            Until::OnDiskOr(deadline) => Some(deadline),
            Until::Written | Until::OnDisk => None,
        }
    }

    /// Whether it is to be written although the disk is busy. Whoever waits for the disk in any case has it written with
    /// all others when their turn comes.
    fn is_hurried(self) -> bool {
        self != Until::OnDisk
    }

    /// How long others are waited for who write.
    fn patience(self) -> Duration {
        self.deadline().map_or(PATIENCE, |deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

/// How far a record came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// As far as it was to, under this number.
    There(u64),
    /// It was written, or is being written, and nobody waits any longer for the disk.
    Late,
}

#[derive(Debug)]
struct State {
    tickets: u64,
    /// Those that nobody is writing yet.
    waiting: Vec<Waiting>,
    /// Whether somebody is writing.
    writing: bool,
    /// Those that are written and that nobody is putting on disk yet: their tickets and numbers.
    written: Vec<(u64, u64)>,
    /// The files they are in.
    files: Vec<Unsynced>,
    /// Whether somebody is putting something on disk.
    syncing: bool,
    /// What came of those that somebody else wrote or put on disk: their numbers.
    results: HashMap<u64, Result<u64, TrailError>>,
    /// Those that nobody waits for any more, with their operations.
    given_up: HashMap<u64, Option<String>>,
}

/// A record that is to be written.
#[derive(Debug)]
struct Waiting {
    ticket: u64,
    body: String,
    operation: Option<String>,
    /// Whether it is to be on disk.
    lasting: bool,
    /// Whether it is written as soon as possible, rather than with others when it can be put on disk.
    hurried: bool,
}

impl State {
    fn new() -> Self {
        State {
            tickets: 0,
            waiting: Vec::new(),
            writing: false,
            written: Vec::new(),
            files: Vec::new(),
            syncing: false,
            results: HashMap::new(),
            given_up: HashMap::new(),
        }
    }

    /// Leaves what came of a record for whoever waits for it. An operation that is lost, and that nobody waits for,
    /// is returned.
    fn finish(&mut self, ticket: u64, result: Result<u64, TrailError>) -> Option<Option<String>> {
        match self.given_up.remove(&ticket) {
            None => {
                self.results.insert(ticket, result);
                None
            }
            Some(operation) => result.is_err().then_some(operation),
        }
    }

    /// Nobody waits any longer for this one.
    fn give_up(&mut self, ticket: u64, operation: Option<&str>) -> Result<Came, TrailError> {
        if let Some(at) = self.waiting.iter().position(|waiting| waiting.ticket == ticket) {
            self.waiting.remove(at);
            return Err(TrailError::busy());
        }
        match self.written.iter().position(|(written, _)| *written == ticket) {
            Some(at) => _ = self.written.remove(at),
            None => _ = self.given_up.insert(ticket, operation.map(str::to_owned)),
        }
        if self.written.is_empty() {
            // Programs close descriptors that are not theirs: none is kept without somebody who needs it.
            self.files.clear();
        }
        Ok(Came::Late)
    }
}

impl Queue {
    pub(super) fn new(trail: Trail) -> Self {
        Queue { trail, threads: PerProcess::new(Threads::new()) }
    }

    pub(super) fn trail(&self) -> &Trail {
        &self.trail
    }

    fn threads(&self) -> &Threads {
        self.threads.get(Threads::forked)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is half done under this lock.
        self.threads().state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records `body`, which is about `operation`. No lock of this process is held while anything is written.
    pub(super) fn write(
        &self,
        body: String,
        operation: Option<&str>,
        until: Until,
        lost: Option<&Path>,
    ) -> Result<Came, TrailError> {
        let changed = &self.threads().changed;
        let mut state = self.lock();
        state.tickets += 1;
        let ticket = state.tickets;
        let (lasting, hurried) = (until != Until::Written, until.is_hurried());
        state.waiting.push(Waiting {
            ticket,
            body,
            operation: operation.map(str::to_owned),
            lasting,
            hurried,
        });
        loop {
            if let Some(result) = state.results.remove(&ticket) {
                return result.map(Came::There);
            }
            let left = until.deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return state.give_up(ticket, operation);
            }
            let may_write = !state.writing && (hurried || !state.syncing);
            if may_write && state.waiting.iter().any(|waiting| waiting.ticket == ticket) {
                state = self.write_all(state, ticket, until, lost);
            } else if !state.syncing && state.written.iter().any(|(written, _)| *written == ticket) {
                state = self.sync_all(state, until, lost);
            } else {
                state = match left {
                    None => changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                    Some(left) => changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                };
            }
        }
    }

    /// Writes what waits to be written.
    fn write_all<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        own: u64,
        until: Until,
        lost: Option<&Path>,
    ) -> MutexGuard<'a, State> {
        state.writing = true;
        let batch = std::mem::take(&mut state.waiting);
        drop(state);
        let bodies: Vec<&str> = batch.iter().map(|waiting| &*waiting.body).collect();
        let written = self.trail.append(&bodies, lost, until.patience());
        let mut state = self.lock();
        state.writing = false;
        let mut unrecorded = Vec::new();
        match written {
            Ok((first, file)) => {
                if batch.iter().any(|waiting| waiting.lasting) {
                    file.join(&mut state.files);
                }
                for (number, Waiting { ticket, lasting, .. }) in (first..).zip(batch) {
                    if lasting && state.given_up.remove(&ticket).is_none() {
                        state.written.push((ticket, number));
                    } else if !lasting {
                        state.finish(ticket, Ok(number));
                    }
                }
            }
            // Others may have more time than this one had to wait for its turn.
            Err(error) if until.deadline().is_some() => {
                for waiting in batch {
                    if waiting.ticket == own {
                        state.finish(own, Err(error.clone()));
                    } else if state.given_up.remove(&waiting.ticket).is_some() {
                        unrecorded.push(waiting.operation);
                    } else {
                        state.waiting.push(waiting);
                    }
                }
            }
            Err(error) => {
                let tickets = batch.iter().map(|waiting| waiting.ticket);
                unrecorded.extend(tickets.filter_map(|ticket| state.finish(ticket, Err(error.clone()))));
            }
        }
        // Whoever wrote this puts it on disk next: others need not wake up for nothing.
        let is_news =
            |state: &State| !state.results.is_empty() || state.waiting.iter().any(|one| one.hurried);
        if until != Until::OnDisk || is_news(&state) {
            self.threads().changed.notify_all();
        }
        self.told(state, unrecorded, lost)
    }

    /// Puts on disk what was written.
    fn sync_all<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        until: Until,
        lost: Option<&Path>,
    ) -> MutexGuard<'a, State> {
        state.syncing = true;
        let (batch, files) = (std::mem::take(&mut state.written), std::mem::take(&mut state.files));
        drop(state);
        let synced = match until.deadline() {
            None => Some(files.iter().try_for_each(Unsynced::sync)),
            Some(deadline) => super::sync::until(&files, deadline),
        };
        let mut state = self.lock();
        state.syncing = false;
        let mut unrecorded = Vec::new();
        match synced {
            Some(result) => {
                for (ticket, number) in batch {
                    unrecorded.extend(state.finish(ticket, result.clone().map(|()| number)));
                }
            }
            // It goes on by itself; who has more time waits for another one.
            None => {
                let waited_for = |(ticket, _): &(u64, u64)| state.given_up.remove(ticket).is_none();
                let mut batch: Vec<(u64, u64)> = batch.into_iter().filter(waited_for).collect();
                state.written.append(&mut batch);
                files.into_iter().for_each(|file| file.join(&mut state.files));
            }
        }
        self.threads().changed.notify_all();
        self.told(state, unrecorded, lost)
    }

    /// Notes operations that nobody waits for and that were not recorded after all.
    fn told<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        unrecorded: Vec<Option<String>>,
        lost: Option<&Path>,
    ) -> MutexGuard<'a, State> {
        let (Some(lost), false) = (lost, unrecorded.is_empty()) else { return state };
        drop(state);
        for operation in unrecorded {
            lost::add(lost, operation.as_deref(), lost::Note::Unwritten);
        }
        self.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::per_process::tests::in_a_fork;
    use std::sync::{Arc, Barrier};

    #[test]
    fn a_process_that_forked_while_another_thread_was_recording_records() {
        let directory = tempfile::tempdir().unwrap();
        let queue = Arc::new(Queue::new(Trail::new(directory.path().join("audit"), u64::MAX, 1)));
        let theirs = Arc::clone(&queue);
        let held = move |barrier: &Barrier| {
            let state = theirs.lock();
            barrier.wait();
            barrier.wait();
            drop(state);
        };
        let write = || queue.write("{}".into(), None, Until::Written, None).is_ok();
        assert!(in_a_fork(held, write));
        assert!(write());
    }
}
