//! What the signals mean that somebody who waits has got.
//!
//! The kernel says that there is one, not which. On a local disk, only a signal that ends the program ends its
//! waiting; programs rely on it and try nothing again. So it is here, with two exceptions: whoever waits for
//! a lock is interrupted by every signal, and a program that means to clean up when it is asked to end gets
//! the chance to, if it waits for long and nothing would be lost but the answer.

use std::fs;

/// What is to become of somebody's waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They will not live to see the answer.
    Dying,
    /// They were asked to end, and will look after it themselves.
    AskedToEnd,
    /// They wait on.
    Waiting,
}

/// Looks at the signals of a thread. One that cannot be looked at is taken for dying: better an answer that was
/// not needed than a program that cannot be ended.
pub(crate) fn verdict(thread: u32) -> Verdict {
    if thread == 0 {
        return Verdict::Dying;
    }
    match fs::read_to_string(format!("/proc/{thread}/status")) {
        Ok(status) => judge(&status).unwrap_or(Verdict::Dying),
        Err(_) => Verdict::Dying,
    }
}

/// Whether a thread is on its way out: what it closes now is closed by the kernel, and it hears of nothing more.
///
/// Such a thread has given up its memory before its files. Its flags (`/proc/<thread>/stat`) would say so outright,
/// but the kernel does not let them be read while a program is replaced by another (`exec`): that waits until the
/// files are closed, which waits for us.
pub(crate) fn is_ending(thread: u32) -> bool {
    match fs::read_to_string(format!("/proc/{thread}/status")) {
        Ok(status) => has_no_memory(&status),
        Err(_) => true,
    }
}

fn has_no_memory(status: &str) -> bool {
    !status.lines().any(|line| line.starts_with("VmSize:"))
}

fn judge(status: &str) -> Option<Verdict> {
    let set = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        u64::from_str_radix(line.strip_prefix(':')?.trim(), 16).ok()
    };
    let pending = set("SigPnd")? | set("ShdPnd")?;
    let (blocked, ignored, caught) = (set("SigBlk")?, set("SigIgn")?, set("SigCgt")?);
    if pending & KILL != 0 {
        return Some(Verdict::Dying);
    }
    let arriving = pending & !blocked & !ignored;
    Some(if arriving & !caught & !HARMLESS != 0 {
        Verdict::Dying
    } else if arriving & caught & ASKING != 0 {
        Verdict::AskedToEnd
    } else {
        Verdict::Waiting
    })
}

const fn of(signal: i32) -> u64 {
    1 << (signal - 1)
}

const KILL: u64 = of(libc::SIGKILL);
/// These end nobody who does not say so.
const HARMLESS: u64 = of(libc::SIGCHLD)
    | of(libc::SIGCONT)
    | of(libc::SIGURG)
    | of(libc::SIGWINCH)
    | of(libc::SIGSTOP)
    | of(libc::SIGTSTP)
    | of(libc::SIGTTIN)
    | of(libc::SIGTTOU);
/// These ask to end.
const ASKING: u64 = of(libc::SIGHUP) | of(libc::SIGINT) | of(libc::SIGQUIT) | of(libc::SIGTERM);

#[cfg(test)]
mod tests {
    use super::*;

    fn status(pending: u64, shared: u64, blocked: u64, ignored: u64, caught: u64) -> String {
        format!(
            "Name:\tx\nSigPnd:\t{pending:016x}\nShdPnd:\t{shared:016x}\nSigBlk:\t{blocked:016x}\n\
             SigIgn:\t{ignored:016x}\nSigCgt:\t{caught:016x}\nCapInh:\t0\n"
        )
    }

    #[test]
    fn who_is_killed_is_dying_whatever_it_catches() {
        let all = u64::MAX;
        assert_eq!(judge(&status(KILL, 0, all, all, all)), Some(Verdict::Dying));
        let quit = of(libc::SIGQUIT);
        assert_eq!(judge(&status(0, quit, 0, 0, 0)), Some(Verdict::Dying));
    }

    #[test]
    fn a_timer_or_a_child_that_ended_interrupts_nobody() {
        let (alarm, child) = (of(libc::SIGALRM), of(libc::SIGCHLD));
        assert_eq!(judge(&status(0, alarm, 0, 0, alarm)), Some(Verdict::Waiting));
        assert_eq!(judge(&status(0, child, 0, 0, child)), Some(Verdict::Waiting));
        assert_eq!(judge(&status(0, child, 0, 0, 0)), Some(Verdict::Waiting));
        assert_eq!(judge(&status(alarm, 0, alarm, 0, 0)), Some(Verdict::Waiting), "it is blocked");
    }

    #[test]
    fn who_catches_an_interrupt_was_asked_to_end() {
        let interrupt = of(libc::SIGINT);
        assert_eq!(judge(&status(interrupt, 0, 0, 0, interrupt)), Some(Verdict::AskedToEnd));
        assert_eq!(judge(&status(interrupt, 0, 0, interrupt, 0)), Some(Verdict::Waiting));
        assert_eq!(judge(&status(0, interrupt, 0, 0, 0)), Some(Verdict::Dying));
    }

    #[test]
    fn this_thread_waits_and_one_that_is_not_there_is_gone() {
        assert_eq!(verdict(std::process::id()), Verdict::Waiting);
        assert!(!is_ending(std::process::id()));
        assert!(is_ending(0));
        assert_eq!(verdict(0), Verdict::Dying);
    }

    #[test]
    fn what_has_ended_has_no_memory_and_is_ending() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let zombie = |status: String| status.contains("State:\tZ");
        while !fs::read_to_string(format!("/proc/{}/status", child.id())).is_ok_and(zombie) {
            std::thread::yield_now();
        }
        assert!(is_ending(child.id()));
        child.wait().unwrap();
    }

    #[test]
    fn a_status_without_signals_says_nothing() {
        assert_eq!(judge("Name:\tx\n"), None);
    }
}
