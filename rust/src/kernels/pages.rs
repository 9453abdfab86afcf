//! Large arrays on huge pages: with small pages, writing all over an array costs page faults and address translations.

use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};

/// Size and alignment of a huge page.
pub const HUGE: usize = 2 << 20;

/// Plain numbers: all bits zero is a valid value.
pub trait Plain: Copy + Default + Send + Sync {}
impl Plain for i32 {}
impl Plain for u32 {}
impl Plain for u64 {}
impl Plain for f32 {}
impl Plain for f64 {}
impl Plain for [u32; 3] {}

/// `len` zeros. Many are fresh from the system: no page is touched before it is written, and huge pages are used where
/// the system has them.
pub fn zeroed<T: Plain>(len: usize) -> Vec<T> {
    let mut array = vec![T::default(); len];
    if size_of_val(array.as_slice()) >= 2 * HUGE {
        advise(&mut array);
    }
    array
}

/// An array whose places are written one by one, by many threads, before any of them is read.
///
/// It is not filled with zeros first: one thread would write them, and touch all pages, before the others could begin.
/// That costs as much as a whole pass over the array.
#[derive(Debug)]
pub struct Blank<T>(Vec<MaybeUninit<T>>);

impl<T: Plain> Blank<T> {
    /// `len` places.
    pub fn new(len: usize) -> Self {
        let mut places = Vec::with_capacity(len);
        // SAFETY: the capacity is `len`, and `MaybeUninit` need not be initialised.
        unsafe { places.set_len(len) };
        if size_of_val(places.as_slice()) >= 2 * HUGE {
            advise(&mut places);
        }
        Self(places)
    }

    /// The first `len` places.
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// The array.
    ///
    /// # Safety
    /// Every place has been written.
    pub unsafe fn written(self) -> Vec<T> {
        let mut places = std::mem::ManuallyDrop::new(self.0);
        let (start, len, capacity) = (places.as_mut_ptr().cast::<T>(), places.len(), places.capacity());
        // SAFETY: pointer, length and capacity are those of a vector that is not used any more; `MaybeUninit<T>` has the
        // layout of `T`, and the caller guarantees that every place holds one.
        unsafe { Vec::from_raw_parts(start, len, capacity) }
    }
}

impl<T> Deref for Blank<T> {
    type Target = [MaybeUninit<T>];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T> DerefMut for Blank<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

/// Asks the system for huge pages. Without them everything works, only slower, so that a refusal is not an error.
#[cfg(all(target_os = "linux", not(miri)))]
pub fn advise<T>(array: &mut [T]) {
    let start = array.as_mut_ptr().cast::<u8>();
    let skipped = start.align_offset(HUGE);
    let whole = size_of_val(array).saturating_sub(skipped) / HUGE * HUGE;
    // SAFETY: the range lies within the array and starts at a page boundary; the hint does not change the content.
    unsafe { libc::madvise(start.wrapping_add(skipped).cast(), whole, libc::MADV_HUGEPAGE) };
}

#[cfg(not(all(target_os = "linux", not(miri))))]
pub fn advise<T>(_: &mut [T]) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_of_any_length_are_zero_and_ours() {
        for len in [0, 1, 500, HUGE / 2, HUGE, 2 * HUGE + 3].into_iter().take(if cfg!(miri) { 3 } else { 6 })
        {
            let mut array = zeroed::<u32>(len);
            assert_eq!(array.len(), len);
            assert!(array.iter().all(|&cell| cell == 0));
            array.fill(7);
            assert!(array.iter().all(|&cell| cell == 7));
            let mut blank = Blank::<u32>::new(len);
            blank.iter_mut().for_each(|place| *place = MaybeUninit::new(3));
            blank.truncate(len / 2);
            // SAFETY: all have been written.
            assert_eq!(unsafe { blank.written() }, vec![3; len / 2]);
        }
    }
}
