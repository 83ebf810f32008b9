//! The WNet functions under their Windows names and binary interface.
//!
//! This crate makes no decisions. It checks pointers, copies and converts strings, minds the sizes of
//! buffers, hands out handles, and leaves the rest to the router ([`mpr`]). `libmpr.so` is this crate as a
//! shared object; a program that loads plug-ins links it, too, so that they find
//! [`WNetSetLastErrorW`] (see [`exports`]).
//!
#![doc = include_str!("../../../docs/c-functions.md")]

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
