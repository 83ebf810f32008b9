//! The extended error of the calling thread (`spec/wnet.md` §13).

use crate::output;
use crate::text::{Form, Texts};
use mpr::extended_error;
use mpr_abi::{DWORD, Status};
use mpr_plugin::MAX_UNITS;

/// `WNetGetLastError`.
pub(crate) unsafe fn get<E: Form>(
    code: *mut DWORD,
    text: *mut E::Unit,
    text_chars: DWORD,
    name: *mut E::Unit,
    name_chars: DWORD,
) -> Result<(), Status> {
    if code.is_null() || text.is_null() && text_chars != 0 || name.is_null() && name_chars != 0 {
        return Err(Status::BAD_POINTER);
    }
    let error = extended_error::recorded();
    // SAFETY: the exported function's caller vouches for its pointers.
    unsafe {
        code.write_unaligned(error.code);
        output::truncated::<E>(&error.text, text, text_chars);
        output::truncated::<E>(&error.provider, name, name_chars);
    }
    Ok(())
}

/// `WNetSetLastError`. A text that cannot be read counts as far as it can.
pub(crate) unsafe fn set<E: Form>(code: DWORD, text: *const E::Unit, provider: *const E::Unit) {
    let texts = Texts::new();
    // SAFETY: the exported function's caller vouches for its pointers.
    let (text, provider) =
        unsafe { (texts.read_prefix::<E>(text, MAX_UNITS), texts.read_prefix::<E>(provider, MAX_UNITS)) };
    extended_error::record(code, text, provider);
}

/// `MultinetGetErrorText`: exported by name, meaning not public (DECISION W32).
pub(crate) unsafe fn multinet_text<E: Form>(
    _: *const E::Unit,
    _: *mut DWORD,
    _: *mut DWORD,
) -> Result<(), Status> {
    Err(Status::NOT_SUPPORTED)
}
