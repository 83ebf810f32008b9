//! Making files, and what is told of their directories: asked for with each, and waited for by nobody but who asks for it
//! next.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use mpr_remotefs::{Attributes, Creation, RemoteFs, Result};
use tokio::sync::{oneshot, watch};

use crate::names::{Asked, split};
use crate::{Inner, locked};

/// What is said of a directory is on its way.
#[derive(Debug)]
pub(crate) struct ToldOf {
    directory: String,
    /// Closed when it has come.
    over: watch::Receiver<()>,
}

/// A question about the directory of a file that is being made.
struct Telling {
    over: watch::Receiver<()>,
    made: oneshot::Sender<Made>,
}

/// The file is made.
struct Made {
    now: Attributes,
    /// From when what is said of its directory is.
    since: Asked,
}

impl<R: RemoteFs> Inner<R> {
    /// Makes a file, or opens what is there.
    pub(crate) async fn make_file(
        self: &Arc<Self>,
        path: &str,
        creation: Creation,
    ) -> Result<(R::File, Attributes)> {
        let before = locked(&self.names).making(path);
        let mut making = pin!(self.lower.create(path, creation));
        let (done, telling) = match poll_fn(|context| Poll::Ready(making.as_mut().poll(context))).await {
            Poll::Ready(done) => (done, None),
            // Both are under way at once, and the server does one after the other.
            Poll::Pending => {
                let telling = self.ask_of_directory(path).await;
                (making.await, Some(telling))
            }
        };
        let since = match &done {
            Ok((_, now)) => locked(&self.names).made(path, *now, before),
            // It may have happened.
            Err(_) => {
                locked(&self.names).touch(path);
                None
            }
        };
        if let (Ok((_, now)), Some(since), Some(Telling { over, made })) = (&done, since, telling) {
            let directory = split(path).0.to_owned();
            *locked(&self.told_of) = Some(ToldOf { directory, over });
            // Where nothing was asked, nobody hears it.
            let _ = made.send(Made { now: *now, since });
        }
        done
    }

    async fn ask_of_directory(self: &Arc<Self>, path: &str) -> Telling {
        let (made, is_made) = oneshot::channel();
        let (going_on, over) = watch::channel(());
        let (inner, path) = (Arc::clone(self), path.to_owned());
        self.begin(async move {
            let _going_on = going_on;
            let Some(told) = inner.lower.made_in(&path).await else { return };
            let Ok(Made { now, since }) = is_made.await else { return };
            // If the server did it the other way round, the directory had not heard of the file.
            if told.modified >= now.created {
                locked(&inner.names).learn(split(&path).0, Some(told), since);
            }
        })
        .await;
        Telling { over, made }
    }

    /// What is known of a directory in which something was just made, once what is said of it has come.
    pub(crate) async fn about_to_be_told(&self, path: &str) -> Option<Option<Attributes>> {
        let mut over = {
            let told_of = locked(&self.told_of);
            told_of.as_ref().filter(|told_of| told_of.directory == path)?.over.clone()
        };
        // It ends with an error: nothing is ever said on it.
        let _ = over.changed().await;
        locked(&self.names).find(path, self.lifetime())
    }
}
