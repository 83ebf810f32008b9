//! Many threads, one write: who comes while another writes has its record written together with those of all
//! others who came meanwhile.

use super::trail::{Trail, TrailError};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Records on their way to the trail.
#[derive(Debug)]
pub(super) struct Queue {
    trail: Trail,
    state: Mutex<State>,
    written: Condvar,
}

#[derive(Debug)]
struct State {
    /// The process this is about: a fork has none of the threads that wait or write.
    process: u32,
    /// Those that nobody is writing yet, with their tickets.
    waiting: Vec<(u64, String)>,
    tickets: u64,
    /// Whether somebody is writing.
    writing: bool,
    /// What came of those that somebody else wrote: their numbers.
    results: HashMap<u64, Result<u64, TrailError>>,
}

impl State {
    fn new() -> Self {
        let process = std::process::id();
        State { process, waiting: Vec::new(), tickets: 0, writing: false, results: HashMap::new() }
    }
}

impl Queue {
    pub(super) fn new(trail: Trail) -> Self {
        Queue { trail, state: Mutex::new(State::new()), written: Condvar::new() }
    }

    pub(super) fn trail(&self) -> &Trail {
        &self.trail
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is half done under this lock.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.process != std::process::id() {
            *state = State::new();
        }
        state
    }

    /// Puts a record on disk and returns its number. No lock of this process is held meanwhile.
    pub(super) fn write(&self, body: String, lost: Option<&Path>) -> Result<u64, TrailError> {
        let mut state = self.lock();
        state.tickets += 1;
        let ticket = state.tickets;
        state.waiting.push((ticket, body));
        while state.writing {
            state = self.written.wait(state).unwrap_or_else(PoisonError::into_inner);
            if let Some(result) = state.results.remove(&ticket) {
                return result;
            }
        }
        state.writing = true;
        let batch = std::mem::take(&mut state.waiting);
        drop(state);
        let bodies: Vec<&str> = batch.iter().map(|(_, body)| &**body).collect();
        let first = self.trail.append(&bodies, lost);
        let mut state = self.lock();
        state.writing = false;
        let mut own = Err(TrailError::nowhere());
        for (at, (other, _)) in (0..).zip(&batch) {
            let result = first.clone().map(|first| first + at);
            if *other == ticket {
                own = result;
            } else {
                state.results.insert(*other, result);
            }
        }
        drop(state);
        self.written.notify_all();
        own
    }
}
