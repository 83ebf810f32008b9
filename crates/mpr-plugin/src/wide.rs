//! Wide strings: UTF-16, ended by a zero unit.

/// A borrowed wide string. May hold lone surrogates, as names on Windows may.
pub use widestring::U16CStr as WideStr;
/// An owned wide string.
pub use widestring::U16CString as WideString;

/// Longest string read from a pointer, in units: the longest path Windows knows.
pub const MAX_UNITS: usize = 32_767;

/// The wide form of `text`, up to a NUL if it holds one.
#[must_use]
pub fn wide(text: &str) -> WideString {
    WideString::from_str_truncate(text)
}

/// Borrows the string at `pointer`; `None` for NULL, and for a string without an end in its first
/// 32,767 units.
///
/// # Safety
///
/// `pointer` is NULL, or points to units that stay readable and unchanged for `'a`, up to and including
/// the first zero unit or for 32,768 units, whichever comes first.
#[must_use]
#[inline]
pub unsafe fn borrow_wide<'a>(pointer: *const u16) -> Option<&'a WideStr> {
    if pointer.is_null() {
        return None;
    }
    let mut length = 0;
    // SAFETY: the caller vouches for every unit up to the terminator or the limit.
    unsafe {
        while *pointer.add(length) != 0 {
            if length == MAX_UNITS {
                return None;
            }
            length += 1;
        }
        Some(WideStr::from_ptr_unchecked(pointer, length))
    }
}
