//! The tile operations with AVX2 and FMA: twelve accumulators of eight, two loads and six broadcasts a step.

use std::arch::x86_64::{
    __m256, __m256i, _CMP_GE_OQ, _mm256_add_epi32, _mm256_add_ps, _mm256_broadcast_ss, _mm256_castps_si256,
    _mm256_castsi256_ps, _mm256_cmp_ps, _mm256_cvtepi32_ps, _mm256_loadu_ps, _mm256_loadu_si256,
    _mm256_min_ps, _mm256_movemask_ps, _mm256_or_ps, _mm256_setzero_ps, _mm256_storeu_si256,
};
use std::marker::PhantomData;

use super::avx2_product::{Sums, product_f32, product_i16};
use super::dot::{Dot, canonical_dot};
use super::format::{F32, Format, I16};
use super::shapes::Small;
use super::{COLS, Filter, Kernel, Line, Operands, check_sizes};
use crate::kernels::simd::has_avx2;

/// Proof that the machine has AVX2 and FMA: only [`Avx2::detect`] makes one.
#[derive(Debug, Clone, Copy)]
pub(in crate::kernels) struct Avx2<F>(PhantomData<F>);

impl<F: Format> Avx2<F> {
    pub(in crate::kernels) fn detect() -> Option<Self> {
        has_avx2().then_some(Self(PhantomData))
    }
}

/// The format's own instructions.
pub(super) trait Instructions: Format {
    /// The products of six rows and sixteen columns over `steps` cells.
    ///
    /// # Safety
    /// The machine has AVX2 and FMA, `left` holds `6 · steps` cells and `right` `steps` lines.
    unsafe fn product(left: *const u32, right: *const Line, steps: usize) -> Sums;

    /// # Safety
    /// The machine has AVX2.
    unsafe fn combine(a: __m256i, b: __m256i) -> __m256i;

    /// # Safety
    /// The machine has AVX2.
    unsafe fn convert(sum: __m256i) -> __m256;
}

impl<F: Instructions> Kernel for Avx2<F> {
    type Shape = Small<F>;
    type Session = ();

    fn session(self) {}

    #[inline]
    fn multiply(
        self,
        (): &mut (),
        operands: Operands<'_>,
        first: bool,
        tile: &mut [u32],
        filter: Option<Filter<'_>>,
    ) -> bool {
        check_sizes::<Small<F>>(operands, tile, filter.as_ref());
        // SAFETY: an `Avx2` exists only where the instructions do, and the sizes are those of the shape.
        unsafe { multiply::<F>(operands, first, tile, filter) }
    }

    fn encode(self, row: &[f32], scale: f64, cells: &mut [u32]) -> f64 {
        // SAFETY: an `Avx2` exists only where the instructions do.
        unsafe { encode::<F>(row, scale, cells) }
    }
}

/// Plain Rust, compiled for wider vectors.
#[target_feature(enable = "avx2,fma")]
pub(super) fn encode<F: Format>(row: &[f32], scale: f64, cells: &mut [u32]) -> f64 {
    F::encode(row, scale, cells)
}

/// [`canonical_dot`], compiled for wider vectors, where the machine has them.
pub(super) fn dot() -> Option<Dot> {
    #[target_feature(enable = "avx2,fma")]
    fn wider(x: &[f32], y: &[f32]) -> f64 {
        canonical_dot(x, y)
    }
    // SAFETY: the function is returned only if the machine has the instructions.
    has_avx2().then_some(|x, y| unsafe { wider(x, y) })
}

/// # Safety
/// The machine has AVX2 and FMA, and the sizes are those of the shape ([`check_sizes`]).
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn multiply<F: Instructions>(
    operands: Operands<'_>,
    first: bool,
    tile: &mut [u32],
    filter: Option<Filter<'_>>,
) -> bool {
    // SAFETY: a tile holds six lines of two vectors, a filter six limits and two vectors of them.
    unsafe {
        let mut sums = F::product(operands.left.as_ptr(), operands.right.as_ptr(), operands.steps);
        let lines: *mut [__m256i; 2] = tile.as_mut_ptr().cast();
        if !first {
            for (row, sums) in sums.iter_mut().enumerate() {
                for (half, sum) in sums.iter_mut().enumerate() {
                    *sum = F::combine(*sum, _mm256_loadu_si256(lines.add(row).cast::<__m256i>().add(half)));
                }
            }
        }
        let Some(filter) = filter else {
            store(&sums, lines);
            return false;
        };
        // Loops instead of closures: a closure would not be compiled for these instructions.
        let at = filter.columns.as_ptr();
        let columns = [_mm256_loadu_ps(at), _mm256_loadu_ps(at.add(COLS / 2))];
        let mut any = _mm256_setzero_ps();
        for (row, sums) in sums.iter_mut().enumerate() {
            let limit = _mm256_broadcast_ss(&*filter.rows.as_ptr().add(row));
            for half in 0..2 {
                let value = F::convert(sums[half]);
                sums[half] = _mm256_castps_si256(value);
                any = _mm256_or_ps(
                    any,
                    _mm256_cmp_ps::<_CMP_GE_OQ>(value, _mm256_min_ps(limit, columns[half])),
                );
            }
        }
        if _mm256_movemask_ps(any) == 0 {
            return false;
        }
        for (row, sums) in sums.iter().enumerate() {
            let limit = _mm256_broadcast_ss(&*filter.rows.as_ptr().add(row));
            let mut found = 0;
            for half in 0..2 {
                let value = _mm256_castsi256_ps(sums[half]);
                let reached = _mm256_cmp_ps::<_CMP_GE_OQ>(value, _mm256_min_ps(limit, columns[half]));
                found |= (_mm256_movemask_ps(reached) as u64) << (half * COLS / 2);
            }
            *filter.found.as_mut_ptr().add(row) = found;
        }
        store(&sums, lines);
        true
    }
}

/// # Safety
/// `lines` is writable for six lines.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn store(sums: &Sums, lines: *mut [__m256i; 2]) {
    for (row, sums) in sums.iter().enumerate() {
        for (half, sum) in sums.iter().enumerate() {
            // SAFETY: see above.
            unsafe { _mm256_storeu_si256(lines.add(row).cast::<__m256i>().add(half), *sum) };
        }
    }
}

impl Instructions for F32 {
    #[inline(always)]
    unsafe fn product(left: *const u32, right: *const Line, steps: usize) -> Sums {
        // SAFETY: the caller's promise.
        unsafe { product_f32(left, right, steps) }
    }

    #[inline(always)]
    unsafe fn combine(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe { _mm256_castps_si256(_mm256_add_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b))) }
    }

    #[inline(always)]
    unsafe fn convert(sum: __m256i) -> __m256 {
        // SAFETY: the caller's promise.
        unsafe { _mm256_castsi256_ps(sum) }
    }
}

impl Instructions for I16 {
    #[inline(always)]
    unsafe fn product(left: *const u32, right: *const Line, steps: usize) -> Sums {
        // SAFETY: the caller's promise.
        unsafe { product_i16(left, right, steps) }
    }

    #[inline(always)]
    unsafe fn combine(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe { _mm256_add_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn convert(sum: __m256i) -> __m256 {
        // SAFETY: the caller's promise.
        unsafe { _mm256_cvtepi32_ps(sum) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::agreement::{check, skipped};
    use super::*;

    #[test]
    fn does_what_plain_rust_does() {
        let (Some(floats), Some(integers)) = (Avx2::<F32>::detect(), Avx2::<I16>::detect()) else {
            return skipped("AVX2 with FMA");
        };
        check(floats);
        check(integers);
    }
}
