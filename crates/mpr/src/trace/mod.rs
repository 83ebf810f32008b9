//! What happens in the course of an operation, step by step: for the audit trail, and for whoever wants to see
//! one explained.
//!
//! A [`Tracer`] goes along with an operation only if somebody wants to know; without one, the path of a request
//! reads no clock and takes no memory on this account. Those further down who know more about an answer than the
//! answer says leave a [`remark`].

mod record;

pub(crate) use record::bounded;
pub use record::{Decider, Kind, Operation, Remark, Request, Said, Step, What, When};

use crate::audit::Auditor;
use crate::{Router, extended_error, notifyees};
use mpr_core::notify;
use mpr_plugin::{Status, WideStr};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How many steps of an operation are put down: many listeners, each of which has it repeated many times, could
/// fill a disk.
const MOST_STEPS: usize = 500;

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
    /// What an attempt is taken to come to while nothing is done but simulated.
    static ASSUMED: Cell<Option<Status>> = const { Cell::new(None) };
    /// What plug-ins outside the program left of their time in the course of the operation: the one that left least.
    static SPARE: Cell<Option<Duration>> = const { Cell::new(None) };
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

/// The same, but operations of this thread are simulated meanwhile: the policy and the notification libraries that
/// can see that it is a simulation are asked, no provider is, and nothing is remembered. An attempt is taken to come
/// to `assumed`.
pub fn simulate<T>(assumed: Status, watcher: impl Fn(Sight<'_>) + 'static, work: impl FnOnce() -> T) -> T {
    struct Restore(Option<Status>);

    impl Drop for Restore {
        fn drop(&mut self) {
            ASSUMED.set(self.0);
        }
    }

    let _restore = Restore(ASSUMED.replace(Some(assumed)));
    watch(watcher, work)
}

/// Whether what is asked on this thread is asked in the course of a simulation: for notification libraries.
#[must_use]
pub fn is_simulation() -> bool {
    ASSUMED.get().is_some()
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

/// For whoever asks a plug-in outside the program: it had time until then, and has answered or been given up.
pub(crate) fn had_until(deadline: Instant) {
    if TRACING.get() {
        let left = deadline.saturating_duration_since(Instant::now());
        SPARE.set(Some(SPARE.get().map_or(left, |least| least.min(left))));
    }
}

/// Goes along with one operation and puts down what happens.
pub(crate) struct Tracer<'r> {
    record: RefCell<Operation>,
    began: Instant,
    watcher: Option<Watcher>,
    auditor: Option<&'r Auditor>,
    _numbered: notifyees::Numbered,
    /// Whether it is asked for in the course of another one that has a tracer.
    outer: bool,
    /// What that one has for [`SPARE`].
    outer_spare: Option<Duration>,
}

impl<'r> Tracer<'r> {
    /// An operation begins on this thread.
    pub(crate) fn begin(router: &'r Router, kind: Kind, request: Request) -> Self {
        let parent = TRACING.get().then(|| notifyees::operation_id(notifyees::operation()));
        let numbered = notifyees::Numbered::begin();
        let record = Operation {
            operation: notifyees::operation_id(notifyees::operation()),
            parent,
            kind,
            restore: false,
            simulation: is_simulation(),
            request,
            steps: Vec::new(),
            status: 0,
            omitted: 0,
            decided: Decider::Router,
            reason: None,
            micros: 0,
        };
        let watcher = if is_watched() { WATCHER.with_borrow(Clone::clone) } else { None };
        Tracer {
            record: RefCell::new(record),
            began: Instant::now(),
            watcher,
            auditor: router.auditor(),
            _numbered: numbered,
            outer: TRACING.replace(true),
            outer_spare: SPARE.take(),
        }
    }

    /// What is known of the operation besides the request.
    pub(crate) fn mark(&self, mark: impl FnOnce(&mut Operation)) {
        mark(&mut self.record.borrow_mut());
    }

    /// The request was accepted, and understood so. Nobody has been told yet, and nothing done.
    ///
    /// # Errors
    ///
    /// Nothing may be done that cannot be recorded, and this cannot.
    pub(crate) fn accept(&self, understood: impl FnOnce(&mut Request)) -> Result<(), Status> {
        understood(&mut self.record.borrow_mut().request);
        if let Some(watcher) = &self.watcher {
            watcher(Sight::Begins(&self.record.borrow()));
        }
        match self.auditor {
            Some(auditor) if self.assumed().is_none() => auditor.intend(&self.record.borrow()),
            _ => Ok(()),
        }
    }

    /// What an attempt is taken to come to, if this is a simulation.
    pub(crate) fn assumed(&self) -> Option<Status> {
        // What a notification library does in the course of it is simulated, too.
        if self.record.borrow().simulation { ASSUMED.get() } else { None }
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
        let mut record = self.record.borrow_mut();
        if record.steps.len() == MOST_STEPS {
            // The last ones tell who decided.
            record.steps.remove(MOST_STEPS / 2);
            record.omitted += 1;
        }
        record.steps.push(step);
    }

    /// The operation is over, and the caller gets this.
    pub(crate) fn end(self, status: Status) -> Status {
        let mut record = self.record.borrow_mut();
        record.micros = micros(self.began.elapsed());
        record.conclude(status);
        drop(record);
        if let Some(auditor) = self.auditor {
            auditor.record(&self.record.borrow(), SPARE.get());
        }
        if let Some(watcher) = &self.watcher {
            watcher(Sight::Ends(&self.record.borrow()));
        }
        status
    }
}

impl Drop for Tracer<'_> {
    fn drop(&mut self) {
        TRACING.set(self.outer);
        // The one around it has had to wait for all of this.
        let least = [self.outer_spare, SPARE.get()].into_iter().flatten().min();
        SPARE.set(if self.outer { least } else { None });
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
    fn tracer(&self) -> Option<&Tracer<'_>>;

    /// What an attempt is taken to come to, if this is a simulation.
    #[inline(always)]
    fn assumed(&self) -> Option<Status> {
        self.tracer().and_then(Tracer::assumed)
    }

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
    fn tracer(&self) -> Option<&Tracer<'_>> {
        None
    }

    #[inline(always)]
    fn begin(self) {}

    #[inline(always)]
    fn end(self, (): (), _: impl FnOnce() -> What, _: Status) {}
}

impl Traced for &Tracer<'_> {
    type UnderWay = UnderWay;

    fn tracer(&self) -> Option<&Tracer<'_>> {
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
