//! What a caller's process and the helper processes of the Multiple Provider Router share.
//!
//! A caller's process never parses network bytes: it asks a helper executable, one process per connection.
//! This crate is the ground both stand on. It carries no protocol, no thread and no asynchronous runtime.
//!
//! * [`dirs`] — where configuration, state and run-time files live, and who may have written them.

pub mod dirs;
