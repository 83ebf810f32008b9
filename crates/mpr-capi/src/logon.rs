//! What a logon component tells credential managers (`spec/wnet.md` §16, `spec/provider.md` §7).

use crate::router;
use mpr::Authentication;
use mpr_abi::{DWORD, LPCWSTR, LPVOID, LPWSTR, LUID, Status};
use std::ptr::null_mut;

/// `WNetLogonNotify`. Its parameters are not public; these are those of `NPLogonNotify`, except that `scripts`
/// gets the command lines of all managers: one behind the other, each with its terminator, another
/// terminator at the end; NULL without any. The caller frees it (`free` on Linux, `LocalFree` on Windows).
#[expect(clippy::too_many_arguments, reason = "as the function has them")]
pub(crate) unsafe fn logon(
    logon: *mut LUID,
    kind: LPCWSTR,
    info: LPVOID,
    previous_kind: LPCWSTR,
    previous_info: LPVOID,
    station: LPWSTR,
    station_handle: LPVOID,
    scripts: *mut LPWSTR,
) -> Result<(), Status> {
    if logon.is_null() || kind.is_null() || scripts.is_null() {
        return Err(Status::BAD_POINTER);
    }
    let authentication = Authentication { kind, info, previous_kind, previous_info, station, station_handle };
    // SAFETY: the exported function's caller vouches for its pointers.
    unsafe {
        let lines = router().logon_notify(logon, &authentication);
        let joined = join(&lines);
        lines.into_iter().for_each(|line| free(line.cast()));
        scripts.write_unaligned(joined?);
    }
    Ok(())
}

/// `WNetPasswordChangeNotify`. Its parameters are not public; these are those of `NPPasswordChangeNotify`.
pub(crate) unsafe fn password_change(
    kind: LPCWSTR,
    info: LPVOID,
    previous_kind: LPCWSTR,
    previous_info: LPVOID,
    station: LPWSTR,
    station_handle: LPVOID,
    change: DWORD,
) -> Result<(), Status> {
    if kind.is_null() {
        return Err(Status::BAD_POINTER);
    }
    let authentication = Authentication { kind, info, previous_kind, previous_info, station, station_handle };
    // SAFETY: the exported function's caller vouches for its pointers.
    unsafe { router().password_change_notify(&authentication, change) };
    Ok(())
}

/// One list of several command lines.
///
/// # Safety
///
/// Each line is terminated.
unsafe fn join(lines: &[LPWSTR]) -> Result<LPWSTR, Status> {
    if lines.is_empty() {
        return Ok(null_mut());
    }
    let mut joined = Vec::new();
    for &line in lines {
        let mut at = line;
        // SAFETY: not behind the terminator, as the caller vouches.
        unsafe {
            while at.read_unaligned() != 0 {
                joined.push(at.read_unaligned());
                at = at.add(1);
            }
        }
        // An empty line would end the list.
        if at != line {
            joined.push(0);
        }
    }
    joined.push(0);
    let bytes = joined.len() * size_of::<u16>();
    let place = allocate(bytes).cast::<u16>();
    if place.is_null() {
        return Err(Status::OUT_OF_MEMORY);
    }
    // SAFETY: so many bytes were allocated.
    unsafe { std::ptr::copy_nonoverlapping(joined.as_ptr(), place, joined.len()) };
    Ok(place)
}

#[cfg(not(windows))]
fn allocate(bytes: usize) -> LPVOID {
    // SAFETY: any size may be asked for.
    unsafe { libc::malloc(bytes) }
}

/// # Safety
///
/// `place` came from the system's allocator, and is given up by this call.
#[cfg(not(windows))]
unsafe fn free(place: LPVOID) {
    // SAFETY: as the caller vouches.
    unsafe { libc::free(place) };
}

#[cfg(windows)]
#[link(name = "kernel32")]
unsafe extern "system" {
    fn LocalAlloc(flags: u32, bytes: usize) -> LPVOID;
    fn LocalFree(place: LPVOID) -> LPVOID;
}

#[cfg(windows)]
fn allocate(bytes: usize) -> LPVOID {
    // SAFETY: any size may be asked for; 0 is LMEM_FIXED.
    unsafe { LocalAlloc(0, bytes) }
}

/// # Safety
///
/// `place` came from `LocalAlloc`, and is given up by this call.
#[cfg(windows)]
unsafe fn free(place: LPVOID) {
    // SAFETY: as the caller vouches.
    unsafe { LocalFree(place) };
}
