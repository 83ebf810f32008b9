//! The table of notification libraries, and the announcement of one operation to them.

use crate::Problem;
use mpr_core::notify::{Operation, Step, When};
use mpr_plugin::abi::{NOTIFY_POST, NOTIFY_PRE, NOTIFYINFO};
use mpr_plugin::{Event, Notifyee, Status};
use smallvec::SmallVec;
use std::cell::RefCell;
use std::fmt;

/// A notification library in the table.
pub struct Registration {
    /// Name of its registration.
    pub label: String,
    library: Box<dyn Notifyee>,
}

impl Registration {
    /// Registers `library` under `label`.
    #[must_use]
    pub fn new(label: impl Into<String>, library: Box<dyn Notifyee>) -> Self {
        Registration { label: label.into(), library }
    }

    /// The library itself.
    #[must_use]
    pub fn library(&self) -> &dyn Notifyee {
        &*self.library
    }

    /// What tells this registration from every other one in the process.
    fn id(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").field("label", &self.label).finish_non_exhaustive()
    }
}

/// The notification libraries in registration order.
#[derive(Debug, Default)]
pub(crate) struct Notifyees {
    table: Vec<Registration>,
    /// Positions of those that want to hear of connects.
    adding: Vec<usize>,
    /// Positions of those that want to hear of disconnects.
    cancelling: Vec<usize>,
    problems: Vec<Problem>,
}

thread_local! {
    /// Libraries that are executing a callback on this thread's stack (DECISION 29).
    static EXECUTING: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Marks a library as executing for as long as it lives.
struct Executing;

impl Executing {
    fn enter(id: usize) -> Self {
        EXECUTING.with_borrow_mut(|executing| executing.push(id));
        Executing
    }
}

impl Drop for Executing {
    fn drop(&mut self) {
        EXECUTING.with_borrow_mut(|executing| _ = executing.pop());
    }
}

/// An operation as its notifications describe it.
pub(crate) trait Announced {
    /// Which callback it is announced with.
    const EVENT: Event;
    /// Calls one library.
    fn notify(&self, library: &dyn Notifyee, when: When, info: &mut NOTIFYINFO) -> Status;
    /// Runs the routing loop.
    fn attempt(&mut self) -> Status;
    /// Updates the remembered connections after a success.
    fn save(&mut self) -> Status;
}

impl Notifyees {
    pub(crate) fn new(table: Vec<Registration>, problems: Vec<Problem>) -> Self {
        let wanting = |event| {
            let wants = |&at: &usize| table[at].library.wants(event);
            (0..table.len()).filter(wants).collect()
        };
        Notifyees { adding: wanting(Event::Add), cancelling: wanting(Event::Cancel), table, problems }
    }

    /// What was registered and left out, and why.
    pub(crate) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Registration> {
        self.table.iter()
    }

    /// Takes `operation` through the protocol and returns its result.
    #[inline]
    pub(crate) fn announce<A: Announced>(&self, operation: &mut A, retry_limit: u32) -> Status {
        let wanting = match A::EVENT {
            Event::Add => &*self.adding,
            Event::Cancel => &*self.cancelling,
        };
        if wanting.is_empty() {
            return self.unannounced(operation);
        }
        let nested = EXECUTING.with_borrow(|executing| !executing.is_empty());
        if !nested {
            return self.drive(wanting, operation, retry_limit);
        }
        let others: SmallVec<[usize; 8]> = EXECUTING.with_borrow(|executing| {
            wanting.iter().copied().filter(|&at| !executing.contains(&self.table[at].id())).collect()
        });
        self.drive(&others, operation, retry_limit)
    }

    /// What the protocol comes to where nobody is to be told: one attempt, and what was remembered of it. Most
    /// systems have no notification library at all.
    #[inline]
    fn unannounced<A: Announced>(&self, operation: &mut A) -> Status {
        let attempted = operation.attempt();
        if attempted.is_success() { operation.save() } else { attempted }
    }

    fn drive<A: Announced>(&self, seats: &[usize], operation: &mut A, retry_limit: u32) -> Status {
        let mut protocol = Operation::new(seats.len(), retry_limit);
        loop {
            match protocol.step() {
                Step::Notify(notice) => {
                    let registration = &self.table[seats[notice.seat]];
                    let mut info = NOTIFYINFO {
                        dwNotifyStatus: if notice.when == When::Before { NOTIFY_PRE } else { NOTIFY_POST },
                        dwOperationStatus: notice.status.0,
                        // Opaque to the rules, a pointer to its owner: it must come back as one.
                        lpContext: std::ptr::with_exposed_provenance_mut(notice.context),
                    };
                    let executing = Executing::enter(registration.id());
                    let answer = operation.notify(registration.library(), notice.when, &mut info);
                    drop(executing);
                    notice.answered(answer, info.lpContext.expose_provenance());
                }
                Step::Attempt(attempt) => attempt.came_to(operation.attempt()),
                Step::Save(save) => save.came_to(operation.save()),
                Step::Done(status) => return status,
            }
        }
    }
}
