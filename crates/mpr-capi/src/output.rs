//! Strings for callers, in buffers of theirs (`spec/wnet.md` §1.2).

use crate::text::Form;
use mpr_abi::{DWORD, Status};
use mpr_plugin::WideStr;

/// Refuses a missing buffer, unless nothing is to be written there.
///
/// # Safety
///
/// `chars` is readable.
pub(crate) unsafe fn check<T>(buffer: *mut T, chars: *const DWORD) -> Result<(), Status> {
    // SAFETY: as the caller vouches.
    if buffer.is_null() && unsafe { chars.read_unaligned() } != 0 {
        return Err(Status::BAD_POINTER);
    }
    Ok(())
}

/// What the router found for the caller's buffer, which is not looked at yet. A provider for whose answer no room is
/// enough has none: its 234 would name no size, and have the caller try the same one for ever.
pub(crate) fn found<T>(answer: Result<T, Status>) -> Result<T, Status> {
    answer.map_err(|status| if status == Status::MORE_DATA { Status::NET_ERROR } else { status })
}

/// Writes a string where the size is in characters: it is left alone on success, and set to what is needed
/// when that is not there (DECISION W4).
///
/// # Safety
///
/// `buffer` is writable for the `*chars` units it says, or NULL when that is 0.
pub(crate) unsafe fn string<E: Form>(
    text: &WideStr,
    buffer: *mut E::Unit,
    chars: *mut DWORD,
) -> Result<(), Status> {
    let needed = E::units(text);
    // SAFETY: as the caller vouches.
    unsafe {
        if (chars.read_unaligned() as usize) < needed {
            chars.write_unaligned(needed as DWORD);
            return Err(Status::MORE_DATA);
        }
        let mut at = buffer;
        E::encode(text, |unit| {
            at.write_unaligned(unit);
            at = at.add(1);
        });
    }
    Ok(())
}

/// Writes as much of a string as fits into `chars`, always with its terminator, never half a character.
///
/// # Safety
///
/// `buffer` is writable for `chars` units.
pub(crate) unsafe fn truncated<E: Form>(text: &WideStr, buffer: *mut E::Unit, chars: DWORD) {
    let Some(room) = (chars as usize).checked_sub(E::width('\0')) else { return };
    let mut at = buffer;
    let mut used = 0;
    let fitting = text.chars_lossy().take_while(|&character| {
        used += E::width(character);
        used <= room
    });
    for character in fitting.chain(['\0']) {
        E::put_char(character, |unit| {
            // SAFETY: `room` units, and one terminator behind them, are writable as the caller vouches.
            unsafe {
                at.write_unaligned(unit);
                at = at.add(1);
            }
        });
    }
}
