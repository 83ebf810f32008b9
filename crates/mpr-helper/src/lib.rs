//! What a caller's process and the helper processes of the Multiple Provider Router share.
//!
//! A caller's process never parses network bytes: it asks a helper executable, one process per connection.
//! This crate is the ground both stand on. It carries no protocol, no thread and no asynchronous runtime.
//!
//! * [`awake`] — waiting a moment without going to sleep;
//! * [`dirs`] — where configuration, state and run-time files live, and who may have written them;
//! * [`accounts`] — users and groups of this machine;
//! * [`frame`] — how bytes travel between a caller and a helper;
//! * [`protocol`] — what they say: requests, progress, answers;
//! * [`failures`] — plug-ins that fail, and who is not asked for a while;
//! * [`host`] — what is said to a plug-in in a process of its own;
//! * [`spawn`] — finding a helper, starting it, hearing it out within a deadline;
//! * [`record`] — one small file per connection;
//! * [`options`] — what somebody wants of one connection;
//! * [`mounts`] — the kernel's mount table;
//! * [`connections`] — the two joined: what is connected, and what has been lost;
//! * [`control`] — asking the helper of one connection to report or to end;
//! * [`sandbox`] — what the kernel offers for shutting a plug-in in.

pub mod accounts;
pub mod awake;
pub mod connections;
pub mod control;
pub mod dirs;
pub mod failures;
pub mod frame;
pub mod host;
pub mod mounts;
pub mod options;
pub mod protocol;
pub mod record;
pub mod sandbox;
pub mod spawn;
