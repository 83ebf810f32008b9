//! The network providers that come with the Multiple Provider Router.
//!
//! Each is a [`NetworkProvider`](mpr_plugin::NetworkProvider) like any other, and lives under the same rules:
//! it judges names fast, and leaves everything that touches a network to a helper process.

#![forbid(unsafe_code)]

mod local;
mod smb;

pub use local::LocalDirectories;
pub use smb::WindowsNetwork;
