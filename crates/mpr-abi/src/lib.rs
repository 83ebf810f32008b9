//! Binary interface of the Multiple Provider Router.
//!
//! Everything here is laid out exactly as the public Windows headers `winnetwk.h` and `npapi.h` lay it
//! out, so that a source file or a plug-in written against those headers meets the bytes it expects.
//! Names are theirs, too. No behaviour lives here but the naming of [`Status`] codes.
//!
//! Wide strings are UTF-16 in `u16` units on every platform; the calling convention is `extern "system"`
//! (`WINAPI` on Windows, the platform's C convention elsewhere).

#![no_std]
#![allow(non_snake_case, non_camel_case_types)]
#![forbid(unsafe_code)]

mod constants;
mod notification;
mod provider;
mod resource;
mod status;

pub use constants::*;
pub use notification::*;
pub use provider::*;
pub use resource::*;
pub use status::*;

use core::ffi::c_void;

/// `DWORD`: 32 bits on every platform.
pub type DWORD = u32;
/// `BOOL`: zero is false, anything else is true.
pub type BOOL = i32;
/// `HANDLE` and `HWND`: as wide as a pointer, never followed by the router.
pub type HANDLE = *mut c_void;
/// Window that may own a dialog; passed through, never followed.
pub type HWND = *mut c_void;
/// UTF-16, ended by a zero unit.
pub type LPWSTR = *mut u16;
/// UTF-16, ended by a zero unit, not written to.
pub type LPCWSTR = *const u16;
/// Narrow string, ended by a zero byte: the ANSI code page on Windows, UTF-8 elsewhere.
pub type LPSTR = *mut core::ffi::c_char;
/// Narrow string, ended by a zero byte, not written to.
pub type LPCSTR = *const core::ffi::c_char;
/// Untyped pointer.
pub type LPVOID = *mut c_void;
