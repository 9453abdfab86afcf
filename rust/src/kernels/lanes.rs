//! Eight numbers at once: the few operations that the dense kernels are made of.
//!
//! A kernel is written once, over [`Lanes`], and compiled twice: plainly and for AVX2. Every operation is defined to
//! the bit (multiply-add rounds once on both paths), so the paths agree to the bit.

#[cfg(test)]
mod tests;

use super::simd::{Path, has_avx2};

/// How many numbers one vector holds.
pub const WIDTH: usize = 8;

/// The operations on eight `f32`; a value of this type is the permission to use them.
pub trait Lanes: Copy {
    /// Eight numbers.
    type V: Copy;
    /// The same number eight times.
    fn splat(self, x: f32) -> Self::V;
    /// Eight numbers from memory.
    fn load(self, from: &[f32; WIDTH]) -> Self::V;
    /// Eight numbers to memory.
    fn store(self, v: Self::V, to: &mut [f32; WIDTH]);
    /// a · b + c, rounded once.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// a · b.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// a / b.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// a + b.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// The greater one, `b` where neither is.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// |a|.
    fn abs(self, a: Self::V) -> Self::V;
    /// Bit j is set where a_j > b_j; never for NaN.
    fn above(self, a: Self::V, b: Self::V) -> u32;
    /// a where x > y, 0 elsewhere and where either is NaN.
    fn keep(self, a: Self::V, x: Self::V, y: Self::V) -> Self::V;
    /// 2^a for whole numbers a from -126 to 127.
    fn pow2(self, a: Self::V) -> Self::V;
    /// The sum of each of eight vectors: `((v0 + v1) + (v2 + v3)) + ((v4 + v5) + (v6 + v7))`.
    fn sums(self, vectors: [Self::V; WIDTH]) -> Self::V;
    /// A hint that memory around `at` will be read.
    fn prefetch<T>(self, at: &T);
}

/// Work that can be done on any path.
pub trait Work {
    /// What it gives.
    type Output;
    /// Does it. Implementations must be `#[inline(always)]`, or the instruction set does not reach them.
    fn run<L: Lanes>(self, lanes: L) -> Self::Output;
}

impl Path {
    /// Does `work` on this path, or on the portable one where the machine lacks it. What is written over eight lanes
    /// gains nothing from longer vectors, so that all paths beyond AVX2 do it there.
    #[inline]
    pub fn run<W: Work>(self, work: W) -> W::Output {
        #[cfg(target_arch = "x86_64")]
        if self != Self::Portable && has_avx2() && has_bit_counts() {
            // SAFETY: the machine has all that it is compiled for.
            return unsafe { avx2::run(work) };
        }
        work.run(Portable)
    }
}

/// Whether the machine counts and scans bits in one instruction; all machines with AVX2 that we know do.
#[cfg(target_arch = "x86_64")]
fn has_bit_counts() -> bool {
    is_x86_feature_detected!("popcnt") && is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2")
}

/// Plain Rust.
#[derive(Debug, Clone, Copy)]
pub struct Portable;

impl Lanes for Portable {
    type V = [f32; WIDTH];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        [x; WIDTH]
    }

    #[inline(always)]
    fn load(self, from: &[f32; WIDTH]) -> Self::V {
        *from
    }

    #[inline(always)]
    fn store(self, v: Self::V, to: &mut [f32; WIDTH]) {
        *to = v;
    }

    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        std::array::from_fn(|j| a[j].mul_add(b[j], c[j]))
    }

    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|j| a[j] * b[j])
    }

    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|j| a[j] / b[j])
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|j| a[j] + b[j])
    }

    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|j| if a[j] > b[j] { a[j] } else { b[j] })
    }

    #[inline(always)]
    fn abs(self, a: Self::V) -> Self::V {
        a.map(f32::abs)
    }

    #[inline(always)]
    fn above(self, a: Self::V, b: Self::V) -> u32 {
        (0..WIDTH).fold(0, |bits, j| bits | u32::from(a[j] > b[j]) << j)
    }

    #[inline(always)]
    fn keep(self, a: Self::V, x: Self::V, y: Self::V) -> Self::V {
        std::array::from_fn(|j| if x[j] > y[j] { a[j] } else { 0.0 })
    }

    #[inline(always)]
    fn pow2(self, a: Self::V) -> Self::V {
        a.map(|a| f32::from_bits(((a as i32 + 127) as u32) << 23))
    }

    #[inline(always)]
    fn sums(self, vectors: [[f32; WIDTH]; WIDTH]) -> [f32; WIDTH] {
        vectors.map(|[a, b, c, d, e, f, g, h]| ((a + b) + (c + d)) + ((e + f) + (g + h)))
    }

    #[inline(always)]
    fn prefetch<T>(self, _: &T) {}
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256, _CMP_GT_OQ, _MM_HINT_T0, _mm_prefetch, _mm256_add_epi32, _mm256_add_ps, _mm256_and_ps,
        _mm256_andnot_ps, _mm256_castsi256_ps, _mm256_cmp_ps, _mm256_cvtps_epi32, _mm256_div_ps,
        _mm256_fmadd_ps, _mm256_hadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_movemask_ps, _mm256_mul_ps,
        _mm256_permute2f128_ps, _mm256_set1_epi32, _mm256_set1_ps, _mm256_slli_epi32, _mm256_storeu_ps,
    };

    use super::{Lanes, WIDTH, Work};

    /// AVX2 with FMA. Made only by [`run`], so that whoever holds one is on a machine that has them.
    #[derive(Clone, Copy)]
    pub(super) struct Avx2(());

    /// Does `work` with AVX2 and FMA, compiled for them throughout.
    #[target_feature(enable = "avx2,fma,popcnt,bmi1,bmi2")]
    pub(super) fn run<W: Work>(work: W) -> W::Output {
        work.run(Avx2(()))
    }

    impl Lanes for Avx2 {
        type V = __m256;

        #[inline(always)]
        fn splat(self, x: f32) -> __m256 {
            // SAFETY: `self` proves the instruction set, here and below.
            unsafe { _mm256_set1_ps(x) }
        }

        #[inline(always)]
        fn load(self, from: &[f32; WIDTH]) -> __m256 {
            // SAFETY: eight numbers are readable there, at any alignment.
            unsafe { _mm256_loadu_ps(from.as_ptr()) }
        }

        #[inline(always)]
        fn store(self, v: __m256, to: &mut [f32; WIDTH]) {
            // SAFETY: eight numbers are writable there, at any alignment.
            unsafe { _mm256_storeu_ps(to.as_mut_ptr(), v) }
        }

        #[inline(always)]
        fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
            // SAFETY: see `splat`.
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }

        #[inline(always)]
        fn mul(self, a: __m256, b: __m256) -> __m256 {
            // SAFETY: see `splat`.
            unsafe { _mm256_mul_ps(a, b) }
        }

        #[inline(always)]
        fn div(self, a: __m256, b: __m256) -> __m256 {
            // SAFETY: see `splat`.
            unsafe { _mm256_div_ps(a, b) }
        }

        #[inline(always)]
        fn add(self, a: __m256, b: __m256) -> __m256 {
            // SAFETY: see `splat`.
            unsafe { _mm256_add_ps(a, b) }
        }

        #[inline(always)]
        fn max(self, a: __m256, b: __m256) -> __m256 {
            // SAFETY: see `splat`. The instruction takes the second operand unless the first is greater.
            unsafe { _mm256_max_ps(a, b) }
        }

        #[inline(always)]
        fn abs(self, a: __m256) -> __m256 {
            // SAFETY: see `splat`. -0.0 is the sign bit alone.
            unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), a) }
        }

        #[inline(always)]
        fn above(self, a: __m256, b: __m256) -> u32 {
            // SAFETY: see `splat`. Eight sign bits fit.
            unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(a, b)) as u32 }
        }

        #[inline(always)]
        fn keep(self, a: __m256, x: __m256, y: __m256) -> __m256 {
            // SAFETY: see `splat`.
            unsafe { _mm256_and_ps(a, _mm256_cmp_ps::<_CMP_GT_OQ>(x, y)) }
        }

        #[inline(always)]
        fn pow2(self, a: __m256) -> __m256 {
            // SAFETY: see `splat`.
            unsafe {
                let exponents = _mm256_add_epi32(_mm256_cvtps_epi32(a), _mm256_set1_epi32(127));
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponents))
            }
        }

        #[inline(always)]
        fn sums(self, [a, b, c, d, e, f, g, h]: [__m256; WIDTH]) -> __m256 {
            // SAFETY: see `splat`. Pairs, then fours, each within its half; then the halves of all eight.
            unsafe {
                let low = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
                let high = _mm256_hadd_ps(_mm256_hadd_ps(e, f), _mm256_hadd_ps(g, h));
                let first = _mm256_permute2f128_ps::<0x20>(low, high);
                _mm256_add_ps(first, _mm256_permute2f128_ps::<0x31>(low, high))
            }
        }

        #[inline(always)]
        fn prefetch<T>(self, at: &T) {
            // SAFETY: see `splat`; a hint reads nothing.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(at).cast()) }
        }
    }
}
