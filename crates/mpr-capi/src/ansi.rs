//! The narrow encoding of Windows: the ANSI code page of the process (DECISION W2).

use crate::text::Form;
use mpr_abi::{CONNECTDLGSTRUCTA, DISCDLGSTRUCTA, NETRESOURCEA, Status};
use mpr_plugin::pack::{self, Encoding, ResourceEncoding};
use mpr_plugin::{MAX_UNITS, NetResource, WideStr};
use std::ffi::c_char;
use std::ptr::{null, null_mut};
use zeroize::Zeroizing;

const CP_ACP: u32 = 0;
const MB_ERR_INVALID_CHARS: u32 = 8;

#[link(name = "kernel32")]
unsafe extern "system" {
    fn MultiByteToWideChar(
        page: u32,
        flags: u32,
        narrow: *const c_char,
        narrow_length: i32,
        wide: *mut u16,
        wide_length: i32,
    ) -> i32;
    fn WideCharToMultiByte(
        page: u32,
        flags: u32,
        wide: *const u16,
        wide_length: i32,
        narrow: *mut c_char,
        narrow_length: i32,
        default: *const c_char,
        defaulted: *mut i32,
    ) -> i32;
}

/// Strings in the ANSI code page.
#[derive(Debug)]
pub(crate) enum Narrow {}

/// Bytes `wide` takes, and the bytes themselves if there is a place for them.
fn convert(wide: &[u16], narrow: &mut [c_char]) -> usize {
    if wide.is_empty() {
        return 0;
    }
    let place = if narrow.is_empty() { null_mut() } else { narrow.as_mut_ptr() };
    // SAFETY: both slices are as long as said; no names reach here that are longer than an i32 tells.
    let written = unsafe {
        let (length, room) = (wide.len() as i32, narrow.len() as i32);
        WideCharToMultiByte(CP_ACP, 0, wide.as_ptr(), length, place, room, null(), null_mut())
    };
    written.max(0) as usize
}

impl Encoding for Narrow {
    type Unit = c_char;

    fn units(text: &WideStr) -> usize {
        convert(text.as_slice(), &mut []) + 1
    }

    fn encode(text: &WideStr, mut put: impl FnMut(c_char)) {
        let mut narrow = vec![0; convert(text.as_slice(), &mut [])];
        convert(text.as_slice(), &mut narrow);
        narrow.into_iter().for_each(&mut put);
        put(0);
    }
}

impl ResourceEncoding for Narrow {
    type Resource = NETRESOURCEA;

    fn resource(entry: &NetResource, strings: [*mut c_char; 4]) -> NETRESOURCEA {
        pack::Narrow::resource(entry, strings)
    }
}

impl Form for Narrow {
    type ConnectDialog = CONNECTDLGSTRUCTA;
    type DisconnectDialog = DISCDLGSTRUCTA;

    unsafe fn decode(pointer: *const c_char, put: impl FnMut(u16) -> bool) -> Result<(), Status> {
        // No character takes more bytes than four; what is longer is longer than any limit.
        let mut narrow = Zeroizing::new(Vec::with_capacity(64));
        // SAFETY: not behind the terminator, as the caller vouches.
        unsafe {
            let mut at = pointer;
            while at.read() != 0 && narrow.len() <= 4 * MAX_UNITS {
                narrow.push(at.read());
                at = at.add(1);
            }
        }
        if narrow.is_empty() {
            return Ok(());
        }
        let length = narrow.len() as i32;
        // SAFETY: the first slice is as long as said, and there is no second.
        let needed = unsafe {
            MultiByteToWideChar(CP_ACP, MB_ERR_INVALID_CHARS, narrow.as_ptr(), length, null_mut(), 0)
        };
        if needed <= 0 {
            return Err(Status::BAD_VALUE);
        }
        let mut wide = Zeroizing::new(vec![0u16; needed as usize]);
        // SAFETY: both slices are as long as said.
        unsafe {
            MultiByteToWideChar(
                CP_ACP,
                MB_ERR_INVALID_CHARS,
                narrow.as_ptr(),
                length,
                wide.as_mut_ptr(),
                needed,
            );
        }
        _ = wide.iter().copied().all(put);
        Ok(())
    }

    fn put_char(character: char, put: impl FnMut(c_char)) {
        let mut narrow = [0; 8];
        if character == '\0' {
            return [0].into_iter().for_each(put);
        }
        let written = convert(character.encode_utf16(&mut [0; 2]), &mut narrow);
        narrow[..written].iter().copied().for_each(put);
    }

    fn width(character: char) -> usize {
        match character {
            '\0' => 1,
            _ => convert(character.encode_utf16(&mut [0; 2]), &mut []),
        }
    }
}
