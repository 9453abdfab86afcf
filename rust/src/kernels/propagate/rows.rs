//! Rows of a product: the inner loops.

use super::Matrix;
use super::storage::Stored;
use crate::kernels::lanes::{Lanes, WIDTH, Work};

/// The operand's rows are prefetched this many entries ahead.
const AHEAD: usize = 24;

/// Some rows of a product: `scale · (plus + matrix · dense)`.
pub(super) struct Rows<'a, 'b, From, To> {
    pub matrix: Matrix<'a>,
    pub dense: &'a [From],
    pub plus: Option<&'a [f32]>,
    pub scale: f32,
    pub width: usize,
    pub first: usize,
    /// Whether the whole output is too large for the caches.
    pub far: bool,
    pub out: &'b mut [To],
}

impl<From: Stored, To: Stored> Work for Rows<'_, '_, From, To> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { matrix, dense, plus, scale, width, first, far, out } = self;
        for (offset, out) in out.chunks_exact_mut(width).enumerate() {
            let row = first + offset;
            let entries = matrix.indptr.at(row)..matrix.indptr.at(row + 1);
            let row = Row {
                indices: &matrix.indices[entries.clone()],
                soon: &matrix.indices[(entries.start + AHEAD).min(matrix.indices.len())..],
                values: &matrix.values[entries],
                dense,
                width,
                scale,
                far,
            };
            let plus = plus.map(|plus| &plus[(first + offset) * width..][..width]);
            let mut column = 0;
            while width - column >= 4 * WIDTH {
                row.columns::<L, To, 4>(lanes, plus, column, out);
                column += 4 * WIDTH;
            }
            while width - column >= WIDTH {
                row.columns::<L, To, 1>(lanes, plus, column, out);
                column += WIDTH;
            }
            if column < width && width > WIDTH {
                // The last vector overlaps the one before: computing some columns twice is cheaper than single columns.
                row.columns::<L, To, 1>(lanes, plus, width - WIDTH, out);
                column = width;
            }
            for (column, out) in out.iter_mut().enumerate().skip(column) {
                let mut sum = plus.map_or(0.0, |plus| plus[column]);
                for (&col, &value) in row.indices.iter().zip(row.values) {
                    sum = value.mul_add(dense[col as usize * width + column].widen(), sum);
                }
                *out = To::round(sum * scale);
            }
        }
        if far {
            lanes.fence();
        }
    }
}

/// One row of the sparse matrix and what it is multiplied with.
struct Row<'a, From> {
    indices: &'a [i32],
    soon: &'a [i32],
    values: &'a [f32],
    dense: &'a [From],
    width: usize,
    scale: f32,
    far: bool,
}

impl<From: Stored> Row<'_, From> {
    /// `N` vectors of the output row, from `column` on, held in registers throughout.
    #[inline(always)]
    fn columns<L: Lanes, To: Stored, const N: usize>(
        &self,
        lanes: L,
        plus: Option<&[f32]>,
        column: usize,
        out: &mut [To],
    ) {
        let span = N * WIDTH;
        let mut sums = [lanes.splat(0.0); N];
        if let Some(plus) = plus {
            let (plus, _) = plus[column..column + span].as_chunks::<WIDTH>();
            for (sum, plus) in sums.iter_mut().zip(plus) {
                *sum = lanes.load(plus);
            }
        }
        for (entry, (&col, &value)) in self.indices.iter().zip(self.values).enumerate() {
            if let Some(&next) = self.soon.get(entry) {
                let ahead = &self.dense[next as usize * self.width + column..][..span];
                for line in ahead.chunks(64 / size_of::<From>()) {
                    lanes.prefetch(&line[0]);
                }
            }
            let value = lanes.splat(value);
            let (from, _) = self.dense[col as usize * self.width + column..][..span].as_chunks::<WIDTH>();
            for (sum, from) in sums.iter_mut().zip(from) {
                *sum = lanes.fma(value, From::load(lanes, from), *sum);
            }
        }
        let scale = lanes.splat(self.scale);
        let (out, _) = out[column..column + span].as_chunks_mut::<WIDTH>();
        for (sum, out) in sums.iter().zip(out) {
            let sum = lanes.mul(*sum, scale);
            if self.far { To::stream(lanes, sum, out) } else { To::store(lanes, sum, out) }
        }
    }
}
