//! The one place where control returns to a foreign caller.

use mpr_abi::{DWORD, Status};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of an exported function: what it comes to is the function's result and the thread's last
/// error, success included (DECISION W1).
///
/// A panic ends here, as `WN_NET_ERROR`: unwinding through a caller that is not Rust is undefined.
#[inline(always)]
pub(crate) fn answer(call: impl FnOnce() -> Result<(), Status>) -> DWORD {
    let status = guard(|| Status::from(call()));
    let code = status.unwrap_or(Status::NET_ERROR).0;
    // Last of all, when everything the call held has been dropped: whatever ran in between, a provider or a
    // notification library among it, left its own error behind (`spec/notification.md` §12.5).
    set_last_error(code);
    code
}

/// As [`answer`], for a function whose result is a value and whose status is the last error alone. A call that
/// fails has the value 0.
pub(crate) fn answer_value(call: impl FnOnce() -> Result<DWORD, Status>) -> DWORD {
    let result = guard(call).unwrap_or(Err(Status::NET_ERROR));
    set_last_error(result.err().map_or(0, |status| status.0));
    result.unwrap_or(0)
}

/// As [`answer`], for a function that has no result and leaves the last error alone.
pub(crate) fn silently(call: impl FnOnce()) {
    _ = guard(call);
}

#[inline(always)]
fn guard<T>(call: impl FnOnce() -> T) -> Option<T> {
    // What a panic leaves half-done is local to the call, or poisoned, or behind the router's own guards.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => Some(result),
        Err(payload) => {
            // Its destructor is somebody else's code and might panic again.
            std::mem::forget(payload);
            None
        }
    }
}

/// The last error of a thread is its `errno`: what `Marshal.GetLastWin32Error`, `ctypes.get_errno` and the
/// `GetLastError` of our `windows.h` read.
#[cfg(unix)]
#[inline]
fn set_last_error(code: DWORD) {
    // SAFETY: the C library's errno of this thread is always there to be written.
    unsafe { *errno() = code as libc::c_int };
}

#[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
use libc::__errno as errno;
#[cfg(any(target_os = "linux", target_os = "emscripten", target_os = "fuchsia"))]
use libc::__errno_location as errno;
#[cfg(any(target_os = "freebsd", target_vendor = "apple"))]
use libc::__error as errno;

#[cfg(windows)]
#[inline]
fn set_last_error(code: DWORD) {
    #[link(name = "kernel32")]
    unsafe extern "system" {
        safe fn SetLastError(code: DWORD);
    }
    SetLastError(code);
}
