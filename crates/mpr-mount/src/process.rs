//! What this process does to itself before it touches a secret.

use std::io;
use std::os::fd::RawFd;

/// Lets the first process end and goes on in a grandchild: the caller has no child left to wait for, and no
/// terminal can reach us any more. Must be called while there is one thread.
pub fn leave_the_caller() -> io::Result<()> {
    for first in [true, false] {
        // SAFETY: this process has a single thread so far, so the child may use everything; the parent ends
        // without running anything of ours.
        match unsafe { libc::fork() } {
            -1 => return Err(io::Error::last_os_error()),
            0 => {}
            child => {
                if first {
                    // The one between ends at once; waiting for it here leaves nothing to whoever inherits
                    // orphans, which in a container is often a program that waits for nobody.
                    // SAFETY: a null pointer says that the status is not wanted.
                    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
                }
                // SAFETY: ends the process at once and does not return.
                unsafe { libc::_exit(0) }
            }
        }
        if first {
            // SAFETY: takes no pointers; we are a fresh child and so no group leader, so it succeeds.
            unsafe { libc::setsid() };
        }
    }
    Ok(())
}

/// Keeps what this process knows to itself: no core dumps, no debugger of the same user, no descriptor that
/// was left open, files that only their owner can read.
pub fn harden() -> io::Result<()> {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: each takes integers, or a pointer to a structure that lives through the call.
    unsafe {
        if libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) != 0
            || libc::setrlimit(libc::RLIMIT_CORE, &none) != 0
        {
            return Err(io::Error::last_os_error());
        }
        libc::umask(0o077);
        // A kernel without the call keeps what was inherited; the caller closed it on exec in any case.
        libc::syscall(libc::SYS_close_range, 3 as libc::c_uint, libc::c_uint::MAX, 0 as libc::c_uint);
        if libc::chdir(c"/".as_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Keeps the allocator from giving memory back to the kernel and faulting it in again for every large read:
/// by default glibc maps each buffer of a megabyte anew.
pub fn tune_allocator() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes integers; the worst outcome is that nothing changes.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 64 << 20);
    }
}

/// Whether a descriptor is a terminal.
#[must_use]
pub fn is_terminal(descriptor: RawFd) -> bool {
    // SAFETY: takes an integer.
    unsafe { libc::isatty(descriptor) == 1 }
}
