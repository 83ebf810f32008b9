//! What the threads of a process share, and a fork of it does not.
//!
//! A fork has all the memory of the process it came from, and of its threads only the one that forked. A lock that
//! another one held at that moment is never given back there, and nobody is left who would do what is waited for.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A value that a fork has anew.
#[derive(Debug)]
pub struct PerProcess<T> {
    /// The process it is of; 0 until somebody asks for it.
    process: AtomicU32,
    value: T,
    /// That of a fork of this process, in that fork.
    fork: OnceLock<Box<PerProcess<T>>>,
}

impl<T> PerProcess<T> {
    /// A value for the process that asks for it first.
    #[must_use]
    pub const fn new(value: T) -> Self {
        PerProcess { process: AtomicU32::new(0), value, fork: OnceLock::new() }
    }

    /// The value of this process. In a fork `anew` makes it when it is asked for first; of the one that it is handed,
    /// that of the process forked from, no lock may be waited for.
    pub fn get(&self, anew: impl Fn(&T) -> T) -> &T {
        let process = std::process::id();
        let mut place = self;
        loop {
            match place.process.compare_exchange(0, process, Ordering::Relaxed, Ordering::Relaxed) {
                Err(other) if other != process => {}
                _ => return &place.value,
            }
            place = place.fork.get_or_init(|| Box::new(PerProcess::new(anew(&place.value))));
        }
    }
}

#[cfg(all(test, unix))]
pub(crate) mod tests {
    use super::*;
    use std::sync::{Arc, Barrier, Mutex};
    use std::thread;

    /// Forks while another thread is in the midst of `held`, which waits at the barrier twice, and says whether `work`
    /// came to an end in the fork and was true.
    pub(crate) fn in_a_fork(
        held: impl FnOnce(&Barrier) + Send + 'static,
        work: impl FnOnce() -> bool,
    ) -> bool {
        let barrier = Arc::new(Barrier::new(2));
        let theirs = Arc::clone(&barrier);
        let holder = thread::spawn(move || held(&theirs));
        barrier.wait();
        // SAFETY: the child does `work` on its only thread, with an allocator that is whole after a fork, and ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: no handler is set: who waits for ever is ended.
            unsafe { libc::alarm(10) };
            let failed = !work();
            // SAFETY: ends the process.
            unsafe { libc::_exit(failed.into()) };
        }
        barrier.wait();
        holder.join().expect("it only holds a lock");
        let mut status = -1;
        // SAFETY: a child of ours, and a place for its status.
        unsafe { libc::waitpid(child, &mut status, 0) };
        status == 0
    }

    #[test]
    fn a_fork_does_not_wait_for_a_thread_it_does_not_have() {
        let shared = Arc::new(PerProcess::new(Mutex::new(1)));
        let anew = |parents: &Mutex<i32>| Mutex::new(if parents.try_lock().is_ok() { 0 } else { 2 });
        let theirs = Arc::clone(&shared);
        let held = move |barrier: &Barrier| {
            let locked = theirs.get(anew).lock().expect("nobody panicked");
            barrier.wait();
            barrier.wait();
            drop(locked);
        };
        assert!(in_a_fork(held, || *shared.get(anew).lock().expect("nobody panicked") == 2));
        assert_eq!(*shared.get(anew).lock().expect("nobody panicked"), 1);
    }
}
