//! What this process does to itself before it touches a secret.

use std::io;
use std::os::fd::RawFd;
use std::path::PathBuf;

use landlock::{
    ABI, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError,
};
use mpr_helper::dirs;
use mpr_helper::protocol::{Request, Taste};

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

/// Gives up every privilege there is, and the right to get one by starting a program. Must be called while there is
/// one thread.
///
/// # Errors
///
/// The kernel does not let them go.
pub fn give_up_privileges() -> io::Result<()> {
    /// `_LINUX_CAPABILITY_VERSION_3`.
    const VERSION: u32 = 0x2008_0522;
    // As the kernel has them: version and process (0 is this one), then three sets of 64 in halves, all empty.
    let (header, none) = ([VERSION, 0], [0_u32; 6]);
    // SAFETY: integers, and pointers to a header and to sets of the size its version has, which live through the call.
    unsafe {
        // Only whoever may give privileges can take them from the programs it starts. Numbers the kernel does not know
        // are errors without effect.
        for capability in 0..64 {
            libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0);
        }
        libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        if libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) != 0
            || libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
        {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Keeps this process from changing files and starting programs that are none of its business, and from taking more
/// memory than it can have a use for. Must be called while there is one thread. What the kernel does not
/// offer is left out.
pub fn confine(request: &Request) {
    bound_memory(request);
    let mut places = vec![PathBuf::from("/dev/null"), PathBuf::from(mpr_fuse::DEVICE)];
    if let Ok(runtime) = dirs::runtime_dir() {
        // The record, the socket and the lock of the connection, and notes for the audit trail.
        places.push(runtime);
    }
    if let Request::Mount(mount) = request
        && let Some(trail) = &mount.trail
    {
        let trail = mpr::audit::directory(&trail.state);
        // Its own trouble if it cannot be made: what is lost is then noted in the run-time directory.
        let _ = dirs::ensure_private(&trail);
        places.push(trail);
    }
    // With a password nobody asks for tickets.
    if !request.has_password() {
        places.extend(tickets());
    }
    let _ = keep_everything_but(places);
}

/// Where a Kerberos library may have to keep the tickets it gets: a file, or a directory of them.
fn tickets() -> Option<PathBuf> {
    let place = mpr_kerberos::place()?;
    let path = ["FILE:", "DIR::", "DIR:"].iter().find_map(|kind| place.strip_prefix(kind)).unwrap_or(&place);
    path.starts_with('/').then(|| PathBuf::from(path))
}

fn keep_everything_but(places: Vec<PathBuf>) -> Result<(), RulesetError> {
    /// The newest this knows; older kernels do less.
    const KNOWN: ABI = ABI::V5;
    let writes = AccessFs::from_write(KNOWN);
    let rules = places.into_iter().filter_map(|place| {
        let file = place.metadata().is_ok_and(|meta| !meta.is_dir());
        let access = if file { writes & AccessFs::from_file(KNOWN) } else { writes };
        Some(Ok::<_, RulesetError>(PathBeneath::new(PathFd::new(place).ok()?, access)))
    });
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(writes | AccessFs::Execute)?
        .create()?;
    ruleset.add_rules(rules)?.restrict_self()?;
    Ok(())
}

/// Far more than is needed, and not all of what the machine has.
fn bound_memory(request: &Request) {
    /// Threads that wait for something, with their stacks, and what is under way.
    const USUAL: u64 = 1 << 30;
    /// Of every file the kernel knows, we know the name, in a quarter of the memory that it needs itself: when it is short
    /// of that, it forgets, and so do we. Whoever ends us before that takes the mount of somebody with many files away.
    const SHARE: u64 = 4;
    let usual = USUAL.max(memory() / SHARE);
    let taste = match request {
        Request::Mount(mount) => mount.taste,
        _ => Taste::default(),
    };
    let (contents, names) = (taste.cache_mib.unwrap_or(32), taste.cache_names.unwrap_or(100_000));
    let most = usual + (u64::from(contents) << 21) + (u64::from(names) << 10);
    let most = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: the structure lives through the call. A limit that is lower already stays.
    unsafe { libc::setrlimit(libc::RLIMIT_DATA, &most) };
}

/// Bytes of memory this machine has; none if nobody knows.
fn memory() -> u64 {
    // SAFETY: each takes an integer.
    let (pages, page) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    u64::try_from(pages).unwrap_or(0).saturating_mul(u64::try_from(page).unwrap_or(0))
}

/// Keeps the allocator from giving memory back to the kernel and faulting it in again for every large read:
/// by default glibc maps each buffer of a megabyte anew. And has all threads share one heap: what is read on one
/// thread is let go on another, so that a heap for each would grow to what all of them need together.
pub fn tune_allocator() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes integers; the worst outcome is that nothing changes.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 64 << 20);
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Whether a descriptor is a terminal.
#[must_use]
pub fn is_terminal(descriptor: RawFd) -> bool {
    // SAFETY: takes an integer.
    unsafe { libc::isatty(descriptor) == 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::process::Command;

    #[test]
    fn what_is_confined_writes_where_it_may_and_starts_nothing() {
        if mpr_helper::sandbox::landlock().is_none() {
            return;
        }
        let base = tempfile::tempdir().unwrap();
        let (ours, others) = (base.path().join("ours"), base.path().join("others"));
        fs::create_dir(&ours).unwrap();
        let file = base.path().join("tickets");
        fs::write(&file, "old").unwrap();
        // It holds for the thread, and the other tests are not to be confined.
        let confined = std::thread::spawn(move || {
            keep_everything_but(vec![ours.clone(), file.clone()]).unwrap();
            fs::write(ours.join("f"), "x").unwrap();
            fs::rename(ours.join("f"), ours.join("g")).unwrap();
            fs::write(&file, "new").unwrap();
            assert_eq!(fs::read(&file).unwrap(), b"new");
            let denied =
                [fs::write(&others, "x"), fs::remove_file(&file), Command::new("true").status().map(drop)];
            denied.map(|denied| denied.unwrap_err().kind())
        });
        assert_eq!(confined.join().unwrap(), [io::ErrorKind::PermissionDenied; 3]);
    }
}
