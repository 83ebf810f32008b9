//! Somebody is waiting: tells what for when it takes longer than a second, then each further step, and that an
//! interrupt was heard.

use crate::interrupt::Interrupt;
use mpr_helper::protocol::Stage;
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

/// How long nothing needs to be said.
const SHORT: Duration = Duration::from_secs(1);
/// How often the step is looked at after that.
const BETWEEN: Duration = Duration::from_millis(250);
/// Sent by the one who waited for: it is done.
const DONE: u8 = b'.';

/// Does `work`, and says `what` on standard error if that is a terminal and the work takes long.
pub(crate) fn during<T>(
    what: &str,
    quiet: bool,
    interrupt: Option<&Interrupt>,
    work: impl FnOnce() -> T,
) -> T {
    let tell = io::stderr().is_terminal() && !quiet;
    if !tell && interrupt.is_none() {
        return work();
    }
    let Ok((stream, waker)) = ends(interrupt) else { return work() };
    let what = what.to_owned();
    let watcher = thread::Builder::new().spawn(move || watch(stream, tell.then_some(what)));
    // The work stays on this thread: extended errors belong to the thread they are recorded on.
    let result = work();
    if let Ok(watcher) = watcher {
        _ = (&waker).write_all(&[DONE]);
        _ = watcher.join();
    }
    // The stream is shared with whoever waits for the interrupt next.
    if let Some(interrupt) = interrupt {
        _ = interrupt.stream().set_read_timeout(None);
    }
    result
}

fn ends(interrupt: Option<&Interrupt>) -> io::Result<(UnixStream, UnixStream)> {
    match interrupt {
        Some(interrupt) => Ok((interrupt.stream().try_clone()?, interrupt.waker().try_clone()?)),
        None => UnixStream::pair(),
    }
}

fn watch(mut stream: UnixStream, what: Option<String>) {
    let mut byte = [0];
    let mut said = None;
    loop {
        let pause = if said.is_some() { BETWEEN } else { SHORT };
        _ = stream.set_read_timeout(what.is_some().then_some(pause));
        match stream.read(&mut byte) {
            Ok(1) if byte[0] == DONE => return,
            Ok(1) => say("interrupted; waiting for an answer, to take it back (once more to quit at once)"),
            Ok(_) => return,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                let step = Stage::now();
                if let Some(what) = what.as_deref().filter(|_| said != Some(step)) {
                    say(&told(what, step));
                    said = Some(step);
                }
            }
            Err(_) => return,
        }
    }
}

/// What is waited for, and the step it has come to. A step that is not known is not made up.
fn told(what: &str, step: Option<Stage>) -> String {
    let step = match step {
        Some(Stage::Resolving) => ": looking up the server's address",
        Some(Stage::Connecting) => ": reaching the server",
        Some(Stage::Authenticating) => ": proving who you are",
        Some(Stage::Opening) => ": asking for the share",
        Some(Stage::Mounting) => ": mounting it",
        _ => "",
    };
    format!("{what}{step} …")
}

fn say(text: &str) {
    _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_told_if_there_is_one() {
        assert_eq!(told("connecting to x", None), "connecting to x …");
        assert_eq!(
            told("connecting to x", Some(Stage::Authenticating)),
            "connecting to x: proving who you are …"
        );
    }
}
