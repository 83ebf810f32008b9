//! Files that programs have closed and that stay open for a while: whoever opens them again asks nobody.
//!
//! Only under leases of reading and of the handle, and only what was neither written nor locked through it. When
//! a name is to be removed or renamed here, what is parked under it is closed first. A lease is on the file that was
//! opened, not on its name: others may give that to another file, and no lease is taken back. So what is parked is
//! opened by a name only while the name is known to stand for it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mpr_remotefs::{Access, Attributes, RemoteFs};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::body::Handle;
use crate::{Inner, locked};

/// How long a file stays open that programs have closed, however often it is opened again.
const PARKING: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Parked<F> {
    handle: Arc<Handle<F>>,
    until: Instant,
}

/// The files that are parked, the oldest first, and the paths of those that are being closed.
#[derive(Debug)]
struct Places<F> {
    parked: Vec<Parked<F>>,
    closing: Vec<Arc<Handle<F>>>,
    /// A task closes what was not opened again in time.
    watched: bool,
    closed_for_good: bool,
}

/// Where files are parked.
#[derive(Debug)]
pub(crate) struct Parking<F> {
    places: Mutex<Places<F>>,
    closed: Notify,
}

impl<F> Default for Parking<F> {
    fn default() -> Self {
        let places =
            Places { parked: Vec::new(), closing: Vec::new(), watched: false, closed_for_good: false };
        Parking { places: Mutex::new(places), closed: Notify::new() }
    }
}

impl<R: RemoteFs> Inner<R> {
    /// Parks a file instead of closing it, if that may be.
    pub(crate) fn park(self: &Arc<Self>, handle: &Arc<Handle<R::File>>) -> bool {
        if handle.is_plain() || self.limits.parked == 0 || self.attributes_of(handle).is_none() {
            return false;
        }
        let lease = self.lease_of(handle, &mut handle.body.state());
        if !lease.handle || !lease.read {
            return false;
        }
        let mut places = locked(&self.parking.places);
        if places.closed_for_good {
            return false;
        }
        // From the first time on: others who have removed it meanwhile wait for that.
        let until = *handle.stays.get_or_init(|| Instant::now() + PARKING);
        if until <= Instant::now() {
            return false;
        }
        places.parked.push(Parked { handle: Arc::clone(handle), until });
        let oldest = (places.parked.len() > self.limits.parked).then(|| places.parked.remove(0).handle);
        if !places.watched {
            places.watched = true;
            self.watch();
        }
        drop(places);
        if let Some(oldest) = oldest {
            self.close_behind(oldest);
        }
        // A recall that came just before has not found it.
        let lease = self.lease_of(handle, &mut handle.body.state());
        if !lease.handle || !lease.read {
            self.unpark_soon(|other| Arc::ptr_eq(other, handle));
        }
        true
    }

    /// A parked file of that name, for somebody who opens it.
    pub(crate) fn unpark(&self, path: &str, access: Access) -> Option<(Arc<Handle<R::File>>, Attributes)> {
        let handle = {
            let mut places = locked(&self.parking.places);
            let place = places
                .parked
                .iter()
                .rposition(|parked| parked.handle.access == access && *locked(&parked.handle.path) == path)?;
            places.parked.remove(place).handle
        };
        let named = locked(&self.names).find(path, self.lifetime()).flatten();
        if named.is_none_or(|named| named.id != handle.body.id) {
            self.close_unparked(handle);
            return None;
        }
        let lease = self.lease_of(&handle, &mut handle.body.state());
        match self.attributes_of(&handle) {
            Some(now) if lease.read && lease.handle => Some((handle, now)),
            _ => {
                self.close_unparked(handle);
                None
            }
        }
    }

    fn close_unparked(&self, handle: Arc<Handle<R::File>>) {
        if let Some(this) = self.this.upgrade() {
            this.close_behind(handle);
        }
    }

    /// Closes what is parked and `suits`, and waits until that, and what is being closed already, is closed.
    pub(crate) async fn unpark_all(self: &Arc<Self>, suits: impl Fn(&Arc<Handle<R::File>>) -> bool) {
        self.unpark_soon(&suits);
        loop {
            let closed = self.parking.closed.notified();
            if !locked(&self.parking.places).closing.iter().any(&suits) {
                return;
            }
            closed.await;
        }
    }

    /// The same, without waiting.
    pub(crate) fn unpark_soon(self: &Arc<Self>, suits: impl Fn(&Arc<Handle<R::File>>) -> bool) {
        let out: Vec<_> = {
            let mut places = locked(&self.parking.places);
            places.parked.extract_if(.., |parked| suits(&parked.handle)).map(|parked| parked.handle).collect()
        };
        for handle in out {
            self.close_behind(handle);
        }
    }

    /// From now on nothing is parked.
    pub(crate) async fn park_no_more(self: &Arc<Self>) {
        locked(&self.parking.places).closed_for_good = true;
        self.unpark_all(|_| true).await;
    }

    /// Closes a file on a task of its own.
    fn close_behind(self: &Arc<Self>, handle: Arc<Handle<R::File>>) {
        locked(&self.parking.places).closing.push(Arc::clone(&handle));
        let inner = Arc::clone(self);
        self.runtime.spawn(async move {
            inner.close_now(&handle).await;
            locked(&inner.parking.places).closing.retain(|other| !Arc::ptr_eq(other, &handle));
            inner.parking.closed.notify_waiters();
        });
    }

    /// Closes a file at the server.
    pub(crate) async fn close_now(&self, handle: &Arc<Handle<R::File>>) {
        self.lower.close(&handle.lower).await;
        locked(&self.bodies).remove(handle);
    }

    /// Closes what nobody opened again in time.
    fn watch(self: &Arc<Self>) {
        let this = Arc::downgrade(self);
        self.runtime.spawn(async move {
            loop {
                let Some(inner) = this.upgrade() else { return };
                let next = {
                    let mut places = locked(&inner.parking.places);
                    let next = places.parked.iter().map(|parked| parked.until).min();
                    places.watched = next.is_some();
                    next
                };
                let Some(next) = next else { return };
                let now = Instant::now();
                inner.unpark_overdue(now);
                drop(inner);
                tokio::time::sleep_until(next).await;
            }
        });
    }

    fn unpark_overdue(self: &Arc<Self>, now: Instant) {
        let overdue: Vec<_> = {
            let mut places = locked(&self.parking.places);
            places.parked.extract_if(.., |parked| parked.until <= now).map(|parked| parked.handle).collect()
        };
        for handle in overdue {
            self.close_behind(handle);
        }
    }

    #[cfg(test)]
    pub(crate) fn parked(&self) -> usize {
        locked(&self.parking.places).parked.len()
    }
}
