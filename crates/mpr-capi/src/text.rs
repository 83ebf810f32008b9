//! Strings of callers: each is read once, up to a limit, into a copy of our own.
//!
//! The copy is made on the stack where it fits, so that a connect allocates nothing. What is judged is then
//! the very string that is passed on, whatever another thread does to the caller's memory meanwhile.

use mpr_abi::{CONNECTDLGSTRUCTA, CONNECTDLGSTRUCTW, DISCDLGSTRUCTA, DISCDLGSTRUCTW, NETRESOURCEW, Status};
use mpr_plugin::pack::{Encoding, ResourceEncoding, Wide};
use mpr_plugin::{MAX_UNITS, NetResource, WideStr};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use zeroize::Zeroize;

#[cfg(windows)]
pub(crate) use crate::ansi::Narrow;
#[cfg(not(windows))]
pub(crate) use mpr_plugin::pack::Narrow;

/// One of the forms a function comes in: which strings it takes and gives.
pub trait Form: ResourceEncoding + 'static {
    /// `CONNECTDLGSTRUCT` of this form.
    type ConnectDialog;
    /// `DISCDLGSTRUCT` of this form.
    type DisconnectDialog;

    /// Hands the string at `pointer` to `put` in UTF-16, without its terminator, until it ends or `put`
    /// returns false. Nothing behind the terminator is read.
    ///
    /// # Errors
    ///
    /// `WN_BAD_VALUE` where the string is not in this encoding (DECISION W2).
    ///
    /// # Safety
    ///
    /// `pointer` points to a string, readable up to its terminator or for as long as `put` returns true.
    unsafe fn decode(pointer: *const Self::Unit, put: impl FnMut(u16) -> bool) -> Result<(), Status>;

    /// Copies the beginning of the string at `pointer` as far as its units are those of UTF-16 and there is
    /// room; the rest is for [`decode`](Self::decode). Returns the units copied, and whether the string ended
    /// there.
    ///
    /// # Safety
    ///
    /// `pointer` points to a string, readable up to its terminator or for as many units as there is room.
    #[inline(always)]
    unsafe fn copy_head(pointer: *const Self::Unit, room: &mut [MaybeUninit<u16>]) -> (usize, bool) {
        _ = (pointer, room);
        (0, false)
    }

    /// Hands the units of one character to `put`.
    fn put_char(character: char, put: impl FnMut(Self::Unit));

    /// What one character takes of a size given in characters.
    fn width(character: char) -> usize;
}

impl Form for Wide {
    type ConnectDialog = CONNECTDLGSTRUCTW;
    type DisconnectDialog = DISCDLGSTRUCTW;

    #[inline(always)]
    unsafe fn decode(mut pointer: *const u16, mut put: impl FnMut(u16) -> bool) -> Result<(), Status> {
        loop {
            // SAFETY: not behind the terminator, as the caller vouches. Callers that pack their structures
            // may have it at an odd address.
            let unit = unsafe { pointer.read_unaligned() };
            if unit == 0 || !put(unit) {
                return Ok(());
            }
            // SAFETY: the unit was no terminator: there is another behind it.
            pointer = unsafe { pointer.add(1) };
        }
    }

    #[inline(always)]
    unsafe fn copy_head(pointer: *const u16, room: &mut [MaybeUninit<u16>]) -> (usize, bool) {
        let mut count = 0;
        // Four at a time: the names of a connect are all that is long about it.
        for four in room.chunks_exact_mut(4) {
            for place in four {
                // SAFETY: not behind the terminator, as the caller vouches.
                let unit = unsafe { pointer.add(count).read_unaligned() };
                place.write(unit);
                if unit == 0 {
                    return (count, true);
                }
                count += 1;
            }
        }
        (count, false)
    }

    fn put_char(character: char, put: impl FnMut(u16)) {
        character.encode_utf16(&mut [0; 2]).iter().copied().for_each(put);
    }

    fn width(character: char) -> usize {
        character.len_utf16()
    }
}

#[cfg(not(windows))]
impl Form for Narrow {
    type ConnectDialog = CONNECTDLGSTRUCTA;
    type DisconnectDialog = DISCDLGSTRUCTA;

    unsafe fn decode(
        pointer: *const std::ffi::c_char,
        mut put: impl FnMut(u16) -> bool,
    ) -> Result<(), Status> {
        let mut pointer = pointer.cast::<u8>();
        let mut next = || {
            // SAFETY: called for the first byte, and again only after a byte that was no terminator.
            unsafe {
                let byte = pointer.read();
                pointer = pointer.add(1);
                byte
            }
        };
        loop {
            let first = next();
            match first {
                0 => return Ok(()),
                1..0x80 => {
                    if !put(first.into()) {
                        return Ok(());
                    }
                    continue;
                }
                _ => {}
            }
            let length = match first {
                0xC2..=0xDF => 2,
                0xE0..=0xEF => 3,
                0xF0..=0xF4 => 4,
                _ => return Err(Status::BAD_VALUE),
            };
            let mut bytes = [first, 0, 0, 0];
            for byte in &mut bytes[1..length] {
                *byte = next();
                // Also the terminator, behind which nothing may be read.
                if *byte & 0xC0 != 0x80 {
                    return Err(Status::BAD_VALUE);
                }
            }
            let character = std::str::from_utf8(&bytes[..length]).map_err(|_| Status::BAD_VALUE)?;
            if !character.encode_utf16().all(&mut put) {
                return Ok(());
            }
        }
    }

    fn put_char(character: char, mut put: impl FnMut(std::ffi::c_char)) {
        character.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| put(byte as std::ffi::c_char));
    }

    fn width(character: char) -> usize {
        character.len_utf8()
    }
}

/// The form of an unsuffixed call none of whose strings shows its encoding: they are all empty, and are not
/// looked at, since the terminator of one may be shorter than that of `E`. What goes out is in `E`.
#[derive(Debug)]
pub(crate) struct Blank<E>(PhantomData<E>);

impl<E: Encoding> Encoding for Blank<E> {
    type Unit = E::Unit;

    fn units(text: &WideStr) -> usize {
        E::units(text)
    }

    fn encode(text: &WideStr, put: impl FnMut(E::Unit)) {
        E::encode(text, put);
    }
}

impl<E: ResourceEncoding> ResourceEncoding for Blank<E> {
    type Resource = E::Resource;

    fn resource(entry: &NetResource, strings: [*mut E::Unit; 4]) -> E::Resource {
        E::resource(entry, strings)
    }
}

impl<E: Form> Form for Blank<E> {
    type ConnectDialog = E::ConnectDialog;
    type DisconnectDialog = E::DisconnectDialog;

    unsafe fn decode(_: *const E::Unit, _: impl FnMut(u16) -> bool) -> Result<(), Status> {
        Ok(())
    }

    fn put_char(character: char, put: impl FnMut(E::Unit)) {
        E::put_char(character, put);
    }

    fn width(character: char) -> usize {
        E::width(character)
    }
}

/// The encoding that goes out to a caller who has shown none yet: UTF-16 that takes no more *bytes* than the
/// caller's size says characters, so that it fits whichever of the two the caller counted.
#[derive(Debug)]
pub(crate) enum Cautious {}

impl Encoding for Cautious {
    type Unit = u16;

    fn units(text: &WideStr) -> usize {
        2 * Wide::units(text)
    }

    fn encode(text: &WideStr, put: impl FnMut(u16)) {
        Wide::encode(text, put);
    }
}

impl ResourceEncoding for Cautious {
    type Resource = NETRESOURCEW;

    fn resource(entry: &NetResource, strings: [*mut u16; 4]) -> NETRESOURCEW {
        Wide::resource(entry, strings)
    }
}

impl Form for Cautious {
    type ConnectDialog = CONNECTDLGSTRUCTW;
    type DisconnectDialog = DISCDLGSTRUCTW;

    unsafe fn decode(pointer: *const u16, put: impl FnMut(u16) -> bool) -> Result<(), Status> {
        // SAFETY: as the caller vouches.
        unsafe { Wide::decode(pointer, put) }
    }

    fn put_char(character: char, put: impl FnMut(u16)) {
        Wide::put_char(character, put);
    }

    fn width(character: char) -> usize {
        2 * Wide::width(character)
    }
}

/// Room for a string; for up to `N - 1` units on the stack.
pub(crate) struct Text<const N: usize> {
    inline: [MaybeUninit<u16>; N],
    /// Takes over from `inline` when that is full. Reserved at once, so that it never moves. Boxed, so that most
    /// texts have one word to set and to look at instead of three.
    #[expect(clippy::box_collection, reason = "see above")]
    heap: Option<Box<Vec<u16>>>,
    /// Units in `inline`, terminator included.
    length: usize,
}

/// Whether the string ended before the limit did.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Terminator,
    Limit,
}

impl<const N: usize> Text<N> {
    #[inline(always)]
    pub(crate) const fn new() -> Self {
        Text { inline: [const { MaybeUninit::uninit() }; N], heap: None, length: 0 }
    }

    /// Reads the string at `pointer`; `None` for NULL.
    ///
    /// # Errors
    ///
    /// `WN_BAD_VALUE` for a string that is not in the caller's encoding, or longer than any name is.
    ///
    /// # Safety
    ///
    /// `pointer` is NULL or as [`Form::decode`] wants it, for [`MAX_UNITS`] units.
    #[inline(always)]
    pub(crate) unsafe fn read<E: Form>(
        &mut self,
        pointer: *const E::Unit,
    ) -> Result<Option<&WideStr>, Status> {
        if pointer.is_null() {
            return Ok(None);
        }
        // SAFETY: as the caller vouches.
        match unsafe { self.fill::<E>(pointer, MAX_UNITS) }? {
            End::Terminator => Ok(Some(self.as_wide())),
            End::Limit => Err(Status::BAD_VALUE),
        }
    }

    /// As [`read`](Self::read), for a string that the router refuses by itself when it has `limit` units:
    /// what stands behind is of no interest to anybody, and the refusal has its place among others.
    #[inline(always)]
    pub(crate) unsafe fn read_up_to<E: Form>(
        &mut self,
        pointer: *const E::Unit,
        limit: usize,
    ) -> Result<Option<&WideStr>, Status> {
        if pointer.is_null() {
            return Ok(None);
        }
        // SAFETY: as the caller vouches.
        unsafe { self.fill::<E>(pointer, limit) }?;
        Ok(Some(self.as_wide()))
    }

    /// As [`read`](Self::read), for a text nobody judges: as much of it as is in the caller's encoding and fits
    /// `limit`; empty for NULL.
    pub(crate) unsafe fn read_prefix<E: Form>(&mut self, pointer: *const E::Unit, limit: usize) -> &WideStr {
        if pointer.is_null() {
            return Default::default();
        }
        // SAFETY: as the caller vouches.
        _ = unsafe { self.fill::<E>(pointer, limit) };
        self.as_wide()
    }

    #[inline(always)]
    unsafe fn fill<E: Form>(&mut self, pointer: *const E::Unit, limit: usize) -> Result<End, Status> {
        let room = limit.min(N - 1);
        // SAFETY: as the caller vouches.
        let (count, ended) = unsafe { E::copy_head(pointer, &mut self.inline[..room]) };
        if ended {
            self.length = count + 1;
            return Ok(End::Terminator);
        }
        // SAFETY: so many units of the string were there.
        unsafe { self.fill_rest::<E>(pointer.add(count), count, limit) }
    }

    /// Goes on behind the first `count` units.
    ///
    /// # Safety
    ///
    /// As [`Form::decode`], up to `limit` units together with those before.
    unsafe fn fill_rest<E: Form>(
        &mut self,
        pointer: *const E::Unit,
        mut count: usize,
        limit: usize,
    ) -> Result<End, Status> {
        let mut end = End::Terminator;
        let (inline, heap) = (&mut self.inline, &mut self.heap);
        let put = |unit| {
            if count == limit {
                end = End::Limit;
                return false;
            }
            // One unit is left for the terminator.
            if count + 1 < N {
                inline[count].write(unit);
            } else {
                heap.get_or_insert_with(|| spilt(inline, count, limit)).push(unit);
            }
            count += 1;
            true
        };
        // SAFETY: as the caller vouches; `put` returns false at the limit.
        let decoded = unsafe { E::decode(pointer, put) };
        // Also of a string that is refused: what was read of a password is to be wiped.
        self.length = (count + 1).min(N);
        if count < N {
            self.inline[count].write(0);
        }
        if let Some(heap) = &mut self.heap {
            heap.push(0);
        }
        decoded.map(|()| end)
    }

    #[inline(always)]
    fn as_wide(&self) -> &WideStr {
        if let Some(heap) = &self.heap {
            return WideStr::from_slice(heap).expect("`fill` puts the only zero unit at the end");
        }
        // SAFETY: `fill` wrote `length` units, the last of which is the only zero one: decoding ends at the
        // terminator.
        unsafe { WideStr::from_ptr_unchecked(self.inline.as_ptr().cast(), self.length - 1) }
    }
}

/// Room on the heap, with what is there already.
#[cold]
#[expect(clippy::box_collection, reason = "as the text has it")]
fn spilt(inline: &[MaybeUninit<u16>], count: usize, limit: usize) -> Box<Vec<u16>> {
    let mut heap = Vec::with_capacity(limit + 1);
    // SAFETY: the first `count` units were written before the next one was found not to fit.
    heap.extend(inline[..count].iter().map(|unit| unsafe { unit.assume_init() }));
    Box::new(heap)
}

/// Room for a password, wiped when it is dropped.
pub(crate) struct Secret<const N: usize>(Text<N>);

impl<const N: usize> Secret<N> {
    #[inline(always)]
    pub(crate) const fn new() -> Self {
        Secret(Text::new())
    }

    /// As [`Text::read`].
    #[inline(always)]
    pub(crate) unsafe fn read<E: Form>(
        &mut self,
        pointer: *const E::Unit,
    ) -> Result<Option<&WideStr>, Status> {
        // SAFETY: as the caller vouches.
        unsafe { self.0.read::<E>(pointer) }
    }
}

impl<const N: usize> Zeroize for Secret<N> {
    #[inline(always)]
    fn zeroize(&mut self) {
        if self.0.length != 0 {
            self.0.inline[..self.0.length].zeroize();
            if let Some(heap) = &mut self.0.heap {
                heap.zeroize();
            }
        }
    }
}

impl<const N: usize> Drop for Secret<N> {
    #[inline(always)]
    fn drop(&mut self) {
        self.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;

    fn narrow<const N: usize>(bytes: &[u8]) -> Result<String, Status> {
        let string = CString::new(bytes).expect("tests pass no NUL");
        let mut text = Text::<N>::new();
        // SAFETY: the string is terminated.
        let read = unsafe { text.read::<Narrow>(string.as_ptr()) }?;
        Ok(read.expect("not NULL").to_string_lossy())
    }

    #[test]
    fn a_string_comes_through_whole_whether_it_fits_the_stack_or_not() {
        for length in 0..40 {
            let string: String = "ä€𝄞x".chars().cycle().take(length).collect();
            assert_eq!(narrow::<16>(string.as_bytes()), Ok(string.clone()));
            let units: Vec<u16> = string.encode_utf16().chain([0]).collect();
            let mut text = Text::<16>::new();
            // SAFETY: the string is terminated.
            let read = unsafe { text.read::<Wide>(units.as_ptr()) };
            assert_eq!(read.unwrap().unwrap().to_string_lossy(), string);
        }
    }

    #[test]
    fn bytes_that_are_no_utf_8_are_a_bad_value() {
        for bytes in
            [&b"\xFF"[..], b"a\x80", b"\xC3", b"\xE2\x82", b"\xC0\xAF", b"\xED\xA0\x80", b"\xF5\x80\x80\x80"]
        {
            assert_eq!(narrow::<16>(bytes), Err(Status::BAD_VALUE), "{bytes:x?}");
        }
    }

    #[test]
    fn a_string_longer_than_any_name_is_a_bad_value() {
        assert!(narrow::<16>(&[b'x'; MAX_UNITS]).is_ok());
        assert_eq!(narrow::<16>(&[b'x'; MAX_UNITS + 1]), Err(Status::BAD_VALUE));
    }

    #[test]
    fn nothing_behind_the_limit_is_read() {
        let units = [u16::from(b'x'); 5];
        let mut text = Text::<16>::new();
        // SAFETY: one unit more than the limit is there.
        let read = unsafe { text.read_up_to::<Wide>(units.as_ptr(), 4) };
        assert_eq!(read.unwrap().unwrap().len(), 4);
    }

    #[test]
    fn a_password_is_wiped_from_stack_and_heap() {
        for length in [3, 15, 16, 40] {
            let units: Vec<u16> = [u16::from(b'x')].repeat(length).into_iter().chain([0]).collect();
            let mut secret = Secret::<16>::new();
            // SAFETY: the string is terminated.
            _ = unsafe { secret.read::<Wide>(units.as_ptr()) };
            let written = secret.0.length;
            let (heap, on_heap) =
                secret.0.heap.as_ref().map_or((std::ptr::null(), 0), |heap| (heap.as_ptr(), heap.len()));
            secret.zeroize();
            // SAFETY: so many units were written, and zero ones since; the heap is not given back yet.
            let wiped = unsafe {
                secret.0.inline[..written].iter().all(|unit| unit.assume_init() == 0)
                    && (0..on_heap).all(|at| heap.add(at).read() == 0)
            };
            assert!(wiped, "{length} units");
        }
    }
}
