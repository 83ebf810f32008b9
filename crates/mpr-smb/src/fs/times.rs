//! The time of the last write, set while files are open.
//!
//! A server takes a handle through which that time was set to mean it: what is written through it later leaves the
//! time alone. And it sets the time anew when another handle that has written is closed. Programs expect that the time
//! they have set stays until something is written, and no longer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use smb2::msg::set_info::SetInfoResponse;
use smb2::types::Command;

use super::SmbFs;
use super::file::{Held, OpenFile};
use crate::link::Asked;
use crate::{locked, wire};

/// What a handle has done to the time of the last write.
#[derive(Debug, Default)]
pub(super) struct Clock {
    wrote: AtomicBool,
    /// The server leaves the time to us.
    stopped: AtomicBool,
}

impl Clock {
    /// Something was written through the handle. Where the server has stopped its clock, ours is used.
    pub(super) async fn has_written(&self, held: &Held<'_>) {
        self.wrote.store(true, Ordering::Relaxed);
        if self.stopped.load(Ordering::Relaxed) {
            // What was written is there, whatever becomes of this.
            let _ = held.set_modified(SystemTime::now()).await;
        }
    }

    /// The time was set through the handle.
    pub(super) fn was_set(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

impl Held<'_> {
    async fn set_modified(&self, modified: SystemTime) -> Asked<()> {
        let request = wire::set_basic(None, Some(modified), 0, self.id);
        let _: SetInfoResponse = self.link.call(Command::SetInfo, &request, 0).await?;
        Ok(())
    }
}

impl SmbFs {
    /// Has this time outlast the closing of the other handles through which the file was written.
    pub(super) async fn set_elsewhere(&self, number: u64, except: Option<u64>, modified: SystemTime) {
        let wrote = |file: &Arc<OpenFile>| {
            number != 0
                && file.number == number
                && Some(file.key) != except
                && file.clock.wrote.load(Ordering::Relaxed)
        };
        let writers: Vec<_> = locked(&self.open).values().filter_map(Weak::upgrade).filter(wrote).collect();
        for file in writers {
            // One that is closed meanwhile was closed by somebody who did not wait for this either.
            if let Ok(held) = self.handle(&file).await
                && held.set_modified(modified).await.is_ok()
            {
                file.clock.was_set();
            }
        }
    }
}
