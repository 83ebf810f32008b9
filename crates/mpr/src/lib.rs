//! The Multiple Provider Router.
//!
//! One place through which programs connect and disconnect network resources, whatever network they live
//! on, and through which notification libraries are told before and after.
//!
//! ```no_run
//! use mpr::{AddRequest, Router};
//! use mpr_plugin::wide;
//!
//! let (local, remote) = (wide("Z:"), wide(r"\\nas\photos"));
//! let request = AddRequest { local: Some(&local), remote: Some(&remote), ..AddRequest::default() };
//! match Router::system().add_connection(&request) {
//!     Ok(_) => println!("connected"),
//!     Err(status) => eprintln!("{status}"),
//! }
//! ```
//!
//! The path of one request is one function call deep per paragraph: it is judged, announced to the
//! notification libraries, routed over the providers, remembered, and announced again. The rules on that
//! path are those of [`mpr_core`]; what is here finds and calls the parties.

pub mod audit;
mod builtin;
pub mod config;
mod connect;
mod credentials;
mod disconnect;
mod enumerate;
pub mod extended_error;
mod information;
pub mod isolated;
mod legacy;
pub mod library;
mod notifyees;
mod per_process;
mod pin;
mod plain;
pub mod policy;
mod portions;
mod problem;
mod providers;
mod query;
pub mod report;
mod restore;
mod router;
pub mod safe_mode;
pub mod store;
mod system;
pub mod trace;
mod trust;

pub use connect::{
    AccessBuffer, AddRequest, Added, Credentials, Explanation, Listener, Prospect, Rule, UseError,
};
pub use credentials::Authentication;
pub use disconnect::CancelRequest;
pub use enumerate::Enumeration;
pub use information::NetworkInformation;
pub use notifyees::Registration;
pub use per_process::PerProcess;
pub use pin::Pin;
pub use problem::Problem;
pub use providers::{Candidate, Provider};
pub use query::Connection;
pub use restore::{Answer, AskCredentials, Restoration, Restored, Secret};
pub use router::{Builder, Router};

#[cfg(test)]
#[path = "../tests/compile/mod.rs"]
mod compile;
