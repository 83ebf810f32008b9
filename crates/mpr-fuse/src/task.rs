//! Work that answers requests.
//!
//! It is begun on the thread that read the request: what can be answered from memory is answered without another
//! thread being woken, and what has to be sent to a server is sent at once. Only what then has to wait goes on
//! in the runtime, on the thread on which what it waits for arrives. What can go on at the same time, because many
//! answers arrived together, is gone on with one after the other: that takes less than waking a thread for each.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, unconstrained, yield_now};

/// Nobody works on it.
const IDLE: u8 = 0;
/// Somebody is about to.
const SCHEDULED: u8 = 1;
/// Somebody does.
const WORKING: u8 = 2;
/// Somebody does, and there is more to do already.
const WORKING_AGAIN: u8 = 3;
/// It is finished.
const FINISHED: u8 = 4;

/// Starts work and sees to it that it goes on.
#[derive(Debug)]
pub struct Tasks(Arc<Ready>);

/// What can go on.
struct Ready {
    tasks: Mutex<VecDeque<Arc<dyn GoOn>>>,
    filled: Arc<Notify>,
    /// Ends with the last task.
    worker: AbortHandle,
}

trait GoOn: Send + Sync {
    fn go_on(self: Arc<Self>);
}

struct Task<F> {
    state: AtomicU8,
    /// `None` once it is finished.
    work: Mutex<Option<Pin<Box<F>>>>,
    ready: Arc<Ready>,
}

impl Tasks {
    /// For work that waits in `runtime`.
    #[must_use]
    pub fn new(runtime: &Handle) -> Tasks {
        let filled = Arc::new(Notify::new());
        Tasks(Arc::new_cyclic(|ready| {
            let worker = runtime.spawn(work(Weak::clone(ready), Arc::clone(&filled))).abort_handle();
            Ready { tasks: Mutex::default(), filled, worker }
        }))
    }

    /// Begins `work` here and now; what it has to wait for it awaits in the runtime. A panic in it ends it.
    pub fn start(&self, work: impl Future<Output = ()> + Send + 'static) {
        let task = Arc::new(Task {
            state: AtomicU8::new(SCHEDULED),
            // None of it goes on without an end, and the measure of tokio is that of all together.
            work: Mutex::new(Some(Box::pin(unconstrained(work)))),
            ready: Arc::clone(&self.0),
        });
        task.go_on();
    }
}

/// Goes on with what is ready.
async fn work(ready: Weak<Ready>, filled: Arc<Notify>) {
    loop {
        filled.notified().await;
        while ready.upgrade().is_some_and(|ready| ready.go_on()) {
            // What arrives meanwhile is to have its turn, too.
            yield_now().await;
        }
    }
}

impl Ready {
    fn push(&self, task: Arc<dyn GoOn>) {
        let mut tasks = locked(&self.tasks);
        tasks.push_back(task);
        let first = tasks.len() == 1;
        drop(tasks);
        if first {
            self.filled.notify_one();
        }
    }

    /// Goes on with what is ready now. Says whether there is more by then.
    fn go_on(&self) -> bool {
        let mut count = locked(&self.tasks).len();
        while count > 0
            && let Some(task) = self.next()
        {
            count -= 1;
            task.go_on();
        }
        !locked(&self.tasks).is_empty()
    }

    fn next(&self) -> Option<Arc<dyn GoOn>> {
        locked(&self.tasks).pop_front()
    }
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ready").field("tasks", &locked(&self.tasks).len()).finish_non_exhaustive()
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

impl<F: Future<Output = ()> + Send + 'static> GoOn for Task<F> {
    fn go_on(self: Arc<Self>) {
        // Exchanged, not stored: what was there to be seen by whoever woke us has to be seen from here on.
        self.state.swap(WORKING, Ordering::AcqRel);
        let waker = Waker::from(Arc::clone(&self));
        let mut held = locked(&self.work);
        let Some(work) = held.as_mut() else { return };
        let outcome = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(&mut Context::from_waker(&waker))));
        if let Ok(Poll::Pending) = outcome {
            drop(held);
            if self.state.compare_exchange(WORKING, IDLE, Ordering::AcqRel, Ordering::Acquire).is_err() {
                // At another time, so that one task does not keep the others from theirs.
                self.schedule();
            }
            return;
        }
        self.state.store(FINISHED, Ordering::Release);
        *held = None;
    }
}

impl<F: Future<Output = ()> + Send + 'static> Task<F> {
    fn schedule(self: Arc<Self>) {
        self.state.swap(SCHEDULED, Ordering::AcqRel);
        let ready = Arc::clone(&self.ready);
        ready.push(self);
    }
}

impl<F: Future<Output = ()> + Send + 'static> Wake for Task<F> {
    fn wake(self: Arc<Self>) {
        let mut state = self.state.load(Ordering::Acquire);
        loop {
            let next = match state {
                IDLE | SCHEDULED => SCHEDULED,
                WORKING | WORKING_AGAIN => WORKING_AGAIN,
                _ => return,
            };
            // Also where nothing changes: only an exchange makes sure that the state is not one of before.
            match self.state.compare_exchange_weak(state, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(IDLE) => return self.schedule(),
                Ok(_) => return,
                Err(now) => state = now,
            }
        }
    }
}

fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
    }

    #[test]
    fn what_need_not_wait_is_done_where_it_is_begun() {
        let runtime = runtime();
        let tasks = Tasks::new(runtime.handle());
        let (tell, told) = mpsc::channel();
        tasks.start(async move { tell.send(thread::current().id()).unwrap() });
        assert_eq!(told.try_recv(), Ok(thread::current().id()));
    }

    #[test]
    fn what_has_to_wait_goes_on_elsewhere() {
        let runtime = runtime();
        let tasks = Tasks::new(runtime.handle());
        let _inside = runtime.enter();
        let (tell, told) = mpsc::channel();
        tasks.start(async move {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
            tell.send(thread::current().id()).unwrap();
        });
        assert_ne!(told.recv(), Ok(thread::current().id()));
    }

    #[test]
    fn many_wake_each_other_and_all_finish() {
        let runtime = runtime();
        let tasks = Tasks::new(runtime.handle());
        let _inside = runtime.enter();
        let (tell, told) = mpsc::channel();
        for _ in 0..200 {
            let (one, other) = (tokio::sync::mpsc::channel(1), tokio::sync::mpsc::channel(1));
            let ((to, mut from), (back, mut answers)) = (one, other);
            let tell = tell.clone();
            tasks.start(async move {
                while let Some(number) = from.recv().await {
                    let _ = back.send(number).await;
                }
            });
            tasks.start(async move {
                for number in 0..50 {
                    to.send(number).await.unwrap();
                    assert_eq!(answers.recv().await, Some(number));
                }
                tell.send(()).unwrap();
            });
        }
        for _ in 0..200 {
            told.recv_timeout(Duration::from_secs(60)).unwrap();
        }
    }

    #[test]
    fn one_that_always_can_go_on_does_not_keep_others_from_it() {
        let runtime = runtime();
        let tasks = Tasks::new(runtime.handle());
        let _inside = runtime.enter();
        let (stop, stopped) = (Arc::new(AtomicU8::new(0)), mpsc::channel());
        let (seen, tell) = (Arc::clone(&stop), stopped.0.clone());
        tasks.start(async move {
            while seen.load(Ordering::Relaxed) == 0 {
                yield_now().await;
            }
            tell.send("the first").unwrap();
        });
        let (go, gone) = tokio::sync::oneshot::channel();
        tasks.start(async move {
            gone.await.unwrap();
            stopped.0.send("the second").unwrap();
            stop.store(1, Ordering::Relaxed);
        });
        go.send(()).unwrap();
        let patience = Duration::from_secs(60);
        assert_eq!(stopped.1.recv_timeout(patience), Ok("the second"));
        assert_eq!(stopped.1.recv_timeout(patience), Ok("the first"));
    }

    #[test]
    fn what_waits_goes_on_when_nothing_new_can_be_begun() {
        let runtime = runtime();
        let tasks = Tasks::new(runtime.handle());
        let (go, gone) = tokio::sync::oneshot::channel();
        let (tell, told) = mpsc::channel();
        tasks.start(async move { tell.send(gone.await).unwrap() });
        drop(tasks);
        go.send(7).unwrap();
        assert_eq!(told.recv_timeout(Duration::from_secs(60)), Ok(Ok(7)));
    }

    #[test]
    fn a_panic_ends_the_work_and_drops_what_it_held() {
        struct Held(mpsc::Sender<()>);
        impl Drop for Held {
            fn drop(&mut self) {
                let _ = self.0.send(());
            }
        }
        let runtime = runtime();
        let tasks = Tasks::new(runtime.handle());
        let (tell, told) = mpsc::channel();
        let held = Held(tell);
        tasks.start(async move {
            let _held = held;
            panic!("as it is meant to");
        });
        assert_eq!(told.try_recv(), Ok(()));
    }
}
