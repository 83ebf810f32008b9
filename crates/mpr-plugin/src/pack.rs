//! Answers in a caller's buffer: structures at the head, their strings at the end, real pointers between
//! them (`spec/provider.md` §2.9).

use crate::{NetResource, UniversalName, WideStr};
use mpr_abi::{DWORD, NETRESOURCEA, NETRESOURCEW, UNIVERSAL_NAME_INFO_LEVEL};
use std::ffi::c_char;
use std::mem::size_of;

/// How strings are written: in UTF-16 units or in bytes.
pub trait Encoding {
    /// One unit of a string.
    type Unit: Copy;
    /// Units `text` takes, terminator included.
    fn units(text: &WideStr) -> usize;
    /// Hands the units of `text`, terminator included, to `put`.
    fn encode(text: &WideStr, put: impl FnMut(Self::Unit));
}

/// UTF-16.
#[derive(Debug)]
pub enum Wide {}

/// The narrow encoding: UTF-8, where a lone surrogate becomes U+FFFD.
#[derive(Debug)]
pub enum Narrow {}

impl Encoding for Wide {
    type Unit = u16;

    #[inline]
    fn units(text: &WideStr) -> usize {
        text.len() + 1
    }

    #[inline]
    fn encode(text: &WideStr, put: impl FnMut(u16)) {
        text.as_slice_with_nul().iter().copied().for_each(put);
    }
}

impl Encoding for Narrow {
    type Unit = c_char;

    fn units(text: &WideStr) -> usize {
        text.chars_lossy().map(char::len_utf8).sum::<usize>() + 1
    }

    fn encode(text: &WideStr, mut put: impl FnMut(c_char)) {
        let mut bytes = [0; 4];
        for character in text.chars_lossy() {
            character.encode_utf8(&mut bytes).bytes().for_each(|byte| put(byte as c_char));
        }
        put(0);
    }
}

/// A caller's buffer being filled from both ends.
#[derive(Debug)]
pub struct Packer {
    base: *mut u8,
    /// First byte not taken by structures.
    head: usize,
    /// First byte taken by strings.
    tail: usize,
}

impl Packer {
    /// Packs into `bytes` bytes at `base`. NULL counts as no room at all.
    ///
    /// # Safety
    ///
    /// `base` is NULL or is writable for `bytes` bytes while the packer lives.
    #[must_use]
    pub unsafe fn new(base: *mut u8, bytes: usize) -> Self {
        Packer { base, head: 0, tail: if base.is_null() { 0 } else { bytes } }
    }

    /// Bytes left between structures and strings.
    #[must_use]
    pub fn room(&self) -> usize {
        self.tail - self.head
    }

    /// Room for a structure `T` and its `texts`, or the bytes they need.
    fn fits<T, E: Encoding>(&self, texts: &[Option<&WideStr>]) -> Result<(), usize> {
        let needed = size_of::<T>() + string_bytes::<E>(texts);
        // Strings stand at multiples of their unit's size from the start of the buffer.
        let usable = self.tail - self.tail % size_of::<E::Unit>();
        if usable.checked_sub(self.head).is_some_and(|room| room >= needed) { Ok(()) } else { Err(needed) }
    }

    /// Writes a structure made from the addresses its strings get; NULL for a string that is `None`.
    ///
    /// # Errors
    ///
    /// The bytes needed, when they are not there; nothing is written then.
    pub fn structure<T: Copy, E: Encoding, const N: usize>(
        &mut self,
        texts: [Option<&WideStr>; N],
        make: impl FnOnce([*mut E::Unit; N]) -> T,
    ) -> Result<(), usize> {
        self.fits::<T, E>(&texts)?;
        let pointers = texts.map(|text| match text {
            Some(text) => self.string::<E>(text),
            None => std::ptr::null_mut(),
        });
        // SAFETY: `fits` found room for the structure at `head`; the address need not be aligned.
        unsafe { self.base.add(self.head).cast::<T>().write_unaligned(make(pointers)) };
        self.head += size_of::<T>();
        Ok(())
    }

    /// Writes one string at the end, for which there is room.
    fn string<E: Encoding>(&mut self, text: &WideStr) -> *mut E::Unit {
        self.tail -= self.tail % size_of::<E::Unit>();
        self.tail -= E::units(text) * size_of::<E::Unit>();
        // SAFETY: `fits` found room for all strings, terminators included, below the old `tail`.
        let start = unsafe { self.base.add(self.tail) }.cast::<E::Unit>();
        let mut at = start;
        E::encode(text, |unit| {
            // SAFETY: `encode` hands over exactly the `units` counted above.
            unsafe {
                at.write_unaligned(unit);
                at = at.add(1);
            }
        });
        start
    }

    /// Writes one `NETRESOURCE`.
    ///
    /// # Errors
    ///
    /// The bytes this entry needs, when they are not there.
    pub fn resource<E: ResourceEncoding>(&mut self, entry: &NetResource) -> Result<(), usize> {
        let NetResource { local, remote, comment, provider, .. } = entry;
        let texts = [local.as_deref(), remote.as_deref(), comment.as_deref(), provider.as_deref()];
        self.structure::<E::Resource, E, 4>(texts, |pointers| E::resource(entry, pointers))
    }

    /// Writes `UNIVERSAL_NAME_INFO` (level 1) or `REMOTE_NAME_INFO` (level 2).
    ///
    /// # Errors
    ///
    /// The bytes needed, when they are not there.
    pub fn universal_name<E: Encoding>(&mut self, name: &UniversalName, level: DWORD) -> Result<(), usize> {
        let universal = name.universal.as_deref();
        if level == UNIVERSAL_NAME_INFO_LEVEL {
            // One string pointer.
            self.structure::<[*mut E::Unit; 1], E, 1>([universal], |pointers| pointers)
        } else {
            // Three string pointers, in this order.
            let texts = [universal, Some(&*name.connection), Some(&*name.remaining)];
            self.structure::<[*mut E::Unit; 3], E, 3>(texts, |pointers| pointers)
        }
    }

    /// Writes a `NETRESOURCE` and a string that belongs to it; returns where the string stands.
    ///
    /// # Errors
    ///
    /// The bytes needed for both, when they are not there.
    pub fn resource_and_rest<E: ResourceEncoding>(
        &mut self,
        entry: &NetResource,
        rest: Option<&WideStr>,
    ) -> Result<*mut E::Unit, usize> {
        let NetResource { local, remote, comment, provider, .. } = entry;
        let texts = [local.as_deref(), remote.as_deref(), comment.as_deref(), provider.as_deref(), rest];
        let mut at = std::ptr::null_mut();
        self.structure::<E::Resource, E, 5>(texts, |[local, remote, comment, provider, rest]| {
            at = rest;
            E::resource(entry, [local, remote, comment, provider])
        })?;
        Ok(at)
    }
}

/// Bytes `texts` take, terminators included.
#[must_use]
pub fn string_bytes<E: Encoding>(texts: &[Option<&WideStr>]) -> usize {
    texts.iter().flatten().map(|text| E::units(text) * size_of::<E::Unit>()).sum()
}

/// Which `NETRESOURCE` goes with an encoding.
pub trait ResourceEncoding: Encoding {
    /// The structure.
    type Resource: Copy;
    /// The structure of `entry` with its local name, remote name, comment and provider at these addresses.
    fn resource(entry: &NetResource, strings: [*mut Self::Unit; 4]) -> Self::Resource;
}

impl ResourceEncoding for Wide {
    type Resource = NETRESOURCEW;

    fn resource(entry: &NetResource, [local, remote, comment, provider]: [*mut u16; 4]) -> NETRESOURCEW {
        NETRESOURCEW {
            dwScope: entry.scope,
            dwType: entry.kind,
            dwDisplayType: entry.display,
            dwUsage: entry.usage,
            lpLocalName: local,
            lpRemoteName: remote,
            lpComment: comment,
            lpProvider: provider,
        }
    }
}

impl ResourceEncoding for Narrow {
    type Resource = NETRESOURCEA;

    fn resource(entry: &NetResource, [local, remote, comment, provider]: [*mut c_char; 4]) -> NETRESOURCEA {
        NETRESOURCEA {
            dwScope: entry.scope,
            dwType: entry.kind,
            dwDisplayType: entry.display,
            dwUsage: entry.usage,
            lpLocalName: local,
            lpRemoteName: remote,
            lpComment: comment,
            lpProvider: provider,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wide;

    fn entry() -> NetResource {
        NetResource::connection(Some(wide("Z:")), wide(r"\\srv\ü"))
    }

    #[test]
    fn an_entry_takes_exactly_the_bytes_it_says() {
        let needed = size_of::<NETRESOURCEW>() + (3 + 8) * 2;
        let mut buffer = vec![0u8; needed];
        // SAFETY: the buffer is as long as said.
        let short = unsafe { Packer::new(buffer.as_mut_ptr(), needed - 1) }.resource::<Wide>(&entry());
        assert_eq!(short, Err(needed));
        // SAFETY: the buffer is as long as said.
        let mut packer = unsafe { Packer::new(buffer.as_mut_ptr(), needed) };
        assert_eq!(packer.resource::<Wide>(&entry()), Ok(()));
        assert_eq!(packer.room(), 0);
        // SAFETY: the packer wrote a structure with pointers into the buffer.
        let back = unsafe { NetResource::from_abi(&buffer.as_ptr().cast::<NETRESOURCEW>().read_unaligned()) };
        assert_eq!(back, entry());
    }

    #[test]
    fn narrow_strings_are_counted_in_bytes() {
        let needed = size_of::<NETRESOURCEA>() + 3 + 9;
        let mut buffer = vec![0u8; needed];
        // SAFETY: the buffer is as long as said.
        assert_eq!(unsafe { Packer::new(buffer.as_mut_ptr(), 0) }.resource::<Narrow>(&entry()), Err(needed));
        // SAFETY: the buffer is as long as said.
        assert_eq!(unsafe { Packer::new(buffer.as_mut_ptr(), needed) }.resource::<Narrow>(&entry()), Ok(()));
        assert!(buffer.ends_with("Z:\0".as_bytes()));
    }

    #[test]
    fn no_buffer_is_no_room() {
        // SAFETY: NULL is allowed.
        assert!(unsafe { Packer::new(std::ptr::null_mut(), 4096) }.resource::<Wide>(&entry()).is_err());
    }
}
