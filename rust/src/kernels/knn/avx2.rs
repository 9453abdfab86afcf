//! The tile operations with AVX2 and FMA: twelve accumulators of eight, two loads and six broadcasts a step.

use std::arch::asm;
use std::arch::x86_64::{
    __m256, __m256i, _CMP_GE_OQ, _mm256_add_epi32, _mm256_add_ps, _mm256_broadcast_ss, _mm256_castps_si256,
    _mm256_castsi256_ps, _mm256_cmp_ps, _mm256_cvtepi32_ps, _mm256_loadu_ps, _mm256_loadu_si256,
    _mm256_min_ps, _mm256_movemask_ps, _mm256_or_ps, _mm256_setzero_ps, _mm256_setzero_si256,
    _mm256_storeu_si256,
};
use std::marker::PhantomData;

use super::format::{F32, Format, I16};
use super::tile::{COLS, Filter, Kernel, Line, Operands, Small, canonical_dot, check_sizes};
use crate::kernels::simd::has_avx2;

const ROWS: usize = 6;

/// Sums of a micro-tile, as bits.
type Sums = [[__m256i; 2]; ROWS];

/// Proof that the machine has AVX2 and FMA: made by [`Avx2::detect`] alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx2<F>(PhantomData<F>);

impl<F: Format> Avx2<F> {
    pub(super) fn detect() -> Option<Self> {
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

    fn dot(self, x: &[f32], y: &[f32]) -> f64 {
        // SAFETY: an `Avx2` exists only where the instructions do.
        unsafe { dot(x, y) }
    }
}

/// Plain Rust, compiled for wider vectors.
#[target_feature(enable = "avx2,fma")]
pub(super) fn encode<F: Format>(row: &[f32], scale: f64, cells: &mut [u32]) -> f64 {
    F::encode(row, scale, cells)
}

/// The canonical order of sums, compiled for wider vectors.
#[target_feature(enable = "avx2,fma")]
pub(super) fn dot(x: &[f32], y: &[f32]) -> f64 {
    canonical_dot(x, y)
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
        // Loops rather than closures: a closure would not be compiled for these instructions.
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

/// Adds the products of one row's cell, at `$at` behind `{a}`, with the line in ymm12 and ymm13.
macro_rules! row_f32 {
    ($at:expr, $low:literal, $high:literal) => {
        concat!(
            "vbroadcastss ymm14, [{a} + ",
            $at,
            "]\n",
            "vfmadd231ps ",
            $low,
            ", ymm14, ymm12\n",
            "vfmadd231ps ",
            $high,
            ", ymm14, ymm13\n",
        )
    };
}

macro_rules! row_i16 {
    ($at:expr, $low:literal, $high:literal) => {
        concat!(
            "vpbroadcastd ymm14, [{a} + ",
            $at,
            "]\n",
            "vpmaddwd ymm15, ymm14, ymm12\n",
            "vpmaddwd ymm14, ymm14, ymm13\n",
            "vpaddd ",
            $low,
            ", ",
            $low,
            ", ymm15\n",
            "vpaddd ",
            $high,
            ", ",
            $high,
            ", ymm14\n",
        )
    };
}

/// One step: a line of columns and six cells of rows.
macro_rules! step {
    ($row:ident, $step:literal) => {
        concat!(
            "vmovaps ymm12, [{b} + 64*",
            $step,
            "]\n",
            "vmovaps ymm13, [{b} + 64*",
            $step,
            " + 32]\n",
            $row!(concat!("24*", $step, " + 0"), "ymm0", "ymm1"),
            $row!(concat!("24*", $step, " + 4"), "ymm2", "ymm3"),
            $row!(concat!("24*", $step, " + 8"), "ymm4", "ymm5"),
            $row!(concat!("24*", $step, " + 12"), "ymm6", "ymm7"),
            $row!(concat!("24*", $step, " + 16"), "ymm8", "ymm9"),
            $row!(concat!("24*", $step, " + 20"), "ymm10", "ymm11"),
        )
    };
}

/// The loop over steps, four at a time. In assembly, because LLVM hoists the loads of unrolled steps and then keeps two
/// of the twelve accumulators in memory, which costs a third of the speed.
macro_rules! product {
    ($name:ident, $row:ident) => {
        /// # Safety
        /// See [`Instructions::product`].
        #[inline]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn $name(left: *const u32, right: *const Line, steps: usize) -> Sums {
            let mut c = [[_mm256_setzero_si256(); 2]; ROWS];
            // SAFETY: reads `steps` lines, which are aligned, and six cells for each; writes registers alone.
            unsafe {
                asm!(
                    "test {n}, {n}", "jz 3f",
                    "2:",
                    step!($row, "0"), step!($row, "1"), step!($row, "2"), step!($row, "3"),
                    "add {a}, 96", "add {b}, 256", "dec {n}", "jnz 2b",
                    "3:",
                    "test {m}, {m}", "jz 5f",
                    "4:",
                    step!($row, "0"),
                    "add {a}, 24", "add {b}, 64", "dec {m}", "jnz 4b",
                    "5:",
                    a = inout(reg) left => _, b = inout(reg) right => _,
                    n = inout(reg) steps / 4 => _, m = inout(reg) steps % 4 => _,
                    inout("ymm0") c[0][0], inout("ymm1") c[0][1], inout("ymm2") c[1][0], inout("ymm3") c[1][1],
                    inout("ymm4") c[2][0], inout("ymm5") c[2][1], inout("ymm6") c[3][0], inout("ymm7") c[3][1],
                    inout("ymm8") c[4][0], inout("ymm9") c[4][1], inout("ymm10") c[5][0], inout("ymm11") c[5][1],
                    out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
                    options(nostack, readonly),
                );
            }
            c
        }
    };
}

product!(product_f32, row_f32);
product!(product_i16, row_i16);

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
