//! The extended error: a code, a text and a name that a provider or notification library leaves behind for
//! the application, which reads it with `WNetGetLastError` (`spec/wnet.md` §13, `spec/provider.md` §8).
//!
//! The record belongs to the router and to the calling thread. A plug-in in a library of its own reaches it
//! through the router's `WNetSetLastErrorW`; one linked into the router through [`install`].

use crate::wide;
use mpr_abi::PF_WNetSetLastErrorW;
use std::sync::OnceLock;

static RECORDER: OnceLock<Option<PF_WNetSetLastErrorW>> = OnceLock::new();

/// Records `code` and `text` under the name of the provider or notification library. To have the
/// application look at it, return [`Status::EXTENDED_ERROR`](crate::Status::EXTENDED_ERROR).
///
/// Without a router in the process this does nothing.
pub fn set(code: u32, text: &str, name: &str) {
    if let Some(record) = RECORDER.get_or_init(find) {
        let (text, name) = (wide(text), wide(name));
        // SAFETY: both strings are terminated and outlive the call, which copies them.
        unsafe { record(code, text.as_ptr(), name.as_ptr()) };
    }
}

/// For the router: where plug-ins linked into it record their errors. The first call counts.
pub fn install(recorder: PF_WNetSetLastErrorW) {
    _ = RECORDER.set(Some(recorder));
}

#[cfg(unix)]
fn find() -> Option<PF_WNetSetLastErrorW> {
    // SAFETY: the name is terminated; a symbol of this name is the router's function of this type.
    unsafe {
        let symbol = libc::dlsym(libc::RTLD_DEFAULT, c"WNetSetLastErrorW".as_ptr());
        (!symbol.is_null()).then(|| std::mem::transmute::<*mut libc::c_void, PF_WNetSetLastErrorW>(symbol))
    }
}

#[cfg(windows)]
fn find() -> Option<PF_WNetSetLastErrorW> {
    use std::ffi::{c_char, c_void};
    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetModuleHandleA(name: *const c_char) -> *mut c_void;
        fn GetProcAddress(module: *mut c_void, name: *const c_char) -> *mut c_void;
    }
    // SAFETY: both names are terminated; the module is the router, which stays loaded while it calls us.
    unsafe {
        let router = GetModuleHandleA(c"mpr.dll".as_ptr());
        if router.is_null() {
            return None;
        }
        let symbol = GetProcAddress(router, c"WNetSetLastErrorW".as_ptr());
        (!symbol.is_null()).then(|| std::mem::transmute::<*mut c_void, PF_WNetSetLastErrorW>(symbol))
    }
}
