//! Listing ahead of who walks through a tree.
//!
//! Programs that walk through trees (`find`, `du`, `rsync`, `grep -r`) read a directory, then each directory in it,
//! from the first to the last or from the last to the first, with all that is below each before the next. Who has
//! opened neighbours in one of these orders will go on so: what comes next is listed before it is asked for, a few
//! directories at a time, and more of them the longer this holds. What comes of it is kept and believed as any other
//! listing.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use mpr_remotefs::RemoteFs;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::names::{Names, is_at_or_below, split};
use crate::{Inner, locked};

/// How many directories are being listed ahead at once: what somebody wants meanwhile has to wait for these.
const AT_ONCE: usize = 4;
/// How many directories a walker is ahead of at most, and how many when it begins.
const FURTHEST: usize = 32;
const FIRST: usize = 2;
/// How many names one directory may have that is listed ahead.
const LARGEST: usize = 8192;
/// In how many directories at once it is known where somebody walks.
const PLACES: usize = 64;
/// Of how many it is known that they cannot be listed ahead.
const MOST_IN_VAIN: usize = 1024;

/// Who walks where.
#[derive(Debug, Default)]
pub(crate) struct Walks {
    /// What is being listed ahead; the sender goes when that has ended.
    under_way: HashMap<Box<str>, watch::Receiver<()>>,
    /// What cannot be listed ahead, until somebody wants it in earnest.
    in_vain: HashSet<Box<str>>,
    /// By directory: which of those in it was opened last.
    steps: HashMap<Box<str>, Step>,
    /// Where the walker was last, and when.
    last: Option<(Box<str>, Instant)>,
    /// How long it takes from one directory to the next.
    pace: Duration,
    /// For how many steps enough is known ahead.
    rest: usize,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    /// Among the directories of the directory.
    nth: usize,
    /// Upwards, if that is known.
    up: Option<bool>,
    /// How many steps were as expected.
    hits: u32,
}

impl Walks {
    /// Notes that a directory was opened.
    fn opened(&mut self, names: &mut Names, path: &str, now: Instant, lifetime: Duration) {
        let took = self.last.take().map_or(Duration::ZERO, |(_, last)| now - last);
        // Whoever has been away for long is soon forgotten to have been.
        self.pace = (self.pace + took.min(lifetime)) / 2;
        self.last = Some((path.into(), now));
        self.in_vain.remove(path);
        let (parent, _) = split(path);
        if path.is_empty() {
            return;
        }
        let Some((nth, count)) = names.nth_directory(path) else { return };
        let step = match self.steps.get(parent).copied() {
            Some(last) if last.nth == nth => return,
            Some(last) => {
                let up = nth > last.nth;
                let is_next = nth.abs_diff(last.nth) == 1;
                let as_expected = is_next && last.up.is_none_or(|expected| expected == up);
                if !as_expected {
                    self.rest = 0;
                }
                Step { nth, up: is_next.then_some(up), hits: if as_expected { last.hits + 1 } else { 0 } }
            }
            None => {
                // Who has come here on a walk goes on as before.
                let above = self.steps.get(split(parent).0).filter(|_| !parent.is_empty()).copied();
                let above = above.filter(|above| {
                    above.hits > 0 && names.nth_directory(parent).is_some_and(|(nth, _)| nth == above.nth)
                });
                let up = if nth == 0 {
                    Some(true)
                } else if nth + 1 == count {
                    Some(false)
                } else {
                    None
                };
                Step { nth, up, hits: above.filter(|above| up == above.up).map_or(0, |above| above.hits) }
            }
        };
        if self.steps.len() >= PLACES {
            self.steps.retain(|at, _| path.starts_with(&**at));
        }
        self.steps.insert(parent.into(), step);
    }

    #[cfg(test)]
    pub(crate) fn is_at_rest(&self) -> bool {
        self.under_way.is_empty()
    }

    /// What should be listed now.
    fn next(&mut self, names: &mut Names, lifetime: Duration) -> Vec<String> {
        let mut found =
            Ahead { walks: self, names, lifetime, left: 0, names_left: 0, room: 0, next: Vec::new() };
        let furthest = found.search().unwrap_or_default();
        let Ahead { left, next, .. } = found;
        // Who is as far ahead as may be need not look at every step.
        let is_far = furthest == FURTHEST && left == 0 && next.is_empty();
        self.rest = if is_far { FURTHEST / 2 } else { 0 };
        next
    }
}

/// A search for what comes next.
struct Ahead<'a> {
    walks: &'a Walks,
    names: &'a mut Names,
    lifetime: Duration,
    /// How many directories and names more the walker may be ahead of.
    left: usize,
    names_left: usize,
    /// How many may be begun.
    room: usize,
    next: Vec<String>,
}

impl Ahead<'_> {
    /// Looks for it from where the walker is. Says how many directories it may be ahead of.
    fn search(&mut self) -> Option<usize> {
        let walks = self.walks;
        let (at, _) = walks.last.as_ref()?;
        let mut at: &str = at;
        let step = walks.steps.get(split(at).0).filter(|_| !at.is_empty())?;
        let up = step.up?;
        // Not further than the walker comes before what is known is too old.
        let in_time = (self.lifetime / 2).as_nanos() / walks.pace.as_nanos().max(1);
        let in_time = usize::try_from(in_time).unwrap_or(FURTHEST);
        let furthest = (FIRST << step.hits.min(8)).min(FURTHEST).min(in_time);
        self.left = furthest;
        self.names_left = self.names.most() / 4;
        self.room = AT_ONCE.saturating_sub(walks.under_way.len());
        self.beside(at, None, up);
        while !at.is_empty() && self.wants_more() {
            let (parent, _) = split(at);
            let step = walks.steps.get(parent)?;
            self.beside(parent, Some(step.nth), step.up?);
            at = parent;
        }
        Some(furthest)
    }

    fn wants_more(&self) -> bool {
        self.left > 0 && self.names_left > 0 && self.room > 0
    }

    /// The directories in a directory that come after the `nth`, or all of them, and what is below each.
    fn beside(&mut self, parent: &str, nth: Option<usize>, up: bool) {
        let mut nth = nth;
        while self.wants_more() {
            let Some((this, path)) = self.names.directory_after(parent, nth, up) else { return };
            nth = Some(this);
            self.left -= 1;
            if let Some(count) = self.names.count_in(&path, self.lifetime) {
                self.names_left = self.names_left.saturating_sub(count);
                self.beside(&path, None, up);
            } else if !self.walks.under_way.contains_key(&*path) && !self.walks.in_vain.contains(&*path) {
                self.room -= 1;
                self.next.push(path);
            }
        }
    }
}

impl<R: RemoteFs> Inner<R> {
    /// Somebody reads a directory: what they will want next is asked for.
    pub(crate) fn walked_into(self: &Arc<Self>, path: &str) {
        let mut walks = locked(&self.walks);
        walks.opened(&mut locked(&self.names), path, Instant::now(), self.lifetime());
        match walks.rest {
            0 => self.go_ahead(walks),
            steps => walks.rest = steps - 1,
        }
    }

    /// It is known now what is in a directory.
    pub(crate) fn has_listed(self: &Arc<Self>, path: &str) {
        let walks = locked(&self.walks);
        if walks.last.as_ref().is_some_and(|(last, _)| **last == *path) {
            self.go_ahead(walks);
        }
    }

    /// Waits for what is being listed ahead. Says whether it was.
    pub(crate) async fn met_ahead(&self, path: &str) -> bool {
        let under_way = locked(&self.walks).under_way.get(path).cloned();
        let Some(mut ended) = under_way else { return false };
        // Nothing is ever sent; it ends when the sender goes.
        while ended.changed().await.is_ok() {}
        true
    }

    /// Waits for everything in a directory that is being listed ahead: it would be in the way of what is to be done
    /// about the directory.
    pub(crate) async fn nobody_ahead(&self, path: &str) {
        let under_way: Vec<watch::Receiver<()>> = {
            let walks = locked(&self.walks);
            let concerned = walks.under_way.iter().filter(|(ahead, _)| is_at_or_below(ahead, path));
            concerned.map(|(_, ended)| ended.clone()).collect()
        };
        for mut ended in under_way {
            while ended.changed().await.is_ok() {}
        }
    }

    fn go_ahead(self: &Arc<Self>, mut walks: MutexGuard<'_, Walks>) {
        let next = walks.next(&mut locked(&self.names), self.lifetime());
        let begun = next.into_iter().map(|path| {
            let (ending, ended) = watch::channel(());
            walks.under_way.insert(path.as_str().into(), ended);
            Going { inner: Arc::clone(self), path, listed: false, _ending: ending }
        });
        let begun: Vec<Going<R>> = begun.collect();
        // They end at once where there is no runtime any more, and want this then.
        drop(walks);
        for going in begun {
            self.runtime.spawn(going.list());
        }
    }
}

/// A directory being listed ahead. Notes when that ends, however it does.
struct Going<R: RemoteFs> {
    inner: Arc<Inner<R>>,
    path: String,
    listed: bool,
    _ending: watch::Sender<()>,
}

impl<R: RemoteFs> Going<R> {
    async fn list(mut self) {
        let (inner, path) = (&self.inner, &self.path);
        inner.counters.asked();
        let asked = locked(&inner.names).list(path);
        // Whoever wants it in earnest asks again, and hears what is the matter.
        let Ok(directory) = inner.lower.look_into_directory(path).await else { return };
        self.listed = inner.learn_all(path, &directory, asked, LARGEST).await;
        inner.lower.close_directory(&directory).await;
    }
}

impl<R: RemoteFs> Drop for Going<R> {
    fn drop(&mut self) {
        let mut walks = locked(&self.inner.walks);
        walks.under_way.remove(&*self.path);
        if self.listed {
            self.inner.go_ahead(walks);
        } else {
            if walks.in_vain.len() >= MOST_IN_VAIN {
                walks.in_vain.clear();
            }
            walks.in_vain.insert(self.path.as_str().into());
        }
    }
}
