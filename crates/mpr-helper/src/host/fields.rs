//! Packed fields: little-endian, one after the other without padding. A string is the number of its units (32
//! bits) and the units; `FFFFFFFF` stands for no string. Bytes are packed like strings.

use super::{MAX_TEXT, Malformed};
use crate::frame::{self, HEADER, Kind};

pub(super) const NONE: u32 = u32::MAX;

pub(super) fn framed(into: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) -> Result<(), frame::FrameError> {
    into.clear();
    into.resize(HEADER, 0);
    body(into);
    let header = frame::header(Kind::Packed, into.len() - HEADER)?;
    into[..HEADER].copy_from_slice(&header);
    Ok(())
}

pub(super) fn number(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_le_bytes());
}

pub(super) fn string(out: &mut Vec<u8>, units: Option<&[u16]>) {
    match units {
        None => number(out, NONE),
        Some(units) => {
            // Longer ones than a frame can hold are refused with the frame.
            number(out, u32::try_from(units.len()).unwrap_or(NONE - 1));
            out.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        }
    }
}

/// What is left to read of a body.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = tail;
        Ok(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(Malformed)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn truth(&mut self) -> Result<bool, Malformed> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    pub(super) fn number(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn long(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn string(&mut self) -> Result<Option<Vec<u16>>, Malformed> {
        let length = match self.number()? {
            NONE => return Ok(None),
            length => usize::try_from(length).ok().and_then(|units| units.checked_mul(2)).ok_or(Malformed)?,
        };
        // What is not there is found missing before anything is allocated for it.
        let bytes = self.take(length)?;
        let units: Vec<u16> =
            bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        if units.contains(&0) { Err(Malformed) } else { Ok(Some(units)) }
    }

    pub(super) fn blob(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        match self.number()? {
            NONE => Ok(None),
            length => self.take(usize::try_from(length).map_err(|_| Malformed)?).map(Some),
        }
    }

    pub(super) fn text(&mut self) -> Result<Vec<u16>, Malformed> {
        self.string()?.filter(|text| text.len() <= MAX_TEXT).ok_or(Malformed)
    }

    pub(super) fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}
