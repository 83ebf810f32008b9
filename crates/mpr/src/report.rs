//! Where the router tells what it had to leave out.
//!
//! It works inside other people's programs, whose standard error is theirs: what it has to say goes to the
//! system log. `MPR_LOG=stderr` sends it to standard error instead, `MPR_LOG=off` nowhere; both are ignored
//! in a process with raised privileges.

use crate::Problem;
use std::ffi::CString;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set by programs that show problems themselves.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Keeps the router from telling: the program asks for [`Router::problems`](crate::Router::problems) itself.
pub fn quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

#[derive(Clone, Copy)]
enum Sink {
    Log,
    Stderr,
    Off,
}

pub(crate) fn problem(problem: &Problem) {
    static SINK: OnceLock<Sink> = OnceLock::new();
    if QUIET.load(Ordering::Relaxed) {
        return;
    }
    let sink = SINK.get_or_init(|| {
        if mpr_helper::dirs::is_elevated() {
            return Sink::Log;
        }
        match std::env::var("MPR_LOG").as_deref() {
            Ok("stderr") => Sink::Stderr,
            Ok("off") => Sink::Off,
            _ => Sink::Log,
        }
    });
    match sink {
        Sink::Log => log(&problem.to_string()),
        Sink::Stderr => eprintln!("mpr: {problem}"),
        Sink::Off => {}
    }
}

#[cfg(unix)]
fn log(text: &str) {
    let Ok(text) = CString::new(format!("mpr: {}", text.replace('\0', ""))) else { return };
    // SAFETY: the format takes one string, which is terminated and outlives the call.
    unsafe { libc::syslog(libc::LOG_USER | libc::LOG_WARNING, c"%s".as_ptr(), text.as_ptr()) };
}

#[cfg(not(unix))]
fn log(text: &str) {
    eprintln!("mpr: {text}");
}
