//! Who reads a file from front to back, and how far ahead to fetch for them.
//!
//! One file may be read in several places at once, and the requests of one reader may overtake each other on
//! their way. A place counts as read in sequence only once requests have followed each other there.

use std::ops::Range;

/// How many places are remembered.
const PLACES: usize = 4;
/// How far ahead of its predecessors a request may be, and how far behind.
const SLACK: u64 = 1 << 20;
/// Requests that came early and are remembered.
const EARLY: usize = 8;
/// After this many bytes in sequence one more request is proof, without it two more.
const PROOF: u64 = 64 << 10;
/// The first step ahead, or two requests.
const FIRST: u64 = 256 << 10;
/// So much is fetched at once, if no more is missing.
const REFILL: u64 = 1 << 20;
/// What is fetched begins and ends at multiples of this, as the kernel's requests do.
const GRAIN: u64 = 128 << 10;

#[derive(Debug, Default, Clone)]
struct Place {
    /// Everything from where it began up to here was asked for.
    next: u64,
    early: Vec<Range<u64>>,
    /// Bytes and requests that followed each other.
    run: u64,
    follows: u32,
    window: u64,
    /// Up to here it was fetched ahead.
    ahead: u64,
    used: u64,
}

/// The places one handle reads at.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    places: Vec<Place>,
    uses: u64,
}

impl Streams {
    /// A request was made. Says what to fetch ahead now; never further than `window` or beyond `end`.
    pub(crate) fn note(&mut self, offset: u64, len: u64, end: u64, window: u64) -> Option<Range<u64>> {
        self.uses += 1;
        let uses = self.uses;
        let asked = offset..offset + len;
        let near = |place: &&mut Place| {
            asked.start <= place.next.saturating_add(SLACK) && asked.end.saturating_add(SLACK) > place.next
        };
        let Some(place) = self.places.iter_mut().filter(near).min_by_key(|place| place.next.abs_diff(offset))
        else {
            self.begin(asked);
            return None;
        };
        place.used = uses;
        let before = place.next;
        place.take(asked);
        if place.next == before {
            return None;
        }
        if place.follows < 2 && (place.follows < 1 || place.run < PROOF) {
            return None;
        }
        place.ahead(len, end, window)
    }

    fn begin(&mut self, asked: Range<u64>) {
        let run = asked.end - asked.start;
        let new = Place { next: asked.end, ahead: asked.end, run, used: self.uses, ..Place::default() };
        if self.places.len() < PLACES {
            self.places.push(new);
        } else if let Some(oldest) = self.places.iter_mut().min_by_key(|place| place.used) {
            *oldest = new;
        }
    }
}

impl Place {
    fn take(&mut self, asked: Range<u64>) {
        if asked.start > self.next {
            if self.early.len() < EARLY {
                self.early.push(asked);
            }
            return;
        }
        self.go_to(asked.end);
        while let Some(index) = self.early.iter().position(|early| early.start <= self.next) {
            let early = self.early.swap_remove(index);
            self.go_to(early.end);
        }
    }

    fn go_to(&mut self, end: u64) {
        if end > self.next {
            self.run += end - self.next;
            self.next = end;
            self.follows += 1;
        }
    }

    fn ahead(&mut self, len: u64, end: u64, most: u64) -> Option<Range<u64>> {
        if self.window == 0 {
            self.window = FIRST.max(len.saturating_mul(2)).min(most);
        }
        let from = self.ahead.max(self.next);
        // Only once so much of what was fetched is used up that what is fetched next is worth a request.
        if from - self.next > self.window - (self.window / 2).min(REFILL) {
            return None;
        }
        if self.ahead > self.next {
            self.window = (self.window * 2).min(most);
        }
        let wanted = (self.next + self.window) / GRAIN * GRAIN;
        let to = wanted.min(end);
        if to <= from {
            return None;
        }
        self.ahead = to;
        Some(from..to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const K: u64 = 1024;
    const WINDOW: u64 = 8 << 20;
    const FAR: u64 = 1 << 40;

    #[test]
    fn random_access_fetches_nothing_ahead() {
        let mut streams = Streams::default();
        for offset in [900, 17, 455, 300, 721, 44, 618, 130] {
            assert_eq!(streams.note(offset << 22, 4 * K, FAR, WINDOW), None);
        }
    }

    #[test]
    fn two_requests_in_a_row_are_no_proof_if_they_are_small() {
        let mut streams = Streams::default();
        assert_eq!(streams.note(0, 4 * K, FAR, WINDOW), None);
        assert_eq!(streams.note(4 * K, 4 * K, FAR, WINDOW), None);
        assert!(streams.note(8 * K, 4 * K, FAR, WINDOW).is_some());
    }

    #[test]
    fn reading_on_is_fetched_without_a_gap_and_further_and_further_ahead() {
        let mut streams = Streams::default();
        let (mut fetched, mut furthest) = (0, 0);
        for request in 0..256 {
            let offset = request * 128 * K;
            if let Some(ahead) = streams.note(offset, 128 * K, FAR, WINDOW) {
                let next = offset + 128 * K;
                assert_eq!(ahead.start, if fetched == 0 { next } else { fetched });
                fetched = ahead.end;
                furthest = furthest.max(ahead.end - next);
            }
        }
        assert_eq!(furthest, WINDOW);
    }

    #[test]
    fn requests_that_overtake_each_other_are_one_sequence() {
        let mut streams = Streams::default();
        let order = [1, 0, 3, 2, 5, 4, 7, 6];
        let fetched = order.map(|at| streams.note(at * 128 * K, 128 * K, FAR, WINDOW).is_some());
        assert!(fetched.iter().any(|fetched| *fetched), "{fetched:?}");
    }

    #[test]
    fn two_readers_of_one_file_do_not_disturb_each_other() {
        let mut streams = Streams::default();
        let mut fetched = [0, 0];
        for request in 0..16 {
            for (reader, start) in [0, 1 << 30].into_iter().enumerate() {
                let ahead = streams.note(start + request * 128 * K, 128 * K, FAR, WINDOW);
                fetched[reader] += ahead.map_or(0, |ahead| ahead.end - ahead.start);
            }
        }
        assert!(fetched[0] > 0 && fetched[0] == fetched[1], "{fetched:?}");
    }

    #[test]
    fn nothing_is_fetched_beyond_the_end() {
        let mut streams = Streams::default();
        let end = 300 * K;
        let fetched: Vec<_> =
            (0..3).filter_map(|at| streams.note(at * 100 * K, 100 * K, end, WINDOW)).collect();
        assert!(fetched.iter().all(|ahead| ahead.end <= end), "{fetched:?}");
    }
}
