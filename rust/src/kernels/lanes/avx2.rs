//! Pairs of 256-bit vectors.

use std::arch::x86_64::{
    __m256, __m256d, _CMP_GT_OQ, _MM_HINT_T0, _mm_loadl_epi64, _mm_prefetch, _mm_sfence, _mm256_add_epi32,
    _mm256_add_pd, _mm256_add_ps, _mm256_and_ps, _mm256_andnot_ps, _mm256_castps_si256,
    _mm256_castps256_ps128, _mm256_castsi256_ps, _mm256_cmp_ps, _mm256_cvtepi32_ps, _mm256_cvtepu8_epi32,
    _mm256_cvtpd_ps, _mm256_cvtps_epi32, _mm256_cvtps_pd, _mm256_div_ps, _mm256_extractf128_ps,
    _mm256_fmadd_pd, _mm256_fmadd_ps, _mm256_hadd_ps, _mm256_i32gather_ps, _mm256_loadu_ps, _mm256_max_ps,
    _mm256_min_ps, _mm256_movemask_ps, _mm256_mul_pd, _mm256_mul_ps, _mm256_or_ps, _mm256_permute2f128_ps,
    _mm256_set_m128, _mm256_set1_epi32, _mm256_set1_pd, _mm256_set1_ps, _mm256_slli_epi32, _mm256_srai_epi32,
    _mm256_storeu_pd, _mm256_storeu_ps, _mm256_stream_ps, _mm256_sub_epi32, _mm256_sub_pd,
};

use super::{FROM_ROOT, Lanes, TABLE, WIDTH, Work};

/// AVX2 with FMA. Only [`run`] makes one: a value of this type proves that the machine has both.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

/// Does `work` with AVX2 and FMA, compiled for them throughout.
#[target_feature(enable = "avx2,fma,popcnt,bmi1,bmi2")]
pub(super) fn run<W: Work>(work: W) -> W::Output {
    work.run(Avx2(()))
}

/// Sixteen numbers.
#[derive(Clone, Copy)]
pub(super) struct Pair(__m256, __m256);

impl Lanes for Avx2 {
    type V = Pair;
    type Sums = [__m256d; 4];
    const TALL: bool = false;

    #[inline(always)]
    fn splat(self, x: f32) -> Pair {
        // SAFETY: `self` proves the instruction set, here and below.
        let one = unsafe { _mm256_set1_ps(x) };
        Pair(one, one)
    }

    #[inline(always)]
    fn load(self, from: &[f32; WIDTH]) -> Pair {
        // SAFETY: sixteen numbers are readable there, at any alignment.
        unsafe { Pair(_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from.as_ptr().add(8))) }
    }

    #[inline(always)]
    fn pick(self, table: &[f32; TABLE], _: usize, places: &[u8; WIDTH]) -> Pair {
        let at = places.as_ptr();
        // SAFETY: see `splat`. Twice eight bytes are readable there, and no byte leads out of the table.
        unsafe {
            let first = _mm256_cvtepu8_epi32(_mm_loadl_epi64(at.cast()));
            let second = _mm256_cvtepu8_epi32(_mm_loadl_epi64(at.add(8).cast()));
            Pair(
                _mm256_i32gather_ps::<4>(table.as_ptr(), first),
                _mm256_i32gather_ps::<4>(table.as_ptr(), second),
            )
        }
    }

    #[inline(always)]
    fn store(self, v: Pair, to: &mut [f32; WIDTH]) {
        let to = to.as_mut_ptr();
        // SAFETY: sixteen numbers are writable there, at any alignment.
        unsafe {
            _mm256_storeu_ps(to, v.0);
            _mm256_storeu_ps(to.add(8), v.1);
        }
    }

    #[inline(always)]
    fn stream(self, v: Pair, to: &mut [f32; WIDTH]) {
        let at = to.as_mut_ptr();
        if !at.addr().is_multiple_of(64) {
            return self.store(v, to);
        }
        // SAFETY: sixteen numbers are writable there, and both halves are aligned.
        unsafe {
            _mm256_stream_ps(at, v.0);
            _mm256_stream_ps(at.add(8), v.1);
        }
    }

    #[inline(always)]
    fn fence(self) {
        // SAFETY: all machines with AVX2 have the instruction.
        unsafe { _mm_sfence() }
    }

    #[inline(always)]
    fn fma(self, a: Pair, b: Pair, c: Pair) -> Pair {
        // SAFETY: see `splat`.
        unsafe { Pair(_mm256_fmadd_ps(a.0, b.0, c.0), _mm256_fmadd_ps(a.1, b.1, c.1)) }
    }

    #[inline(always)]
    fn mul(self, a: Pair, b: Pair) -> Pair {
        // SAFETY: see `splat`.
        unsafe { Pair(_mm256_mul_ps(a.0, b.0), _mm256_mul_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn div(self, a: Pair, b: Pair) -> Pair {
        // SAFETY: see `splat`.
        unsafe { Pair(_mm256_div_ps(a.0, b.0), _mm256_div_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn add(self, a: Pair, b: Pair) -> Pair {
        // SAFETY: see `splat`.
        unsafe { Pair(_mm256_add_ps(a.0, b.0), _mm256_add_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn max(self, a: Pair, b: Pair) -> Pair {
        // SAFETY: see `splat`. The instruction takes the second operand unless the first is greater.
        unsafe { Pair(_mm256_max_ps(a.0, b.0), _mm256_max_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn min(self, a: Pair, b: Pair) -> Pair {
        // SAFETY: see `splat`. The instruction takes the second operand unless the first is less.
        unsafe { Pair(_mm256_min_ps(a.0, b.0), _mm256_min_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn abs(self, a: Pair) -> Pair {
        // SAFETY: see `splat`. -0.0 is the sign bit alone.
        unsafe {
            let sign = _mm256_set1_ps(-0.0);
            Pair(_mm256_andnot_ps(sign, a.0), _mm256_andnot_ps(sign, a.1))
        }
    }

    #[inline(always)]
    fn with_sign(self, a: Pair, of: Pair) -> Pair {
        // SAFETY: see `splat`. -0.0 is the sign bit alone.
        unsafe {
            let (sign, size) = (_mm256_set1_ps(-0.0), self.abs(a));
            let signs = Pair(_mm256_and_ps(sign, of.0), _mm256_and_ps(sign, of.1));
            Pair(_mm256_or_ps(size.0, signs.0), _mm256_or_ps(size.1, signs.1))
        }
    }

    #[inline(always)]
    fn exponent(self, a: Pair) -> Pair {
        // SAFETY: see `splat`.
        unsafe { Pair(exponent(a.0), exponent(a.1)) }
    }

    #[inline(always)]
    fn standard(self, a: Pair, mean: f64, factor: f64) -> Pair {
        // SAFETY: see `splat`.
        unsafe {
            let [b, c, d, e] = distances(a, mean);
            let factor = _mm256_set1_pd(factor);
            Pair(
                _mm256_set_m128(
                    _mm256_cvtpd_ps(_mm256_mul_pd(c, factor)),
                    _mm256_cvtpd_ps(_mm256_mul_pd(b, factor)),
                ),
                _mm256_set_m128(
                    _mm256_cvtpd_ps(_mm256_mul_pd(e, factor)),
                    _mm256_cvtpd_ps(_mm256_mul_pd(d, factor)),
                ),
            )
        }
    }

    #[inline(always)]
    fn no_sums(self) -> [__m256d; 4] {
        // SAFETY: see `splat`.
        unsafe { [_mm256_set1_pd(0.0); 4] }
    }

    #[inline(always)]
    fn add_distances(self, a: Pair, from: f64, mut sums: [__m256d; 4]) -> [__m256d; 4] {
        // SAFETY: see `splat`.
        unsafe {
            for (sum, distance) in sums.iter_mut().zip(distances(a, from)) {
                *sum = _mm256_add_pd(*sum, distance);
            }
        }
        sums
    }

    #[inline(always)]
    fn add_squares(self, a: Pair, from: f64, mut sums: [__m256d; 4]) -> [__m256d; 4] {
        // SAFETY: see `splat`.
        unsafe {
            for (sum, distance) in sums.iter_mut().zip(distances(a, from)) {
                *sum = _mm256_fmadd_pd(distance, distance, *sum);
            }
        }
        sums
    }

    #[inline(always)]
    fn each_sum(self, sums: [__m256d; 4]) -> [f64; WIDTH] {
        let mut out = [0.0; WIDTH];
        for (out, sum) in out.as_chunks_mut::<4>().0.iter_mut().zip(sums) {
            // SAFETY: see `splat`. Four numbers are writable there.
            unsafe { _mm256_storeu_pd(out.as_mut_ptr(), sum) }
        }
        out
    }

    #[inline(always)]
    fn above(self, a: Pair, b: Pair) -> u32 {
        // SAFETY: see `splat`. Eight sign bits fit.
        let bits = |a, b| unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(a, b)) as u32 };
        bits(a.0, b.0) | bits(a.1, b.1) << 8
    }

    #[inline(always)]
    fn keep(self, a: Pair, x: Pair, y: Pair) -> Pair {
        // SAFETY: see `splat`.
        let keep = |a, x, y| unsafe { _mm256_and_ps(a, _mm256_cmp_ps::<_CMP_GT_OQ>(x, y)) };
        Pair(keep(a.0, x.0, y.0), keep(a.1, x.1, y.1))
    }

    #[inline(always)]
    fn pow2(self, a: Pair) -> Pair {
        // SAFETY: see `splat`.
        let pow2 = |a| unsafe {
            let exponents = _mm256_add_epi32(_mm256_cvtps_epi32(a), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponents))
        };
        Pair(pow2(a.0), pow2(a.1))
    }

    #[inline(always)]
    fn sums(self, vectors: [Pair; 8]) -> [f32; 8] {
        // A closure would not be compiled for the instruction set.
        // SAFETY: see `splat`.
        unsafe {
            let mut halves = [_mm256_set1_ps(0.0); 8];
            for (half, v) in halves.iter_mut().zip(vectors) {
                *half = _mm256_add_ps(v.0, v.1);
            }
            sums(halves)
        }
    }

    #[inline(always)]
    fn prefetch<T>(self, at: &T) {
        // SAFETY: see `splat`; a hint reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(at).cast()) }
    }
}

/// a - from in double precision, four numbers a vector.
///
/// # Safety
/// The machine must have AVX.
#[inline(always)]
unsafe fn distances(a: Pair, from: f64) -> [__m256d; 4] {
    // A closure would not be compiled for the instruction set.
    // SAFETY: the caller guarantees the instruction set.
    unsafe {
        let from = _mm256_set1_pd(from);
        [
            _mm256_sub_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(a.0)), from),
            _mm256_sub_pd(_mm256_cvtps_pd(_mm256_extractf128_ps::<1>(a.0)), from),
            _mm256_sub_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(a.1)), from),
            _mm256_sub_pd(_mm256_cvtps_pd(_mm256_extractf128_ps::<1>(a.1)), from),
        ]
    }
}

/// See [`Lanes::exponent`].
///
/// # Safety
/// The machine must have AVX2.
#[inline(always)]
unsafe fn exponent(a: __m256) -> __m256 {
    // SAFETY: the caller guarantees the instruction set.
    unsafe {
        let moved = _mm256_add_epi32(_mm256_castps_si256(a), _mm256_set1_epi32(FROM_ROOT));
        let biased = _mm256_srai_epi32::<23>(moved);
        _mm256_cvtepi32_ps(_mm256_sub_epi32(biased, _mm256_set1_epi32(127)))
    }
}

/// The sum of the numbers of each vector: pairs and fours within each half, then the halves.
///
/// # Safety
/// The machine must have AVX2.
#[inline(always)]
pub(super) unsafe fn sums([a, b, c, d, e, f, g, h]: [__m256; 8]) -> [f32; 8] {
    let mut out = [0.0; 8];
    // SAFETY: the caller guarantees the instruction set, and eight numbers are writable.
    unsafe {
        let low = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
        let high = _mm256_hadd_ps(_mm256_hadd_ps(e, f), _mm256_hadd_ps(g, h));
        let first = _mm256_permute2f128_ps::<0x20>(low, high);
        let all = _mm256_add_ps(first, _mm256_permute2f128_ps::<0x31>(low, high));
        _mm256_storeu_ps(out.as_mut_ptr(), all);
    }
    out
}
