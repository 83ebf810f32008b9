//! Work that answers a request.
//!
//! It is begun on the thread that read the request: what can be answered from memory is answered without another
//! thread being woken, and what has to be sent to a server is sent at once. Only what then has to wait goes on
//! in the runtime, on the thread on which what it waits for arrives.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tokio::runtime::Handle;

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

struct Task<F> {
    state: AtomicU8,
    /// `None` once it is finished.
    work: Mutex<Option<Pin<Box<F>>>>,
    runtime: Handle,
}

/// Begins `work` here and now; what it has to wait for it awaits in `runtime`. A panic in it ends it.
pub fn start<F: Future<Output = ()> + Send + 'static>(runtime: &Handle, work: F) {
    let task = Arc::new(Task {
        state: AtomicU8::new(SCHEDULED),
        work: Mutex::new(Some(Box::pin(work))),
        runtime: runtime.clone(),
    });
    task.go_on();
}

impl<F: Future<Output = ()> + Send + 'static> Task<F> {
    fn go_on(self: Arc<Self>) {
        // Exchanged, not stored: what was there to be seen by whoever woke us has to be seen from here on.
        self.state.swap(WORKING, Ordering::AcqRel);
        let waker = Waker::from(Arc::clone(&self));
        let mut held = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(work) = held.as_mut() else { return };
        let outcome = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(&mut Context::from_waker(&waker))));
        if let Ok(Poll::Pending) = outcome {
            drop(held);
            if self.state.compare_exchange(WORKING, IDLE, Ordering::AcqRel, Ordering::Acquire).is_err() {
                // On another turn of the runtime, so that one task does not keep the others from theirs.
                self.schedule();
            }
            return;
        }
        self.state.store(FINISHED, Ordering::Release);
        *held = None;
    }

    fn schedule(self: Arc<Self>) {
        self.state.swap(SCHEDULED, Ordering::AcqRel);
        let runtime = self.runtime.clone();
        runtime.spawn(async move { self.go_on() });
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
        let (tell, told) = mpsc::channel();
        start(runtime.handle(), async move { tell.send(thread::current().id()).unwrap() });
        assert_eq!(told.try_recv(), Ok(thread::current().id()));
    }

    #[test]
    fn what_has_to_wait_goes_on_elsewhere() {
        let runtime = runtime();
        let _inside = runtime.enter();
        let (tell, told) = mpsc::channel();
        start(runtime.handle(), async move {
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
        let _inside = runtime.enter();
        let (tell, told) = mpsc::channel();
        for _ in 0..200 {
            let (one, other) = (tokio::sync::mpsc::channel(1), tokio::sync::mpsc::channel(1));
            let ((to, mut from), (back, mut answers)) = (one, other);
            let tell = tell.clone();
            start(runtime.handle(), async move {
                while let Some(number) = from.recv().await {
                    let _ = back.send(number).await;
                }
            });
            start(runtime.handle(), async move {
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
    fn a_panic_ends_the_work_and_drops_what_it_held() {
        struct Held(mpsc::Sender<()>);
        impl Drop for Held {
            fn drop(&mut self) {
                let _ = self.0.send(());
            }
        }
        let runtime = runtime();
        let (tell, told) = mpsc::channel();
        let held = Held(tell);
        start(runtime.handle(), async move {
            let _held = held;
            panic!("as it is meant to");
        });
        assert_eq!(told.try_recv(), Ok(()));
    }
}
