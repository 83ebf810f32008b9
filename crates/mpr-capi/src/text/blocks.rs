//! Units of UTF-16, eight at a time.

use std::arch::asm;
use std::arch::x86_64::{__m128i, _mm_cmpeq_epi16, _mm_movemask_epi8, _mm_setzero_si128, _mm_storeu_si128};
use std::mem::MaybeUninit;

/// Bytes in a block.
pub(super) const BLOCK: usize = 16;
/// Units in a block.
pub(super) const UNITS: usize = BLOCK / 2;

/// Copies a block, and with it whatever stands behind a terminator in there. Returns where the first terminator is.
///
/// # Safety
///
/// `from` is a multiple of [`BLOCK`], and its first unit can be read.
#[inline(always)]
pub(super) unsafe fn copy_block(from: *const u16, to: &mut [MaybeUninit<u16>; UNITS]) -> Option<usize> {
    debug_assert_eq!(from.addr() % BLOCK, 0);
    let block: __m128i;
    // SAFETY: pages are multiples of a block: where the first unit can be read, all of them can. They need not
    // all belong to the string, or to anything; so it is the machine that reads them, not the language.
    unsafe {
        asm!(
            "movdqa {block}, [{from}]",
            block = out(xmm_reg) block,
            from = in(reg) from,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    // SAFETY: there is room for so much, and no alignment is asked for; every processor of this architecture has these.
    let terminators = unsafe {
        _mm_storeu_si128(to.as_mut_ptr().cast(), block);
        _mm_movemask_epi8(_mm_cmpeq_epi16(block, _mm_setzero_si128())) as u32
    };
    (terminators != 0).then(|| terminators.trailing_zeros() as usize / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(align(16))]
    struct Aligned([u16; UNITS]);

    #[test]
    fn a_block_is_copied_whole_and_its_first_terminator_found() {
        for end in 0..UNITS {
            let mut block = Aligned([0x5C00, 0x005C, 3, 0xD800, 5, 6, 7, 0x0100]);
            let mut copy = [MaybeUninit::new(9); UNITS];
            // SAFETY: it is aligned, and all of it is there.
            let found = unsafe { copy_block(block.0.as_ptr(), &mut copy) };
            assert_eq!(found, None);
            // SAFETY: they were all written to before.
            assert_eq!(copy.map(|unit| unsafe { unit.assume_init() }), block.0);
            block.0[end] = 0;
            block.0[UNITS - 1] = 0;
            // SAFETY: as before.
            let found = unsafe { copy_block(block.0.as_ptr(), &mut copy) };
            assert_eq!(found, Some(end));
        }
    }
}
