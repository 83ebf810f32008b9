//! Finding a helper, starting it, hearing it out within a deadline.
//!
//! The helper gets one end of a socket pair as standard input and output, nothing on standard error, none of
//! the caller's other descriptors, and an environment of what it needs and no more. It forks at once and lets
//! its first process end, so that the caller is left with no child to wait for, no signal to handle and no
//! zombie, whatever it does about SIGCHLD. A caller that gives up only has to hang up: a helper that is not
//! yet done ends then, and takes back what it has done.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mpr_abi::Status;

use crate::dirs;
use crate::frame::{self, Kind};
use crate::protocol::{Event, Failure, Request, ShareKind};

/// File name of the mounting helper.
pub const MPR_MOUNT: &str = "mpr-mount";
/// File name of the helper that runs one notification library.
pub const MPR_HOST: &str = "mpr-host";

/// What a mounting helper needs of the caller's environment.
const GIVEN_TO_MOUNTS: [&str; 4] =
    ["DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "KRB5CCNAME", "KRB5_CONFIG"];

/// What a notification library may need of the caller's environment. A process with elevated privileges gives
/// nothing of it on.
const GIVEN_TO_HOSTS: [&str; 15] = [
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "DBUS_SESSION_BUS_ADDRESS",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "MPR_CONFIG_DIRS",
    "MPR_STATE_DIR",
    "MPR_RUNTIME_DIR",
    "MPR_LIBEXEC_DIR",
    "MPR_LOG",
];

/// What a network provider may need besides: to be known to a server, and to find the way to it.
const GIVEN_TO_PROVIDERS: [&str; 8] = [
    "KRB5CCNAME",
    "KRB5_CONFIG",
    "SSH_AUTH_SOCK",
    "HTTP_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "NO_PROXY",
];

/// Where a helper is looked for, in this order: beside the running program, beside `libmpr.so`, in
/// `$MPR_LIBEXEC_DIR`, in `/usr/libexec/mpr`.
///
/// A process with elevated privileges neither reads the environment nor trusts its own neighbourhood, and runs
/// only a helper that belongs to root and that nobody else can write to.
pub fn find(helper: &str) -> io::Result<PathBuf> {
    let elevated = dirs::is_elevated();
    let mut directories: Vec<PathBuf> = Vec::with_capacity(4);
    if !elevated {
        directories.extend(env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_owned())));
    }
    directories.extend(own_object().and_then(|object| Some(object.parent()?.to_owned())));
    if !elevated {
        directories
            .extend(env::var_os("MPR_LIBEXEC_DIR").map(PathBuf::from).filter(|path| path.is_absolute()));
    }
    directories.push(PathBuf::from("/usr/libexec/mpr"));

    for directory in &directories {
        let path = directory.join(helper);
        if let Ok(meta) = fs::metadata(&path)
            && meta.is_file()
            && meta.mode() & 0o111 != 0
            && (!elevated || (meta.uid() == 0 && meta.mode() & 0o022 == 0))
        {
            return Ok(path);
        }
    }
    directories.dedup();
    let looked: Vec<String> = directories.iter().map(|directory| directory.display().to_string()).collect();
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        format!(
            "the helper {helper} was not found in {}; install it there or set MPR_LIBEXEC_DIR",
            looked.join(", ")
        ),
    ))
}

/// The file this code was loaded from: `libmpr.so`, or the program itself.
fn own_object() -> Option<PathBuf> {
    // Not dladdr: it tells the name the object was loaded by, which is relative when the library path is.
    let maps = fs::read("/proc/self/maps").ok()?;
    object_at(&maps, own_object as *const () as usize)
}

/// The file that is mapped at `address`, by the kernel's list of mappings.
fn object_at(maps: &[u8], address: usize) -> Option<PathBuf> {
    let line = maps.split(|byte| *byte == b'\n').find(|line| {
        let range = line.split(|byte| *byte == b' ').next().unwrap_or_default();
        let bounds = std::str::from_utf8(range).ok().and_then(|range| range.split_once('-'));
        bounds.is_some_and(|(start, end)| {
            let number = |text| usize::from_str_radix(text, 16);
            matches!((number(start), number(end)), (Ok(start), Ok(end)) if (start..end).contains(&address))
        })
    })?;
    // start-end perms offset device inode path; only the path can hold a slash.
    let path = &line[line.iter().position(|byte| *byte == b'/')?..];
    // An object that was replaced on disk still says where it was.
    let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
    Some(PathBuf::from(OsStr::from_bytes(path)))
}

/// A helper that has been started.
#[derive(Debug)]
pub struct Helper {
    stream: UnixStream,
}

impl Helper {
    /// Starts the helper `program`, to work in this run-time directory.
    pub fn start(program: &Path, runtime: &Path) -> io::Result<Helper> {
        let (ours, theirs) = UnixStream::pair()?;
        let input = OwnedFd::from(theirs);
        let output = input.try_clone()?;
        let mut command = Command::new(program);
        command.stdin(input).stdout(output).env_clear();
        // Ignored by a helper that inherits elevated privileges; then both sides use the system's directory.
        command.env("MPR_RUNTIME_DIR", runtime);
        if !dirs::is_elevated() {
            // Where to ask for kept passwords and tickets, which it does only if that is this user's own.
            let given = GIVEN_TO_MOUNTS.iter().filter_map(|name| Some((name, env::var_os(name)?)));
            command.envs(given);
        }
        launch(command)?;
        Ok(Helper { stream: ours })
    }

    /// Sends `request` and its secret and hears the helper out. Every event but the last is given to `heard`.
    ///
    /// No answer within `patience` is a failure, and so is a helper that ends without one.
    pub fn ask(
        mut self,
        request: &Request,
        secret: Option<&[u8]>,
        patience: Duration,
        heard: &mut dyn FnMut(Event),
    ) -> Result<ShareKind, Failure> {
        debug_assert_eq!(request.has_password(), secret.is_some());
        let deadline = Instant::now() + patience;
        let asked = self.send(request, secret, patience);
        // A helper that refuses the request may have hung up while we wrote; its answer says why.
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(no_answer(patience));
            }
            let event = self
                .stream
                .set_read_timeout(Some(left))
                .and_then(|()| frame::read_json::<Event>(&mut self.stream));
            match event {
                Ok(Some(Event::Done { kind })) => return Ok(kind),
                Ok(Some(Event::Failed(failure))) => return Err(failure),
                Ok(Some(event)) => heard(event),
                Ok(None) => {
                    let why = asked.err().map(|error| format!(" ({error})")).unwrap_or_default();
                    return Err(Failure::new(
                        Status::NET_ERROR,
                        format!(
                            "the helper mpr-mount ended without an answer{why}; the system log may say why"
                        ),
                    ));
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Err(no_answer(patience));
                }
                Err(error) => {
                    return Err(Failure::new(
                        Status::NET_ERROR,
                        format!("the answer of the helper mpr-mount cannot be understood: {error}"),
                    ));
                }
            }
        }
    }

    fn send(&mut self, request: &Request, secret: Option<&[u8]>, patience: Duration) -> io::Result<()> {
        // Sockets are written to without raising SIGPIPE, which could end the caller's process.
        self.stream.set_write_timeout(Some(patience))?;
        frame::write_json(&mut self.stream, request)?;
        if let Some(secret) = secret {
            frame::write(&mut self.stream, Kind::Secret, secret)?;
        }
        Ok(())
    }
}

/// A host that has been started: an `mpr-host`, with nothing told to it yet.
#[derive(Debug)]
pub struct Host {
    /// What is said to it and what it answers: frames of [`crate::host`].
    pub conversation: UnixStream,
    /// Shut down, or closed by the end of the caller, it ends the host and everything the library started. Before
    /// a host ends by itself it says on it how the library's process ended: its wait status, four bytes in the
    /// machine's order.
    pub lifeline: UnixStream,
}

/// What becomes of the processes a plug-in has started when its host ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Leaves {
    /// All of them end.
    Nothing = b'n',
    /// Those that began a session of their own stay: a provider's connection may be one.
    Sessions = b's',
}

impl Host {
    /// Starts the host `program`.
    pub fn start(program: &Path, leaves: Leaves) -> io::Result<Host> {
        let (conversation, its_conversation) = UnixStream::pair()?;
        let (lifeline, its_lifeline) = UnixStream::pair()?;
        // The buffer of a new socket has room for a byte.
        (&lifeline).write_all(&[leaves as u8])?;
        let mut command = Command::new(program);
        command.stdin(OwnedFd::from(its_conversation)).stdout(OwnedFd::from(its_lifeline)).env_clear();
        if !dirs::is_elevated() {
            let more: &[&str] = if leaves == Leaves::Sessions { &GIVEN_TO_PROVIDERS } else { &[] };
            let known = GIVEN_TO_HOSTS.iter().chain(more);
            command.envs(known.filter_map(|name| Some((name, env::var_os(name)?))));
        }
        launch(command)?;
        Ok(Host { conversation, lifeline })
    }
}

/// What an [`MPR_HOST`] is started with that is to put a file on disk.
pub const SYNC: &str = "sync";

/// A file that is being put on disk by a process of its own, which goes on whether somebody waits for it or not.
#[derive(Debug)]
pub struct Syncing {
    answer: UnixStream,
}

impl Syncing {
    /// Has the host `program` put a file, and its name, on disk.
    pub fn start(program: &Path, file: &fs::File) -> io::Result<Syncing> {
        let (answer, its_answer) = UnixStream::pair()?;
        let mut command = Command::new(program);
        command.arg(SYNC).stdin(file.try_clone()?).stdout(OwnedFd::from(its_answer)).env_clear();
        launch(command)?;
        Ok(Syncing { answer })
    }

    /// Waits until that is done; `None` if it takes longer than this.
    pub fn wait(mut self, deadline: Instant) -> Option<io::Result<()>> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        let mut code = [0; 4];
        let heard = self.answer.set_read_timeout(Some(left)).and_then(|()| self.answer.read_exact(&mut code));
        match heard {
            Ok(()) => Some(match i32::from_ne_bytes(code) {
                0 => Ok(()),
                code => Err(io::Error::from_raw_os_error(code)),
            }),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// Starts a helper and waits until its first process has ended.
fn launch(mut command: Command) -> io::Result<()> {
    command.current_dir("/").stderr(Stdio::null()).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    // SAFETY: between fork and exec only async-signal-safe system calls are made, and no memory is allocated.
    unsafe { command.pre_exec(close_inherited_on_exec) };
    let mut child = command.spawn().map_err(|error| {
        io::Error::new(error.kind(), format!("cannot start {}: {error}", command.get_program().display()))
    })?;
    match child.wait() {
        Ok(_) => Ok(()),
        // The caller ignores SIGCHLD or waits for every child itself; then there is nothing to wait for.
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(()),
        Err(error) => Err(error),
    }
}

fn no_answer(patience: Duration) -> Failure {
    Failure::new(
        Status::NET_ERROR,
        format!("the helper mpr-mount did not answer within {} seconds", patience.as_secs()),
    )
}

/// Marks every descriptor above standard error to be closed when the helper is executed: the caller may hold
/// files, sockets and secrets that are none of its business.
fn close_inherited_on_exec() -> io::Result<()> {
    const FIRST: libc::c_uint = 3;
    // SAFETY: takes no pointers; marking a descriptor that does not exist is no error.
    let marked =
        unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if marked == 0 {
        return Ok(());
    }
    // Kernels before 5.11.
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for writes.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let last = limit.rlim_cur.min(1 << 20) as libc::c_int;
    for descriptor in FIRST as libc::c_int..last {
        // SAFETY: takes no pointers; fails harmlessly for a descriptor that does not exist.
        unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Login, Protocol, Server};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_object_at_an_address_is_told_by_its_mapping() {
        let maps = b"1000-2000 r--p 00000000 08:01 12 /usr/bin/a program\n\
                     3000-4000 r-xp 00001000 08:01 13 /opt/x/libmpr.so (deleted)\n\
                     5000-6000 rw-p 00000000 00:00 0\n";
        let object = |address| object_at(maps, address);
        assert_eq!(object(0x1000), Some("/usr/bin/a program".into()));
        assert_eq!(object(0x3FFF), Some("/opt/x/libmpr.so".into()));
        for nowhere in [0xFFF, 0x2000, 0x5800] {
            assert_eq!(object(nowhere), None);
        }
        assert_eq!(own_object(), env::current_exe().ok());
    }

    fn request() -> Request {
        Request::ListShares {
            server: Server { protocol: Protocol::Smb, host: "nas".into(), port: None },
            login: Login::Guest,
            has_password: false,
        }
    }

    fn script(body: &str) -> (tempfile::TempDir, PathBuf) {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("helper");
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        (base, path)
    }

    fn start(helper: &Path) -> Helper {
        loop {
            // Another test may be between fork and exec and hold a copy of the descriptor we wrote with.
            match Helper::start(helper, Path::new("/nowhere")) {
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {}
                started => return started.unwrap(),
            }
        }
    }

    /// Writes a frame from a shell: the length, version and kind as octal escapes, then the body.
    fn say(json: &str) -> String {
        let octal: String =
            frame::header(Kind::Json, json.len()).unwrap().map(|byte| format!("\\{byte:03o}")).concat();
        format!("printf '{octal}%s' '{json}'")
    }

    #[test]
    fn events_are_given_on_until_the_answer() {
        let progress = say(r#"{"event":"progress","stage":"connecting"}"#);
        let done = say(r#"{"event":"done","kind":"disk"}"#);
        let (_base, helper) = script(&format!("{progress}; {done}"));
        let mut heard = Vec::new();
        let answer = start(&helper).ask(&request(), None, Duration::from_secs(20), &mut |event| {
            heard.push(event);
        });
        assert_eq!(answer, Ok(ShareKind::Disk));
        assert_eq!(heard, [Event::Progress { stage: crate::protocol::Stage::Connecting }]);
    }

    #[test]
    fn a_helper_that_ends_without_an_answer_is_a_failure() {
        let (_base, helper) = script("exit 3");
        let answer = start(&helper).ask(&request(), None, Duration::from_secs(20), &mut |_| {});
        assert_eq!(answer.unwrap_err().status, Status::NET_ERROR.0);
    }

    #[test]
    fn a_helper_that_never_answers_is_given_up() {
        // Its first process ends at once, as a helper's does; the second says nothing and ends when we hang up.
        let (_base, helper) = script("exec 3<&0; cat <&3 >/dev/null & exit 0");
        let answer = start(&helper).ask(&request(), None, Duration::from_millis(50), &mut |_| {});
        assert!(answer.unwrap_err().message.contains("did not answer"));
    }

    #[test]
    fn a_helper_sees_no_other_descriptor_and_no_other_environment() {
        let (base, helper) = script(&format!(
            "(ls /proc/self/fd; env) > \"$(dirname \"$0\")/seen\"; {}",
            say(r#"{"event":"done","kind":"disk"}"#)
        ));
        let file = fs::File::open("/dev/zero").unwrap();
        // SAFETY: takes a valid descriptor and no pointers.
        let leaking = unsafe { libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(&file), libc::F_DUPFD, 77) };
        assert!(leaking >= 77);
        start(&helper).ask(&request(), None, Duration::from_secs(20), &mut |_| {}).unwrap();
        let seen = fs::read_to_string(base.path().join("seen")).unwrap();
        assert!(!seen.lines().any(|line| line == leaking.to_string()), "{seen}");
        assert!(!seen.contains("CARGO") && !seen.contains("HOME="), "{seen}");
        // SAFETY: the descriptor is ours and closed once.
        unsafe { libc::close(leaking) };
    }

    #[test]
    fn a_missing_helper_is_told_with_the_places_looked_at() {
        let error = find("mpr-no-such-helper").unwrap_err();
        assert!(error.to_string().contains("/usr/libexec/mpr"), "{error}");
    }
}
