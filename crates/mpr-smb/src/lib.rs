//! SMB 2 and 3 for the Multiple Provider Router.
//!
//! [`SmbFs`] is a share as a [`RemoteFs`](mpr_remotefs::RemoteFs); [`list_shares`] and [`probe`] are for
//! browsing. The crate `smb2` negotiates, proves who the user is, and packs and reads messages. The connection
//! itself is ours from then on (`channel`), as are CREATE (everybody may read, write and delete meanwhile) and
//! reconnection (a new connection and a new session; handles are opened again and checked to be the same files).

#![forbid(unsafe_code)]

mod browse;
mod channel;
mod dial;
mod fs;
mod link;
mod session;
mod status;
mod symlink;
mod tap;
mod wire;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use browse::{list_shares, probe};
pub use fs::{SmbDirectory, SmbFile, SmbFs};
pub use session::{OnStage, Settings, Target};

/// What a panic left behind is still whole: every change under these locks is one step.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
