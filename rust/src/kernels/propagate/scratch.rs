//! Work buffers that outlive a call: touching fresh memory costs as much as a product does.

use std::sync::{Mutex, PoisonError};

use crate::kernels::pages::{HUGE, advise};

/// A cache line, in bytes: rows that begin at the start of a line touch the fewest lines.
const LINE: usize = 64;

/// The buffers of the last calls, for numbers of one type.
pub(super) struct Scratch<T> {
    kept: Mutex<Vec<Vec<T>>>,
    /// The most numbers that one kept buffer may have.
    limit: usize,
}

impl<T: Copy + Default> Scratch<T> {
    /// No buffers yet; those of more than `limit` numbers are not kept.
    pub(super) const fn new(limit: usize) -> Self {
        Self { kept: Mutex::new(Vec::new()), limit }
    }

    /// Lends `len` numbers of any content to `work`, from the start of a cache line on, or of a huge page if they
    /// are many.
    pub(super) fn with<R>(&self, len: usize, work: impl FnOnce(&mut [T]) -> R) -> R {
        let mut buffer = self.lock().pop().unwrap_or_default();
        let bytes = len * size_of::<T>();
        // The whole last huge page is part of the buffer: a page that is only partly ours cannot be huge.
        let (align, end) =
            if bytes < 2 * HUGE { (LINE, bytes) } else { (HUGE, bytes.next_multiple_of(HUGE)) };
        let wanted = (end + align) / size_of::<T>();
        if buffer.len() < wanted {
            // A new buffer instead of a resized one: the old content need not be copied.
            buffer = vec![T::default(); wanted];
            if align == HUGE {
                advise(&mut buffer);
            }
        }
        // Such a shift always exists for numbers of 2 or 4 bytes; without one the work would only be slower.
        let shift = buffer.as_ptr().align_offset(align).min(wanted - len);
        let result = work(&mut buffer[shift..shift + len]);
        let mut kept = self.lock();
        if buffer.len() <= self.limit && kept.len() < 2 {
            kept.push(buffer);
        }
        result
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<T>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_come_back_unless_too_long() {
        let scratch = Scratch::<f32>::new(100);
        let first = scratch.with(50, |a| {
            assert_eq!((a.len(), a.as_ptr() as usize % LINE), (50, 0));
            let inner = scratch.with(20, |b| b.as_ptr());
            assert_ne!(inner, a.as_ptr());
            a.as_ptr()
        });
        assert_eq!(scratch.with(50, |a| a.as_ptr()), first);
        assert_eq!(scratch.with(10, |a| a.len()), 10);
        scratch.with(200, |_| ());
        scratch.with(HUGE, |a| assert_eq!(a.as_ptr() as usize % HUGE, 0));
        assert!(scratch.lock().iter().all(|kept| kept.len() <= 100));
    }
}
