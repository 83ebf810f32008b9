//! Handles the server has given out.

use std::sync::{Arc, Weak};

use smb2::types::{Command, FileId};

use crate::contexts::Durable;
use crate::link::Link;
use crate::wire;

/// A handle of the server's. Closed there when it is dropped, whatever became of the operation that got it.
pub(super) struct Grip {
    link: Weak<Link>,
    /// Of the connection it is good on.
    pub(super) generation: u64,
    pub(super) id: FileId,
    /// How the server finds it again after the connection was lost, if it does.
    pub(super) durable: Option<Durable>,
}

/// What an open file has.
#[derive(Debug)]
pub(super) enum Handle {
    /// A handle, which may be one of a connection that was lost.
    Open(Grip),
    /// None for the moment; it is opened again when it is next needed.
    Parked,
    /// None any more.
    Closed,
}

impl std::fmt::Debug for Grip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grip").field("generation", &self.generation).finish_non_exhaustive()
    }
}

impl Grip {
    pub(super) fn on(link: &Arc<Link>, id: FileId, durable: Option<Durable>) -> Grip {
        Grip { link: Arc::downgrade(link), generation: link.generation, id, durable }
    }

    /// Closes it and waits until that is done. One of a connection that was lost has been closed by the server.
    pub(super) async fn close(mut self) {
        // Dropped on the way, the request has either been sent or never will be: then `drop` sends it.
        if let Some(link) = self.link.upgrade()
            && !link.is_lost()
        {
            let close = wire::close(self.id);
            if let Ok(begun) = link.channel().begin(&[link.request(Command::Close, &close, 0)]).await {
                self.link = Weak::new();
                for mut pending in begun {
                    if pending.ready().await.is_ok() {
                        let _ = pending.take();
                    }
                }
            }
        }
    }
}

impl Drop for Grip {
    fn drop(&mut self) {
        if let Some(link) = self.link.upgrade()
            && !link.is_lost()
        {
            link.post(Command::Close, wire::close(self.id));
        }
    }
}

impl Handle {
    /// The handle, if it is good on this connection.
    pub(super) fn on(&self, link: &Link) -> Option<FileId> {
        match self {
            Handle::Open(grip) if grip.generation == link.generation => Some(grip.id),
            _ => None,
        }
    }

    /// What the server may still have kept of a connection before this one.
    pub(super) fn kept(&self, link: &Link) -> Option<(FileId, Durable)> {
        match self {
            Handle::Open(grip) if grip.generation + 1 == link.generation => Some((grip.id, grip.durable?)),
            _ => None,
        }
    }

    pub(super) async fn close(self) {
        if let Handle::Open(grip) = self {
            grip.close().await;
        }
    }
}
