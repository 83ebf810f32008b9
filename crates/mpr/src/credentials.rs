//! Telling credential managers of logons and changed passwords: `WNetLogonNotify` and
//! `WNetPasswordChangeNotify` (`spec/provider.md` §7).
//!
//! A logon component calls these, and nothing else does. What it passes is opaque to the router, and goes to
//! every credential manager in provider order; their failures are nobody's concern.

use crate::Router;
use mpr_plugin::abi::{LPCWSTR, LPVOID, LPWSTR, LUID};
use std::fmt;

/// What both functions carry.
#[derive(Clone, Copy)]
pub struct Authentication {
    /// Which structure `info` is.
    pub kind: LPCWSTR,
    /// Credentials.
    pub info: LPVOID,
    /// Which structure `previous_info` is.
    pub previous_kind: LPCWSTR,
    /// Credentials before a change.
    pub previous_info: LPVOID,
    /// Name of the window station.
    pub station: LPWSTR,
    /// Its handle.
    pub station_handle: LPVOID,
}

/// Says nothing of what it points to.
impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authentication").finish_non_exhaustive()
    }
}

impl Router {
    /// Tells every credential manager of a logon. Returns the command lines they want run, each to be freed
    /// with the system's allocator.
    ///
    /// # Safety
    ///
    /// Every pointer is what `NPLogonNotify` documents for it.
    pub unsafe fn logon_notify(&self, logon: *mut LUID, authentication: &Authentication) -> Vec<LPWSTR> {
        let Authentication { kind, info, previous_kind, previous_info, station, station_handle } =
            *authentication;
        let managers = self.credential_managers().iter();
        let scripts = managers.filter_map(|manager| manager.logon_notify).map(|notify| {
            let mut script = std::ptr::null_mut();
            // SAFETY: the caller vouches for its pointers, and the script's is ours.
            unsafe {
                notify(logon, kind, info, previous_kind, previous_info, station, station_handle, &mut script);
            }
            script
        });
        scripts.filter(|script| !script.is_null()).collect()
    }

    /// Tells every credential manager of a changed password. `change` is a mask of
    /// `WN_VALID_LOGON_ACCOUNT` and `WN_NT_PASSWORD_CHANGED`.
    ///
    /// # Safety
    ///
    /// Every pointer is what `NPPasswordChangeNotify` documents for it.
    pub unsafe fn password_change_notify(&self, authentication: &Authentication, change: u32) {
        let Authentication { kind, info, previous_kind, previous_info, station, station_handle } =
            *authentication;
        for notify in self.credential_managers().iter().filter_map(|manager| manager.password_change_notify) {
            // SAFETY: the caller vouches for its pointers.
            unsafe { notify(kind, info, previous_kind, previous_info, station, station_handle, change) };
        }
    }
}
