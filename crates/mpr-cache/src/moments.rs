//! In which order this mount asked and changed things.
//!
//! An answer may be kept only if nothing it speaks of was changed here after it was asked for. What was changed
//! when is written down by a hash: two things of one hash cost a request that was not needed, and nothing else.

/// A moment. None is there twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

const NAMES: usize = 4096;
const FILES: usize = 4096;
const LISTINGS: usize = 1024;

/// When what was last changed.
#[derive(Debug)]
pub(crate) struct Moments {
    last: u64,
    changed: Moment,
    names: Box<[Moment]>,
    files: Box<[Moment]>,
    listings: Box<[Moment]>,
}

impl Moments {
    pub(crate) fn new() -> Moments {
        let never = |count| vec![Moment::default(); count].into_boxed_slice();
        Moments {
            last: 0,
            changed: Moment::default(),
            names: never(NAMES),
            files: never(FILES),
            listings: never(LISTINGS),
        }
    }

    /// A new moment.
    pub(crate) fn next(&mut self) -> Moment {
        self.last += 1;
        Moment(self.last)
    }

    fn change(&mut self) -> Moment {
        self.changed = self.next();
        self.changed
    }

    /// When anything was last changed.
    pub(crate) fn last_change(&self) -> Moment {
        self.changed
    }

    /// What a name stands for changes.
    pub(crate) fn touch_name(&mut self, path: &str) -> Moment {
        let now = self.change();
        self.names[hash(path) % NAMES] = now;
        now
    }

    /// A directory gets or loses a name.
    pub(crate) fn touch_listing(&mut self, directory: &str) {
        let now = self.change();
        self.listings[hash(directory) % LISTINGS] = now;
    }

    /// A file changes, under whatever name. Without a number, 0, it is known by its name only.
    pub(crate) fn touch_file(&mut self, id: u64) {
        if id != 0 {
            self.files[file(id)] = self.change();
        }
    }

    /// Nothing that was asked before may be believed.
    pub(crate) fn touch_all(&mut self) {
        let now = self.change();
        self.names.fill(now);
        self.files.fill(now);
        self.listings.fill(now);
    }

    pub(crate) fn name(&self, path: &str) -> Moment {
        self.names[hash(path) % NAMES]
    }

    pub(crate) fn file(&self, id: u64) -> Moment {
        if id == 0 { Moment::default() } else { self.files[file(id)] }
    }

    pub(crate) fn listing(&self, directory: &str) -> Moment {
        self.listings[hash(directory) % LISTINGS]
    }
}

fn file(id: u64) -> usize {
    // Numbers of servers are often multiples of something.
    (id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52) as usize % FILES
}

/// The same for two spellings of a name that a server may take for one. Which those are beyond ASCII is the
/// server's to know, so the rest does not count.
fn hash(path: &str) -> usize {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in path.bytes().filter(u8::is_ascii) {
        hash = (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3);
    }
    (hash ^ (hash >> 32)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_a_server_may_take_for_one_have_one_moment() {
        let mut moments = Moments::new();
        let now = moments.touch_name("Straße/A");
        assert_eq!(moments.name("STRAẞE/a"), now);
        assert_ne!(moments.name("b"), now);
    }
}
