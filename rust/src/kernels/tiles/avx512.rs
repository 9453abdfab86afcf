//! The tile operations with AVX-512: twenty-four accumulators of sixteen, three loads and eight broadcasts a step.

use std::arch::x86_64::{
    __m512i, _CMP_GE_OQ, _mm512_add_epi32, _mm512_add_ps, _mm512_castps_si512, _mm512_castsi512_ps,
    _mm512_cmp_ps_mask, _mm512_cvtepi32_ps, _mm512_dpwssd_epi32, _mm512_fmadd_ps, _mm512_load_si512,
    _mm512_loadu_ps, _mm512_loadu_si512, _mm512_madd_epi16, _mm512_min_ps, _mm512_set1_epi32, _mm512_set1_ps,
    _mm512_setzero_si512, _mm512_storeu_si512,
};

use super::dot::{Dot, canonical_dot};
use super::format::{F32, Format, I16};
use super::shapes::Wide;
use super::{COLS, Filter, Kernel, Operands, check_sizes};
use crate::kernels::simd::has_avx512;

const ROWS: usize = 8;
const PANELS: usize = 3;

/// A kernel, compiled for `$features`, made of the format's three operations: `sum + a · b` for the cells of sixteen
/// columns, the sum of two sums, and the value of a sum.
macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident, $format:ty, $features:literal, $present:expr,
     $add:ident, $join:ident, $value:ident $(,)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(in crate::kernels) struct $name(());

        impl $name {
            pub(in crate::kernels) fn detect() -> Option<Self> {
                (has_avx512() && $present).then_some(Self(()))
            }

            /// # Safety
            /// The machine has the instructions, and the sizes are those of the shape ([`check_sizes`]).
            #[target_feature(enable = $features)]
            unsafe fn multiply(
                operands: Operands<'_>,
                first: bool,
                tile: &mut [u32],
                filter: Option<Filter<'_>>,
            ) -> bool {
                let (mut left, mut right) = (operands.left.as_ptr(), operands.right.as_ptr());
                let mut sums = [[_mm512_setzero_si512(); PANELS]; ROWS];
                // SAFETY: there are eight cells and, in each panel, one line for every step.
                unsafe {
                    for _ in 0..operands.steps {
                        let mut lines = [_mm512_setzero_si512(); PANELS];
                        for (panel, line) in lines.iter_mut().enumerate() {
                            *line = _mm512_load_si512(right.add(panel * operands.stride).cast());
                        }
                        for (row, sums) in sums.iter_mut().enumerate() {
                            let cell = _mm512_set1_epi32(*left.add(row) as i32);
                            for (sum, line) in sums.iter_mut().zip(lines) {
                                *sum = $add!(*sum, cell, line);
                            }
                        }
                        left = left.add(ROWS);
                        right = right.add(1);
                    }
                }
                // SAFETY: a tile holds eight rows of three lines, a filter eight limits and three lines of them.
                unsafe {
                    if !first {
                        for (row, sums) in sums.iter_mut().enumerate() {
                            for (panel, sum) in sums.iter_mut().enumerate() {
                                let at = tile.as_ptr().add((row * PANELS + panel) * COLS);
                                *sum = $join!(*sum, _mm512_loadu_si512(at.cast()));
                            }
                        }
                    }
                    let Some(filter) = filter else {
                        store(&sums, tile);
                        return false;
                    };
                    let mut found = [0u64; ROWS];
                    let mut any = 0;
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let limit = _mm512_set1_ps(*filter.rows.as_ptr().add(row));
                        for (panel, sum) in sums.iter_mut().enumerate() {
                            let limits = _mm512_loadu_ps(filter.columns.as_ptr().add(panel * COLS));
                            let value = $value(*sum);
                            *sum = _mm512_castps_si512(value);
                            let reached =
                                _mm512_cmp_ps_mask::<_CMP_GE_OQ>(value, _mm512_min_ps(limit, limits));
                            found[row] |= u64::from(reached) << (panel * COLS);
                        }
                        any |= found[row];
                    }
                    if any == 0 {
                        return false;
                    }
                    filter.found.copy_from_slice(&found);
                    store(&sums, tile);
                    true
                }
            }
        }

        impl Kernel for $name {
            type Shape = Wide<$format>;
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
                check_sizes::<Self::Shape>(operands, tile, filter.as_ref());
                // SAFETY: the kernel exists only where the instructions do, and the sizes are those of the shape.
                unsafe { Self::multiply(operands, first, tile, filter) }
            }

            fn encode(self, row: &[f32], scale: f64, cells: &mut [u32]) -> f64 {
                // SAFETY: the kernel exists only where the instructions do.
                unsafe { encode::<$format>(row, scale, cells) }
            }
        }
    };
}

/// Plain Rust, compiled for wider vectors.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
pub(super) fn encode<F: Format>(row: &[f32], scale: f64, cells: &mut [u32]) -> f64 {
    F::encode(row, scale, cells)
}

/// [`canonical_dot`], compiled for wider vectors, where the machine has them.
pub(super) fn dot() -> Option<Dot> {
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
    fn wider(x: &[f32], y: &[f32]) -> f64 {
        canonical_dot(x, y)
    }
    // SAFETY: the function is returned only if the machine has the instructions.
    has_avx512().then_some(|x, y| unsafe { wider(x, y) })
}

/// # Safety
/// `tile` holds eight rows of three lines.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn store(sums: &[[__m512i; PANELS]; ROWS], tile: &mut [u32]) {
    for (at, sum) in sums.as_flattened().iter().enumerate() {
        // SAFETY: see above.
        unsafe { _mm512_storeu_si512(tile.as_mut_ptr().add(at * COLS).cast(), *sum) };
    }
}

/// Macros instead of functions or closures, which would not be compiled for the kernel's instructions.
macro_rules! add_f32 {
    ($sum:expr, $a:expr, $b:expr) => {
        _mm512_castps_si512(_mm512_fmadd_ps(
            _mm512_castsi512_ps($a),
            _mm512_castsi512_ps($b),
            _mm512_castsi512_ps($sum),
        ))
    };
}

macro_rules! join_f32 {
    ($a:expr, $b:expr) => {
        _mm512_castps_si512(_mm512_add_ps(_mm512_castsi512_ps($a), _mm512_castsi512_ps($b)))
    };
}

macro_rules! add_i16 {
    ($sum:expr, $a:expr, $b:expr) => {
        _mm512_add_epi32($sum, _mm512_madd_epi16($a, $b))
    };
}

macro_rules! add_vnni {
    ($sum:expr, $a:expr, $b:expr) => {
        _mm512_dpwssd_epi32($sum, $a, $b)
    };
}

macro_rules! join_i16 {
    ($a:expr, $b:expr) => {
        _mm512_add_epi32($a, $b)
    };
}

kernel!(
    /// Float32 with fused multiply-add.
    Floats,
    F32,
    "avx512f,avx512bw,avx512dq,avx512vl",
    true,
    add_f32,
    join_f32,
    _mm512_castsi512_ps,
);

kernel!(
    /// Int16, multiplied and added in two instructions.
    Pairs,
    I16,
    "avx512f,avx512bw,avx512dq,avx512vl",
    true,
    add_i16,
    join_i16,
    _mm512_cvtepi32_ps,
);

kernel!(
    /// Int16, multiplied and added in one instruction.
    Vnni,
    I16,
    "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni",
    is_x86_feature_detected!("avx512vnni"),
    add_vnni,
    join_i16,
    _mm512_cvtepi32_ps,
);

#[cfg(test)]
mod tests {
    use super::super::agreement::{check, skipped};
    use super::*;

    #[test]
    fn does_what_plain_rust_does() {
        match (Floats::detect(), Pairs::detect()) {
            (Some(floats), Some(pairs)) => {
                check(floats);
                check(pairs);
            }
            _ => skipped("AVX-512 (F, BW, DQ, VL)"),
        }
        match Vnni::detect() {
            Some(vnni) => check(vnni),
            None => skipped("AVX-512 VNNI"),
        }
    }
}
