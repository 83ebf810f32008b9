//! Ctrl-C while a connection is being made.
//!
//! To die in the middle would leave things half done: a connection that nobody remembered, notification
//! libraries that prepared for something they never hear the end of. So the first interrupt only asks to
//! stop: whatever is under way is heard out and taken back. The second one ends the process at once.

use signal_hook::consts::SIGINT;
use signal_hook::{flag, low_level};
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the signal handler touches. There is one, since a handler is for the whole process and for good.
struct Handler {
    interrupted: Arc<AtomicBool>,
    /// Whether an interrupt ends the process.
    deadly: Arc<AtomicBool>,
    stream: UnixStream,
    waker: UnixStream,
}

impl Handler {
    fn install() -> io::Result<Handler> {
        let (stream, waker) = UnixStream::pair()?;
        let interrupted = Arc::new(AtomicBool::new(false));
        let deadly = Arc::new(AtomicBool::new(true));
        // In this order: the first interrupt still finds the flag clear, and sets it for the second.
        flag::register_conditional_default(SIGINT, Arc::clone(&deadly))?;
        flag::register(SIGINT, Arc::clone(&deadly))?;
        flag::register(SIGINT, Arc::clone(&interrupted))?;
        low_level::pipe::register(SIGINT, waker.try_clone()?)?;
        Ok(Handler { interrupted, deadly, stream, waker })
    }
}

/// As long as this lives, the first interrupt only asks to stop.
pub(crate) struct Interrupt {
    handler: &'static Handler,
}

impl Interrupt {
    pub(crate) fn ask_to_stop() -> io::Result<Interrupt> {
        static HANDLER: OnceLock<Handler> = OnceLock::new();
        let handler = match HANDLER.get() {
            Some(handler) => handler,
            None => {
                let handler = Handler::install()?;
                HANDLER.get_or_init(|| handler)
            }
        };
        handler.forget()?;
        handler.deadly.store(false, Ordering::SeqCst);
        Ok(Interrupt { handler })
    }

    /// Whether somebody asked to stop.
    pub(crate) fn came(&self) -> bool {
        self.handler.interrupted.load(Ordering::SeqCst)
    }

    /// Becomes readable with the interrupt.
    pub(crate) fn stream(&self) -> &UnixStream {
        &self.handler.stream
    }

    /// The other end of the stream, for those who want to wake its reader themselves.
    pub(crate) fn waker(&self) -> &UnixStream {
        &self.handler.waker
    }
}

impl Handler {
    /// An earlier interrupt, which was of something else, does not count any more.
    fn forget(&self) -> io::Result<()> {
        self.interrupted.store(false, Ordering::SeqCst);
        self.stream.set_nonblocking(true)?;
        let mut bytes = [0; 64];
        while (&self.stream).read(&mut bytes).is_ok_and(|length| length > 0) {}
        self.stream.set_nonblocking(false)
    }
}

/// Nothing is under way any more that an interrupt could leave half done.
impl Drop for Interrupt {
    fn drop(&mut self) {
        self.handler.deadly.store(true, Ordering::SeqCst);
    }
}
