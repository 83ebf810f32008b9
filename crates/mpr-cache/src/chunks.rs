//! What was read of one file and not yet changed: chunks that do not overlap.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::memory::Room;

/// How long contents may be believed that no lease covers.
pub(crate) const UNLEASED: Duration = Duration::from_secs(1);

/// A part of a file as the server said it was.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) data: Bytes,
    /// When it was asked for.
    pub(crate) at: Instant,
    /// Whether a lease of reading stood from then on.
    pub(crate) leased: bool,
    /// Whether the file ends with it.
    pub(crate) last: bool,
    /// Whether nobody had asked for it yet.
    pub(crate) ahead: bool,
    pub(crate) room: Room,
}

#[derive(Debug)]
struct Kept {
    chunk: Chunk,
    used: usize,
    /// Used since it was last looked at to make room.
    again: bool,
}

/// Chunks of one file.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    by_offset: BTreeMap<u64, Kept>,
    /// Bytes that were fetched ahead and never asked for.
    pub(crate) wasted: u64,
}

/// What is known at a place.
#[derive(Debug)]
pub(crate) enum Found {
    /// This, from there on.
    Data(Bytes),
    /// The file has ended before.
    End,
    /// Nothing, up to where something is.
    Nothing(Option<u64>),
}

impl Chunks {
    /// What is known from `at` up to `end`. What was fetched ahead and has been taken whole is let go with that,
    /// unless `keep`.
    pub(crate) fn find(&mut self, at: u64, end: u64, leased: bool, keep: bool) -> Found {
        let Some((offset, kept)) = self.by_offset.range_mut(..=at).next_back() else {
            return Found::Nothing(self.next(at));
        };
        let offset = *offset;
        let good = kept.chunk.leased && leased || kept.chunk.at.elapsed() < UNLEASED;
        let length = kept.chunk.data.len() as u64;
        if !good {
            if at < offset + length || kept.chunk.last {
                self.remove(offset);
            }
            return Found::Nothing(self.next(at));
        }
        if at >= offset + length {
            return if kept.chunk.last { Found::End } else { Found::Nothing(self.next(at)) };
        }
        let data = kept.chunk.data.slice((at - offset) as usize..(end - offset).min(length) as usize);
        kept.used += data.len();
        kept.again = true;
        if kept.chunk.ahead && kept.used >= kept.chunk.data.len() && !kept.chunk.last && !keep {
            self.remove(offset);
        }
        Found::Data(data)
    }

    fn next(&self, at: u64) -> Option<u64> {
        self.by_offset.range(at + 1..).next().map(|(offset, _)| *offset)
    }

    /// Keeps a chunk in the place of what was there.
    pub(crate) fn insert(&mut self, offset: u64, chunk: Chunk) {
        let len = chunk.data.len() as u64;
        self.cut(&(offset..offset + len.max(1)));
        self.by_offset.insert(offset, Kept { chunk, used: 0, again: false });
    }

    /// Forgets every chunk that a write to this range makes false.
    pub(crate) fn cut(&mut self, range: &Range<u64>) {
        let false_now = |(offset, kept): &(&u64, &Kept)| {
            let end = **offset + kept.chunk.data.len() as u64;
            end > range.start || kept.chunk.last
        };
        let hit: Vec<u64> = self
            .by_offset
            .range(..range.end)
            .rev()
            .take_while(false_now)
            .map(|(offset, _)| *offset)
            .collect();
        for offset in hit {
            self.remove(offset);
        }
    }

    pub(crate) fn clear(&mut self) {
        while let Some((offset, _)) = self.by_offset.first_key_value() {
            self.remove(*offset);
        }
    }

    /// No lease covers anything any more; what is young enough may still be believed.
    pub(crate) fn unlease(&mut self) {
        for kept in self.by_offset.values_mut() {
            kept.chunk.leased = false;
        }
    }

    /// Lets a chunk go to make room, unless it was used again. Says whether it is still there.
    pub(crate) fn make_room(&mut self, offset: u64) -> bool {
        match self.by_offset.get_mut(&offset) {
            Some(kept) if kept.again => {
                kept.again = false;
                true
            }
            Some(_) => {
                self.remove(offset);
                false
            }
            None => false,
        }
    }

    pub(crate) fn has(&self, offset: u64) -> bool {
        self.by_offset.contains_key(&offset)
    }

    fn remove(&mut self, offset: u64) {
        if let Some(Kept { chunk, used, .. }) = self.by_offset.remove(&offset) {
            if chunk.ahead {
                self.wasted += chunk.data.len().saturating_sub(used) as u64;
            }
            drop(chunk.room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    fn chunk(data: &'static [u8], last: bool, ahead: bool) -> Chunk {
        let room = Room::none(&Memory::new(0));
        Chunk { data: Bytes::from_static(data), at: Instant::now(), leased: true, last, ahead, room }
    }

    #[test]
    fn a_write_behind_the_end_makes_the_end_false() {
        let mut chunks = Chunks::default();
        chunks.insert(0, chunk(b"abc", true, false));
        assert!(matches!(chunks.find(7, 9, true, true), Found::End));
        chunks.cut(&(20..21));
        assert!(matches!(chunks.find(0, 9, true, true), Found::Nothing(None)));
    }

    #[test]
    fn what_was_fetched_ahead_goes_once_it_was_taken_and_counts_as_waste_if_it_was_not() {
        let mut chunks = Chunks::default();
        chunks.insert(0, chunk(b"abc", false, true));
        chunks.insert(3, chunk(b"def", false, true));
        assert!(matches!(chunks.find(0, 9, true, false), Found::Data(data) if data == "abc"));
        assert!(!chunks.has(0));
        assert!(matches!(chunks.find(4, 5, true, false), Found::Data(data) if data == "e"));
        chunks.clear();
        assert_eq!(chunks.wasted, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_lease_contents_are_believed_for_a_second() {
        let mut chunks = Chunks::default();
        chunks.insert(0, chunk(b"abc", false, false));
        tokio::time::advance(UNLEASED).await;
        assert!(matches!(chunks.find(0, 3, true, true), Found::Data(_)));
        chunks.unlease();
        assert!(matches!(chunks.find(0, 3, true, true), Found::Nothing(None)));
    }
}
