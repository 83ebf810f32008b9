//! Programs that judge: started, watched, and ended if they do not end.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// Between two looks at whether something has happened, at most and at least.
pub const PAUSE: Duration = Duration::from_millis(5);
const SHORT_PAUSE: Duration = Duration::from_micros(200);
/// How much of a failing program's output is shown.
const SHOWN: usize = 2000;

/// How a program ended, and what it said.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub output: String,
    pub errors: String,
}

impl Ended {
    /// Both streams, the end of them if they are long.
    #[must_use]
    pub fn said(&self) -> String {
        let both = format!("{}{}", self.output, self.errors);
        let both = both.trim();
        let from = both.char_indices().rev().nth(SHOWN).map_or(0, |(at, _)| at);
        both[from..].to_owned()
    }
}

/// Runs a program to its end, which has to come within `patience`.
///
/// # Errors
///
/// It cannot be started (naming the package that has it), or does not end in time: then it and everything it
/// started is killed.
pub fn run(command: &mut Command, patience: Duration) -> Result<Ended, String> {
    run_with(command, None, patience)
}

/// The same, with something on standard input.
///
/// # Errors
///
/// As [`run`].
pub fn run_with(command: &mut Command, input: Option<&str>, patience: Duration) -> Result<Ended, String> {
    let mut child = start(command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() }))?;
    if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
        // One that ends without reading says why by itself.
        _ = pipe.write_all(input.as_bytes());
    }
    let output = collect(child.stdout.take());
    let errors = collect(child.stderr.take());
    let Some(status) = wait(&mut child, patience) else {
        let dead = end(&mut child);
        let how = if dead { "and was killed" } else { "and cannot even be killed" };
        return Err(format!("{} did not end within {patience:?}, {how}", name(command)));
    };
    let text = |thread: thread::JoinHandle<String>| thread.join().unwrap_or_default();
    Ok(Ended { status, output: text(output), errors: text(errors) })
}

/// Runs a program that has to end well; what it wrote to standard output.
///
/// # Errors
///
/// As [`run`], and if it ends badly: with its output.
pub fn succeed(command: &mut Command, patience: Duration) -> Result<String, String> {
    let ended = run(command, patience)?;
    if ended.status.success() {
        Ok(ended.output)
    } else {
        Err(format!("{} ended with {}: {}", name(command), ended.status, ended.said()))
    }
}

/// Starts a program in a process group of its own, with its output going into pipes.
///
/// # Errors
///
/// If it cannot be started; naming the package if there is none.
pub fn start(command: &mut Command) -> Result<Child, String> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn().map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            format!("there is no {}; `cargo xtask setup` installs what is needed", name(command))
        } else {
            format!("cannot start {}: {error}", name(command))
        }
    })
}

/// How it ended, unless it is still running after `patience`.
pub fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let begun = Instant::now();
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if begun.elapsed() > patience {
            return None;
        }
        pause_after(begun);
    }
}

/// Pauses for a small part of what has passed: whoever measures how long something takes sees its end in time.
fn pause_after(begun: Instant) {
    thread::sleep((begun.elapsed() / 50).clamp(SHORT_PAUSE, PAUSE));
}

/// Kills a program and what it started. Whether it died of it: one in the hands of a kernel that waits for a
/// file system may not.
pub fn end(child: &mut Child) -> bool {
    if let Ok(id) = i32::try_from(child.id())
        && let Some(group) = Pid::from_raw(id)
    {
        _ = kill_process_group(group, Signal::KILL);
    }
    wait(child, Duration::from_secs(5)).is_some()
}

/// Waits until something is so.
///
/// # Errors
///
/// If it is not after `patience`.
pub fn eventually(what: &str, patience: Duration, mut happened: impl FnMut() -> bool) -> Result<(), String> {
    let begun = Instant::now();
    while !happened() {
        if begun.elapsed() > patience {
            return Err(format!("not within {patience:?}: {what}"));
        }
        pause_after(begun);
    }
    Ok(())
}

/// A program of crates.io that `cargo xtask setup` builds: beside the build directory, in `tools/bin`.
///
/// # Errors
///
/// If it is not there.
pub fn tool(name: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("cannot find the own program: {error}"))?;
    let place = own.ancestors().map(|directory| directory.join("tools/bin").join(name));
    place
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| format!("there is no {name} in target/tools/bin; `cargo xtask setup` builds it"))
}

/// Whether a program is installed.
#[must_use]
pub fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")]);
    places.into_iter().any(|directory| directory.join(name).is_file())
}

fn name(command: &Command) -> String {
    let program = Path::new(command.get_program());
    program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
}

/// Reads a pipe to its end, so that the writer never waits for us.
fn collect(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_end_is_killed_with_what_it_started() {
        let mut endless = Command::new("sh");
        endless.args(["-c", "sleep 1000 & echo $!; sleep 1000"]);
        let error = run(&mut endless, Duration::from_millis(200)).unwrap_err();
        assert!(error.contains("was killed"), "{error}");
    }

    #[test]
    fn a_program_that_fails_is_quoted() {
        let mut failing = Command::new("sh");
        failing.args(["-c", "echo one; echo two >&2; exit 3"]);
        let error = succeed(&mut failing, Duration::from_secs(20)).unwrap_err();
        assert!(error.contains("3: one\ntwo"), "{error}");
    }

    #[test]
    fn a_program_that_is_missing_is_named() {
        let error = run(&mut Command::new("no-such-judge"), Duration::from_secs(1)).unwrap_err();
        assert!(error.contains("no-such-judge"), "{error}");
    }
}
