//! Copying from one file into another without the data leaving the server.

use std::ops::Range;
use std::sync::Arc;

use mpr_remotefs::{Errno, Result};
use smb2::msg::copychunk::{
    SrvCopychunk, SrvCopychunkCopy, SrvCopychunkResponse, SrvRequestResumeKeyResponse,
};
use smb2::msg::ioctl::{FSCTL_SRV_COPYCHUNK_WRITE, FSCTL_SRV_REQUEST_RESUME_KEY};
use smb2::pack::{Pack, WriteCursor};
use smb2::types::FileId;
use smb2::types::status::NtStatus;
use tokio::task::JoinSet;

use super::file::Held;
use super::{SmbFile, SmbFs};
use crate::link::{Asked, Link, Trouble, parse};

/// What servers take at least, as far as is known: pieces in one request, and bytes in a piece. One that wants
/// less is given less.
const SHAPES: [Shape; 3] = [
    Shape { pieces: 16, bytes: 1 << 20 },
    Shape { pieces: 1, bytes: 1 << 20 },
    Shape { pieces: 1, bytes: 1 << 16 },
];
/// Requests under way at a time.
const AT_ONCE: usize = 4;
/// The longest answer to the question for a source's key.
const KEY_ANSWER: u32 = 32;

#[derive(Debug, Clone, Copy)]
struct Shape {
    pieces: u64,
    bytes: u64,
}

impl Shape {
    fn request(self) -> u64 {
        self.pieces * self.bytes
    }
}

/// A copy under way.
struct Copying {
    link: Arc<Link>,
    key: [u8; 24],
    target: FileId,
    offset: u64,
    to_offset: u64,
}

impl SmbFs {
    pub(super) async fn copy_there(
        &self,
        from: &SmbFile,
        offset: u64,
        to: &SmbFile,
        to_offset: u64,
        len: u64,
    ) -> Result<u64> {
        let in_reach = offset.checked_add(len).is_some() && to_offset.checked_add(len).is_some();
        let same = from.0.key == to.0.key || (from.0.number != 0 && from.0.number == to.0.number);
        if !in_reach || (same && offset.abs_diff(to_offset) < len) {
            return Err(Errno(libc::EINVAL));
        }
        let (source, target) = self.both(from, to).await?;
        let target = target.as_ref().unwrap_or(&source);
        if source.link.generation != target.link.generation {
            return Err(Errno::LOST);
        }
        let len = len.min(source.size().await?.saturating_sub(offset));
        if len == 0 {
            return Ok(0);
        }
        let key = source.control(FSCTL_SRV_REQUEST_RESUME_KEY, Vec::new(), KEY_ANSWER).await?;
        let key = parse::<SrvRequestResumeKeyResponse>(&key)?.resume_key;
        let copying =
            Arc::new(Copying { link: Arc::clone(&source.link), key, target: target.id, offset, to_offset });
        for shape in SHAPES {
            match copying.run(len, shape).await {
                Err(Trouble::Status(NtStatus::INVALID_PARAMETER)) => {}
                copied => {
                    let copied = copied?;
                    to.0.clock.has_written(target).await;
                    return Ok(copied);
                }
            }
        }
        Err(Errno::UNSUPPORTED)
    }

    /// Handles of two files; one if they are the same. Whoever takes handles away takes them in the same order,
    /// so that nobody waits for ever.
    async fn both<'a>(&self, from: &'a SmbFile, to: &'a SmbFile) -> Result<(Held<'a>, Option<Held<'a>>)> {
        if from.0.key == to.0.key {
            return Ok((self.handle(&from.0).await?, None));
        }
        if from.0.key < to.0.key {
            let source = self.handle(&from.0).await?;
            return Ok((source, Some(self.handle(&to.0).await?)));
        }
        let target = self.handle(&to.0).await?;
        Ok((self.handle(&from.0).await?, Some(target)))
    }
}

impl Copying {
    /// Copies in requests of this shape, some at a time. Says how much there is without a gap from the beginning;
    /// fails if that is nothing.
    async fn run(self: &Arc<Self>, len: u64, shape: Shape) -> Asked<u64> {
        let mut done = 0;
        while done < len {
            let mut under_way = JoinSet::new();
            let mut parts = Vec::with_capacity(AT_ONCE);
            let mut at = done;
            while at < len && parts.len() < AT_ONCE {
                let part = at..len.min(at + shape.request());
                at = part.end;
                parts.push(None);
                let (copying, place) = (Arc::clone(self), parts.len() - 1);
                under_way.spawn(async move { (place, copying.part(part, shape).await) });
            }
            while let Some(ended) = under_way.join_next().await {
                let (place, copied) = ended.map_err(|_| Trouble::Lost)?;
                parts[place] = Some(copied);
            }
            for copied in parts.into_iter().flatten() {
                let wanted = shape.request().min(len - done);
                match copied {
                    Ok(count) if count == wanted => done += count,
                    // What was copied behind a gap does not count.
                    Ok(count) if count < wanted && done + count > 0 => return Ok(done + count),
                    Err(_) if done > 0 => return Ok(done),
                    Ok(_) => return Err(Trouble::Garbled),
                    Err(trouble) => return Err(trouble),
                }
            }
        }
        Ok(done)
    }

    async fn part(&self, part: Range<u64>, shape: Shape) -> Asked<u64> {
        let chunks = pieces(&part, shape.bytes)
            .map(|piece| SrvCopychunk {
                source_offset: self.offset + piece.start,
                target_offset: self.to_offset + piece.start,
                length: u32::try_from(piece.end - piece.start).unwrap_or(u32::MAX),
            })
            .collect();
        let mut input = WriteCursor::new();
        SrvCopychunkCopy { source_key: self.key, chunks }.pack(&mut input);
        let most = SrvCopychunkResponse::SIZE as u32;
        let answer =
            self.link.control(self.target, FSCTL_SRV_COPYCHUNK_WRITE, input.into_inner(), most).await?;
        Ok(u64::from(parse::<SrvCopychunkResponse>(&answer)?.total_bytes_written))
    }
}

fn pieces(part: &Range<u64>, bytes: u64) -> impl Iterator<Item = Range<u64>> + use<> {
    let Range { start, end } = *part;
    (start..end).step_by(usize::try_from(bytes).unwrap_or(usize::MAX)).map(move |at| at..end.min(at + bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_copied_in_pieces_without_a_gap() {
        assert_eq!(pieces(&(5..25), 8).collect::<Vec<_>>(), [5..13, 13..21, 21..25]);
        assert_eq!(pieces(&(0..8), 8).count(), 1);
        assert_eq!(pieces(&(3..3), 8).count(), 0);
    }
}
