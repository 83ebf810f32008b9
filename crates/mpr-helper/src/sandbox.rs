//! What the kernel offers for shutting a plug-in in.

/// The version of Landlock; `None` where there is none, or it is switched off.
#[must_use]
pub fn landlock() -> Option<u32> {
    const VERSION: libc::c_uint = 1;
    // SAFETY: a null pointer and no size ask for the version; nothing is created.
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, VERSION) };
    u32::try_from(version).ok().filter(|&version| version > 0)
}

/// Whether system calls can be filtered.
#[must_use]
pub fn seccomp() -> bool {
    let errno: u32 = libc::SECCOMP_RET_ERRNO;
    const GET_ACTION_AVAIL: libc::c_uint = 2;
    // SAFETY: the number asked about lives through the call; nothing is changed.
    unsafe { libc::syscall(libc::SYS_seccomp, GET_ACTION_AVAIL, 0, &raw const errno) == 0 }
}
