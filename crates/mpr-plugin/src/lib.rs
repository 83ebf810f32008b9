//! Write network providers and notification libraries in Rust.
//!
//! A *network provider* makes and breaks connections on one network: implement [`NetworkProvider`] and
//! export it with [`export_network_provider!`]. A *notification library* is told before and after every
//! connect and disconnect and may refuse it: implement [`ConnectNotify`] and export it with
//! [`export_connect_notify!`]. Either way the crate is a `cdylib`, and the library it becomes speaks the
//! binary interface of Windows' router (`npapi.h`), so the same source serves both systems.
//!
//! ```
//! use mpr_plugin::{AddNotice, Attempt, Before, ConnectNotify, Veto};
//!
//! #[derive(Default)]
//! struct NoPrinters;
//!
//! impl ConnectNotify for NoPrinters {
//!     type Context = ();
//!
//!     fn before_add(&self, add: &AddNotice<'_>, _: Attempt) -> Before<()> {
//!         if add.kind == mpr_plugin::abi::RESOURCETYPE_PRINT {
//!             return Before::Veto(Veto::because("printers are not to be connected from here"));
//!         }
//!         Before::Decline
//!     }
//! }
//!
//! mpr_plugin::export_connect_notify!(NoPrinters);
//! ```
//!
//! The same traits serve inside the router: what is built in is a plug-in linked statically.

pub mod last_error;
pub mod notify;
pub mod pack;
pub mod provider;
mod resource;
mod wide;

pub use mpr_abi as abi;
pub use mpr_abi::Status;
pub use notify::{
    AddNotice, After, Attempt, Before, CancelNotice, ConnectNotify, Event, Exported, Notifyee, Veto,
};
pub use provider::{
    AddConnection, AuthBuffer, CancelConnection, Capabilities, Entries, EnumQuery, Enumeration,
    NetworkProvider, Performance, ResourceQuery, Start, UniversalName,
};
pub use resource::NetResource;
pub use wide::{MAX_UNITS, WideStr, WideString, borrow_wide, wide};
