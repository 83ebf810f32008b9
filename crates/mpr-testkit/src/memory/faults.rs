//! What can be made to go wrong with the calls of one client: they are counted, and can be slow, fail, or be held up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mpr_remotefs::{Errno, Result};
use tokio::sync::watch;

/// A call of [`mpr_remotefs::RemoteFs`] that goes to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the method of that name")]
pub enum Call {
    Stat,
    StatOpen,
    Change,
    ChangeOpen,
    Open,
    Create,
    Read,
    Write,
    Flush,
    Close,
    OpenDirectory,
    NextEntries,
    CloseDirectory,
    MakeDirectory,
    RemoveDirectory,
    RemoveFile,
    Rename,
    ReadLink,
    MakeSymlink,
    Link,
    Xattrs,
    Xattr,
    SetXattr,
    RemoveXattr,
    Lock,
    Unlock,
    Allocate,
    Seek,
    Copy,
    Space,
}

#[derive(Debug, Default)]
struct State {
    counts: HashMap<Call, usize>,
    failing: Vec<(Call, Errno, Moment)>,
    held: HashMap<Call, Arc<watch::Sender<Gate>>>,
    latency: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Before,
    After,
}

#[derive(Debug, Default)]
struct Gate {
    waiting: usize,
    open: bool,
}

#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<State>);

impl Faults {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call arrives. It is counted, waits where it is to, and fails if it is to.
    pub(super) async fn arrive(&self, call: Call) -> Result<()> {
        let (gate, latency) = {
            let mut state = self.state();
            *state.counts.entry(call).or_default() += 1;
            (state.held.get(&call).cloned(), state.latency)
        };
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        if let Some(gate) = gate {
            let mut opened = gate.subscribe();
            gate.send_modify(|gate| gate.waiting += 1);
            // An error means that the one who held it has gone, which opens it, too.
            let _ = opened.wait_for(|gate| gate.open).await;
        }
        self.fails(call, Moment::Before)
    }

    /// A call has done its work. It may be that its caller does not learn of it.
    pub(super) fn leave(&self, call: Call) -> Result<()> {
        self.fails(call, Moment::After)
    }

    fn fails(&self, call: Call, when: Moment) -> Result<()> {
        let mut state = self.state();
        match state.failing.iter().position(|(which, _, moment)| (*which, *moment) == (call, when)) {
            Some(index) => Err(state.failing.remove(index).1),
            None => Ok(()),
        }
    }

    pub(super) fn count(&self, call: Call) -> usize {
        self.state().counts.get(&call).copied().unwrap_or_default()
    }

    pub(super) fn count_all(&self) -> usize {
        self.state().counts.values().sum()
    }

    pub(super) fn forget_counts(&self) {
        self.state().counts.clear();
    }

    pub(super) fn set_latency(&self, latency: Duration) {
        self.state().latency = latency;
    }

    pub(super) fn fail(&self, call: Call, error: Errno) {
        self.state().failing.push((call, error, Moment::Before));
    }

    pub(super) fn fail_after(&self, call: Call, error: Errno) {
        self.state().failing.push((call, error, Moment::After));
    }

    pub(super) fn hold(self: &Arc<Self>, call: Call) -> Held {
        let gate = Arc::new(watch::Sender::new(Gate::default()));
        self.state().held.insert(call, Arc::clone(&gate));
        Held { call, gate, faults: Arc::clone(self) }
    }
}

/// Calls that are held up until this is dropped.
#[derive(Debug)]
pub struct Held {
    call: Call,
    gate: Arc<watch::Sender<Gate>>,
    faults: Arc<Faults>,
}

impl Held {
    /// Ends when this many calls have arrived and wait.
    pub async fn reached(&self, calls: usize) {
        let _ = self.gate.subscribe().wait_for(|gate| gate.waiting >= calls).await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.faults.state();
        if state.held.get(&self.call).is_some_and(|gate| Arc::ptr_eq(gate, &self.gate)) {
            state.held.remove(&self.call);
        }
        drop(state);
        self.gate.send_modify(|gate| gate.open = true);
    }
}
