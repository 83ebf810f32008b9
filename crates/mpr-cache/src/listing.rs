//! Directories: listed once, then known.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use mpr_remotefs::{Entry, RemoteFs, Result};

use crate::listed::Snapshot;
use crate::names::Asked;
use crate::{Cached, Inner, locked};

/// Entries in one part of a listing that is known.
const PART: usize = 1024;

/// A directory being read.
#[derive(Debug)]
pub struct CachedDirectory<D> {
    path: String,
    /// What it lists was so then, or has been asked for then.
    asked: Asked,
    reading: Reading<D>,
}

#[derive(Debug)]
enum Reading<D> {
    /// It is known what is in it.
    Known(Mutex<Snapshot>),
    /// The server is asked.
    Asking { directory: D, count: AtomicUsize },
}

impl<R: RemoteFs> Cached<R> {
    pub(crate) async fn begin_listing(&self, path: &str) -> Result<CachedDirectory<R::Directory>> {
        let inner = &self.inner;
        inner.walked_into(path);
        let known = || {
            let mut names = locked(&inner.names);
            let listing = names.listing(path, inner.lifetime())?;
            Some((listing, names.ask()))
        };
        let mut listing = known();
        if listing.is_none() && inner.met_ahead(path).await {
            listing = known();
        }
        let path = path.to_owned();
        if let Some((listing, asked)) = listing {
            inner.counters.known();
            return Ok(CachedDirectory { path, asked, reading: Reading::Known(Mutex::new(listing)) });
        }
        inner.counters.asked();
        let asked = locked(&inner.names).list(&path);
        let directory = inner.lower.open_directory(&path).await?;
        let reading = Reading::Asking { directory, count: AtomicUsize::new(0) };
        Ok(CachedDirectory { path, asked, reading })
    }

    pub(crate) async fn go_on_listing(
        &self,
        directory: &CachedDirectory<R::Directory>,
    ) -> Result<Vec<Entry>> {
        let CachedDirectory { path, asked, reading } = directory;
        match reading {
            Reading::Known(rest) => Ok(locked(rest).part(PART)),
            Reading::Asking { directory, count } => {
                let mut entries = self.inner.lower.next_entries(directory).await?;
                let dirty = self.inner.learn_part(path, &entries, *asked, count);
                if entries.is_empty() {
                    self.inner.has_listed(path);
                }
                for place in dirty {
                    let entry = &mut entries[place];
                    let body = self.inner.body(entry.attributes.id);
                    if let Some(body) = body {
                        drop(self.inner.quiet(&body).await);
                    }
                    let full = match path.as_str() {
                        "" => entry.name.clone(),
                        path => format!("{path}/{}", entry.name),
                    };
                    if let Ok(now) = self.inner.stat(&full).await {
                        entry.attributes = now;
                    }
                }
                Ok(entries)
            }
        }
    }

    pub(crate) async fn end_listing(&self, directory: &CachedDirectory<R::Directory>) {
        if let Reading::Asking { directory, .. } = &directory.reading {
            self.inner.lower.close_directory(directory).await;
        }
    }

    pub(crate) fn is_still_listed(&self, directory: &CachedDirectory<R::Directory>, entry: &Entry) -> bool {
        locked(&self.inner.names).is_still(&directory.path, entry, directory.asked)
    }
}

impl<R: RemoteFs> Inner<R> {
    /// Lists a directory, so that it is known what is not in it, unless that is more than `most`.
    pub(crate) async fn list_all(self: &Arc<Self>, path: &str, most: usize) {
        let asked = locked(&self.names).list(path);
        let Ok(directory) = self.lower.open_directory(path).await else { return };
        self.learn_all(path, &directory, asked, most).await;
        // Nobody need wait for that.
        let inner = Arc::clone(self);
        self.runtime.spawn(async move { inner.lower.close_directory(&directory).await });
    }

    /// Keeps all of a listing, or what came of it when that became more than `most`. Says whether it was all.
    pub(crate) async fn learn_all(
        &self,
        path: &str,
        directory: &R::Directory,
        asked: Asked,
        most: usize,
    ) -> bool {
        let count = AtomicUsize::new(0);
        while let Ok(entries) = self.lower.next_entries(directory).await {
            self.learn_part(path, &entries, asked, &count);
            if entries.is_empty() {
                return true;
            }
            let count = count.load(Ordering::Relaxed);
            if count >= most {
                locked(&self.names).listed_in_part(path, count);
                break;
            }
        }
        false
    }

    /// Keeps a part of a listing. Says where in it files are that have kept-back writes.
    pub(crate) fn learn_part(
        &self,
        path: &str,
        entries: &[Entry],
        asked: Asked,
        count: &AtomicUsize,
    ) -> Vec<usize> {
        let mut dirty = Vec::new();
        if !locked(&self.bodies).is_empty() {
            let places = entries.iter().enumerate();
            let is_dirty = |(_, entry): &(usize, &Entry)| self.observe(entry.attributes, asked);
            dirty = places.filter(is_dirty).map(|(place, _)| place).collect();
        }
        let mut names = locked(&self.names);
        let before = count.fetch_add(entries.len(), Ordering::Relaxed);
        if entries.is_empty() {
            names.listed(path, before, asked);
        } else {
            names.learn_listed(path, entries, before, asked);
        }
        for place in &dirty {
            // What the server says of these is not so.
            names.touch_file(entries[*place].attributes.id);
        }
        dirty
    }
}
