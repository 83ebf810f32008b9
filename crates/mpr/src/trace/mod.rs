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

    /// A step of the operation begins.
    fn begin_step(&self) -> UnderWay {
        UnderWay { outer: REMARKS.take(), written: extended_error::written(), at: self.began.elapsed() }
    }

    /// Puts down what came of it.
    fn end_step(&self, begun: UnderWay, what: What, answer: Status) {
        let took = self.began.elapsed().saturating_sub(begun.at);
        let wrote = extended_error::written() != begun.written && !matches!(what, What::Attempted);
        let said = wrote.then(|| Said::of(&extended_error::recorded()));
        let remarks = REMARKS.replace(begun.outer);
        let step = Step { at: micros(begun.at), micros: micros(took), answer: answer.0, what, said, remarks };
        if let Some(watcher) = &self.watcher {
            watcher(Sight::Step(&self.record.borrow(), &step));
        }
        self.record.borrow_mut().steps.push(step);
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

/// A step that is under way.
pub(crate) struct UnderWay {
    /// What is remarked in the course of an operation inside this one is not about this step.
    outer: Vec<Remark>,
    written: u64,
    at: Duration,
}

/// Whether a tracer goes along, known where an operation begins: its path is compiled once with, and once without
/// any trace of it.
pub(crate) trait Traced: Copy {
    /// What is known of a step while it is under way.
    type UnderWay;

    /// The tracer, if there is one.
    fn tracer(&self) -> Option<&Tracer>;

    /// A step of the operation begins.
    fn begin(self) -> Self::UnderWay;

    /// It is done, and this came of it.
    fn end(self, begun: Self::UnderWay, what: impl FnOnce() -> What, answer: Status);
}

/// Nobody wants to know.
#[derive(Clone, Copy)]
pub(crate) struct Untraced;

impl Traced for Untraced {
    type UnderWay = ();

    #[inline(always)]
    fn tracer(&self) -> Option<&Tracer> {
        None
    }

    #[inline(always)]
    fn begin(self) {}

    #[inline(always)]
    fn end(self, (): (), _: impl FnOnce() -> What, _: Status) {}
}

impl Traced for &Tracer {
    type UnderWay = UnderWay;

    fn tracer(&self) -> Option<&Tracer> {
        Some(self)
    }

    fn begin(self) -> UnderWay {
        self.begin_step()
    }

    fn end(self, begun: UnderWay, what: impl FnOnce() -> What, answer: Status) {
        self.end_step(begun, what(), answer);
    }
}

/// Updates the remembered connections.
#[inline(always)]
pub(crate) fn saved(traced: impl Traced, save: impl FnOnce() -> Status) -> Status {
    let begun = traced.begin();
    let answer = save();
    traced.end(begun, || What::Saved, answer);
    answer
}

/// Asks a provider, for a device where the router chose one.
#[inline(always)]
pub(crate) fn asked(
    traced: impl Traced,
    provider: &WideStr,
    device: Option<&WideStr>,
    ask: impl FnOnce() -> Result<(), Status>,
) -> Result<(), Status> {
    let begun = traced.begin();
    let answer = ask();
    let what =
        || What::Asked { provider: provider.to_string_lossy(), device: device.map(WideStr::to_string_lossy) };
    traced.end(begun, what, answer.into());
    answer
}

/// Tells a notification library.
#[inline(always)]
pub(crate) fn notified(
    traced: impl Traced,
    listener: &str,
    (when, told): (notify::When, Status),
    tell: impl FnOnce() -> Status,
) -> Status {
    let begun = traced.begin();
    let answer = tell();
    let what = || {
        let when = match when {
            notify::When::Before => When::Pre,
            notify::When::AfterSuccess | notify::When::AfterFailure => When::Post,
        };
        What::Notified { listener: listener.to_owned(), when, told: told.0 }
    };
    traced.end(begun, what, answer);
    answer
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
