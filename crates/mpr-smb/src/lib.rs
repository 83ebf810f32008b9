//! SMB 2 and 3 for the Multiple Provider Router.
//!
//! [`SmbFs`] is a share as a [`RemoteFs`](mpr_remotefs::RemoteFs); [`list_shares`] and [`probe`] are for
//! browsing. The protocol itself is the crate `smb2`, used on its low-level face: our own CREATE (everybody
//! may read, write and delete meanwhile), our own reconnection (a new connection and a new session; handles
//! are opened again and checked to be the same files), our own time limit on every request.

#![forbid(unsafe_code)]

mod browse;
mod fs;
mod link;
mod session;
mod status;
mod symlink;
mod tap;
mod wire;

pub use browse::{list_shares, probe};
pub use fs::{SmbDirectory, SmbFile, SmbFs};
pub use session::{OnStage, Target};
