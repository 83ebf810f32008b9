//! One plug-in in a host, and whose turn it is to talk to it.
//!
//! A host is asked one thing at a time, on one thread, so that a plug-in keeps its thread from one call to the
//! next. Operations of other threads wait for their turn, at most until their own deadline; no lock is held
//! meanwhile.

use super::line::{Line, Question};
use super::silence::Silence;
use crate::PerProcess;
use mpr_helper::failures::{Failing, Failures};
use mpr_helper::host::Load;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A plug-in that runs in a host, which is started when it is first needed and again after its end.
#[derive(Debug)]
pub(super) struct Hosted {
    /// What it is, for messages: the notification library "audit".
    pub(super) name: String,
    load: Load,
    /// Where failures are written down; `None` where there is no place for it.
    failures: Option<Failures>,
    /// Whether something is written down there that an answer makes obsolete.
    failed: AtomicBool,
    /// A fork has neither the thread that is talking nor a host of its own.
    turns: PerProcess<Turns>,
}

/// How the threads of one process take turns.
#[derive(Debug)]
struct Turns {
    turn: Mutex<Turn>,
    free: Condvar,
}

impl Turns {
    /// Nobody is talking to a host; so many were started before.
    fn new(generation: u32) -> Self {
        Turns { turn: Mutex::new(Turn { taken: false, line: None, generation }), free: Condvar::new() }
    }

    /// In a fork: the host is that of the other process and goes on.
    fn forked(&self) -> Self {
        let Ok(mut theirs) = self.turn.try_lock() else { return Turns::new(0) };
        // Closes this process's copies.
        theirs.line = None;
        Turns::new(theirs.generation)
    }
}

/// Who talks to the host, and the host while nobody does.
#[derive(Debug)]
struct Turn {
    taken: bool,
    line: Option<Line>,
    /// Hosts started so far.
    generation: u32,
}

impl Hosted {
    pub(super) fn new(name: String, load: Load, failures: Option<Failures>) -> Self {
        Hosted { name, load, failures, failed: AtomicBool::new(false), turns: PerProcess::new(Turns::new(0)) }
    }

    /// Why nobody asks it for now.
    pub(super) fn suspended(&self) -> Option<String> {
        let failing = self.failures.as_ref().and_then(Failures::read)?;
        self.failed.store(true, Ordering::Relaxed);
        let left = failing.suspended()?;
        Some(self.describe_suspension(&failing, left))
    }

    fn describe_suspension(&self, failing: &Failing, left: Duration) -> String {
        format!(
            "{} failed {} times in a row and is not asked for another {} s; the last time, {}",
            self.name,
            failing.failures,
            left.as_millis().div_ceil(1000),
            failing.last
        )
    }

    /// This function of it has come through: what was written down of it is obsolete.
    pub(super) fn well(&self, function: &str) {
        if self.failed.load(Ordering::Relaxed)
            && self.failures.as_ref().is_none_or(|failures| failures.clear(function))
        {
            self.failed.store(false, Ordering::Relaxed);
        }
    }

    /// Writes down that this function of it failed like `what`. The error is why that cannot be.
    pub(super) fn fail(&self, function: &str, what: &str) -> io::Result<()> {
        self.failed.store(true, Ordering::Relaxed);
        self.failures.as_ref().map_or(Ok(()), |failures| failures.add(function, what).map(drop))
    }

    fn turns(&self) -> &Turns {
        self.turns.get(Turns::forked)
    }

    fn lock(&self) -> MutexGuard<'_, Turn> {
        // A thread that panicked here left nothing half done.
        self.turns().turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody else talks to the host.
    pub(super) fn take_turn(&self, deadline: Instant) -> Result<Talking<'_>, Silence> {
        let free = &self.turns().free;
        let mut turn = self.lock();
        let mut has_waited = false;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if has_waited && left.is_zero() {
                // It may be free, and somebody else has time left.
                free.notify_one();
                return Err(Silence::Busy);
            }
            if !turn.taken {
                break;
            }
            has_waited = true;
            turn = free.wait_timeout(turn, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        turn.taken = true;
        Ok(Talking { hosted: self, line: turn.line.take(), generation: turn.generation })
    }
}

/// The turn of one thread: nobody else talks to the host while this lives.
#[derive(Debug)]
pub(super) struct Talking<'a> {
    hosted: &'a Hosted,
    line: Option<Line>,
    generation: u32,
}

impl Talking<'_> {
    /// Asks the host, and starts one if none is there. Says which host it was that answered.
    pub(super) fn ask<Q: Question>(
        &mut self,
        question: &mut Q,
        deadline: Instant,
    ) -> Result<(u32, Q::Answer), Silence> {
        let line = self.take_line(deadline)?;
        self.ask_on(line, question, deadline)
    }

    /// Starts a host and asks nothing of it.
    pub(super) fn open(&mut self, deadline: Instant) -> Result<(), Silence> {
        self.line = Some(self.take_line(deadline)?);
        Ok(())
    }

    /// The line to a host that is there, else to a new one.
    fn take_line(&mut self, deadline: Instant) -> Result<Line, Silence> {
        // One that ended since, or said something unasked, is replaced: nobody has been waiting for it.
        if let Some(line) = self.line.take_if(|line| !line.is_quiet()) {
            line.hang_up();
        }
        if let Some(line) = self.line.take() {
            return Ok(line);
        }
        self.generation = next(self.generation);
        Line::open(&self.hosted.load, self.generation, deadline)
    }

    /// Asks the host of this generation; `None` if that one is gone.
    pub(super) fn ask_again<Q: Question>(
        &mut self,
        generation: u32,
        question: &mut Q,
        deadline: Instant,
    ) -> Option<Result<(u32, Q::Answer), Silence>> {
        let line = self.line.take_if(|line| line.generation == generation && line.is_quiet())?;
        Some(self.ask_on(line, question, deadline))
    }

    /// Asks this host, which is there for the next operation if it is still good for one.
    fn ask_on<Q: Question>(
        &mut self,
        mut line: Line,
        question: &mut Q,
        deadline: Instant,
    ) -> Result<(u32, Q::Answer), Silence> {
        let asked = line.ask(question, deadline);
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
}

impl Drop for Talking<'_> {
    fn drop(&mut self) {
        let mut turn = self.hosted.lock();
        turn.taken = false;
        turn.generation = self.generation;
        turn.line = self.line.take();
        drop(turn);
        self.hosted.turns().free.notify_one();
    }
}

/// The number of the next host: never 0, and as wide as half a context.
fn next(generation: u32) -> u32 {
    match (generation as usize + 1) & super::MASK {
        0 => 1,
        next => u32::try_from(next).unwrap_or(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_host_is_never_none() {
        assert_eq!(next(0), 1);
        assert_eq!(next(u32::try_from(super::super::MASK).unwrap()), 1);
    }
}
