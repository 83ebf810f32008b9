//! What the tests of the router share.
//!
//! * [`TestEnv`]: a private world on disk (configuration, state, run time) for programs that are started.
//! * [`compile_c`]: plug-ins and callers written in C.
//! * [`Script`]: the notation of `spec/notification.md` §16, with the [`ScriptedProvider`]s and
//!   [`ScriptedNotifyee`]s that play it and write down what really happened.
//! * [`ModelNetwork`] and [`Ledger`]: a provider that keeps connections and a notification library that
//!   checks the fate of its contexts, for tests with many operations at once.
//!
//! Nothing here sleeps, and everything made on disk is gone when its owner is dropped.

mod compile;
mod env;
mod fields;
mod ledger;
mod model;
mod notifyee;
mod provider;
mod script;

pub use compile::compile_c;
pub use env::{Setting, TestEnv};
pub use fields::Fields;
pub use ledger::{Ledger, Reply};
pub use model::ModelNetwork;
pub use notifyee::{Notification, ScriptedNotifyee};
pub use provider::ScriptedProvider;
pub use script::{Pass, Record, Script, Transcript};
