//! A command as a notification library: one process for each notification (`docs/isolation.md`).

use crate::answer::{self, CommandAnswer, MAX_OUTPUT};
use crate::keeper::{self, end_descendants};
use crate::library::terms;
use crate::sandbox;
use crate::sealed::Sealed;
use crate::serve::{Listening, Refusal};
use mpr::Pin;
use mpr_core::device::LocalDevice;
use mpr_helper::host::{Answer, Call, Conditions, Event, Said, Sandbox};
use mpr_plugin::Status;
use mpr_plugin::abi::{NOTIFY_PRE, RESOURCETYPE_DISK, RESOURCETYPE_PRINT};
use serde::Serialize;
use std::collections::HashMap;
use std::env;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{self, Child, ChildStdout, ExitStatus, Stdio};

/// Version of what a command is told.
const VERSION: u32 = 1;
/// Where a command finds other programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A command and the contexts it left.
pub(crate) struct Command {
    program: String,
    arguments: Vec<String>,
    /// The contents the program must have.
    pin: Option<Pin>,
    /// By the names the router knows them under.
    contexts: HashMap<u32, String>,
    last: u32,
}

/// What a command is told.
#[derive(Serialize)]
struct Told {
    version: u32,
    event: &'static str,
    when: &'static str,
    status: u32,
    local: Option<String>,
    remote: Option<String>,
    provider: Option<String>,
    #[serde(rename = "type")]
    kind: &'static str,
    flags: u32,
    force: bool,
    context: Option<String>,
    operation: String,
    simulation: bool,
}

impl Command {
    pub(crate) fn new(
        command: Vec<String>,
        sandbox: Sandbox,
        conditions: &Conditions,
    ) -> Result<Self, Refusal> {
        let pin = terms(conditions)?.sha256;
        // What a command leaves behind, in whichever group or session, becomes a child of this process.
        // SAFETY: takes integers.
        if unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) } != 0 {
            return Err(Refusal::of_process(io::Error::last_os_error().to_string()));
        }
        sandbox::enter(sandbox, true).map_err(Refusal::of_process)?;
        let mut words = command.into_iter();
        let program = words.next().ok_or_else(|| Refusal::of_process("it names no program".into()))?;
        Ok(Command { program, arguments: words.collect(), pin, contexts: HashMap::new(), last: 0 })
    }

    fn run(&self, told: &Told) -> io::Result<(ExitStatus, Vec<u8>)> {
        let sealed = self.pin.map(|pin| Sealed::copy(&self.program, pin)).transpose()?;
        let mut command = match &sealed {
            Some(sealed) => sealed.command(),
            None => process::Command::new(&self.program),
        };
        command.args(&self.arguments).current_dir("/").env_clear().env("PATH", PATH).envs(variables(told));
        command.envs(["LANG", "HOME"].into_iter().filter_map(|name| Some((name, env::var_os(name)?))));
        command.stdin(in_memory(told)?).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn()?;
        let output = hear(&mut child);
        let group = libc::pid_t::try_from(child.id()).unwrap_or(libc::pid_t::MAX);
        // Also what ran on behind a command that has answered: nothing it started outlives it. The command itself
        // has not been waited for, so the number is its own.
        // SAFETY: takes integers.
        unsafe { libc::kill(-group, libc::SIGKILL) };
        let ended = output.and_then(|output| Ok((child.wait()?, output)));
        end_descendants(false);
        ended
    }
}

impl Told {
    fn of(call: &Call<Vec<u16>>, context: Option<String>) -> Self {
        let text = |units: &Option<Vec<u16>>| units.as_deref().map(String::from_utf16_lossy);
        let named = |units: &Option<Vec<u16>>| text(units).filter(|text| !text.is_empty());
        let (local, remote) = match call.event {
            Event::Add => (named(&call.local), text(&call.remote)),
            // One name stands for either.
            Event::Cancel
                if call.remote.as_deref().is_some_and(|name| LocalDevice::parse(name).is_some()) =>
            {
                (text(&call.remote), None)
            }
            Event::Cancel => (None, text(&call.remote)),
        };
        Told {
            version: VERSION,
            event: match call.event {
                Event::Add => "add",
                Event::Cancel => "cancel",
            },
            when: if call.when == NOTIFY_PRE { "pre" } else { "post" },
            status: call.status,
            local,
            remote,
            provider: named(&call.provider),
            kind: match call.kind {
                RESOURCETYPE_DISK => "disk",
                RESOURCETYPE_PRINT => "print",
                _ => "any",
            },
            flags: call.flags,
            force: call.force,
            context,
            operation: keeper::operation_id(call.operation),
            simulation: call.simulation,
        }
    }
}

/// The same for a shell. What is `null` is not set.
fn variables(told: &Told) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("MPR_VERSION", told.version.to_string()),
        ("MPR_EVENT", told.event.to_owned()),
        ("MPR_WHEN", told.when.to_owned()),
        ("MPR_STATUS", told.status.to_string()),
        ("MPR_TYPE", told.kind.to_owned()),
        ("MPR_FLAGS", told.flags.to_string()),
        ("MPR_FORCE", u8::from(told.force).to_string()),
        ("MPR_OPERATION", told.operation.clone()),
    ];
    let named = [
        ("MPR_LOCAL", &told.local),
        ("MPR_REMOTE", &told.remote),
        ("MPR_PROVIDER", &told.provider),
        ("MPR_CONTEXT", &told.context),
    ];
    // Not set otherwise: a script need not compare.
    variables.extend(told.simulation.then(|| ("MPR_SIMULATION", "1".to_owned())));
    variables.extend(named.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    variables
}

impl Listening for Command {
    fn notify(&mut self, call: &Call<Vec<u16>>) -> Result<Answer, String> {
        let mut context = self.contexts.remove(&call.context);
        let told = Told::of(call, context.clone());
        let (exit, output) = self.run(&told).map_err(|error| format!("it cannot be run: {error}"))?;
        let CommandAnswer { status, reason, context: left } = answer::read(exit, &output)?;
        context = left.or(context);
        let goes_on = match call.when {
            NOTIFY_PRE => matches!(status, Status::SUCCESS | Status::RETRY),
            _ => status == Status::RETRY,
        };
        let context = match context.filter(|_| goes_on) {
            Some(context) => {
                self.last = self.last.checked_add(1).unwrap_or(1);
                self.contexts.insert(self.last, context);
                self.last
            }
            None => 0,
        };
        let said =
            |reason: String| Said { code: status.0, text: reason.encode_utf16().collect(), name: Vec::new() };
        Ok(Answer { status: status.0, context, error: reason.map(said) })
    }
}

/// One line of JSON as a file that is nowhere: a command may read it, or not, and nobody waits.
fn in_memory(told: &Told) -> io::Result<OwnedFd> {
    // SAFETY: the name is terminated; the descriptor gets its one owner.
    let descriptor = unsafe {
        match libc::memfd_create(c"notification".as_ptr(), libc::MFD_CLOEXEC) {
            -1 => return Err(io::Error::last_os_error()),
            descriptor => OwnedFd::from_raw_fd(descriptor),
        }
    };
    let mut file = File::from(descriptor);
    let mut line = serde_json::to_vec(told)?;
    line.push(b'\n');
    file.write_all(&line)?;
    file.rewind()?;
    Ok(file.into())
}

/// Reads what the command prints until it has ended, even if others hold its output open, and a little more
/// than it may print.
fn hear(child: &mut Child) -> io::Result<Vec<u8>> {
    /// How often a kernel without descriptors for processes is asked.
    const PAUSE: i32 = 5;
    let mut stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    // SAFETY: takes integers.
    unsafe { libc::fcntl(stdout.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    let ends = keeper::pidfd(libc::pid_t::try_from(child.id()).unwrap_or(libc::pid_t::MAX));
    let mut output = Vec::new();
    let mut listening = true;
    loop {
        let watched = |descriptor| libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
        let mut polled = [
            watched(if listening { stdout.as_raw_fd() } else { -1 }),
            watched(ends.as_ref().map_or(-1, AsRawFd::as_raw_fd)),
        ];
        // SAFETY: the array is as long as said.
        unsafe { libc::poll(polled.as_mut_ptr(), 2, if ends.is_some() { -1 } else { PAUSE }) };
        let ended = if ends.is_some() { polled[1].revents != 0 } else { child.try_wait()?.is_some() };
        listening = listening && drain(&mut stdout, &mut output)?;
        // A command that says too much has answered already, whatever it will exit with.
        if ended || output.len() > MAX_OUTPUT {
            return Ok(output);
        }
    }
}

/// Reads what is there; whether more can come.
fn drain(stdout: &mut ChildStdout, output: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; 4096];
    while output.len() <= MAX_OUTPUT {
        match stdout.read(&mut buffer) {
            Ok(0) => return Ok(false),
            Ok(count) => output.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
