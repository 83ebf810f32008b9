//! What programs may expect of a file system, on shares of a real server.

#[path = "../common/mod.rs"]
mod common;

mod attributes;
mod directories;
mod interrupts;
mod links;
mod locks;
mod room;
