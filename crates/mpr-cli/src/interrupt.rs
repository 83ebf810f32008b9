//! Ctrl-C while a connection is being made.
//!
//! To die in the middle would leave things half done: a connection that nobody remembered, notification
//! libraries that prepared for something they never hear the end of. So the first interrupt only asks to
//! stop: whatever is under way is heard out and taken back. The second one ends the process at once.

use signal_hook::consts::SIGINT;
use signal_hook::{flag, low_level};
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ctrl-C, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Interrupt {
    interrupted: Arc<AtomicBool>,
    /// Whether an interrupt ends the process.
    deadly: Arc<AtomicBool>,
    /// Becomes readable with the interrupt.
    pub(crate) stream: UnixStream,
    /// The other end, for those who want to wake the reader themselves.
    pub(crate) waker: UnixStream,
}

impl Interrupt {
    /// From now on the first interrupt only asks to stop.
    pub(crate) fn ask_to_stop() -> io::Result<Interrupt> {
        let (stream, waker) = UnixStream::pair()?;
        let interrupted = Arc::new(AtomicBool::new(false));
        let deadly = Arc::new(AtomicBool::new(false));
        // In this order: the first interrupt still finds the flag clear, and sets it for the second.
        flag::register_conditional_default(SIGINT, Arc::clone(&deadly))?;
        flag::register(SIGINT, Arc::clone(&deadly))?;
        flag::register(SIGINT, Arc::clone(&interrupted))?;
        low_level::pipe::register(SIGINT, waker.try_clone()?)?;
        Ok(Interrupt { interrupted, deadly, stream, waker })
    }

    /// Whether somebody asked to stop.
    pub(crate) fn came(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }
}

/// Nothing is under way any more that an interrupt could leave half done.
impl Drop for Interrupt {
    fn drop(&mut self) {
        self.deadly.store(true, Ordering::SeqCst);
    }
}
