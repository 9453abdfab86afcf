//! 512-bit vectors.

use std::arch::x86_64::{
    __m512, __m512d, _CMP_GT_OQ, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm_sfence, _mm256_add_ps,
    _mm256_set1_ps, _mm512_add_epi32, _mm512_add_pd, _mm512_add_ps, _mm512_and_ps, _mm512_andnot_ps,
    _mm512_castps_si512, _mm512_castps256_ps512, _mm512_castps512_ps256, _mm512_castsi512_ps,
    _mm512_cmp_ps_mask, _mm512_cvtepi32_ps, _mm512_cvtepu8_epi32, _mm512_cvtpd_ps, _mm512_cvtps_epi32,
    _mm512_cvtps_pd, _mm512_div_ps, _mm512_extractf32x8_ps, _mm512_fmadd_pd, _mm512_fmadd_ps,
    _mm512_i32gather_ps, _mm512_insertf32x8, _mm512_loadu_ps, _mm512_maskz_mov_ps, _mm512_max_ps,
    _mm512_min_ps, _mm512_mul_pd, _mm512_mul_ps, _mm512_or_ps, _mm512_permutexvar_ps, _mm512_set1_epi32,
    _mm512_set1_pd, _mm512_set1_ps, _mm512_slli_epi32, _mm512_srai_epi32, _mm512_storeu_pd, _mm512_storeu_ps,
    _mm512_stream_ps, _mm512_sub_epi32, _mm512_sub_pd,
};

use super::{FROM_ROOT, Lanes, TABLE, WIDTH, Work, avx2};

/// AVX-512. Only [`run`] makes one: a value of this type proves that the machine has it.
#[derive(Clone, Copy)]
pub(super) struct Avx512(());

/// Does `work` with AVX-512, compiled for it throughout.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,popcnt,bmi1,bmi2")]
pub(super) fn run<W: Work>(work: W) -> W::Output {
    work.run(Avx512(()))
}

impl Lanes for Avx512 {
    type V = __m512;
    type Sums = [__m512d; 2];
    const TALL: bool = true;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        // SAFETY: `self` proves the instruction set, here and below.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    fn load(self, from: &[f32; WIDTH]) -> __m512 {
        // SAFETY: sixteen numbers are readable there, at any alignment.
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }

    #[inline(always)]
    fn pick(self, table: &[f32; TABLE], len: usize, places: &[u8; WIDTH]) -> __m512 {
        // SAFETY: see `splat`. Sixteen bytes are readable there, and no byte leads out of the table.
        unsafe {
            let places = _mm512_cvtepu8_epi32(_mm_loadu_si128(places.as_ptr().cast()));
            if len <= WIDTH {
                _mm512_permutexvar_ps(places, _mm512_loadu_ps(table.as_ptr()))
            } else {
                _mm512_i32gather_ps::<4>(places, table.as_ptr())
            }
        }
    }

    #[inline(always)]
    fn store(self, v: __m512, to: &mut [f32; WIDTH]) {
        // SAFETY: sixteen numbers are writable there, at any alignment.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), v) }
    }

    #[inline(always)]
    fn stream(self, v: __m512, to: &mut [f32; WIDTH]) {
        if !to.as_ptr().addr().is_multiple_of(64) {
            return self.store(v, to);
        }
        // SAFETY: sixteen numbers are writable there, and aligned.
        unsafe { _mm512_stream_ps(to.as_mut_ptr(), v) }
    }

    #[inline(always)]
    fn fence(self) {
        // SAFETY: all machines with AVX-512 have the instruction.
        unsafe { _mm_sfence() }
    }

    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: see `splat`.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see `splat`.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see `splat`.
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see `splat`.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see `splat`. The instruction takes the second operand unless the first is greater.
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see `splat`. The instruction takes the second operand unless the first is less.
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    fn abs(self, a: __m512) -> __m512 {
        // SAFETY: see `splat`. -0.0 is the sign bit alone.
        unsafe { _mm512_andnot_ps(_mm512_set1_ps(-0.0), a) }
    }

    #[inline(always)]
    fn with_sign(self, a: __m512, of: __m512) -> __m512 {
        // SAFETY: see `splat`. -0.0 is the sign bit alone.
        unsafe {
            let sign = _mm512_set1_ps(-0.0);
            _mm512_or_ps(_mm512_andnot_ps(sign, a), _mm512_and_ps(sign, of))
        }
    }

    #[inline(always)]
    fn exponent(self, a: __m512) -> __m512 {
        // SAFETY: see `splat`.
        unsafe {
            let moved = _mm512_add_epi32(_mm512_castps_si512(a), _mm512_set1_epi32(FROM_ROOT));
            let biased = _mm512_srai_epi32::<23>(moved);
            _mm512_cvtepi32_ps(_mm512_sub_epi32(biased, _mm512_set1_epi32(127)))
        }
    }

    #[inline(always)]
    fn standard(self, a: __m512, mean: f64, factor: f64) -> __m512 {
        // SAFETY: see `splat`.
        unsafe {
            let [low, high] = distances(a, mean);
            let factor = _mm512_set1_pd(factor);
            let low = _mm512_castps256_ps512(_mm512_cvtpd_ps(_mm512_mul_pd(low, factor)));
            _mm512_insertf32x8::<1>(low, _mm512_cvtpd_ps(_mm512_mul_pd(high, factor)))
        }
    }

    #[inline(always)]
    fn no_sums(self) -> [__m512d; 2] {
        // SAFETY: see `splat`.
        unsafe { [_mm512_set1_pd(0.0); 2] }
    }

    #[inline(always)]
    fn add_distances(self, a: __m512, from: f64, sums: [__m512d; 2]) -> [__m512d; 2] {
        // SAFETY: see `splat`.
        unsafe {
            let [low, high] = distances(a, from);
            [_mm512_add_pd(sums[0], low), _mm512_add_pd(sums[1], high)]
        }
    }

    #[inline(always)]
    fn add_squares(self, a: __m512, from: f64, sums: [__m512d; 2]) -> [__m512d; 2] {
        // SAFETY: see `splat`.
        unsafe {
            let [low, high] = distances(a, from);
            [_mm512_fmadd_pd(low, low, sums[0]), _mm512_fmadd_pd(high, high, sums[1])]
        }
    }

    #[inline(always)]
    fn each_sum(self, sums: [__m512d; 2]) -> [f64; WIDTH] {
        let mut out = [0.0; WIDTH];
        // SAFETY: see `splat`. Twice eight numbers are writable there.
        unsafe {
            _mm512_storeu_pd(out.as_mut_ptr(), sums[0]);
            _mm512_storeu_pd(out.as_mut_ptr().add(8), sums[1]);
        }
        out
    }

    #[inline(always)]
    fn above(self, a: __m512, b: __m512) -> u32 {
        // SAFETY: see `splat`.
        u32::from(unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b) })
    }

    #[inline(always)]
    fn keep(self, a: __m512, x: __m512, y: __m512) -> __m512 {
        // SAFETY: see `splat`.
        unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, y), a) }
    }

    #[inline(always)]
    fn pow2(self, a: __m512) -> __m512 {
        // SAFETY: see `splat`.
        unsafe {
            let exponents = _mm512_add_epi32(_mm512_cvtps_epi32(a), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponents))
        }
    }

    #[inline(always)]
    fn sums(self, vectors: [__m512; 8]) -> [f32; 8] {
        // A closure would not be compiled for the instruction set.
        // SAFETY: see `splat`; the path requires AVX2 as well.
        unsafe {
            let mut halves = [_mm256_set1_ps(0.0); 8];
            for (half, v) in halves.iter_mut().zip(vectors) {
                *half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps::<1>(v));
            }
            avx2::sums(halves)
        }
    }

    #[inline(always)]
    fn prefetch<T>(self, at: &T) {
        // SAFETY: see `splat`; a hint reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(at).cast()) }
    }
}

/// a - from in double precision, eight numbers a vector.
///
/// # Safety
/// The machine must have AVX-512.
#[inline(always)]
unsafe fn distances(a: __m512, from: f64) -> [__m512d; 2] {
    // SAFETY: the caller guarantees the instruction set.
    unsafe {
        let from = _mm512_set1_pd(from);
        [
            _mm512_sub_pd(_mm512_cvtps_pd(_mm512_castps512_ps256(a)), from),
            _mm512_sub_pd(_mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(a)), from),
        ]
    }
}
