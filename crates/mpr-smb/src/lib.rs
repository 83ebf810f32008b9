//! SMB 2 and 3 for the Multiple Provider Router.
//!
//! [`SmbFs`] is a share as a [`RemoteFs`](mpr_remotefs::RemoteFs), and [`Namespace`] one with what its DFS links lead to; [`list_shares`] and [`probe`] are for
//! browsing. The crate `smb2` negotiates, makes the messages of NTLM, and packs and reads those of SMB. The connection
//! itself is ours from then on (`channel`), as are CREATE (everybody may read, write and delete meanwhile) and
//! reconnection (a new connection and a new session; handles are opened again and checked to be the same files).

#![forbid(unsafe_code)]

mod browse;
mod channel;
mod contexts;
mod dfs;
mod dial;
mod entries;
mod fs;
mod link;
mod namespace;
mod notices;
mod session;
mod setup;
mod shares;
mod status;
mod symlink;
mod tap;
mod wire;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use browse::{list_shares, probe};
pub use dial::Ahead;
pub use fs::{SmbDirectory, SmbFile, SmbFs};
pub use namespace::{Namespace, NamespaceDirectory, NamespaceFile};
pub use session::{OnStage, Proof, Settings, Target};

/// Reads bytes as everything that a server sends and that is read here. For the fuzzer.
#[doc(hidden)]
pub fn read_as_anything(bytes: &[u8]) {
    use smb2::types::FileId;

    channel::read_as_frames(bytes);
    let _ = notices::Break::parse(bytes);
    for (_, path) in notices::parse_changes(bytes).unwrap_or_default() {
        let odd = |component: &str| component.is_empty() || component == "." || component == "..";
        assert!(!path.split('/').any(odd) && !path.contains('\0'), "{path:?}");
    }
    let _ = contexts::granted_lease(bytes);
    let named = contexts::Durable::Named { name: [0; 16], persistent: true };
    let _ = contexts::granted_durable(bytes, named);
    let _ = contexts::durable_again(named, FileId::SENTINEL);
    if let Some(read) = wire::read_answer(&bytes::Bytes::copy_from_slice(bytes)) {
        assert!(read.len() <= bytes.len());
    }
    let _ = wire::Facts::parse(bytes);
    let _ = wire::parse_space(bytes);
    let _ = shares::described(bytes);
    let _ = symlink::unpack(bytes);
    for entry in entries::listed(bytes).unwrap_or_default() {
        assert!(!entry.name.contains(['/', '\0']) && entry.name != "..", "{entry:?}");
    }
}

/// What a panic left behind is still whole: every change under these locks is one step.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
