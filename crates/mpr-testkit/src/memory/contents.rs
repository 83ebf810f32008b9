//! What is in a file: blocks, with holes between them.

use std::collections::BTreeMap;
use std::ops::Range;

/// Bytes in a block; holes begin and end at its multiples.
pub(super) const BLOCK: u64 = 1 << 16;

#[derive(Debug, Default, Clone)]
pub(super) struct Contents {
    blocks: BTreeMap<u64, Vec<u8>>,
    size: u64,
}

impl Contents {
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn allocated(&self) -> u64 {
        self.blocks.len() as u64 * BLOCK
    }

    pub(super) fn read(&self, offset: u64, len: usize) -> Vec<u8> {
        let end = self.size.min(offset.saturating_add(len as u64));
        let mut data = Vec::with_capacity(end.saturating_sub(offset) as usize);
        let mut at = offset;
        while at < end {
            let inside = (at % BLOCK) as usize;
            let part = (BLOCK - inside as u64).min(end - at) as usize;
            match self.blocks.get(&(at / BLOCK)) {
                Some(block) => data.extend_from_slice(&block[inside..inside + part]),
                None => data.resize(data.len() + part, 0),
            }
            at += part as u64;
        }
        data
    }

    pub(super) fn write(&mut self, offset: u64, data: &[u8]) {
        let mut at = offset;
        let mut rest = data;
        while !rest.is_empty() {
            let inside = (at % BLOCK) as usize;
            let part = rest.len().min(BLOCK as usize - inside);
            let block = self.blocks.entry(at / BLOCK).or_insert_with(|| vec![0; BLOCK as usize]);
            block[inside..inside + part].copy_from_slice(&rest[..part]);
            rest = &rest[part..];
            at += part as u64;
        }
        if !data.is_empty() {
            self.size = self.size.max(at);
        }
    }

    pub(super) fn resize(&mut self, size: u64) {
        if size < self.size {
            self.zero(size..self.size);
            self.blocks.retain(|block, _| block * BLOCK < size);
        }
        self.size = size;
    }

    /// Gives whole blocks back, and makes what is left of the range zeros.
    pub(super) fn zero(&mut self, range: Range<u64>) {
        for block in self.within(&range) {
            let start = block * BLOCK;
            if range.start <= start && start + BLOCK <= range.end {
                self.blocks.remove(&block);
            } else if let Some(data) = self.blocks.get_mut(&block) {
                let from = range.start.max(start) - start;
                let to = range.end.min(start + BLOCK) - start;
                data[from as usize..to as usize].fill(0);
            }
        }
    }

    /// Takes up room for a range. The length stays.
    pub(super) fn set_aside(&mut self, range: Range<u64>) {
        for block in range.start / BLOCK..range.end.div_ceil(BLOCK) {
            self.blocks.entry(block).or_insert_with(|| vec![0; BLOCK as usize]);
        }
    }

    /// Where data begins, from `offset` on.
    pub(super) fn data_from(&self, offset: u64) -> Option<u64> {
        let block = *self.blocks.range(offset / BLOCK..).next()?.0;
        Some(offset.max(block * BLOCK)).filter(|found| *found < self.size)
    }

    /// Where a hole begins, from `offset` on; the end of the file is one.
    pub(super) fn hole_from(&self, offset: u64) -> u64 {
        let mut block = offset / BLOCK;
        while self.blocks.contains_key(&block) {
            block += 1;
        }
        offset.max(block * BLOCK).min(self.size)
    }

    fn within(&self, range: &Range<u64>) -> Vec<u64> {
        if range.is_empty() {
            return Vec::new();
        }
        self.blocks.range(range.start / BLOCK..range.end.div_ceil(BLOCK)).map(|(block, _)| *block).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_off_does_not_come_back() {
        let mut contents = Contents::default();
        contents.write(BLOCK - 2, b"abcd");
        contents.resize(BLOCK - 1);
        contents.resize(BLOCK + 4);
        assert_eq!(contents.read(BLOCK - 3, 100), b"\0a\0\0\0\0\0");
    }

    #[test]
    fn holes_are_found_where_nothing_was_written() {
        let mut contents = Contents::default();
        contents.write(3 * BLOCK + 5, b"x");
        assert_eq!(contents.data_from(7), Some(3 * BLOCK));
        assert_eq!(contents.hole_from(7), 7);
        assert_eq!(contents.hole_from(3 * BLOCK), 3 * BLOCK + 6);
        assert_eq!(contents.data_from(3 * BLOCK + 6), None);
    }
}
