//! What the tests of the router share.
//!
//! * [`TestEnv`]: a private world on disk (configuration, state, run time) for programs that are started.
//! * [`compile_c`]: plug-ins and callers written in C.
//! * [`Script`]: the notation of `spec/notification.md` §16, with the [`ScriptedProvider`]s and
//!   [`ScriptedNotifyee`]s that play it and write down what really happened.
//! * [`ModelNetwork`] and [`Ledger`]: a provider that keeps connections and a notification library that
//!   checks the fate of its contexts, for tests with many operations at once.
//! * [`MemoryFs`]: a remote file system in memory, shared by several clients, that can be slow, fail, and take leases back.
//! * [`zoo`]: plug-ins with one sin each.
//! * [`Realm`]: a private Kerberos realm, with SMB servers that belong to it.
//! * [`Samba`], [`RuntimeDir`] and [`mpr_mount`]: a private SMB server, and what it takes to mount its shares.
//!
//! Nothing here waits for longer than until something has happened, and everything made on disk is gone when its owner is dropped.

mod compile;
mod env;
mod fields;
#[cfg(target_os = "linux")]
mod helper;
mod ledger;
#[cfg(target_os = "linux")]
mod memory;
mod model;
mod notifyee;
mod provider;
#[cfg(target_os = "linux")]
mod realm;
#[cfg(target_os = "linux")]
mod samba;
mod script;
pub mod zoo;

pub use compile::compile_c;
pub use env::{Setting, TestEnv};
pub use fields::Fields;
#[cfg(target_os = "linux")]
pub use helper::{RuntimeDir, libmpr, mpr, mpr_host, mpr_mount};
pub use ledger::{Ledger, Reply};
#[cfg(target_os = "linux")]
pub use memory::{Call, Held, MemoryDirectory, MemoryFile, MemoryFs};
pub use model::ModelNetwork;
pub use notifyee::{Notification, ScriptedNotifyee};
pub use provider::ScriptedProvider;
#[cfg(target_os = "linux")]
pub use realm::Realm;
#[cfg(target_os = "linux")]
pub use samba::Samba;
pub use script::{Pass, Record, Script, Transcript};
