//! The innermost loop with AVX2 and FMA, in assembly.

use std::arch::asm;
use std::arch::x86_64::{__m256i, _mm256_setzero_si256};

use super::Line;

/// Rows of a micro-tile.
pub(super) const ROWS: usize = 6;

/// Sums of a micro-tile, as bits.
pub(super) type Sums = [[__m256i; 2]; ROWS];

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

/// The loop over steps, four at a time. It is assembly because LLVM hoists the loads of unrolled steps and then keeps
/// two of the twelve accumulators in memory, which costs a third of the speed.
macro_rules! product {
    ($name:ident, $row:ident) => {
        /// # Safety
        /// The machine has AVX2 and FMA, `left` holds `6 · steps` cells and `right` `steps` lines.
        #[inline]
        #[target_feature(enable = "avx2,fma")]
        pub(super) unsafe fn $name(left: *const u32, right: *const Line, steps: usize) -> Sums {
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
