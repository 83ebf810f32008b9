//! A notification library that checks the fate of its contexts.

use crate::script::{Pass, lock};
use crate::{Fields, Notification};
use mpr_abi::{NOTIFYINFO, Status};
use mpr_plugin::{AddNotice, CancelNotice, Event, Notifyee};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

/// What a [`Ledger`] answers to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// The code returned.
    pub status: Status,
    /// Whether a context is left: a fresh one before the attempt, the same one after it.
    pub context: bool,
}

impl Reply {
    /// Allows, accepts; wants to be called again.
    pub const WATCH: Reply = Reply { status: Status::SUCCESS, context: true };
}

type Policy = dyn Fn(&Notification) -> Reply + Send + Sync;

/// Gives every operation a context no other has, and checks the rules of `spec/notification.md` §7 and §13
/// when it is called again: that the context is one it left, that it was not handed back before, and that it
/// comes on the same thread with the same operation.
///
/// Clones share one book.
#[derive(Clone)]
pub struct Ledger {
    book: Arc<Book>,
    policy: Arc<Policy>,
}

#[derive(Default)]
struct Book {
    last: AtomicUsize,
    live: Mutex<HashMap<usize, Live>>,
    wrongs: Mutex<Vec<String>>,
    calls: AtomicUsize,
}

/// A context that has been left and not been handed back for good.
struct Live {
    thread: ThreadId,
    subject: String,
    /// Whether it must come back. One that is left with a retry need not: the limit may have been reached, or
    /// the retry may not have been the library's to ask for.
    due: bool,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("wrongs", &lock(&self.book.wrongs)).finish_non_exhaustive()
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Ledger::answering(|_| Reply::WATCH)
    }
}

impl Ledger {
    /// A ledger that answers as `policy` says. What the policy does, it does within the call.
    #[must_use]
    pub fn answering(policy: impl Fn(&Notification) -> Reply + Send + Sync + 'static) -> Self {
        Ledger { book: Arc::default(), policy: Arc::new(policy) }
    }

    /// How often it was called.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.book.calls.load(Ordering::Relaxed)
    }

    /// Checks that every context came back, and as it should. To be called when no operation is under way.
    ///
    /// # Panics
    ///
    /// With all that was wrong.
    #[track_caller]
    pub fn balances(&self) {
        let mut wrongs = lock(&self.book.wrongs).clone();
        for (context, live) in lock(&self.book.live).iter().filter(|(_, live)| live.due) {
            wrongs.push(format!("{context:#x} of {} never came back", live.subject));
        }
        assert!(wrongs.is_empty(), "{wrongs:#?}");
    }

    fn wrong(&self, what: String) {
        lock(&self.book.wrongs).push(what);
    }

    fn called(&self, event: Event, info: &mut NOTIFYINFO, fields: Fields) -> Status {
        self.book.calls.fetch_add(1, Ordering::Relaxed);
        let called = Notification::new(event, info, fields);
        // What no call of one operation changes.
        let subject = match event {
            Event::Add => format!("add {}", called.fields.value("lpRemoteName")),
            Event::Cancel => format!("cancel {}", called.fields.value("lpName")),
        };
        match called.pass {
            Pass::Pre => {
                if called.context != 0 {
                    self.wrong(format!("PRE of {subject} came with context {:#x}", called.context));
                }
                let reply = (self.policy)(&called);
                let context = if reply.context { self.leave(&subject, reply.status) } else { 0 };
                info.lpContext = std::ptr::with_exposed_provenance_mut(context);
                reply.status
            }
            Pass::Post => {
                self.take_back(called.context, &subject);
                let reply = (self.policy)(&called);
                let again = reply.status == Status::RETRY && !called.status.is_success();
                if !reply.context {
                    info.lpContext = std::ptr::null_mut();
                } else if again {
                    self.open(called.context, &subject, false);
                }
                reply.status
            }
        }
    }

    /// A fresh context. One that is left with a veto is the library's own to release (§7.5).
    fn leave(&self, subject: &str, status: Status) -> usize {
        let context = self.book.last.fetch_add(1, Ordering::Relaxed) + 1;
        if matches!(status, Status::SUCCESS | Status::RETRY) {
            self.open(context, subject, true);
        }
        context
    }

    fn open(&self, context: usize, subject: &str, due: bool) {
        let live = Live { thread: thread::current().id(), subject: subject.to_owned(), due };
        lock(&self.book.live).insert(context, live);
    }

    fn take_back(&self, context: usize, subject: &str) {
        match lock(&self.book.live).remove(&context) {
            None => self.wrong(format!("POST of {subject} came with {context:#x}, which is not live")),
            Some(live) if live.subject != subject => {
                self.wrong(format!("{context:#x} of {} came back with {subject}", live.subject));
            }
            Some(live) if live.thread != thread::current().id() => {
                self.wrong(format!("{context:#x} of {subject} came back on another thread"));
            }
            Some(_) => {}
        }
    }
}

impl Notifyee for Ledger {
    fn wants(&self, _: Event) -> bool {
        true
    }

    fn add_connect_notify(&self, info: &mut NOTIFYINFO, add: &AddNotice<'_>) -> Status {
        self.called(Event::Add, info, add.into())
    }

    fn cancel_connect_notify(&self, info: &mut NOTIFYINFO, cancel: &CancelNotice<'_>) -> Status {
        self.called(Event::Cancel, info, cancel.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mpr_abi::{NOTIFY_POST, NOTIFY_PRE};
    use mpr_plugin::wide;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn call(ledger: &Ledger, pass: u32, name: &str, context: usize) -> usize {
        let name = wide(name);
        let notice = CancelNotice { name: &name, provider: Default::default(), flags: 0, force: false };
        let context = std::ptr::with_exposed_provenance_mut(context);
        let mut info = NOTIFYINFO { dwNotifyStatus: pass, dwOperationStatus: 0, lpContext: context };
        _ = ledger.cancel_connect_notify(&mut info, &notice);
        info.lpContext.expose_provenance()
    }

    fn complains(ledger: &Ledger) -> bool {
        catch_unwind(AssertUnwindSafe(|| ledger.balances())).is_err()
    }

    #[test]
    fn a_context_that_comes_back_once_is_well() {
        let ledger = Ledger::default();
        let (one, other) = (call(&ledger, NOTIFY_PRE, "Z:", 0), call(&ledger, NOTIFY_PRE, "Y:", 0));
        assert_ne!(one, other);
        call(&ledger, NOTIFY_POST, "Y:", other);
        assert!(complains(&ledger), "one is still out");
        call(&ledger, NOTIFY_POST, "Z:", one);
        ledger.balances();
        assert_eq!(ledger.calls(), 4);
    }

    #[test]
    fn a_context_that_goes_astray_is_noticed() {
        let twice = Ledger::default();
        let context = call(&twice, NOTIFY_PRE, "Z:", 0);
        call(&twice, NOTIFY_POST, "Z:", context);
        call(&twice, NOTIFY_POST, "Z:", context);
        assert!(complains(&twice));

        let swapped = Ledger::default();
        let context = call(&swapped, NOTIFY_PRE, "Z:", 0);
        call(&swapped, NOTIFY_POST, "Y:", context);
        assert!(complains(&swapped));

        let elsewhere = Ledger::default();
        let context = call(&elsewhere, NOTIFY_PRE, "Z:", 0);
        thread::scope(|scope| _ = scope.spawn(|| call(&elsewhere, NOTIFY_POST, "Z:", context)).join());
        assert!(complains(&elsewhere));
    }
}
