//! Zeroed memory on huge pages where the system has them: a product reads all of it again and again, and with small
//! pages the address translation would cost as much as the arithmetic.

use std::ops::{Deref, DerefMut};

use super::{COLS, Line};
use crate::kernels::pages::{HUGE, advise};

/// Lines of cells, all zero at first, aligned to a huge page if there are enough of them to fill one.
#[derive(Debug)]
pub(in crate::kernels) struct Buffer {
    /// Zeroed by the allocator, which takes large pieces fresh from the system. No page is touched before the hint.
    raw: Vec<[u32; COLS]>,
    /// Where the lines begin, in cells.
    start: usize,
    /// How many lines there are.
    len: usize,
}

impl Buffer {
    pub(in crate::kernels) fn new(len: usize) -> Self {
        let huge = len * size_of::<Line>() >= HUGE;
        let alignment = if huge { HUGE } else { align_of::<Line>() };
        let raw = vec![[0u32; COLS]; len + alignment / size_of::<Line>()];
        let start = raw.as_ptr().addr().wrapping_neg() % alignment / size_of::<u32>();
        let mut buffer = Self { raw, start, len };
        if huge {
            advise(&mut buffer);
        }
        buffer
    }

    /// The same memory, cell by cell.
    #[inline]
    pub(in crate::kernels) fn cells(&self) -> &[u32] {
        &self.raw.as_flattened()[self.start..][..self.len * COLS]
    }

    /// The same memory, cell by cell.
    pub(in crate::kernels) fn cells_mut(&mut self) -> &mut [u32] {
        &mut self.raw.as_flattened_mut()[self.start..][..self.len * COLS]
    }
}

impl Deref for Buffer {
    type Target = [Line];

    #[inline]
    fn deref(&self) -> &[Line] {
        // SAFETY: a line is sixteen cells with a stricter alignment, which `align_to` provides.
        unsafe { self.cells().align_to().1 }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [Line] {
        // SAFETY: a line is sixteen cells with a stricter alignment, which `align_to_mut` provides.
        unsafe { self.cells_mut().align_to_mut().1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_zero_and_aligned() {
        for len in [0, 1, 100, HUGE / 64 - 1, HUGE / 64, HUGE / 64 + 17].into_iter().take(if cfg!(miri) {
            3
        } else {
            6
        }) {
            let mut buffer = Buffer::new(len);
            assert_eq!(buffer.len(), len);
            assert!(buffer.iter().all(|line| line.0 == [0; COLS]));
            let alignment = if len * 64 >= HUGE { HUGE } else { 64 };
            assert_eq!(buffer.as_ptr().addr() % alignment, 0);
            buffer.fill(Line([7; COLS]));
            assert!(buffer.iter().all(|line| line.0 == [7; COLS]));
        }
    }
}
