//! Strings of callers: each is read once, up to a limit, into a copy of our own.
//!
//! The copy is made on the stack where it fits, so that a connect allocates nothing. What is judged is then
//! the very string that is passed on, whatever another thread does to the caller's memory meanwhile.

use mpr_abi::{CONNECTDLGSTRUCTA, CONNECTDLGSTRUCTW, DISCDLGSTRUCTA, DISCDLGSTRUCTW, NETRESOURCEW, Status};
use mpr_plugin::pack::{Encoding, ResourceEncoding, Wide};
use mpr_plugin::{MAX_UNITS, NetResource, WideStr};
use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use zeroize::Zeroize;

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod blocks;

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
    /// there. Up to [`BEHIND`] units more may be written.
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
        while count < room.len() {
            // SAFETY: no unit before was the terminator.
            let from = unsafe { pointer.add(count) };
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            if from.addr().is_multiple_of(blocks::BLOCK)
                && let Some(block) = room[count..].first_chunk_mut()
            {
                // SAFETY: its first unit is not behind the terminator.
                match unsafe { blocks::copy_block(from, block) } {
                    Some(end) => return (count + end, true),
                    None => count += blocks::UNITS,
                }
                continue;
            }
            // SAFETY: not behind the terminator, as the caller vouches.
            let unit = unsafe { from.read_unaligned() };
            room[count].write(unit);
            if unit == 0 {
                return (count, true);
            }
            count += 1;
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

/// Units the strings of one call may have together, terminators included, before one is kept on the heap: the
/// longest remote name, and a device, a provider, user and password beside it.
const ROOM: usize = 600;
/// Most units behind a string that are copied with it.
const BEHIND: usize = 8;

/// Copies of the strings of one call, in one room: those the caller leaves out cost nothing.
///
/// They stay where they are for as long as this lives. If there is a password among them, all are wiped then.
pub(crate) struct Texts {
    room: UnsafeCell<[MaybeUninit<u16>; ROOM]>,
    /// Units of `room` that were written to. What is behind them is nobody's.
    used: Cell<usize>,
    /// Strings that found no room.
    spilt: Cell<Option<Box<Spilt>>>,
    has_secret: Cell<bool>,
}

/// A string on the heap.
struct Spilt {
    /// Reserved at once, so that it never moves.
    units: Vec<u16>,
    before: Option<Box<Spilt>>,
}

/// Where a copy ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Terminator,
    /// More of the string may stand behind it.
    Limit,
    /// What stands behind it is not in the caller's encoding.
    Malformed,
}

impl Texts {
    #[inline(always)]
    pub(crate) const fn new() -> Self {
        Texts {
            room: UnsafeCell::new([const { MaybeUninit::uninit() }; ROOM]),
            used: Cell::new(0),
            spilt: Cell::new(None),
            has_secret: Cell::new(false),
        }
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
    pub(crate) unsafe fn read<E: Form>(&self, pointer: *const E::Unit) -> Result<Option<&WideStr>, Status> {
        if pointer.is_null() {
            return Ok(None);
        }
        // SAFETY: as the caller vouches.
        unsafe { self.whole::<E>(pointer) }.map(Some).ok_or(Status::BAD_VALUE)
    }

    /// As [`read`](Self::read), for a password.
    #[inline(always)]
    pub(crate) unsafe fn read_secret<E: Form>(
        &self,
        pointer: *const E::Unit,
    ) -> Result<Option<&WideStr>, Status> {
        if pointer.is_null() {
            return Ok(None);
        }
        self.has_secret.set(true);
        // SAFETY: as the caller vouches.
        unsafe { self.read::<E>(pointer) }
    }

    /// As [`read`](Self::read), for a string that the router refuses by itself when it has `limit` units:
    /// what stands behind is of no interest to anybody, and the refusal has its place among others.
    #[inline(always)]
    pub(crate) unsafe fn read_up_to<E: Form>(
        &self,
        pointer: *const E::Unit,
        limit: usize,
    ) -> Result<Option<&WideStr>, Status> {
        if pointer.is_null() {
            return Ok(None);
        }
        // SAFETY: as the caller vouches.
        unsafe { self.up_to::<E>(pointer, limit) }.map(Some).ok_or(Status::BAD_VALUE)
    }

    /// As [`read`](Self::read), for a text nobody judges: as much of it as is in the caller's encoding and fits
    /// `limit`; empty for NULL.
    pub(crate) unsafe fn read_prefix<E: Form>(&self, pointer: *const E::Unit, limit: usize) -> &WideStr {
        if pointer.is_null() {
            return Default::default();
        }
        // SAFETY: as the caller vouches.
        unsafe { self.copy::<E>(pointer, limit) }.0
    }

    /// A string that ends, and in time. Not inlined, as there are many strings, and few callers give them all.
    #[inline(always)]
    unsafe fn whole<E: Form>(&self, pointer: *const E::Unit) -> Option<&WideStr> {
        // SAFETY: as the caller vouches.
        let (text, end) = unsafe { self.copy::<E>(pointer, MAX_UNITS) };
        (end == End::Terminator).then_some(text)
    }

    /// A string, or as much of it as counts.
    #[inline(always)]
    unsafe fn up_to<E: Form>(&self, pointer: *const E::Unit, limit: usize) -> Option<&WideStr> {
        // SAFETY: as the caller vouches.
        let (text, end) = unsafe { self.copy::<E>(pointer, limit) };
        (end != End::Malformed).then_some(text)
    }

    /// Copies what is at `pointer`, up to `limit` units.
    ///
    /// # Safety
    ///
    /// `pointer` is as [`Form::decode`] wants it, for `limit` units.
    #[inline(always)]
    unsafe fn copy<E: Form>(&self, pointer: *const E::Unit, limit: usize) -> (&WideStr, End) {
        // SAFETY: what is not used is nobody's.
        let room = unsafe { self.unused() };
        // One unit is left for the terminator.
        let head = limit.min(room.len().saturating_sub(1));
        // SAFETY: as the caller vouches.
        let (count, ended) = unsafe { E::copy_head(pointer, &mut room[..head]) };
        if !ended {
            // SAFETY: so many units of the string were there.
            return unsafe { self.copy_rest::<E>(pointer.add(count), count, limit) };
        }
        self.used.set(self.used.get() + count + 1);
        // SAFETY: `count` units and a terminator were written there, the only zero unit among them, and now belong
        // to whoever has the text.
        (unsafe { WideStr::from_ptr_unchecked(room.as_ptr().cast(), count) }, End::Terminator)
    }

    /// What nobody has a reference to.
    ///
    /// # Safety
    ///
    /// It is used by one at a time.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "what the reference is to was never given out")]
    unsafe fn unused(&self) -> &mut [MaybeUninit<u16>] {
        let used = self.used.get();
        // SAFETY: never more is used than there is; the rest is the caller's.
        unsafe {
            std::slice::from_raw_parts_mut(self.room.get().cast::<MaybeUninit<u16>>().add(used), ROOM - used)
        }
    }

    /// Goes on behind the first `count` units, which were copied to the beginning of what is unused.
    ///
    /// # Safety
    ///
    /// As for [`copy`](Self::copy), together with those before.
    #[inline(never)]
    unsafe fn copy_rest<E: Form>(
        &self,
        pointer: *const E::Unit,
        mut count: usize,
        limit: usize,
    ) -> (&WideStr, End) {
        // SAFETY: what is not used is nobody's.
        let room = unsafe { self.unused() };
        let mut heap: Option<Vec<u16>> = None;
        let mut end = End::Terminator;
        let put = |unit| {
            if count == limit {
                end = End::Limit;
                return false;
            }
            // One unit is left for the terminator.
            if count + 1 < room.len() {
                room[count].write(unit);
            } else {
                heap.get_or_insert_with(|| spilt(&room[..count], limit)).push(unit);
            }
            count += 1;
            true
        };
        // SAFETY: as the caller vouches; `put` returns false at the limit.
        if unsafe { E::decode(pointer, put) }.is_err() {
            end = End::Malformed;
        }
        // Also of a string that is refused or spilt: what was read of a password is to be wiped.
        self.used.set((self.used.get() + count + 1).min(ROOM));
        let text = match heap.or_else(|| room.is_empty().then(|| spilt(&[], limit))) {
            None => {
                room[count].write(0);
                room.as_ptr().cast()
            }
            Some(mut units) => {
                units.push(0);
                let text = units.as_ptr();
                self.spilt.set(Some(Box::new(Spilt { units, before: self.spilt.take() })));
                text
            }
        };
        // SAFETY: `count` units and a terminator are there, the only zero unit among them: decoding ends at the
        // terminator. They stay there, and are not written to again.
        (unsafe { WideStr::from_ptr_unchecked(text, count) }, end)
    }
}

/// Room on the heap, with what is there already.
#[cold]
fn spilt(head: &[MaybeUninit<u16>], limit: usize) -> Vec<u16> {
    let mut heap = Vec::with_capacity(limit + 1);
    // SAFETY: these units were written before the next one was found not to fit.
    heap.extend(head.iter().map(|unit| unsafe { unit.assume_init() }));
    heap
}

impl Zeroize for Texts {
    #[cold]
    fn zeroize(&mut self) {
        // What stood behind the last string in the caller's memory may have been copied with it.
        let written = ROOM.min(self.used.get() + BEHIND);
        self.room.get_mut()[..written].zeroize();
        let mut spilt = self.spilt.get_mut().as_deref_mut();
        while let Some(Spilt { units, before }) = spilt {
            units.zeroize();
            spilt = before.as_deref_mut();
        }
    }
}

impl Drop for Texts {
    #[inline(always)]
    fn drop(&mut self) {
        if self.has_secret.get() {
            self.zeroize();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;

    fn narrow(bytes: &[u8]) -> Result<String, Status> {
        let string = CString::new(bytes).expect("tests pass no NUL");
        let texts = Texts::new();
        // SAFETY: the string is terminated.
        let read = unsafe { texts.read::<Narrow>(string.as_ptr()) }?;
        Ok(read.expect("not NULL").to_string_lossy())
    }

    fn wide(text: &str) -> Vec<u16> {
        text.encode_utf16().chain([0]).collect()
    }

    #[test]
    fn a_string_comes_through_whole_whether_it_fits_the_stack_or_not() {
        for length in (0..40).chain(ROOM - 4..ROOM + 4) {
            let string: String = "ä€𝄞x".chars().cycle().take(length).collect();
            assert_eq!(narrow(string.as_bytes()), Ok(string.clone()));
            let texts = Texts::new();
            // SAFETY: the string is terminated.
            let read = unsafe { texts.read::<Wide>(wide(&string).as_ptr()) };
            assert_eq!(read.unwrap().unwrap().to_string_lossy(), string);
        }
    }

    #[cfg(all(unix, not(miri)))]
    #[test]
    fn a_string_may_begin_anywhere_and_end_where_memory_ends() {
        let memory = Guarded::new();
        for length in 0..40 {
            for behind in 0..9 {
                for odd in [0, 1] {
                    let string: String = "ä€𝄞x".chars().cycle().take(length).collect();
                    let texts = Texts::new();
                    let pointer = memory.put_at_the_end(&wide(&string), behind * 2 + odd);
                    // SAFETY: the string is terminated.
                    let read = unsafe { texts.read::<Wide>(pointer) };
                    assert_eq!(read.unwrap().unwrap().to_string_lossy(), string);
                }
            }
        }
    }

    /// A page before one that must not be touched.
    #[cfg(all(unix, not(miri)))]
    struct Guarded(*mut u8);

    #[cfg(all(unix, not(miri)))]
    impl Guarded {
        const PAGE: usize = 1 << 16;

        fn new() -> Guarded {
            // SAFETY: memory of our own; the second half of it is never read.
            unsafe {
                let map = libc::mmap(
                    std::ptr::null_mut(),
                    2 * Self::PAGE,
                    libc::PROT_NONE,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                    -1,
                    0,
                );
                assert_ne!(map, libc::MAP_FAILED);
                assert_eq!(libc::mprotect(map, Self::PAGE, libc::PROT_READ | libc::PROT_WRITE), 0);
                Guarded(map.cast())
            }
        }

        /// Copies the units so that so many bytes are behind them.
        fn put_at_the_end(&self, units: &[u16], behind: usize) -> *const u16 {
            let bytes = size_of_val(units);
            // SAFETY: so much is there, before the guard.
            unsafe {
                let place = self.0.add(Self::PAGE - behind - bytes);
                place.copy_from_nonoverlapping(units.as_ptr().cast(), bytes);
                place.add(bytes).write_bytes(0xFF, behind);
                place.cast()
            }
        }
    }

    #[cfg(all(unix, not(miri)))]
    impl Drop for Guarded {
        fn drop(&mut self) {
            // SAFETY: nothing of it is used any more.
            unsafe { libc::munmap(self.0.cast(), 2 * Self::PAGE) };
        }
    }

    #[test]
    fn every_string_of_a_call_stays_what_it_was_when_others_follow() {
        for length in [0, 1, 7, 99, 119, 149, ROOM / 3 - 1, ROOM / 3, ROOM - 1, ROOM, 2 * ROOM] {
            let texts = Texts::new();
            let strings: Vec<String> = ('a'..='e').map(|letter| letter.to_string().repeat(length)).collect();
            let reads: Vec<_> = strings
                .iter()
                // SAFETY: the string is terminated.
                .map(|string| unsafe { texts.read::<Wide>(wide(string).as_ptr()) }.unwrap().unwrap())
                .collect();
            let read: Vec<_> = reads.iter().map(|text| text.to_string_lossy()).collect();
            assert_eq!(read, strings);
        }
    }

    #[test]
    fn bytes_that_are_no_utf_8_are_a_bad_value() {
        for bytes in
            [&b"\xFF"[..], b"a\x80", b"\xC3", b"\xE2\x82", b"\xC0\xAF", b"\xED\xA0\x80", b"\xF5\x80\x80\x80"]
        {
            assert_eq!(narrow(bytes), Err(Status::BAD_VALUE), "{bytes:x?}");
        }
    }

    #[test]
    fn a_string_longer_than_any_name_is_a_bad_value() {
        assert!(narrow(&[b'x'; MAX_UNITS]).is_ok());
        assert_eq!(narrow(&[b'x'; MAX_UNITS + 1]), Err(Status::BAD_VALUE));
    }

    #[test]
    fn nothing_behind_the_limit_is_read() {
        let units = [u16::from(b'x'); 5];
        let texts = Texts::new();
        // SAFETY: one unit more than the limit is there.
        let read = unsafe { texts.read_up_to::<Wide>(units.as_ptr(), 4) };
        assert_eq!(read.unwrap().unwrap().len(), 4);
    }

    #[test]
    fn a_password_is_wiped_from_stack_and_heap() {
        for length in [3, 15, 16, ROOM - 1, ROOM, 2 * ROOM] {
            let mut texts = Texts::new();
            // SAFETY: the strings are terminated.
            let read = unsafe {
                texts.read::<Wide>(wide("before").as_ptr()).unwrap();
                texts.read_secret::<Wide>(wide(&"x".repeat(length)).as_ptr())
            };
            assert_eq!(read.unwrap().unwrap().len(), length);
            let written = texts.used.get();
            let spilt = texts.spilt.get_mut().as_ref();
            let (heap, on_heap) =
                spilt.map_or((std::ptr::null(), 0), |spilt| (spilt.units.as_ptr(), spilt.units.len()));
            texts.zeroize();
            // SAFETY: so many units were written, and zero ones since; the heap is not given back yet.
            let wiped = unsafe {
                texts.room.get_mut()[..written].iter().all(|unit| unit.assume_init() == 0)
                    && (0..on_heap).all(|at| heap.add(at).read() == 0)
            };
            assert!(wiped, "{length} units");
        }
    }
}
