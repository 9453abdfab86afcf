//! How a normalised row is written for the filter: as float32, as scaled int16, or as bfloat16.
//!
//! A *cell* is four bytes of a row, one float32 or two 16-bit numbers, so that one layout and one geometry of loops
//! serve all formats. Everything here is plain Rust; an instruction path does the same faster.

use super::chunks::Chunks;
use super::writing::{pairs, squares};

/// Relative rounding of float32.
const U: f64 = 1.0 / (1u64 << 24) as f64;

/// A number format: how rows are written and multiplied. Sums are held as bits, and zero bits are the sum 0.
pub(in crate::kernels) trait Format: Copy + Send + Sync + 'static {
    /// Values in a cell.
    const PER_CELL: usize;

    /// What the unit rows are multiplied by; `largest` is the largest magnitude of a value in them.
    fn scale(width: usize, largest: f64) -> f64;

    /// Writes `row · scale` into `cells`, then zeros, and returns the squared length of the rounding error.
    ///
    /// `scale` contains the normalisation; the values of a format's rows are in units of its own scale.
    fn encode(row: &[f32], scale: f64, cells: &mut [u32]) -> f64;

    /// `sum + a · b`, over all values of the two cells.
    fn add(sum: u32, a: u32, b: u32) -> u32;

    /// The sum of two sums.
    fn join(a: u32, b: u32) -> u32;

    /// The value of a sum.
    fn value(sum: u32) -> f32;

    /// The largest error of a sum's value, relative to the product of the two rows' lengths.
    fn rounding(chunks: Chunks) -> f64;
}

/// The usual bound for a chain of `steps` roundings.
fn chain(steps: usize) -> f64 {
    let steps = steps as f64 * U;
    steps / (1.0 - steps)
}

/// One float32 in a cell.
#[derive(Debug, Clone, Copy)]
pub(in crate::kernels) struct F32;

impl Format for F32 {
    const PER_CELL: usize = 1;

    fn scale(_: usize, _: f64) -> f64 {
        1.0
    }

    #[inline(always)]
    fn encode(row: &[f32], scale: f64, cells: &mut [u32]) -> f64 {
        let (cells, rest) = cells.split_at_mut(row.len());
        rest.fill(0);
        squares(row, |at, value| {
            let exact = f64::from(value) * scale;
            let rounded = exact as f32;
            cells[at] = rounded.to_bits();
            exact - f64::from(rounded)
        })
    }

    #[inline(always)]
    fn add(sum: u32, a: u32, b: u32) -> u32 {
        (f32::from_bits(sum) + f32::from_bits(a) * f32::from_bits(b)).to_bits()
    }

    #[inline(always)]
    fn join(a: u32, b: u32) -> u32 {
        (f32::from_bits(a) + f32::from_bits(b)).to_bits()
    }

    #[inline(always)]
    fn value(sum: u32) -> f32 {
        f32::from_bits(sum)
    }

    /// Each product is rounded once itself (not with a fused addition), once at every step of its chunk, and once for
    /// every chunk, since a chunk's sum starts from zero.
    fn rounding(chunks: Chunks) -> f64 {
        chain(chunks.longest() + chunks.count() + 1)
    }
}

/// Two int16 in a cell; sums are exact in int32.
#[derive(Debug, Clone, Copy)]
pub(in crate::kernels) struct I16;

impl I16 {
    /// Rows shorter than this (as integers) have products that fit int32: its square is below 2^31 (Cauchy–Schwarz).
    /// That also holds for every part of a row, so that no partial sum leaves the range.
    const LONGEST: f64 = 46_340.0;
    /// Values up to this fit int16 after rounding.
    const LARGEST: f64 = 32_766.0;

    /// Whether int16 has any resolution left for rows of this width.
    pub(in crate::kernels) fn fits(width: usize) -> bool {
        width <= 1 << 24
    }
}

impl Format for I16 {
    const PER_CELL: usize = 2;

    /// The largest scale that values and lengths allow; rounding lengthens a row by at most √width / 2.
    fn scale(width: usize, largest: f64) -> f64 {
        (Self::LARGEST / largest).min(Self::LONGEST - 2.0 - (width as f64).sqrt() / 2.0)
    }

    #[inline(always)]
    fn encode(row: &[f32], scale: f64, cells: &mut [u32]) -> f64 {
        pairs(
            row,
            scale,
            cells,
            #[inline(always)]
            |exact| {
                let rounded = exact.round_ties_even();
                // The scale keeps it in range. Vectors convert to i32 only, so the conversion goes through it.
                (rounded as i32 as u32 & 0xFFFF, rounded)
            },
        )
    }

    #[inline(always)]
    fn add(sum: u32, a: u32, b: u32) -> u32 {
        let low = i32::from(a as i16) * i32::from(b as i16);
        let high = ((a as i32) >> 16) * ((b as i32) >> 16);
        sum.wrapping_add(low as u32).wrapping_add(high as u32)
    }

    #[inline(always)]
    fn join(a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }

    #[inline(always)]
    fn value(sum: u32) -> f32 {
        sum as i32 as f32
    }

    /// Only the conversion of the whole sum to float32.
    fn rounding(_: Chunks) -> f64 {
        U
    }
}

/// Two bfloat16 in a cell; sums in float32.
#[derive(Debug, Clone, Copy)]
pub(in crate::kernels) struct Bf16;

impl Format for Bf16 {
    const PER_CELL: usize = 2;

    fn scale(_: usize, _: f64) -> f64 {
        1.0
    }

    #[inline(always)]
    fn encode(row: &[f32], scale: f64, cells: &mut [u32]) -> f64 {
        pairs(
            row,
            scale,
            cells,
            #[inline(always)]
            |exact| {
                let half = nearest_bf16(exact as f32);
                (half, f64::from(f32::from_bits(half << 16)))
            },
        )
    }

    #[inline(always)]
    fn add(sum: u32, a: u32, b: u32) -> u32 {
        let (low, high) = (|x: u32| f32::from_bits(x << 16), |x: u32| f32::from_bits(x & 0xFFFF_0000));
        (f32::from_bits(sum) + low(a) * low(b) + high(a) * high(b)).to_bits()
    }

    #[inline(always)]
    fn join(a: u32, b: u32) -> u32 {
        F32::join(a, b)
    }

    #[inline(always)]
    fn value(sum: u32) -> f32 {
        f32::from_bits(sum)
    }

    /// A product of two bfloat16 is exact in float32. Each is rounded at most once for every value, in whatever order
    /// the machine adds the two of a cell, and a few times where the parts of a row are added (an instruction sums
    /// sixteen cells).
    fn rounding(chunks: Chunks) -> f64 {
        chain(2 * chunks.steps() + 4 * (chunks.steps().div_ceil(16) + chunks.count() + 1))
    }
}

/// Rounds to nearest, ties to even. Numbers that the tile instructions would read as zero are written as zero.
#[inline(always)]
fn nearest_bf16(value: f32) -> u32 {
    let bits = value.to_bits();
    let rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    if rounded & 0x7F80 == 0 { 0 } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::Stream;

    fn row(width: usize, seed: u64) -> Vec<f32> {
        let stream = Stream::new(seed, 4);
        let values: Vec<f64> = (0..width as u64).map(|p| stream.open_unit(p) * 2.0 - 1.0).collect();
        let length = values.iter().map(|x| x * x).sum::<f64>().sqrt();
        values.into_iter().map(|x| (x / length) as f32).collect()
    }

    /// The reported error is the true one, and products of cells are products of rows.
    fn check<F: Format>(decode: impl Fn(u32) -> Vec<f64>, tolerance: f64) {
        for width in [1usize, 2, 15, 16, 17, 300] {
            let (x, y) = (row(width, 1), row(width, 2));
            let largest = x.iter().chain(&y).fold(0.0f32, |a, b| a.max(b.abs()));
            let scale = F::scale(width, largest.into());
            let steps = width.div_ceil(F::PER_CELL) + 3;
            let (mut a, mut b) = (vec![u32::MAX; steps], vec![u32::MAX; steps]);
            let error = F::encode(&x, scale, &mut a);
            F::encode(&y, scale, &mut b);
            let values: Vec<f64> = a.iter().flat_map(|&cell| decode(cell)).collect();
            let true_error: f64 = (0..values.len())
                .map(|p| (values[p] - x.get(p).map_or(0.0, |&x| f64::from(x) * scale)).powi(2))
                .sum();
            assert!((error - true_error).abs() <= 1e-9 * true_error.max(1e-12), "{error} {true_error}");
            let sum = a.iter().zip(&b).fold(0, |sum, (&a, &b)| F::add(sum, a, b));
            let truth: f64 = x.iter().zip(&y).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
            assert!((f64::from(F::value(sum)) / scale / scale - truth).abs() < tolerance);
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        check::<F32>(|cell| vec![f32::from_bits(cell).into()], 1e-5);
        check::<I16>(|cell| vec![(cell as i16).into(), ((cell >> 16) as i16).into()], 1e-3);
        let read = |half: u32| f64::from(f32::from_bits(half << 16));
        check::<Bf16>(|cell| vec![read(cell & 0xFFFF), read(cell >> 16)], 1e-2);
    }

    #[test]
    fn the_longest_int16_rows_do_not_overflow() {
        for width in [1usize, 2, 3, 100, 1 << if cfg!(miri) { 8 } else { 16 }] {
            let x = vec![(1.0 / (width as f64).sqrt()) as f32; width];
            let mut cells = vec![0; width.div_ceil(2)];
            let scale = I16::scale(width, x[0].into());
            I16::encode(&x, scale, &mut cells);
            let sum = cells.iter().fold(0, |sum, &cell| I16::add(sum, cell, cell));
            let exact: i64 =
                cells.iter().map(|&c| i64::from(c as i16).pow(2) + i64::from((c >> 16) as i16).pow(2)).sum();
            assert_eq!(i64::from(sum as i32), exact);
            assert!(exact > 1 << 29, "the range is used: {exact}");
        }
    }

    #[test]
    fn numbers_below_the_normal_range_of_bfloat16_become_zero() {
        assert_eq!(nearest_bf16(1e-39), 0);
        assert_eq!(nearest_bf16(-1e-39), 0);
        assert_eq!(nearest_bf16(1.0), 0x3F80);
        assert_eq!(nearest_bf16(-1.0 - 2f32.powi(-9)), 0xBF80);
    }
}
