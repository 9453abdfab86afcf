//! Sixteen numbers at once: the few operations that the dense kernels are made of.
//!
//! A kernel is written once, over [`Lanes`], and compiled three times: for any machine, for AVX2 and for AVX-512. Every
//! operation is defined to the bit (multiply-add rounds once on all paths), so the paths agree to the bit.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod functions;
mod portable;
#[cfg(test)]
mod tests;

pub use functions::{exp, signed_log1p};
pub use portable::Portable;

use super::simd::{Path, has_avx2, has_avx512};

/// How many numbers one vector holds.
pub const WIDTH: usize = 16;

/// Numbers of a table that [`Lanes::pick`] looks up by a byte.
pub const TABLE: usize = 256;

/// The bits of 1 less those of √½: what [`Lanes::exponent`] adds, so that an exponent changes at √½ · 2^n.
const FROM_ROOT: i32 = 0x3f80_0000 - 0x3f35_04f3;

/// The operations on sixteen `f32`; a value of this type is the permission to use them.
pub trait Lanes: Copy {
    /// Sixteen numbers.
    type V: Copy;
    /// Sixteen sums in `f64`.
    type Sums: Copy;
    /// Whether there are registers for twenty-four vectors and more, not just for six.
    const TALL: bool;
    /// The same number sixteen times.
    fn splat(self, x: f32) -> Self::V;
    /// Sixteen numbers from memory.
    fn load(self, from: &[f32; WIDTH]) -> Self::V;
    /// The numbers of `table` at the given places, all of which are below `len`: few numbers are found faster.
    fn pick(self, table: &[f32; TABLE], len: usize, places: &[u8; WIDTH]) -> Self::V;
    /// Sixteen numbers to memory.
    fn store(self, v: Self::V, to: &mut [f32; WIDTH]);
    /// Sixteen numbers to memory that is not read soon; they bypass the caches where `to` starts a cache line. Other
    /// threads are sure to see them only after [`Self::fence`].
    fn stream(self, v: Self::V, to: &mut [f32; WIDTH]);
    /// A store fence: waits until all that this thread streamed is in memory.
    fn fence(self);
    /// a · b + c, rounded once.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// a · b.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// a / b.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// a + b.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// The greater one; `b` where they are equal or one is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The lesser one; `b` where they are equal or one is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// |a|.
    fn abs(self, a: Self::V) -> Self::V;
    /// |a| with the sign of `of`.
    fn with_sign(self, a: Self::V, of: Self::V) -> Self::V;
    /// The whole number n that puts a / 2^n between √½ and √2, for positive normal a.
    fn exponent(self, a: Self::V) -> Self::V;
    /// (a - mean) · factor in `f64`, each operation rounded once, then rounded to `f32`.
    fn standard(self, a: Self::V, mean: f64, factor: f64) -> Self::V;
    /// Sixteen zeros.
    fn no_sums(self) -> Self::Sums;
    /// sums + (a - from) in `f64`, each operation rounded once.
    fn add_distances(self, a: Self::V, from: f64, sums: Self::Sums) -> Self::Sums;
    /// sums + (a - from)² in `f64`, the difference rounded, then the multiply-add.
    fn add_squares(self, a: Self::V, from: f64, sums: Self::Sums) -> Self::Sums;
    /// The sixteen sums, one after the other.
    fn each_sum(self, sums: Self::Sums) -> [f64; WIDTH];
    /// Bit j is set where a_j > b_j; never for NaN.
    fn above(self, a: Self::V, b: Self::V) -> u32;
    /// a where x > y, 0 elsewhere and where either is NaN.
    fn keep(self, a: Self::V, x: Self::V, y: Self::V) -> Self::V;
    /// 2^a for whole numbers a from -126 to 127.
    fn pow2(self, a: Self::V) -> Self::V;
    /// The sum of the numbers of each of eight vectors: the two halves are added, then neighbours, three times.
    fn sums(self, vectors: [Self::V; 8]) -> [f32; 8];
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
    /// Does `work` on this path, or on the next simpler one that the machine has. Tiles are of no use here: the path AMX
    /// runs the code for AVX-512.
    #[inline]
    pub fn run<W: Work>(self, work: W) -> W::Output {
        #[cfg(target_arch = "x86_64")]
        if self != Self::Portable && has_avx2() && has_bit_counts() {
            if self != Self::Avx2 && has_avx512() {
                // SAFETY: the machine has all that it is compiled for.
                return unsafe { avx512::run(work) };
            }
            // SAFETY: the machine has all that it is compiled for.
            return unsafe { avx2::run(work) };
        }
        work.run(Portable)
    }
}

/// Whether the machine has instructions that count and scan bits; all machines with AVX2 that we know have them.
#[cfg(target_arch = "x86_64")]
fn has_bit_counts() -> bool {
    is_x86_feature_detected!("popcnt") && is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2")
}
