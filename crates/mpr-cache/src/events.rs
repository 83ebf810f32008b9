//! What happens without having been asked for: acted on here, then passed on.

use std::sync::Arc;
use std::time::Duration;

use mpr_remotefs::{Event, Lease, Recall, RemoteFs};
use tokio::sync::oneshot;

use crate::body::Body;
use crate::names::is_at_or_below;
use crate::{Inner, locked};

/// How long whoever stands on this may take to give a lease back. Servers wait longer.
const PATIENCE: Duration = Duration::from_secs(10);

impl<R: RemoteFs> Inner<R> {
    /// Hears of what happens, for as long as this is there.
    pub(crate) async fn listen(self: Arc<Self>) {
        loop {
            let event = self.lower.next_event().await;
            let event = match event {
                Event::Recalled(recall) => Event::Recalled(self.give_back(recall)),
                Event::Changed { path } => {
                    self.changed_elsewhere(&path);
                    Event::Changed { path }
                }
                Event::Renamed { path } => {
                    self.renamed_elsewhere(&path);
                    Event::Renamed { path }
                }
                Event::Missed => {
                    self.missed();
                    Event::Missed
                }
                other => other,
            };
            if self.told.send(event).is_err() {
                return;
            }
        }
    }

    fn changed_elsewhere(&self, path: &str) {
        locked(&self.names).touch_attributes(path);
        let bodies = locked(&self.bodies).named(|name| name == path);
        for body in bodies {
            self.believe_leases_only(&body);
        }
    }

    fn renamed_elsewhere(self: &Arc<Self>, path: &str) {
        locked(&self.names).moved(path);
        // Under a lease of the handle this cannot be about what is parked, unless it is told late.
        self.unpark_soon(|handle| is_at_or_below(&locked(&handle.path), path));
        self.changed_elsewhere(path);
    }

    fn missed(self: &Arc<Self>) {
        locked(&self.names).forget_all();
        self.unpark_soon(|_| true);
        let bodies = locked(&self.bodies).all();
        for body in bodies {
            // A lease that stands now may be another than the one it was kept under.
            body.state().spoil_all();
        }
    }

    /// What is kept of a file without a lease is not to be believed.
    fn believe_leases_only(&self, body: &Arc<Body<R::File>>) {
        let mut state = body.state();
        if !state.is_leased() {
            state.spoil_all();
        }
    }

    /// A lease is taken back: at once nothing more is kept under it; what was, is passed on, after those who
    /// stand on this have passed on theirs.
    fn give_back(self: &Arc<Self>, recall: Recall) -> Recall {
        let (id, keep) = (recall.id, recall.keep);
        self.counters.recalled();
        let body = self.body(id);
        if let Some(body) = &body {
            let mut state = body.state();
            state.recalls.push(keep);
            state.hurry = true;
            self.launch(body, &mut state);
        }
        let (done, returned) = oneshot::channel();
        let inner = Arc::clone(self);
        self.runtime.spawn(async move {
            // An error means that it was dropped, which says the same.
            let _ = tokio::time::timeout(PATIENCE, returned).await;
            if let Some(body) = body {
                inner.keep_only(&body, keep).await;
            }
            drop(recall);
        });
        let done = move || {
            let _ = done.send(());
        };
        Recall { id, keep, done: Some(Box::new(done)) }
    }

    async fn keep_only(self: &Arc<Self>, body: &Arc<Body<R::File>>, keep: Lease) {
        if !keep.write {
            self.drain(body).await;
        }
        if !keep.read {
            body.state().spoil_all();
            locked(&self.names).touch_file(body.id);
        }
        if !keep.handle || !keep.read {
            self.unpark_all(|handle| Arc::ptr_eq(&handle.body, body)).await;
        }
        let mut state = body.state();
        if let Some(place) = state.recalls.iter().position(|other| *other == keep) {
            state.recalls.swap_remove(place);
        }
    }
}
