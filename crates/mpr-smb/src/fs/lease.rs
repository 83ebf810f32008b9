//! What may be kept of open files, as the server grants it and takes it back.
//!
//! A lease belongs to a file, not to a handle: all handles this mount has on one name share a key, so that they do
//! not take it from each other, and what is done by name to a file that is open here is done under its key, too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use mpr_remotefs::Lease;

use crate::contexts::{Granted, LEASE_HANDLE, LEASE_READ, LEASE_WRITE, LeaseKey};
use crate::locked;
use crate::notices::Break;
use crate::session::new_client;

/// How long a server waits for what it takes back; then it does without. Servers wait 35 seconds.
const GRACE: Duration = Duration::from_secs(30);

/// The lease on one file.
#[derive(Debug)]
pub(super) struct Leased {
    pub(super) key: LeaseKey,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The connection it was granted on.
    generation: u64,
    held: u32,
    epoch: Option<u16>,
    /// Breaks there have been.
    breaks: u64,
    /// Held on an earlier connection, and not known to be held on this.
    lost: u32,
    /// The file's number.
    number: u64,
    /// Until when what is taken back has to be given.
    due: Option<Instant>,
}

impl Leased {
    fn new() -> Leased {
        Leased { key: new_client(), state: Mutex::default() }
    }

    /// What may be kept, on this connection.
    pub(super) fn now(&self, generation: u64) -> Lease {
        let state = locked(&self.state);
        let overdue = state.due.is_some_and(|due| Instant::now() > due);
        if state.generation != generation || state.number == 0 || overdue {
            return Lease::default();
        }
        lease_of(state.held)
    }

    /// The bits of it.
    pub(super) fn bits(&self, generation: u64) -> u32 {
        let state = locked(&self.state);
        if state.generation == generation { state.held } else { 0 }
    }

    pub(super) fn breaks(&self) -> u64 {
        locked(&self.state).breaks
    }

    /// The server has answered an open, before which there had been so many breaks.
    pub(super) fn granted(&self, generation: u64, number: u64, granted: Option<Granted>, breaks: u64) {
        let mut state = locked(&self.state);
        state.enter(generation);
        if state.number != 0 && state.number != number {
            // Another file by now.
            state.lost |= state.held;
            state.held = 0;
            return;
        }
        state.number = number;
        let Some(granted) = granted.filter(|granted| granted.key == self.key) else { return };
        // An answer may be looked at later than a break that came after it.
        let stale = match (granted.epoch, state.epoch) {
            (Some(told), Some(known)) => (told.wrapping_sub(known) as i16) < 0,
            _ => breaks != state.breaks,
        };
        if stale || granted.breaking || state.due.is_some() {
            state.held &= granted.state;
        } else {
            state.held = granted.state;
            state.epoch = granted.epoch;
        }
        state.lost &= !state.held;
    }

    /// The server takes it back. Says whose it is, and what may still be kept.
    pub(super) fn broken(&self, generation: u64, by: &Break) -> (u64, Lease) {
        let mut state = locked(&self.state);
        state.enter(generation);
        state.breaks += 1;
        if state.epoch.is_some() {
            state.epoch = Some(by.epoch);
        }
        state.held &= by.left;
        state.due = by.wants_answer.then(|| Instant::now() + GRACE);
        (state.number, lease_of(by.left))
    }

    /// What was taken back has been given.
    pub(super) fn yielded(&self, generation: u64) {
        let mut state = locked(&self.state);
        if state.generation == generation && state.due.take().is_some_and(|due| Instant::now() > due) {
            // Too late: the server has done without, and what it thinks of this lease is not known.
            state.held = 0;
        }
    }

    /// All handles were closed for the moment: nothing has been watched over meanwhile.
    pub(super) fn interrupted(&self) {
        let mut state = locked(&self.state);
        state.lost |= state.held;
        state.held = 0;
    }

    /// What was held and is no more, without having been taken back: whose it is, and what may still be kept.
    pub(super) fn take_lost(&self, generation: u64) -> Option<(u64, Lease)> {
        let mut state = locked(&self.state);
        state.enter(generation);
        let lost = std::mem::take(&mut state.lost);
        (lost != 0).then(|| (state.number, lease_of(state.held)))
    }
}

impl State {
    /// On a new connection nothing is held until it is granted again.
    fn enter(&mut self, generation: u64) {
        if self.generation != generation {
            let lost = self.lost | self.held;
            *self = State { generation, lost, number: self.number, breaks: self.breaks, ..State::default() };
        }
    }
}

fn lease_of(bits: u32) -> Lease {
    Lease { read: bits & LEASE_READ != 0, write: bits & LEASE_WRITE != 0, handle: bits & LEASE_HANDLE != 0 }
}

/// The leases of a mount.
#[derive(Debug, Default)]
pub(super) struct Leases {
    by_path: HashMap<String, Weak<Leased>>,
    by_key: HashMap<LeaseKey, Weak<Leased>>,
    tidy_at: usize,
}

impl Leases {
    /// The lease of a path, a new one if there is none.
    pub(super) fn of(&mut self, path: &str) -> Arc<Leased> {
        self.known(path).unwrap_or_else(|| self.fresh(path))
    }

    /// A new lease for a path that is another file now.
    pub(super) fn fresh(&mut self, path: &str) -> Arc<Leased> {
        if self.by_key.len() >= self.tidy_at {
            self.by_path.retain(|_, leased| leased.strong_count() > 0);
            self.by_key.retain(|_, leased| leased.strong_count() > 0);
            self.tidy_at = (2 * self.by_key.len()).max(64);
        }
        let leased = Arc::new(Leased::new());
        self.by_path.insert(path.to_owned(), Arc::downgrade(&leased));
        self.by_key.insert(leased.key, Arc::downgrade(&leased));
        leased
    }

    pub(super) fn known(&self, path: &str) -> Option<Arc<Leased>> {
        self.by_path.get(path)?.upgrade()
    }

    pub(super) fn with_key(&self, key: &LeaseKey) -> Option<Arc<Leased>> {
        self.by_key.get(key)?.upgrade()
    }

    pub(super) fn all(&self) -> Vec<Arc<Leased>> {
        self.by_key.values().filter_map(Weak::upgrade).collect()
    }

    /// Files keep their leases when they, or a directory above them, are renamed.
    pub(super) fn follow(&mut self, from: &str, to: &str) {
        let moved: Vec<(String, Weak<Leased>)> = self
            .by_path
            .extract_if(|path, _| {
                path.strip_prefix(from).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
            .collect();
        for (path, leased) in moved {
            self.by_path.insert(format!("{to}{}", &path[from.len()..]), leased);
        }
    }

    /// The next file of this name is another one.
    pub(super) fn forget(&mut self, path: &str) {
        self.by_path.remove(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u32 = LEASE_READ | LEASE_WRITE | LEASE_HANDLE;

    fn granted(leased: &Leased, state: u32, epoch: u16) -> Option<Granted> {
        Some(Granted { key: leased.key, state, breaking: false, epoch: Some(epoch) })
    }

    fn taken(leased: &Leased, left: u32, epoch: u16) -> Break {
        Break { key: leased.key, epoch, wants_answer: true, left }
    }

    #[test]
    fn an_answer_older_than_a_break_gives_nothing_back() {
        let leased = Leased::new();
        leased.granted(0, 7, granted(&leased, ALL, 1), 0);
        assert_eq!(leased.now(0), lease_of(ALL));
        assert_eq!(leased.broken(0, &taken(&leased, LEASE_READ, 3)), (7, lease_of(LEASE_READ)));
        leased.granted(0, 7, granted(&leased, ALL, 2), 0);
        assert_eq!(leased.now(0), lease_of(LEASE_READ));
        leased.yielded(0);
        leased.granted(0, 7, granted(&leased, ALL, 4), 1);
        assert_eq!(leased.now(0), lease_of(ALL));
    }

    #[test]
    fn an_answer_without_a_count_is_not_believed_beyond_a_break() {
        let leased = Leased::new();
        let granted = |state| Some(Granted { key: leased.key, state, breaking: false, epoch: None });
        leased.granted(0, 7, granted(ALL), 0);
        leased.broken(0, &taken(&leased, 0, 0));
        leased.yielded(0);
        leased.granted(0, 7, granted(ALL), 0);
        assert_eq!(leased.now(0), Lease::default());
        leased.granted(0, 7, granted(ALL), leased.breaks());
        assert_eq!(leased.now(0), lease_of(ALL));
    }

    #[test]
    fn a_lease_of_a_lost_connection_is_none_and_is_told_unless_it_is_granted_again() {
        let leased = Leased::new();
        leased.granted(0, 7, granted(&leased, ALL, 1), 0);
        assert_eq!(leased.now(1), Lease::default());
        leased.granted(1, 7, granted(&leased, LEASE_READ, 1), 0);
        assert_eq!(leased.now(1), lease_of(LEASE_READ));
        assert_eq!(leased.take_lost(1), Some((7, lease_of(LEASE_READ))));
        assert_eq!(leased.take_lost(1), None);

        let leased = Leased::new();
        leased.granted(0, 7, granted(&leased, ALL, 1), 0);
        leased.granted(1, 7, granted(&leased, ALL, 1), 0);
        assert_eq!(leased.take_lost(1), None);
    }

    #[test]
    fn leases_follow_their_files() {
        let mut leases = Leases::default();
        let one = leases.of("d/f");
        assert_eq!(leases.of("d/f").key, one.key);
        leases.follow("d", "e/x");
        assert!(leases.known("d/f").is_none());
        assert_eq!(leases.of("e/x/f").key, one.key);
        leases.forget("e/x/f");
        assert_ne!(leases.of("e/x/f").key, one.key);
        assert_eq!(leases.with_key(&one.key).unwrap().key, one.key);
    }
}
