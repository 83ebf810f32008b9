//! Enumerations of providers outside our own code, which come in portions.

use mpr_plugin::{Enumeration, NetResource, Status};

/// Entries after which an enumeration is given up: a provider that repeats itself would never end.
const MOST_ENTRIES: usize = 1 << 20;

/// Where the portions come from.
pub(crate) trait Source: Send {
    /// The next entries; none at the end.
    fn fetch(&mut self) -> Result<Vec<NetResource>, Status>;

    /// Ends the enumeration, unless that was done.
    fn end(&mut self) -> Result<(), Status>;
}

/// An enumeration from such a source, which is ended with it.
pub(crate) struct Portions<S: Source> {
    source: S,
    entries: std::vec::IntoIter<NetResource>,
    delivered: usize,
    /// Nothing more is to be asked for.
    ended: bool,
}

impl<S: Source> Portions<S> {
    pub(crate) fn of(source: S) -> Self {
        Portions { source, entries: Vec::new().into_iter(), delivered: 0, ended: false }
    }
}

impl<S: Source> Enumeration for Portions<S> {
    fn next_entry(&mut self) -> Option<Result<NetResource, Status>> {
        if let Some(entry) = self.entries.next() {
            return Some(Ok(entry));
        }
        if self.ended {
            return None;
        }
        let fetched =
            if self.delivered < MOST_ENTRIES { self.source.fetch() } else { Err(Status::NET_ERROR) };
        match fetched {
            Ok(entries) if !entries.is_empty() => {
                self.delivered += entries.len();
                self.entries = entries.into_iter();
                self.entries.next().map(Ok)
            }
            end => {
                self.ended = true;
                end.err().map(Err)
            }
        }
    }

    fn close(mut self: Box<Self>) -> Result<(), Status> {
        self.source.end()
    }
}

impl<S: Source> Drop for Portions<S> {
    fn drop(&mut self) {
        _ = self.source.end();
    }
}
