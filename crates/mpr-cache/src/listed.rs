//! A listing of a directory, in as little room as may be: names one behind the other, attributes without padding, and
//! an index only once somebody looks for a name.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mpr_remotefs::{Attributes, Entry, Kind};

use crate::names::Asked;

/// What a directory lists, in this order.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) asked: Asked,
    names: String,
    entries: Vec<Listed>,
    /// Places of directories, in the order of the listing.
    directories: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Listed {
    /// Of the four times: seconds since 1970, and what is beyond.
    seconds: [i64; 4],
    nanos: [u32; 4],
    size: u64,
    allocated: u64,
    id: u64,
    links: u32,
    /// Where its name ends; it begins where that of the one before ends.
    name_end: u32,
    kind: Kind,
    read_only: bool,
}

impl Listing {
    pub(crate) fn new(asked: Asked) -> Listing {
        Listing { asked, names: String::new(), entries: Vec::new(), directories: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds what comes next. Says whether there was room.
    pub(crate) fn push(&mut self, entry: &Entry) -> bool {
        let (Ok(place), Ok(name_end)) =
            (u32::try_from(self.entries.len()), u32::try_from(self.names.len() + entry.name.len()))
        else {
            return false;
        };
        self.names.push_str(&entry.name);
        let of = &entry.attributes;
        if of.kind == Kind::Directory {
            self.directories.push(place);
        }
        let times = [of.accessed, of.modified, of.changed, of.created].map(split);
        self.entries.push(Listed {
            seconds: times.map(|(seconds, _)| seconds),
            nanos: times.map(|(_, nanos)| nanos),
            size: of.size,
            allocated: of.allocated,
            id: of.id,
            links: of.links,
            name_end,
            kind: of.kind,
            read_only: of.read_only,
        });
        true
    }

    /// Nothing more is to come.
    pub(crate) fn close(&mut self) {
        self.names.shrink_to_fit();
        self.entries.shrink_to_fit();
        self.directories.shrink_to_fit();
    }

    pub(crate) fn name(&self, place: usize) -> &str {
        let begin = place.checked_sub(1).map_or(0, |before| self.entries[before].name_end as usize);
        &self.names[begin..self.entries[place].name_end as usize]
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|place| self.name(place))
    }

    pub(crate) fn attributes(&self, place: usize) -> Attributes {
        let of = &self.entries[place];
        let time = |which: usize| join(of.seconds[which], of.nanos[which]);
        Attributes {
            kind: of.kind,
            size: of.size,
            allocated: of.allocated,
            accessed: time(0),
            modified: time(1),
            changed: time(2),
            created: time(3),
            id: of.id,
            read_only: of.read_only,
            links: of.links,
        }
    }

    /// How many directories are listed.
    pub(crate) fn directories(&self) -> usize {
        self.directories.len()
    }

    /// The name of one of them.
    pub(crate) fn directory(&self, nth: usize) -> &str {
        self.name(self.directories[nth] as usize)
    }

    /// Which of the directories is at this place.
    pub(crate) fn nth_directory(&self, place: usize) -> Option<usize> {
        self.directories.binary_search(&u32::try_from(place).ok()?).ok()
    }
}

fn split(time: SystemTime) -> (i64, u32) {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => (since.as_secs().cast_signed(), since.subsec_nanos()),
        Err(before) => {
            let (seconds, nanos) = (before.duration().as_secs(), before.duration().subsec_nanos());
            match nanos {
                0 => (-seconds.cast_signed(), 0),
                nanos => (-seconds.cast_signed() - 1, 1_000_000_000 - nanos),
            }
        }
    }
}

fn join(seconds: i64, nanos: u32) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 { UNIX_EPOCH - whole } else { UNIX_EPOCH + whole };
    time + Duration::from_nanos(nanos.into())
}

/// Where in a listing which name is.
#[derive(Debug, Default)]
pub(crate) struct Index {
    hasher: RandomState,
    /// Places, where their hash leads or behind that.
    slots: Vec<u32>,
    filled: usize,
}

const FREE: u32 = u32::MAX;

impl Index {
    pub(crate) fn find(&mut self, listing: &Listing, name: &str) -> Option<usize> {
        self.cover(listing);
        let mut at = self.slot(name)?;
        loop {
            match self.slots[at] {
                FREE => return None,
                place if listing.name(place as usize) == name => return Some(place as usize),
                _ => at = (at + 1) % self.slots.len(),
            }
        }
    }

    /// Sees to it that all names there are by now are in it.
    fn cover(&mut self, listing: &Listing) {
        let count = listing.len();
        if count == self.filled {
            return;
        }
        if count * 5 / 4 >= self.slots.len() {
            self.slots = vec![FREE; (count * 5 / 4 + 1).next_power_of_two()];
            self.filled = 0;
        }
        for place in self.filled..count {
            let Some(mut at) = self.slot(listing.name(place)) else { return };
            while self.slots[at] != FREE {
                at = (at + 1) % self.slots.len();
            }
            self.slots[at] = u32::try_from(place).unwrap_or(FREE);
        }
        self.filled = count;
    }

    fn slot(&self, name: &str) -> Option<usize> {
        (self.hasher.hash_one(name) as usize).checked_rem(self.slots.len())
    }
}

/// A listing as it is now: with what has been learnt of single names since.
#[derive(Debug)]
pub(crate) struct Snapshot {
    listing: Arc<Listing>,
    /// By place: what it is now, if it is there.
    changed: HashMap<usize, Option<Attributes>>,
    more: std::vec::IntoIter<Entry>,
    next: usize,
}

impl Snapshot {
    pub(crate) fn of(
        listing: Arc<Listing>,
        changed: HashMap<usize, Option<Attributes>>,
        more: Vec<Entry>,
    ) -> Snapshot {
        Snapshot { listing, changed, more: more.into_iter(), next: 0 }
    }

    /// Up to `most` of the entries that come next; none at the end.
    pub(crate) fn part(&mut self, most: usize) -> Vec<Entry> {
        let mut part = Vec::with_capacity(most.min(self.listing.len() - self.next + self.more.len()));
        while part.len() < most && self.next < self.listing.len() {
            let place = self.next;
            self.next += 1;
            let changed = self.changed.get(&place).copied();
            if let Some(attributes) = changed.unwrap_or_else(|| Some(self.listing.attributes(place))) {
                part.push(Entry { name: self.listing.name(place).to_owned(), attributes });
            }
        }
        let left = most - part.len();
        part.extend(self.more.by_ref().take(left));
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Names;

    fn entry(name: &str, time: SystemTime) -> Entry {
        let attributes = Attributes {
            kind: if name.starts_with('d') { Kind::Directory } else { Kind::File },
            size: 1 << 40,
            allocated: 3,
            accessed: time,
            modified: time + Duration::from_nanos(100),
            changed: time + Duration::from_secs(1),
            created: time,
            id: u64::MAX,
            read_only: true,
            links: 7,
        };
        Entry { name: name.to_owned(), attributes }
    }

    #[test]
    fn what_was_put_in_comes_out() {
        let before = UNIX_EPOCH - Duration::new(11_644_473_600, 999_999_900);
        let times =
            [before, UNIX_EPOCH - Duration::from_secs(1), UNIX_EPOCH, UNIX_EPOCH + Duration::new(1 << 34, 1)];
        let mut listing = Listing::new(Names::new(1).ask());
        let entries: Vec<Entry> =
            times.iter().enumerate().map(|(nth, time)| entry(&format!("n{nth}"), *time)).collect();
        assert!(entries.iter().all(|entry| listing.push(entry)));
        listing.close();
        let mut snapshot = Snapshot::of(Arc::new(listing), HashMap::new(), Vec::new());
        assert_eq!(snapshot.part(3), entries[..3]);
        assert_eq!(snapshot.part(3), entries[3..]);
        assert_eq!(snapshot.part(3), []);
    }

    #[test]
    fn a_name_is_found_while_others_come() {
        let mut listing = Listing::new(Names::new(1).ask());
        let mut index = Index::default();
        assert_eq!(index.find(&listing, "0"), None);
        for number in 0..1000 {
            listing.push(&entry(&number.to_string(), UNIX_EPOCH));
            assert_eq!(index.find(&listing, &number.to_string()), Some(number));
            assert_eq!(index.find(&listing, &(number / 2).to_string()), Some(number / 2));
            assert_eq!(index.find(&listing, &(number + 1).to_string()), None);
        }
    }

    #[test]
    fn directories_are_numbered_among_themselves() {
        let mut listing = Listing::new(Names::new(1).ask());
        for name in ["a", "d1", "b", "d2"] {
            listing.push(&entry(name, UNIX_EPOCH));
        }
        assert_eq!((listing.directories(), listing.directory(0), listing.directory(1)), (2, "d1", "d2"));
        assert_eq!((listing.nth_directory(3), listing.nth_directory(2)), (Some(1), None));
    }
}
