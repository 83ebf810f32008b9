//! Room in a file: bytes set aside for it, and holes in it.
//!
//! A server tells holes only of files that are sparse, and a file becomes sparse when the first hole is made
//! here. Setting room aside knows only one amount for the whole file, counted from its beginning; what lies
//! before the end of the file is set aside already unless there are holes, and those no request fills.

use std::ops::Range;

use mpr_remotefs::{Allocation, Errno, Result, Seek};
use smb2::msg::query_info::QueryInfoResponse;
use smb2::msg::set_info::SetInfoResponse;
use smb2::types::Command;
use smb2::types::status::NtStatus;

use super::file::Held;
use super::{SmbFile, SmbFs};
use crate::link::{Asked, Trouble};
use crate::wire::{self, Facts};

const SET_SPARSE: u32 = 0x0009_00C4;
const SET_ZERO_DATA: u32 = 0x0009_80C8;
const QUERY_ALLOCATED_RANGES: u32 = 0x0009_40CF;
/// Bytes of a range in an answer, and ranges in one.
const RANGE: usize = 16;
const RANGES: usize = 4000;
/// How often one search asks for further ranges. A search that is not over then is given up.
const QUESTIONS: usize = 256;

impl SmbFs {
    pub(super) async fn set_room(
        &self,
        file: &SmbFile,
        range: Range<u64>,
        allocation: Allocation,
    ) -> Result<()> {
        if range.is_empty() {
            return Err(Errno(libc::EINVAL));
        }
        if i64::try_from(range.end).is_err() {
            return Err(Errno(libc::EFBIG));
        }
        let held = self.handle(&file.0).await?;
        let size = held.size().await?;
        let inside = range.start..range.end.min(size);
        if range.end > size && allocation != Allocation::Punch {
            self.judge_room(range.end, range.end - size).await?;
        }
        match allocation {
            Allocation::Punch if inside.is_empty() => return Ok(()),
            Allocation::Punch => {
                held.control(SET_SPARSE, vec![1], 0).await?;
                held.zero(&inside).await?;
            }
            Allocation::Zero => {
                if !inside.is_empty() {
                    held.zero(&inside).await?;
                }
                held.reserve(range.end, size, true).await?;
            }
            Allocation::Extend | Allocation::Keep => {
                if !inside.is_empty() && !held.is_filled(&inside).await? {
                    return Err(Errno::UNSUPPORTED);
                }
                held.reserve(range.end, size, allocation == Allocation::Extend).await?;
            }
        }
        file.0.clock.has_written(&held).await;
        Ok(())
    }

    /// Refuses what there is no room for. Servers need not set aside what they are asked to, and say nothing then:
    /// Samba does so only with `strict allocate`.
    async fn judge_room(&self, end: u64, more: u64) -> Result<()> {
        let space = self.room().await?;
        if end > space.total {
            return Err(Errno(libc::EFBIG));
        }
        if more > space.available { Err(Errno(libc::ENOSPC)) } else { Ok(()) }
    }

    pub(super) async fn find(&self, file: &SmbFile, offset: u64, seek: Seek) -> Result<u64> {
        let mut attempts = 0;
        loop {
            let held = self.handle(&file.0).await?;
            attempts += 1;
            match held.find(offset, seek).await {
                Err(Trouble::Lost) if attempts < 2 => {}
                Err(trouble) => return Err(trouble.into()),
                Ok(found) => return found.ok_or(Errno(libc::ENXIO)),
            }
        }
    }
}

impl Held<'_> {
    /// Length of the file now.
    pub(super) async fn size(&self) -> Asked<u64> {
        let request = wire::query_attributes(self.id);
        let answer: QueryInfoResponse = self.link.call(Command::QueryInfo, &request, 0).await?;
        Ok(Facts::parse(&answer.output_buffer).ok_or(Trouble::Garbled)?.size)
    }

    pub(super) async fn control(&self, code: u32, input: Vec<u8>, most: u32) -> Asked<Vec<u8>> {
        self.link.control(self.id, code, input, most).await
    }

    async fn zero(&self, range: &Range<u64>) -> Asked<()> {
        self.control(SET_ZERO_DATA, bounds(range.start, range.end), 0).await.map(drop)
    }

    /// Sets room aside up to `end` where the file, of `size` bytes, does not reach it.
    async fn reserve(&self, end: u64, size: u64, extend: bool) -> Result<()> {
        if end <= size {
            return Ok(());
        }
        let room = wire::set_room(end, self.id);
        let _: SetInfoResponse = self.link.call(Command::SetInfo, &room, 0).await?;
        if extend {
            let length = wire::set_size(end, self.id);
            let _: SetInfoResponse = self.link.call(Command::SetInfo, &length, 0).await?;
        }
        Ok(())
    }

    /// Whether there is no hole in a range within the file.
    async fn is_filled(&self, range: &Range<u64>) -> Asked<bool> {
        Ok(self.end_of_data(range.start, range.end).await? >= range.end)
    }

    async fn find(&self, offset: u64, seek: Seek) -> Asked<Option<u64>> {
        let size = self.size().await?;
        if offset >= size {
            return Ok(None);
        }
        match seek {
            Seek::Data => self.beginning_of_data(offset, size).await,
            Seek::Hole => Ok(Some(self.end_of_data(offset, size).await?.min(size))),
        }
    }

    /// Where, from `from` on, the first data before `to` begin.
    async fn beginning_of_data(&self, from: u64, to: u64) -> Asked<Option<u64>> {
        let mut at = from;
        for _ in 0..QUESTIONS {
            let (ranges, end) = self.ranges(at, to).await?;
            if let Some(first) = ranges.first() {
                return Ok(Some(first.start.max(at)));
            }
            if end >= to {
                return Ok(None);
            }
            at = end;
        }
        Err(Trouble::Garbled)
    }

    /// Where the data that begin at `from` end, at the latest at `to`.
    async fn end_of_data(&self, from: u64, to: u64) -> Asked<u64> {
        let mut at = from;
        for _ in 0..QUESTIONS {
            let (ranges, end) = self.ranges(at, to).await?;
            for range in ranges {
                if range.start > at {
                    return Ok(at);
                }
                at = at.max(range.end);
            }
            if at < end || at >= to {
                return Ok(at);
            }
        }
        Err(Trouble::Garbled)
    }

    /// The ranges with data between two places, in ascending order, and how far they tell everything.
    async fn ranges(&self, from: u64, to: u64) -> Asked<(Vec<Range<u64>>, u64)> {
        let most = u32::try_from(RANGE * RANGES).expect("a constant below 64 KiB");
        let mut end = to;
        loop {
            let answer = self.control(QUERY_ALLOCATED_RANGES, bounds(from, end - from), most).await;
            match answer {
                // Windows tells as many as fit, Samba none; less is asked for then.
                Err(Trouble::Status(NtStatus::BUFFER_TOO_SMALL)) if end - from > 1 => {
                    end = from + (end - from) / 2;
                }
                Err(trouble) => return Err(trouble),
                Ok(answer) => {
                    let ranges = parse_ranges(&answer).ok_or(Trouble::Garbled)?;
                    let told = ranges.last().filter(|_| ranges.len() == RANGES).map(|last| last.end);
                    return Ok((ranges, told.unwrap_or(end)));
                }
            }
        }
    }
}

fn bounds(first: u64, second: u64) -> Vec<u8> {
    [first.to_le_bytes(), second.to_le_bytes()].concat()
}

/// Ranges as a server tells them; `None` if they are not in order or lead nowhere.
fn parse_ranges(answer: &[u8]) -> Option<Vec<Range<u64>>> {
    let mut ranges: Vec<Range<u64>> = Vec::with_capacity(answer.len() / RANGE);
    for raw in answer.chunks_exact(RANGE) {
        let start = u64::from_le_bytes(*raw.first_chunk()?);
        let length = u64::from_le_bytes(*raw.last_chunk()?);
        let range = start..start.checked_add(length)?;
        if range.is_empty() || ranges.last().is_some_and(|last| last.end > range.start) {
            return None;
        }
        ranges.push(range);
    }
    Some(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_in_order_or_are_none() {
        let two = [bounds(0, 65536), bounds(1 << 20, 4096)].concat();
        assert_eq!(parse_ranges(&two).unwrap(), [0..65536, (1 << 20)..(1 << 20) + 4096]);
        assert_eq!(parse_ranges(&[]).unwrap(), []);
        assert_eq!(parse_ranges(&[bounds(10, 5), bounds(12, 5)].concat()), None);
        assert_eq!(parse_ranges(&bounds(10, 0)), None);
        assert_eq!(parse_ranges(&bounds(10, u64::MAX)), None);
    }
}
