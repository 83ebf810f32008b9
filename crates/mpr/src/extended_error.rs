//! The extended error of the calling thread (`spec/wnet.md` §13).
//!
//! One record a thread: written by providers and notification libraries, read by the application, kept
//! until the next is written.

use mpr_plugin::{Status, WideStr, WideString, borrow_wide, last_error};
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A provider's own code with a text and a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtendedError {
    /// Code of the provider's own; 0 when nothing was recorded.
    pub code: u32,
    /// Text for people.
    pub text: WideString,
    /// Who recorded it.
    pub provider: WideString,
}

/// Shared with whoever follows it: a call over several providers keeps the record from before without copying it.
type Record = Option<Rc<ExtendedError>>;

thread_local! {
    static RECORD: RefCell<Record> = const { RefCell::new(None) };
    /// How often something was recorded on this thread.
    static WRITTEN: Cell<u64> = const { Cell::new(0) };
}

/// What was last recorded on this thread.
#[must_use]
pub fn recorded() -> ExtendedError {
    RECORD.with_borrow(|record| record.as_deref().cloned().unwrap_or_default())
}

/// Records an error for this thread, in place of the one before.
pub fn record(code: u32, text: &WideStr, provider: &WideStr) {
    let error = ExtendedError { code, text: text.to_ucstring(), provider: provider.to_ucstring() };
    RECORD.set(Some(Rc::new(error)));
    WRITTEN.set(WRITTEN.get() + 1);
}

/// How often something was recorded on this thread: whether it has changed tells whether somebody did.
pub(crate) fn written() -> u64 {
    WRITTEN.get()
}

/// Forgets what was recorded on this thread. No WNet function does; a program that wants to know whether
/// its next call leaves something behind may.
pub fn clear() {
    RECORD.set(None);
}

/// Does `work` without leaving a trace of what it records: it is done in preparation of something else.
pub(crate) fn unmarked<T>(work: impl FnOnce() -> T) -> T {
    let before = current();
    let done = work();
    RECORD.set(before);
    done
}

/// Follows what several providers record one after the other, so that in the end the record is that of the one
/// whose answer counts.
pub(crate) struct Witness {
    before: Record,
    written: u64,
    /// On the stack for as many as usually refuse.
    answers: SmallVec<[(Status, Record); 8]>,
}

impl Witness {
    // Not inlined: the thread's record would be looked up also where there is only one provider to ask.
    #[inline(never)]
    pub(crate) fn new() -> Self {
        Witness { before: current(), written: WRITTEN.get(), answers: SmallVec::new() }
    }

    /// A provider has answered `status`, and may have recorded something.
    pub(crate) fn saw(&mut self, status: Status) {
        let written = WRITTEN.get();
        let record = if written == self.written { None } else { current() };
        self.written = written;
        self.answers.push((status, record));
    }

    /// `status` is the result. Its record is that of the first provider that answered so; one that recorded
    /// nothing leaves what was there before anybody was asked.
    pub(crate) fn settle(self, status: Status) {
        let answer = self.answers.into_iter().find(|(answer, _)| *answer == status);
        RECORD.set(answer.and_then(|(_, record)| record).or(self.before));
    }
}

fn current() -> Record {
    RECORD.with_borrow(Clone::clone)
}

/// Makes this the record that plug-ins linked into the process write to.
pub(crate) fn install() {
    last_error::install(record_from_plugin);
}

unsafe extern "system" fn record_from_plugin(code: u32, text: *const u16, provider: *const u16) {
    // SAFETY: `last_error::set` passes strings that are terminated and live through the call.
    let (text, provider) = unsafe { (borrow_wide(text), borrow_wide(provider)) };
    record(code, text.unwrap_or_default(), provider.unwrap_or_default());
}
