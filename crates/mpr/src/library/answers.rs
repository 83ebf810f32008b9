//! Answers of a provider, in buffers that grow until they fit, read without believing their sizes.

use mpr_abi::{DWORD, LPVOID, LPWSTR, NETRESOURCEW, Status};
use mpr_plugin::{MAX_UNITS, NetResource, WideStr, WideString};

/// Units of a string answer without allocation: the longest remote name.
const INLINE_UNITS: usize = 264;
/// Most units of a string answer.
const MOST_UNITS: usize = MAX_UNITS + 1;
/// Bytes of a structured answer without allocation.
const INLINE_BYTES: usize = 4096;
/// Most bytes of a structured answer.
pub(super) const MOST_BYTES: usize = 1 << 20;
/// No string is at an address below this: the system maps nothing there. What looks like one is an offset,
/// where a pointer belongs (`spec/provider.md` §2.9).
const LOWEST_ADDRESS: usize = 0x1_0000;

/// The next size to try after `room` was not enough; `None` when there is no more.
///
/// Doubling at least, so that a provider asking for one more each time is soon through.
pub(super) fn more(room: usize, wanted: DWORD, most: usize) -> Option<usize> {
    (room < most).then(|| (wanted as usize).max(room * 2).min(most))
}

/// The string with which `ask` fills a buffer of a size in characters.
pub(super) fn string(mut ask: impl FnMut(LPWSTR, *mut DWORD) -> DWORD) -> Result<WideString, Status> {
    let mut inline = [0u16; INLINE_UNITS];
    let mut grown;
    let mut buffer = &mut inline[..];
    loop {
        let mut chars = buffer.len() as DWORD;
        match Status(ask(buffer.as_mut_ptr(), &mut chars)) {
            // The terminator counts, not the size: providers disagree on what to leave there.
            Status::SUCCESS => {
                return WideStr::from_slice_truncate(buffer)
                    .map(WideStr::to_ucstring)
                    .map_err(|_| Status::NET_ERROR);
            }
            Status::MORE_DATA => match more(buffer.len(), chars, MOST_UNITS) {
                Some(room) => {
                    grown = vec![0; room];
                    buffer = &mut grown;
                }
                None => return Err(Status::MORE_DATA),
            },
            status => return Err(status),
        }
    }
}

/// What `read` makes of the structures with which `ask` fills a buffer of a size in bytes.
pub(super) fn structures<T>(
    mut ask: impl FnMut(LPVOID, *mut DWORD) -> DWORD,
    read: impl FnOnce(&Filled<'_>) -> Result<T, Status>,
) -> Result<T, Status> {
    // Words, so that structures at the head are aligned.
    let mut inline = [0u64; INLINE_BYTES / 8];
    let mut grown;
    let mut buffer = &mut inline[..];
    loop {
        let mut bytes = size_of_val(buffer) as DWORD;
        match Status(ask(buffer.as_mut_ptr().cast(), &mut bytes)) {
            Status::SUCCESS => return read(&Filled(buffer)),
            Status::MORE_DATA => match more(size_of_val(buffer), bytes, MOST_BYTES) {
                Some(room) => {
                    grown = vec![0; room.div_ceil(8)];
                    buffer = &mut grown;
                }
                None => return Err(Status::MORE_DATA),
            },
            status => return Err(status),
        }
    }
}

/// A buffer that a provider has filled: structures at the head, pointers to strings in them.
pub(super) struct Filled<'a>(pub(super) &'a [u64]);

impl Filled<'_> {
    /// Structures of type `T` the buffer has room for.
    pub(super) fn room_for<T>(&self) -> usize {
        size_of_val(self.0) / size_of::<T>()
    }

    /// Copies the structure at `index`.
    ///
    /// # Safety
    ///
    /// Every pattern of bits is a `T`.
    pub(super) unsafe fn structure<T: Copy>(&self, index: usize) -> Option<T> {
        (index < self.room_for::<T>())
            // SAFETY: it lies in the buffer, and the caller vouches for the type.
            .then(|| unsafe { self.0.as_ptr().cast::<T>().add(index).read_unaligned() })
    }

    /// Copies the string at `pointer`. `None` for NULL, and for a string without an end: within the buffer,
    /// or within the longest string there is.
    ///
    /// # Safety
    ///
    /// A pointer that leads out of the buffer leads to readable units, up to a terminator or for 32,768 units.
    pub(super) unsafe fn text(&self, pointer: *const u16) -> Option<WideString> {
        if pointer.addr() < LOWEST_ADDRESS {
            return None;
        }
        let into = pointer.addr().wrapping_sub(self.0.as_ptr().addr());
        let limit = match size_of_val(self.0).checked_sub(into) {
            Some(rest) => (rest / 2).min(MOST_UNITS),
            None => MOST_UNITS,
        };
        let mut units = Vec::new();
        for at in 0..limit {
            // SAFETY: within the buffer by the limit, outside of it as the caller vouches. Providers need
            // not have aligned it.
            match unsafe { pointer.add(at).read_unaligned() } {
                0 => return WideString::from_vec(units).ok(),
                unit => units.push(unit),
            }
        }
        None
    }

    /// Copies the resource at `index`.
    ///
    /// # Safety
    ///
    /// As for [`text`](Self::text), for the pointers in it.
    pub(super) unsafe fn resource(&self, index: usize) -> Option<NetResource> {
        // SAFETY: numbers and pointers; pointers are as the caller vouches.
        unsafe {
            let raw: NETRESOURCEW = self.structure(index)?;
            Some(NetResource {
                scope: raw.dwScope,
                kind: raw.dwType,
                display: raw.dwDisplayType,
                usage: raw.dwUsage,
                local: self.text(raw.lpLocalName),
                remote: self.text(raw.lpRemoteName),
                comment: self.text(raw.lpComment),
                provider: self.text(raw.lpProvider),
            })
        }
    }
}
