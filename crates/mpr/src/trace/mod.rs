//! What happens in the course of an operation, step by step: for the audit trail, and for whoever wants to see
//! one explained.
//!
//! A [`Tracer`] goes along with an operation only if somebody wants to know; without one, the path of a request
//! reads no clock and takes no memory on this account. Those further down who know more about an answer than the
//! answer says leave a [`remark`].

mod record;

pub use record::{Decider, Kind, Operation, Remark, Request, Said, Step, What, When};

use crate::{extended_error, notifyees};
use mpr_core::notify;
use mpr_plugin::{Status, WideStr};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What somebody who watches operations is told.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Sight<'a> {
    /// An operation begins.
    Begins(&'a Operation),
    /// A step of it is done.
    Step(&'a Operation, &'a Step),
    /// It is over.
    Ends(&'a Operation),
}

type Watcher = Rc<dyn Fn(Sight<'_>)>;

thread_local! {
    /// Who watches the operations of this thread.
    static WATCHER: RefCell<Option<Watcher>> = const { RefCell::new(None) };
    /// Whether what is asked on this thread is asked in the course of an operation with a tracer.
    static TRACING: Cell<bool> = const { Cell::new(false) };
    /// What was remarked in the course of the step that is under way.
    static REMARKS: RefCell<Vec<Remark>> = const { RefCell::new(Vec::new()) };
}

/// Threads with a watcher, so that one look tells that there is none.
static WATCHING: AtomicUsize = AtomicUsize::new(0);

/// Runs `work`, and shows `watcher` the operations of this thread meanwhile.
///
/// ```
/// use mpr::trace::{self, Sight};
/// use mpr::{AddRequest, Router};
/// use mpr_plugin::wide;
///
/// let remote = wide(r"\\nas\photos");
/// let request = AddRequest { remote: Some(&remote), ..AddRequest::default() };
/// let story = |sight: Sight<'_>| {
///     if let Sight::Ends(operation) = sight {
///         assert_eq!(operation.request.remote.as_deref(), Some(r"\\nas\photos"));
///         assert_eq!(operation.status, 1222, "there is no provider");
///     }
/// };
/// let result = trace::watch(story, || Router::builder().build().add_connection(&request).is_ok());
/// assert!(!result);
/// ```
pub fn watch<T>(watcher: impl Fn(Sight<'_>) + 'static, work: impl FnOnce() -> T) -> T {
    struct Restore(Option<Watcher>);

    impl Drop for Restore {
        fn drop(&mut self) {
            WATCHER.set(self.0.take());
            WATCHING.fetch_sub(1, Ordering::Relaxed);
        }
    }

    WATCHING.fetch_add(1, Ordering::Relaxed);
    let _restore = Restore(WATCHER.replace(Some(Rc::new(watcher))));
    work()
}

/// Whether anybody watches the operations of this thread.
#[inline]
pub(crate) fn is_watched() -> bool {
    WATCHING.load(Ordering::Relaxed) != 0 && WATCHER.with_borrow(Option::is_some)
}

/// For whoever answers in somebody's place, or knows more about an answer than it says: puts down what is the
/// matter, if anybody wants to know. `kind` is a word for programs (`docs/audit.md` has them all), `text` makes a
/// sentence for people.
pub(crate) fn remark(kind: &str, text: impl FnOnce() -> String) {
    if TRACING.get() {
        let remark = Remark { kind: kind.to_owned(), text: text() };
        REMARKS.with_borrow_mut(|remarks| remarks.push(remark));
    }
}

/// Goes along with one operation and puts down what happens.
pub(crate) struct Tracer {
    record: RefCell<Operation>,
    began: Instant,
    watcher: Option<Watcher>,
    _numbered: notifyees::Numbered,
    /// Whether it is asked for in the course of another one that has a tracer.
    outer: bool,
}

impl Tracer {
    /// An operation begins on this thread.
    pub(crate) fn begin(kind: Kind, request: Request) -> Self {
        let parent = TRACING.get().then(|| notifyees::operation_id(notifyees::operation()));
        let numbered = notifyees::Numbered::begin();
        let record = Operation {
            operation: notifyees::operation_id(notifyees::operation()),
            parent,
            kind,
            restore: false,
            simulation: false,
            request,
            steps: Vec::new(),
            status: 0,
            decided: Decider::Router,
            reason: None,
            micros: 0,
        };
        let watcher = if is_watched() { WATCHER.with_borrow(Clone::clone) } else { None };
        Tracer {
            record: RefCell::new(record),
            began: Instant::now(),
            watcher,
            _numbered: numbered,
            outer: TRACING.replace(true),
        }
    }

    /// What is known of the operation besides the request.
    pub(crate) fn mark(&self, mark: impl FnOnce(&mut Operation)) {
        mark(&mut self.record.borrow_mut());
    }

    /// The request was accepted, and understood so.
    pub(crate) fn accept(&self, understood: impl FnOnce(&mut Request)) {
        understood(&mut self.record.borrow_mut().request);
        if let Some(watcher) = &self.watcher {
            watcher(Sight::Begins(&self.record.borrow()));
        }
    }

    /// Does one step of the operation and puts down what came of it.
    fn step(&self, what: What, work: impl FnOnce() -> Status) -> Status {
        // What is remarked in the course of an operation inside this one is not about this step.
        let outer = REMARKS.take();
        let (written, at) = (extended_error::written(), self.began.elapsed());
        let answer = work();
        let took = self.began.elapsed().saturating_sub(at);
        let wrote = extended_error::written() != written && !matches!(what, What::Attempted);
        let said = wrote.then(|| Said::of(&extended_error::recorded()));
        let remarks = REMARKS.replace(outer);
        let step = Step { at: micros(at), micros: micros(took), answer: answer.0, what, said, remarks };
        if let Some(watcher) = &self.watcher {
            watcher(Sight::Step(&self.record.borrow(), &step));
        }
        self.record.borrow_mut().steps.push(step);
        answer
    }

    /// The operation is over, and the caller gets this.
    pub(crate) fn end(self, status: Status) -> Status {
        let mut record = self.record.borrow_mut();
        record.micros = micros(self.began.elapsed());
        record.conclude(status);
        drop(record);
        if let Some(watcher) = &self.watcher {
            watcher(Sight::Ends(&self.record.borrow()));
        }
        status
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        TRACING.set(self.outer);
    }
}

/// Runs a routing loop.
#[inline]
pub(crate) fn attempted(tracer: Option<&Tracer>, attempt: impl FnOnce() -> Status) -> Status {
    match tracer {
        None => attempt(),
        Some(tracer) => tracer.step(What::Attempted, attempt),
    }
}

/// Updates the remembered connections.
#[inline]
pub(crate) fn saved(tracer: Option<&Tracer>, save: impl FnOnce() -> Status) -> Status {
    match tracer {
        None => save(),
        Some(tracer) => tracer.step(What::Saved, save),
    }
}

/// Asks a provider, for a device where the router chose one.
#[inline]
pub(crate) fn asked(
    tracer: Option<&Tracer>,
    provider: &WideStr,
    device: Option<&WideStr>,
    ask: impl FnOnce() -> Result<(), Status>,
) -> Result<(), Status> {
    let Some(tracer) = tracer else { return ask() };
    let what =
        What::Asked { provider: provider.to_string_lossy(), device: device.map(WideStr::to_string_lossy) };
    tracer.step(what, || ask().into()).ok()
}

/// Tells a notification library.
#[inline]
pub(crate) fn notified(
    tracer: Option<&Tracer>,
    listener: &str,
    (when, told): (notify::When, Status),
    tell: impl FnOnce() -> Status,
) -> Status {
    let Some(tracer) = tracer else { return tell() };
    let when = match when {
        notify::When::Before => When::Pre,
        notify::When::AfterSuccess | notify::When::AfterFailure => When::Post,
    };
    tracer.step(What::Notified { listener: listener.to_owned(), when, told: told.0 }, tell)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
