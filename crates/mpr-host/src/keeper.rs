//! The process that stays sane: it ends the worker and whatever the worker started, and does nothing else.

use mpr_helper::spawn::Leaves;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::ptr::null_mut;
use std::sync::OnceLock;

/// Leaves the caller and divides this process in two. Returns in the worker, with the conversation; the keeper
/// ends here. Must be called while there is one thread.
pub(crate) fn split() -> io::Result<UnixStream> {
    // A kernel without the call keeps what was inherited; the caller closed it on exec in any case.
    // SAFETY: takes integers.
    unsafe { libc::syscall(libc::SYS_close_range, 3 as libc::c_uint, libc::c_uint::MAX, 0 as libc::c_uint) };
    // The caller waits for this process, so its parent is the caller still. A caller that forked may leave
    // copies of the lifeline behind; that it has ended shows all the same.
    // SAFETY: takes no pointers.
    let caller = unsafe { libc::getppid() };
    let caller_ends = pidfd(caller);
    let (conversation, lifeline) = take_standard_descriptors()?;
    if fork()?.is_some() {
        // SAFETY: ends the process at once and does not return.
        unsafe { libc::_exit(0) }
    }
    _ = CALLER.set(caller);
    let spares = leaves_sessions(&lifeline)?;
    restore_signals();
    let alarms = watch_children()?;
    // SAFETY: each takes integers. A fresh child is no group leader, so setsid succeeds. What the library
    // starts and lets go of becomes a child of this process, whatever session or group it moved to.
    unsafe {
        libc::setsid();
        if libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    // SAFETY: takes no pointers.
    let keeper = unsafe { libc::getpid() };
    match fork()? {
        Some(worker) => {
            drop(conversation);
            keep(worker, &lifeline, caller_ends.as_ref(), &alarms, spares)
        }
        None => {
            drop((lifeline, caller_ends, alarms));
            become_worker(keeper)?;
            Ok(UnixStream::from(conversation))
        }
    }
}

/// The process number of the caller, which makes its operation numbers unique.
static CALLER: OnceLock<libc::pid_t> = std::sync::OnceLock::new();

/// What tells an operation of this caller from every other, of any process.
pub(crate) fn operation_id(operation: u64) -> String {
    format!("{:x}-{operation:x}", CALLER.get().copied().unwrap_or_default())
}

/// What the caller said first: whether what began a session of its own is to outlive this process.
fn leaves_sessions(lifeline: &OwnedFd) -> io::Result<bool> {
    let mut said = 0_u8;
    // SAFETY: one byte can be written to.
    match unsafe { libc::read(lifeline.as_raw_fd(), (&raw mut said).cast(), 1) } {
        1 => Ok(said == Leaves::Sessions as u8),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// `None` in the child.
pub(crate) fn fork() -> io::Result<Option<libc::pid_t>> {
    // SAFETY: this process has a single thread, so the child may use everything.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        child => Ok(Some(child)),
    }
}

/// Conversation and lifeline, moved away from standard input and output, where a stray print would reach them.
fn take_standard_descriptors() -> io::Result<(OwnedFd, OwnedFd)> {
    // SAFETY: integers and a terminated path; each descriptor is given its one owner.
    unsafe {
        let conversation = libc::fcntl(0, libc::F_DUPFD_CLOEXEC, 3);
        let lifeline = libc::fcntl(1, libc::F_DUPFD_CLOEXEC, 3);
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        if conversation < 0 || lifeline < 0 || null < 0 {
            return Err(io::Error::last_os_error());
        }
        for standard in 0..=2 {
            libc::dup2(null, standard);
        }
        libc::close(null);
        Ok((OwnedFd::from_raw_fd(conversation), OwnedFd::from_raw_fd(lifeline)))
    }
}

/// Signals as a program finds them that nobody has prepared: a caller's ignored signals stay ignored on exec.
fn restore_signals() {
    // SAFETY: takes integers; a signal that cannot be set is left alone.
    unsafe {
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}

/// A descriptor that becomes readable when a child ends.
fn watch_children() -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised by the call that empties it; the descriptor gets its one owner.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGCHLD);
        libc::sigprocmask(libc::SIG_SETMASK, &set, null_mut());
        match libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
            -1 => Err(io::Error::last_os_error()),
            descriptor => Ok(OwnedFd::from_raw_fd(descriptor)),
        }
    }
}

/// A descriptor that becomes readable when the process ends; `None` before Linux 5.3.
pub(crate) fn pidfd(process: libc::pid_t) -> Option<OwnedFd> {
    // SAFETY: takes integers; the descriptor, close-on-exec by itself, gets its one owner.
    unsafe {
        match libc::syscall(libc::SYS_pidfd_open, process, 0) {
            descriptor if descriptor >= 0 => Some(OwnedFd::from_raw_fd(descriptor as RawFd)),
            _ => None,
        }
    }
}

/// What the worker is before it loads anything: in a group of its own, dead if the keeper dies, no core dumps.
fn become_worker(keeper: libc::pid_t) -> io::Result<()> {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: integers, and structures that live through the calls.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &set, null_mut());
        libc::setpgid(0, 0);
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        if libc::setrlimit(libc::RLIMIT_CORE, &none) != 0 || libc::getppid() != keeper {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Waits until the caller hangs up or the worker ends, and ends everything then.
fn keep(
    worker: libc::pid_t,
    lifeline: &OwnedFd,
    caller: Option<&OwnedFd>,
    alarms: &OwnedFd,
    spares: bool,
) -> ! {
    let watched = |descriptor: RawFd| libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
    let ended = loop {
        // A negative descriptor is passed over.
        let mut polled =
            [lifeline.as_raw_fd(), caller.map_or(-1, AsRawFd::as_raw_fd), alarms.as_raw_fd()].map(watched);
        // SAFETY: the array is as long as said.
        unsafe { libc::poll(polled.as_mut_ptr(), 3, -1) };
        if polled[0].revents != 0 || polled[1].revents != 0 {
            break None;
        }
        if polled[2].revents != 0 {
            let mut told = [0_u8; 512];
            // SAFETY: the buffer is as long as said. What was told is the same again: children have ended.
            unsafe { libc::read(alarms.as_raw_fd(), told.as_mut_ptr().cast(), told.len()) };
            if let Some(status) = reap_until(worker) {
                break Some(status);
            }
        }
    };
    // SAFETY: takes integers. If the worker was waited for, it was a moment ago: its number is that of its group, or
    // nobody's yet.
    unsafe { libc::kill(-worker, libc::SIGKILL) };
    end_descendants(spares);
    if let Some(status) = ended {
        let status = status.to_ne_bytes();
        // SAFETY: the buffer is as long as said. Nobody need be there to read it.
        unsafe { libc::send(lifeline.as_raw_fd(), status.as_ptr().cast(), status.len(), libc::MSG_NOSIGNAL) };
    }
    // SAFETY: ends the process at once and does not return.
    unsafe { libc::_exit(0) }
}

/// Waits for those that have ended; the status of `worker` if it is among them.
fn reap_until(worker: libc::pid_t) -> Option<i32> {
    let mut ended = None;
    loop {
        let mut status = 0;
        // SAFETY: the status is valid for writes.
        match unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) } {
            child if child == worker => ended = Some(status),
            child if child > 0 => {}
            _ => return ended,
        }
    }
}

/// Kills every descendant of this process and waits for them. As it adopts what its descendants leave behind,
/// nobody gets away; with `spares`, only what began a session of its own.
pub(crate) fn end_descendants(spares: bool) {
    loop {
        let Some(children) = children() else {
            // Children that cannot be listed cannot be killed, and are not waited for.
            // SAFETY: a null pointer says that the status is not wanted.
            while unsafe { libc::waitpid(-1, null_mut(), libc::WNOHANG) } > 0 {}
            return;
        };
        let doomed: Vec<libc::pid_t> =
            children.into_iter().filter(|&child| !(spares && has_own_session(child))).collect();
        if doomed.is_empty() {
            return;
        }
        for &child in &doomed {
            // SAFETY: takes integers; a child's number is its own until it is waited for, which is below.
            unsafe { libc::kill(child, libc::SIGKILL) };
        }
        for &child in &doomed {
            // SAFETY: a null pointer says that the status is not wanted.
            unsafe { libc::waitpid(child, null_mut(), 0) };
        }
    }
}

fn has_own_session(process: libc::pid_t) -> bool {
    // SAFETY: takes integers.
    unsafe { libc::getsid(process) != libc::getsid(0) }
}

fn children() -> Option<Vec<libc::pid_t>> {
    let list = fs::read_to_string("/proc/thread-self/children").ok()?;
    Some(list.split_whitespace().filter_map(|number| number.parse().ok()).collect())
}
