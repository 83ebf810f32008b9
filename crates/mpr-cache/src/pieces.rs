//! What was written to one file and not yet sent: pieces that do not overlap.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

/// The most bytes of one request.
pub(crate) const REQUEST: usize = 1 << 20;
/// Writes shorter than this are copied together; longer ones are kept as they come.
const SMALL: usize = 32 << 10;

#[derive(Debug)]
enum Data {
    Whole(Bytes),
    Grown(Vec<u8>),
}

impl Data {
    fn bytes(&self) -> &[u8] {
        match self {
            Data::Whole(bytes) => bytes,
            Data::Grown(bytes) => bytes,
        }
    }

    fn part(&self, from: usize, to: usize) -> Bytes {
        match self {
            Data::Whole(bytes) => bytes.slice(from..to),
            Data::Grown(bytes) => Bytes::copy_from_slice(&bytes[from..to]),
        }
    }

    /// A part to be kept on its own: it must not hold on to much more than itself.
    fn rest(&self, from: usize, to: usize) -> Data {
        match self {
            Data::Whole(bytes) if (to - from) * 2 >= bytes.len() => Data::Whole(bytes.slice(from..to)),
            whole => Data::Grown(whole.bytes()[from..to].to_vec()),
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Data::Whole(bytes) => bytes,
            Data::Grown(bytes) => bytes.into(),
        }
    }
}

#[derive(Debug)]
struct Piece<O> {
    owner: Arc<O>,
    data: Data,
}

impl<O> Piece<O> {
    fn len(&self) -> usize {
        self.data.bytes().len()
    }
}

/// Pieces of one file, each written through an owner.
#[derive(Debug)]
pub(crate) struct Pieces<O> {
    by_offset: BTreeMap<u64, Piece<O>>,
    bytes: usize,
}

/// What is sent in one request.
#[derive(Debug)]
pub(crate) struct Batch<O> {
    pub(crate) owner: Arc<O>,
    pub(crate) offset: u64,
    pub(crate) data: Bytes,
}

impl<O> Batch<O> {
    pub(crate) fn range(&self) -> Range<u64> {
        self.offset..self.offset + self.data.len() as u64
    }
}

impl<O> Default for Pieces<O> {
    fn default() -> Self {
        Pieces { by_offset: BTreeMap::new(), bytes: 0 }
    }
}

impl<O> Pieces<O> {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_offset.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn count(&self) -> usize {
        self.by_offset.len()
    }

    /// Adds what was written, in the place of what was written there before. Says how many bytes that was.
    pub(crate) fn insert(&mut self, owner: &Arc<O>, offset: u64, data: Bytes) -> usize {
        let end = offset + data.len() as u64;
        let replaced = self.cut(offset..end);
        self.bytes += data.len();
        if data.len() < SMALL
            && let Some((before, piece)) = self.by_offset.range_mut(..offset).next_back()
            && before + piece.len() as u64 == offset
            && Arc::ptr_eq(&piece.owner, owner)
            && piece.len() + data.len() <= REQUEST
            && let Data::Grown(grown) = &mut piece.data
        {
            grown.extend_from_slice(&data);
            return replaced;
        }
        let data = if data.len() < SMALL { Data::Grown(data.to_vec()) } else { Data::Whole(data) };
        self.by_offset.insert(offset, Piece { owner: Arc::clone(owner), data });
        replaced
    }

    /// Forgets what was written in this range. Says how many bytes that was.
    pub(crate) fn cut(&mut self, range: Range<u64>) -> usize {
        let mut cut = 0;
        while let Some(bytes) = self.cut_last(&range) {
            cut += bytes;
        }
        self.bytes -= cut;
        cut
    }

    /// Cuts a range out of the last piece that reaches into it; says how many bytes that was.
    fn cut_last(&mut self, range: &Range<u64>) -> Option<usize> {
        let (start, piece) = self.by_offset.range(..range.end).next_back()?;
        let start = *start;
        let len = piece.len();
        let end = start + len as u64;
        if end <= range.start || range.is_empty() {
            return None;
        }
        let piece = self.by_offset.remove(&start)?;
        let from = (range.start.max(start) - start) as usize;
        let to = (range.end.min(end) - start) as usize;
        if to < len {
            let data = piece.data.rest(to, len);
            self.by_offset.insert(range.end, Piece { owner: Arc::clone(&piece.owner), data });
        }
        if from > 0 {
            let data = match piece.data {
                Data::Grown(mut grown) => {
                    grown.truncate(from);
                    Data::Grown(grown)
                }
                whole => whole.rest(0, from),
            };
            self.by_offset.insert(start, Piece { owner: piece.owner, data });
        }
        Some(to - from)
    }

    pub(crate) fn overlaps(&self, range: &Range<u64>) -> bool {
        self.by_offset
            .range(..range.end)
            .next_back()
            .is_some_and(|(offset, piece)| offset + piece.len() as u64 > range.start)
    }

    /// The end of the last piece.
    pub(crate) fn end(&self) -> u64 {
        self.by_offset.last_key_value().map_or(0, |(offset, piece)| offset + piece.len() as u64)
    }

    /// What was written in this range.
    pub(crate) fn within(&self, range: &Range<u64>) -> Vec<(u64, Bytes)> {
        let mut found = Vec::new();
        for (offset, piece) in self.by_offset.range(..range.end).rev() {
            let end = offset + piece.len() as u64;
            if end <= range.start {
                break;
            }
            let from = range.start.max(*offset);
            let to = range.end.min(end);
            found.push((from, piece.data.part((from - offset) as usize, (to - offset) as usize)));
        }
        found
    }

    /// Takes a full request's worth of pieces that follow each other, where `at` is among them.
    pub(crate) fn take_full(&mut self, at: u64, busy: impl Fn(&Range<u64>) -> bool) -> Option<Batch<O>> {
        let (start, piece) = self.by_offset.range(..=at).next_back()?;
        let (mut start, owner) = (*start, Arc::clone(&piece.owner));
        let mut end = start + piece.len() as u64;
        for (offset, piece) in self.by_offset.range(..start).rev() {
            let follows = offset + piece.len() as u64 == start && Arc::ptr_eq(&piece.owner, &owner);
            if !follows || end - start >= REQUEST as u64 {
                break;
            }
            start = *offset;
        }
        for (offset, piece) in self.by_offset.range(end..) {
            if *offset != end || !Arc::ptr_eq(&piece.owner, &owner) || end - start >= REQUEST as u64 {
                break;
            }
            end += piece.len() as u64;
        }
        let full = start..start + REQUEST as u64;
        (end >= full.end && !busy(&full)).then(|| self.take(full, owner))
    }

    /// Takes a full request's worth from wherever there is one.
    pub(crate) fn take_any_full(&mut self, busy: impl Fn(&Range<u64>) -> bool) -> Option<Batch<O>> {
        let mut run: Option<(u64, u64, &Arc<O>)> = None;
        let mut found = None;
        for (offset, piece) in &self.by_offset {
            let end = offset + piece.len() as u64;
            let start = match run {
                Some((start, before, owner)) if before == *offset && Arc::ptr_eq(owner, &piece.owner) => {
                    start
                }
                _ => *offset,
            };
            run = Some((start, end, &piece.owner));
            let full = start..start + REQUEST as u64;
            if end >= full.end {
                if !busy(&full) {
                    found = Some((full, Arc::clone(&piece.owner)));
                    break;
                }
                run = None;
            }
        }
        found.map(|(full, owner)| self.take(full, owner))
    }

    /// Takes the first pieces that follow each other and can go now.
    pub(crate) fn take_first(&mut self, busy: impl Fn(&Range<u64>) -> bool) -> Option<Batch<O>> {
        let free = |(offset, piece): &(&u64, &Piece<O>)| !busy(&(**offset..**offset + piece.len() as u64));
        let (start, piece) = self.by_offset.iter().find(free)?;
        let (start, owner) = (*start, Arc::clone(&piece.owner));
        let mut end = start + piece.len() as u64;
        for (offset, piece) in self.by_offset.range(end..) {
            let next = end + piece.len() as u64;
            let fits = next - start <= REQUEST as u64;
            if *offset != end || !Arc::ptr_eq(&piece.owner, &owner) || !fits || busy(&(end..next)) {
                break;
            }
            end = next;
        }
        Some(self.take(start..end, owner))
    }

    fn take(&mut self, range: Range<u64>, owner: Arc<O>) -> Batch<O> {
        let inside: Vec<u64> = self.by_offset.range(range.clone()).map(|(offset, _)| *offset).collect();
        let mut parts: Vec<Bytes> = Vec::with_capacity(inside.len());
        for offset in inside {
            let Some(piece) = self.by_offset.remove(&offset) else { continue };
            let len = piece.len();
            let fits = (range.end - offset).min(len as u64) as usize;
            if fits < len {
                let rest = piece.data.rest(fits, len);
                self.by_offset.insert(range.end, Piece { owner: piece.owner, data: rest });
            }
            self.bytes -= fits;
            let data = piece.data.into_bytes();
            parts.push(if fits < len { data.slice(..fits) } else { data });
        }
        let data = match parts.len() {
            1 => parts.remove(0),
            _ => {
                let mut whole = BytesMut::with_capacity((range.end - range.start) as usize);
                parts.iter().for_each(|part| whole.extend_from_slice(part));
                whole.freeze()
            }
        };
        Batch { owner, offset: range.start, data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FREE: fn(&Range<u64>) -> bool = |_| false;

    #[test]
    fn small_writes_in_a_row_become_full_requests() {
        let (mut pieces, owner) = (Pieces::default(), Arc::new(()));
        let mut sent = 0;
        for at in 0..(3 * REQUEST as u64 / 4096) {
            pieces.insert(&owner, at * 4096, Bytes::from(vec![at as u8; 4096]));
            if let Some(batch) = pieces.take_full(at * 4096, FREE) {
                assert_eq!((batch.offset, batch.data.len()), (sent * REQUEST as u64, REQUEST));
                sent += 1;
            }
        }
        assert_eq!((sent, pieces.bytes(), pieces.is_empty()), (3, 0, true));
    }

    #[test]
    fn what_different_handles_wrote_is_sent_apart() {
        let (mut pieces, one, other) = (Pieces::default(), Arc::new(1), Arc::new(2));
        pieces.insert(&one, 0, Bytes::from_static(b"ab"));
        pieces.insert(&other, 2, Bytes::from_static(b"cd"));
        let first = pieces.take_first(FREE).unwrap();
        assert_eq!((*first.owner, &first.data[..]), (1, &b"ab"[..]));
        let second = pieces.take_first(FREE).unwrap();
        assert_eq!((*second.owner, &second.data[..]), (2, &b"cd"[..]));
    }

    #[test]
    fn what_overlaps_a_request_under_way_waits() {
        let (mut pieces, owner) = (Pieces::default(), Arc::new(()));
        pieces.insert(&owner, 5, Bytes::from_static(b"ab"));
        pieces.insert(&owner, 9, Bytes::from_static(b"cd"));
        let busy = |range: &Range<u64>| range.start < 6 && range.end > 0;
        assert_eq!(pieces.take_first(busy).unwrap().offset, 9);
        assert!(pieces.take_first(busy).is_none());
    }

    proptest! {
        #[test]
        fn pieces_are_what_was_written_last(
            steps in prop::collection::vec((0u64..200, 1usize..80, any::<bool>(), 0usize..4), 1..60)
        ) {
            let (mut pieces, owners) = (Pieces::default(), [Arc::new(0), Arc::new(1)]);
            let mut model: Vec<Option<u8>> = vec![None; 300];
            for (number, (offset, len, cut, other)) in steps.into_iter().enumerate() {
                let range = offset..offset + len as u64;
                let there = model[offset as usize..offset as usize + len].iter().flatten().count();
                if cut {
                    prop_assert_eq!(pieces.cut(range.clone()), there);
                } else {
                    let data = Bytes::from(vec![number as u8; len]);
                    prop_assert_eq!(pieces.insert(&owners[other % 2], offset, data), there);
                }
                model[offset as usize..offset as usize + len].fill((!cut).then_some(number as u8));
                let mut seen: Vec<Option<u8>> = vec![None; 300];
                for (at, data) in pieces.within(&(0..300)) {
                    for (place, byte) in seen[at as usize..].iter_mut().zip(&data[..]) {
                        *place = Some(*byte);
                    }
                }
                prop_assert_eq!(&seen, &model);
                prop_assert_eq!(pieces.bytes(), model.iter().flatten().count());
            }
            while let Some(batch) = pieces.take_first(FREE) {
                for (place, byte) in model[batch.offset as usize..].iter_mut().zip(&batch.data[..]) {
                    prop_assert_eq!(place.take(), Some(*byte));
                }
            }
            prop_assert!(model.iter().all(Option::is_none));
            prop_assert_eq!(pieces.bytes(), 0);
        }
    }
}
