//! Zeroed arrays on huge pages: what is written all over costs its page faults and address translations otherwise.

/// Size and alignment of a huge page.
pub const HUGE: usize = 2 << 20;

/// Plain numbers, for which all bits zero is a value.
pub trait Plain: Copy + Default + Send + Sync {}
impl Plain for i32 {}
impl Plain for u32 {}
impl Plain for u64 {}
impl Plain for f32 {}
impl Plain for f64 {}
impl Plain for [u32; 3] {}

/// `len` zeros, fresh from the system if there are many: untouched until written, on huge pages where there are some.
pub fn zeroed<T: Plain>(len: usize) -> Vec<T> {
    let mut array = vec![T::default(); len];
    if size_of_val(array.as_slice()) >= 2 * HUGE {
        advise(&mut array);
    }
    array
}

/// Asks for huge pages. Without them everything works as well, only slower, so that a refusal is no error.
#[cfg(all(target_os = "linux", not(miri)))]
pub fn advise<T>(array: &mut [T]) {
    let start = array.as_mut_ptr().cast::<u8>();
    let skipped = start.align_offset(HUGE);
    let whole = size_of_val(array).saturating_sub(skipped) / HUGE * HUGE;
    // SAFETY: the range lies within the array and starts at a page; the hint changes no content.
    unsafe { libc::madvise(start.wrapping_add(skipped).cast(), whole, libc::MADV_HUGEPAGE) };
}

#[cfg(not(all(target_os = "linux", not(miri))))]
pub fn advise<T>(_: &mut [T]) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_of_any_length_are_zero_and_ours() {
        for len in [0, 1, HUGE / 2, HUGE, 2 * HUGE + 3] {
            let mut array = zeroed::<u32>(len);
            assert_eq!(array.len(), len);
            assert!(array.iter().all(|&cell| cell == 0));
            array.fill(7);
            assert!(array.iter().all(|&cell| cell == 7));
        }
    }
}
