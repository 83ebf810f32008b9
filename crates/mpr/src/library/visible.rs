//! Making the router's functions visible to plug-ins that do not link against it.
//!
//! A provider reports its own errors with `WNetSetLastErrorW`, which it finds by name among the global
//! symbols of the process (`spec/provider.md` P11). Whether the router's are among them is up to whoever
//! loaded the router: a program linked against it has it so, but one that loads it at run time mostly has
//! not. Python's `ctypes`, .NET, Java and every plug-in host load with `RTLD_LOCAL`. Loading the router once
//! more with `RTLD_GLOBAL` adds its symbols to the global ones afterwards.

use std::ffi::{CStr, c_void};
use std::mem::MaybeUninit;
use std::sync::Once;

/// Makes the router's functions visible, the first time it is called. To be called before the first plug-in
/// is loaded.
pub(super) fn show_router() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        show_object_around(show_router as *const c_void);
    });
}

/// Makes global the symbols of the shared object that `inside` points into. Says whether that was done; in
/// a program rather than a shared object there is nothing to do.
fn show_object_around(inside: *const c_void) -> bool {
    let mut object = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: `object` is valid for writes; any address may be asked about.
    if unsafe { libc::dladdr(inside, object.as_mut_ptr()) } == 0 {
        return false;
    }
    // SAFETY: zero is a value of every field, and the call filled it in.
    let name = unsafe { object.assume_init() }.dli_fname;
    if name.is_null() {
        return false;
    }
    // SAFETY: the linker's name of an object is terminated and stays while the object is loaded, and it is
    // loaded as long as its code runs.
    let has_directory = unsafe { CStr::from_ptr(name) }.to_bytes().contains(&b'/');
    // Without a directory the linker would search for it; only a program goes by such a name.
    if !has_directory {
        return false;
    }
    // SAFETY: the name is terminated. Nothing is loaded (RTLD_NOLOAD), so no code runs. The handle is kept
    // for good: plug-ins are never unloaded, and hold addresses in this object.
    !unsafe { libc::dlopen(name, libc::RTLD_NOW | libc::RTLD_NOLOAD | libc::RTLD_GLOBAL) }.is_null()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile;

    #[test]
    fn symbols_of_a_library_loaded_locally_become_visible() {
        let library = compile::library("int visible_only_when_shown_7131(void) { return 7131; }");
        let name = std::ffi::CString::new(library.path().to_str().unwrap()).unwrap();
        let symbol = c"visible_only_when_shown_7131";
        // SAFETY: the library has no initialiser; names are terminated.
        unsafe {
            let handle = libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
            let inside = libc::dlsym(handle, symbol.as_ptr());
            assert!(!inside.is_null());
            assert!(libc::dlsym(libc::RTLD_DEFAULT, symbol.as_ptr()).is_null());
            assert!(show_object_around(inside));
            assert_eq!(libc::dlsym(libc::RTLD_DEFAULT, symbol.as_ptr()), inside);
        }
    }

    #[test]
    fn a_program_has_nothing_to_show() {
        assert!(!show_object_around(std::ptr::null()));
        show_router();
    }
}
