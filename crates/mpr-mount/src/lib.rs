//! Helper of the Multiple Provider Router: one connection, one process.
//!
//! Reads one request, does it, and, when the request was to mount, stays and serves a file system until it is
//! unmounted. See `mpr_helper::protocol` for the conversation.
//!
//! * [`filesystem`] — any `RemoteFs` as a FUSE file system;
//! * [`nodes`] — the kernel's node numbers and the names they stand for;
//! * [`journal`] — what is told to the system log;
//! * [`keeper`] — the part that may mount and unmount, in a process of its own;
//! * [`losses`] — what was written and is lost, into the audit trail;
//! * [`locks`] — who has locked what in one file;
//! * [`place`] — putting a file system in its place;
//! * [`conversation`] — from a request to its answer;
//! * `serve` — a mount, from its beginning to its end;
//! * [`process`] — what this process does to itself before it touches a secret.

pub mod conversation;
pub mod filesystem;
pub mod journal;
pub mod keeper;
pub mod locks;
pub mod losses;
pub mod nodes;
mod passwords;
pub mod place;
pub mod process;
mod proof;
mod serve;
mod slot_lock;
