//! The WNet functions under their Windows names and binary interface.
//!
//! This crate makes no decisions. It checks pointers, copies and converts strings, minds the sizes of
//! buffers, hands out handles, and leaves the rest to the router ([`mpr`]). `libmpr.so` is this crate as a
//! shared object; a program that loads plug-ins links it, too, so that they find
//! [`WNetSetLastErrorW`] (see [`exports`]).
//!
//! # Three names
//!
//! A function with strings exists as `…W`, whose strings are UTF-16 in 16-bit units on every platform, as
//! `…A`, whose strings are UTF-8 (on Windows: in the ANSI code page), and without suffix.
//!
//! **The unsuffixed form serves both encodings**, because runtimes that do not look for a suffix call it with
//! either (.NET 5 and later on Linux). The first string argument that is neither NULL nor empty decides for
//! the whole call, what is written to buffers included; the remote name is looked at first, then the local
//! name, the provider, the user, the password. The second byte of a UTF-16 string that begins with an ASCII character is
//! zero, and that of a UTF-8 string of two or more characters never is. Two kinds of strings are therefore not
//! for unsuffixed functions in this place: UTF-8 strings of one character, and UTF-16 strings that begin with
//! a character beyond U+00FF.
//!
//! Where no string shows the encoding:
//!
//! * `WNetEnumResource` goes on in the form the enumeration was opened with.
//! * Every other call goes by the last unsuffixed call that did show it, on this thread or else in this
//!   process: a program declares all its functions alike. `WNetGetLastError` is asked after a call that
//!   failed, and that one had a name.
//! * Before any such call, results are UTF-16, since `CharSet.Unicode` is what declarations of WNet functions
//!   say that work on Windows with every name. A size in characters is then taken for one in bytes, so that
//!   a buffer meant for UTF-8 is not overrun; what is reported as needed is doubled accordingly.
//!
//! # Last error
//!
//! Every function stores its status as the thread's last error, success included (DECISION W1). On Linux
//! that is `errno`: what `Marshal.GetLastWin32Error`, `ctypes.get_errno` and `GetLastError` of our `windows.h`
//! read. `WNetSetLastError` has no status and leaves it alone; `WNetFMXGetPermCaps` returns a mask and stores the
//! status.
//!
//! # Pointers
//!
//! A NULL pointer for something required is `WN_BAD_POINTER` (487); no other pointer is examined before it is
//! used. Structures and strings may stand at any address. A string is read up to 32,767 units; a longer one is
//! too long for whatever it names: 67 for the remote name of an add, 1200 for a device, 1204 for a provider of
//! an add, 87 for everything else. So is a string that is not in its encoding: 87. A panic of the router is
//! `WN_NET_ERROR` (59).
#![cfg_attr(
    windows,
    doc = "\nBuilt as `mpr.dll`, it exports the internal names of Windows' own, too, each answering 50."
)]

#[cfg(windows)]
mod ansi;
mod boundary;
mod connections;
mod dialogs;
mod enumeration;
pub mod exports;
mod extended_error;
mod legacy;
mod logon;
mod output;
mod questions;
mod resources;
mod restore;
mod text;
mod unsuffixed;

pub use dialogs::{ConnectDialog, DISMISSED, UserInterface, set_ui};
pub use exports::functions::*;

use mpr::Router;
use std::sync::OnceLock;

static SERVED: OnceLock<&'static Router> = OnceLock::new();

/// Makes the functions of this crate serve `router` instead of [`Router::system`], for as long as the process
/// lives. For programs and tests that bring their own providers.
///
/// # Errors
///
/// Gives `router` back when there was another already.
pub fn serve(router: &'static Router) -> Result<(), &'static Router> {
    SERVED.set(router)
}

#[inline(always)]
fn router() -> &'static Router {
    SERVED.get().copied().unwrap_or_else(Router::system)
}
