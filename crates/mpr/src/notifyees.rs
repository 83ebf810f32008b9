//! The table of notification libraries, and the announcement of one operation to them.

use crate::Problem;
use crate::trace::{self, Traced};
use mpr_core::notify::{Operation, Step, When};
use mpr_plugin::abi::{NOTIFY_POST, NOTIFY_PRE, NOTIFYINFO};
use mpr_plugin::{Event, Notifyee, Status};
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A notification library in the table.
pub struct Registration {
    /// Name of its registration.
    pub label: String,
    library: Box<dyn Notifyee>,
    /// What tells it from every other one in the process.
    number: usize,
    /// Its bit in [`Thread::executing`]; zero if it has none.
    bit: u64,
    /// Whether nobody is asked, and it stands there to have that recorded.
    pub(crate) is_absent: bool,
}

impl Registration {
    /// Registers `library` under `label`.
    #[must_use]
    pub fn new(label: impl Into<String>, library: Box<dyn Notifyee>) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Registration { label: label.into(), library, number, bit: bit(number), is_absent: false }
    }

    /// The library itself.
    #[must_use]
    pub fn library(&self) -> &dyn Notifyee {
        &*self.library
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

/// What is going on on a thread. In one place, which is looked up once an operation: in a shared object, that is a
/// call.
struct Thread {
    /// Libraries that are executing a callback on its stack, a bit each (DECISION 29).
    executing: Cell<u64>,
    /// Number of the operation that is being announced; 0 until somebody asks for it.
    operation: Cell<u64>,
}

thread_local! {
    static THREAD: Thread = const { Thread { executing: Cell::new(0), operation: Cell::new(0) } };
    /// The executing libraries that have no bit.
    static EXECUTING_BEYOND: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Number of the next library; no two in the process have the same.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Number of the operation that is being announced on this thread: its own among those of this process, also of
/// one that had the same process number before.
pub(crate) fn operation() -> u64 {
    static FIRST: OnceLock<u64> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let known = THREAD.with(|thread| thread.operation.get());
    if known != 0 {
        return known;
    }
    let first = FIRST.get_or_init(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or_default()
    });
    let number = first.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed)).max(1);
    THREAD.with(|thread| thread.operation.set(number));
    number
}

/// The number of an operation as it is told and recorded: that of this process makes it the only one.
pub(crate) fn operation_id(operation: u64) -> String {
    format!("{:x}-{operation:x}", std::process::id())
}

/// One operation on this thread has a number of its own for as long as this lives; then the one around it has.
pub(crate) struct Numbered(u64);

impl Numbered {
    pub(crate) fn begin() -> Self {
        Numbered(THREAD.with(|thread| thread.operation.replace(0)))
    }
}

impl Drop for Numbered {
    fn drop(&mut self) {
        THREAD.with(|thread| thread.operation.set(self.0));
    }
}

/// Something else is in a cell for as long as this lives; then again what was there before.
struct Instead<'c>(&'c Cell<u64>, u64);

impl<'c> Instead<'c> {
    #[inline]
    fn put(cell: &'c Cell<u64>, value: u64) -> Self {
        Instead(cell, cell.replace(value))
    }
}

impl Drop for Instead<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}

/// The bit of a library in [`Thread::executing`]; none for those beyond the first 64.
fn bit(number: usize) -> u64 {
    u32::try_from(number).ok().and_then(|number| 1_u64.checked_shl(number)).unwrap_or(0)
}

impl Thread {
    /// Calls a library, which counts as executing until it returns.
    #[inline(always)]
    fn while_executing<T>(&self, library: &Registration, call: impl FnOnce() -> T) -> T {
        let is_beyond = library.bit == 0;
        if is_beyond {
            begin_executing_beyond(library.number);
        }
        let _bit = Instead::put(&self.executing, self.executing.get() | library.bit);
        let _beyond = Beyond(is_beyond);
        call()
    }

    fn is_executing(&self, library: &Registration) -> bool {
        match library.bit {
            0 => is_executing_beyond(|number| number == library.number),
            bit => self.executing.get() & bit != 0,
        }
    }

    /// Whether any library is executing: whether an operation is a nested one.
    #[inline]
    fn any_executing(&self, table: &[Registration]) -> bool {
        self.executing.get() != 0
            || table.last().is_some_and(|last| last.bit == 0) && is_executing_beyond(|_| true)
    }
}

/// Whether the library that is executing has no bit: it does so as long as this lives.
struct Beyond(bool);

impl Drop for Beyond {
    #[inline(always)]
    fn drop(&mut self) {
        if self.0 {
            end_executing_beyond();
        }
    }
}

// These are not inlined: their thread-local would be looked up for everybody.
#[cold]
#[inline(never)]
fn begin_executing_beyond(number: usize) {
    EXECUTING_BEYOND.with_borrow_mut(|executing| executing.push(number));
}

#[cold]
#[inline(never)]
fn end_executing_beyond() {
    EXECUTING_BEYOND.with_borrow_mut(|executing| _ = executing.pop());
}

#[cold]
#[inline(never)]
fn is_executing_beyond(one: impl Fn(usize) -> bool) -> bool {
    EXECUTING_BEYOND.with_borrow(|executing| executing.iter().copied().any(one))
}

/// An operation as its notifications describe it.
pub(crate) trait Announced {
    /// Whether what happens is put down.
    type Traced: Traced;
    /// Which callback it is announced with.
    const EVENT: Event;
    /// Calls one library.
    fn notify(&self, library: &dyn Notifyee, when: When, info: &mut NOTIFYINFO) -> Status;
    /// Runs the routing loop.
    fn attempt(&mut self) -> Status;
    /// Updates the remembered connections after a success.
    fn save(&mut self) -> Status;
    /// Who puts down what happens, if anybody does.
    fn traced(&self) -> Self::Traced;
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

    /// Who wants to be told of such operations.
    #[inline(always)]
    fn wanting(&self, event: Event) -> &[usize] {
        match event {
            Event::Add => &self.adding,
            Event::Cancel => &self.cancelling,
        }
    }

    /// Whether anybody wants to be told of such operations.
    #[inline(always)]
    pub(crate) fn are_wanting(&self, event: Event) -> bool {
        !self.wanting(event).is_empty()
    }

    /// Takes `operation` through the protocol and returns its result.
    #[inline]
    pub(crate) fn announce<A: Announced>(
        &self,
        operation: &mut A,
        retry_limit: impl FnOnce() -> u32,
    ) -> Status {
        let wanting = self.wanting(A::EVENT);
        if wanting.is_empty() {
            return self.unannounced(operation);
        }
        THREAD.with(|thread| self.announced(thread, wanting, operation, retry_limit()))
    }

    #[inline]
    fn announced<A: Announced>(
        &self,
        thread: &Thread,
        wanting: &[usize],
        operation: &mut A,
        retry_limit: u32,
    ) -> Status {
        let simulated = operation.traced().assumed().is_some();
        if !thread.any_executing(&self.table) && !simulated {
            return self.drive(thread, wanting, operation, retry_limit);
        }
        // One that could not see that it is a simulation would take it for the real thing.
        let idle = |&at: &usize| {
            let registration = &self.table[at];
            !thread.is_executing(registration) && (!simulated || registration.library.sees_simulations())
        };
        let others: SmallVec<[usize; 8]> = wanting.iter().copied().filter(idle).collect();
        self.drive(thread, &others, operation, retry_limit)
    }

    /// What the protocol comes to where nobody is to be told: one attempt, and what was remembered of it. Most
    /// systems have no notification library at all.
    #[inline(always)]
    fn unannounced<A: Announced>(&self, operation: &mut A) -> Status {
        let attempted = operation.attempt();
        if attempted.is_success() { operation.save() } else { attempted }
    }

    #[inline(never)]
    fn drive<A: Announced>(
        &self,
        thread: &Thread,
        seats: &[usize],
        operation: &mut A,
        retry_limit: u32,
    ) -> Status {
        // One that is traced has its number already.
        let is_traced = operation.traced().tracer().is_some();
        let _numbered = (!is_traced).then(|| Instead::put(&thread.operation, 0));
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
                    let (when, traced) = (notice.when, operation.traced());
                    let answer = trace::notified(traced, &registration.label, (when, notice.status), || {
                        thread.while_executing(registration, || {
                            operation.notify(registration.library(), when, &mut info)
                        })
                    });
                    notice.answered(answer, info.lpContext.expose_provenance());
                }
                Step::Attempt(attempt) => attempt.came_to(operation.attempt()),
                Step::Save(save) => save.came_to(operation.save()),
                Step::Done(status) => return status,
            }
        }
    }
}
