//! Sparse times dense, and the mean over propagation layers.
//!
//! Each output row is one sequential chain of fused multiply-adds over the row's entries, in their stored order, so
//! the result is the same for every number of threads and every instruction path. Bound by memory: per entry one row of
//! the operand is read.

use rayon::prelude::*;

use super::cancel::Cancel;
use super::csr::Indptr;
use super::error::Error;
use super::lanes::{Lanes, WIDTH, Work};
use super::simd::Path;

/// Chunks per thread: enough to even out rows of unequal cost.
const CHUNKS_PER_THREAD: usize = 16;
/// How many entries ahead the operand's rows are asked for.
const AHEAD: usize = 12;

/// A sparse matrix whose entries may stand in any order within a row.
///
/// Unlike [`super::csr::Csr`] it only checks what safety needs, since it is made anew for every product.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    indptr: Indptr<'a>,
    indices: &'a [i32],
    values: &'a [f32],
    n_cols: usize,
}

impl<'a> Matrix<'a> {
    /// Checks the arrays and wraps them.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the lengths disagree, the pointers descend, or a column is outside `0..n_cols`.
    pub fn new(
        indptr: Indptr<'a>,
        indices: &'a [i32],
        values: &'a [f32],
        n_cols: usize,
    ) -> Result<Self, Error> {
        let n_rows = indptr.n_rows();
        let (empty, ascending) = match indptr {
            Indptr::Narrow(p) => (p.is_empty(), p.first() == Some(&0) && p.is_sorted()),
            Indptr::Wide(p) => (p.is_empty(), p.first() == Some(&0) && p.is_sorted()),
        };
        if empty || !ascending || indptr.at(n_rows) != indices.len() {
            return Err(Error::invalid(format!(
                "indptr must ascend from 0 to the number of entries, {}",
                indices.len()
            )));
        }
        if indices.len() != values.len() {
            return Err(Error::invalid(format!("{} entries but {} values", indices.len(), values.len())));
        }
        let limit = u32::try_from(n_cols).unwrap_or(u32::MAX);
        // No early exit: the whole pass runs on vectors.
        let outside = indices.iter().fold(false, |bad, &col| bad | (col as u32 >= limit));
        if outside {
            return Err(Error::invalid(format!("a column is outside 0..{n_cols}")));
        }
        Ok(Self { indptr, indices, values, n_cols })
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.indptr.n_rows()
    }

    /// Rows cut into chunks of about equal cost: the first row of each, then the number of rows.
    fn chunks(&self) -> Vec<usize> {
        let n_rows = self.n_rows();
        let parts = (rayon::current_num_threads() * CHUNKS_PER_THREAD).clamp(1, n_rows.max(1));
        // A row costs about as much as two entries, whatever it holds.
        let cost = |row: usize| self.indptr.at(row) + 2 * row;
        let total = cost(n_rows);
        let mut cuts = Vec::with_capacity(parts + 1);
        cuts.push(0);
        for part in 1..parts {
            let goal = (total as u128 * part as u128 / parts as u128) as usize;
            let (mut low, mut high) = (cuts[part - 1], n_rows);
            while low < high {
                let middle = low.midpoint(high);
                if cost(middle) < goal { low = middle + 1 } else { high = middle }
            }
            cuts.push(low);
        }
        cuts.push(n_rows);
        cuts
    }
}

/// Writes `scale · (plus + matrix · dense)` into `out`, all with rows of `width` numbers; without `plus`,
/// `scale · matrix · dense`.
///
/// # Errors
/// [`Error::Invalid`] if a shape does not fit; [`Error::Cancelled`].
pub fn multiply(
    matrix: Matrix<'_>,
    dense: &[f32],
    plus: Option<&[f32]>,
    scale: f32,
    width: usize,
    out: &mut [f32],
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    let n_rows = matrix.n_rows();
    if dense.len() != matrix.n_cols * width || out.len() != n_rows * width {
        return Err(Error::invalid(format!(
            "a ({n_rows}, {}) matrix times rows of {width} needs {} numbers in and {} out, got {} and {}",
            matrix.n_cols,
            matrix.n_cols * width,
            n_rows * width,
            dense.len(),
            out.len()
        )));
    }
    if let Some(plus) = plus
        && plus.len() != out.len()
    {
        return Err(Error::invalid(format!("cannot add {} numbers to {}", plus.len(), out.len())));
    }
    if width == 0 {
        return Ok(());
    }
    let mut parts = Vec::new();
    let mut rest = out;
    for cut in matrix.chunks().windows(2) {
        let (part, after) = rest.split_at_mut((cut[1] - cut[0]) * width);
        rest = after;
        parts.push((cut[0], part));
    }
    parts.into_par_iter().try_for_each(|(first, out)| {
        cancel.check()?;
        path.run(Rows { matrix, dense, plus, scale, width, first, out });
        Ok(())
    })
}

/// Writes the mean over l = 0 … `layers` of `matrix^l · x` into `out`, by Horner's form: h ← x + A·h, `layers` times,
/// then one division. Cost: `layers` products, one scratch array if `layers` > 1.
///
/// # Errors
/// [`Error::Invalid`] if the matrix is not square or a shape does not fit; [`Error::Cancelled`].
pub fn propagate_mean(
    matrix: Matrix<'_>,
    x: &[f32],
    layers: usize,
    width: usize,
    out: &mut [f32],
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    if matrix.n_rows() != matrix.n_cols {
        return Err(Error::invalid(format!(
            "propagation needs a square matrix, got ({}, {})",
            matrix.n_rows(),
            matrix.n_cols
        )));
    }
    if x.len() != out.len() {
        return Err(Error::invalid(format!("x has {} numbers, out {}", x.len(), out.len())));
    }
    if layers == 0 {
        out.copy_from_slice(x);
        return Ok(());
    }
    let last = 1.0 / (layers + 1) as f32;
    let mut scratch = if layers > 1 { vec![0.0; x.len()] } else { Vec::new() };
    for layer in 0..layers {
        let scale = if layer + 1 == layers { last } else { 1.0 };
        // The layers alternate between the two arrays so that the last one writes to `out`.
        let to_out = (layers - layer) % 2 == 1;
        let (from, to): (&[f32], &mut [f32]) = match (layer, to_out) {
            (0, true) => (x, &mut *out),
            (0, false) => (x, &mut scratch),
            (_, true) => (&scratch, &mut *out),
            (_, false) => (&*out, &mut scratch),
        };
        multiply(matrix, from, Some(x), scale, width, to, path, cancel)?;
    }
    Ok(())
}

/// Some rows of a product.
struct Rows<'a, 'b> {
    matrix: Matrix<'a>,
    dense: &'a [f32],
    plus: Option<&'a [f32]>,
    scale: f32,
    width: usize,
    first: usize,
    out: &'b mut [f32],
}

impl Work for Rows<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { matrix, dense, plus, scale, width, first, out } = self;
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
            };
            let plus = plus.map(|plus| &plus[(first + offset) * width..][..width]);
            let mut column = 0;
            while width - column >= 8 * WIDTH {
                row.columns::<L, 8>(lanes, plus, column, out);
                column += 8 * WIDTH;
            }
            if width - column >= 4 * WIDTH {
                row.columns::<L, 4>(lanes, plus, column, out);
                column += 4 * WIDTH;
            }
            while width - column >= WIDTH {
                row.columns::<L, 1>(lanes, plus, column, out);
                column += WIDTH;
            }
            for (column, out) in out.iter_mut().enumerate().skip(column) {
                let mut sum = plus.map_or(0.0, |plus| plus[column]);
                for (&col, &value) in row.indices.iter().zip(row.values) {
                    sum = value.mul_add(dense[col as usize * width + column], sum);
                }
                *out = sum * scale;
            }
        }
    }
}

/// One row of the sparse matrix and what it is multiplied with.
struct Row<'a> {
    indices: &'a [i32],
    soon: &'a [i32],
    values: &'a [f32],
    dense: &'a [f32],
    width: usize,
    scale: f32,
}

impl Row<'_> {
    /// `N` vectors of the output row, from `column` on, held in registers throughout.
    #[inline(always)]
    fn columns<L: Lanes, const N: usize>(
        &self,
        lanes: L,
        plus: Option<&[f32]>,
        column: usize,
        out: &mut [f32],
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
                for line in ahead.chunks(16) {
                    lanes.prefetch(&line[0]);
                }
            }
            let value = lanes.splat(value);
            let (from, _) = self.dense[col as usize * self.width + column..][..span].as_chunks::<WIDTH>();
            for (sum, from) in sums.iter_mut().zip(from) {
                *sum = lanes.fma(value, lanes.load(from), *sum);
            }
        }
        let scale = lanes.splat(self.scale);
        let (out, _) = out[column..column + span].as_chunks_mut::<WIDTH>();
        for (sum, out) in sums.iter().zip(out) {
            lanes.store(lanes.mul(*sum, scale), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::Stream;

    fn random(n: usize, seed: u64) -> Vec<f32> {
        let stream = Stream::new(seed, 0);
        (0..n as u64).map(|i| stream.open_unit(i) as f32 - 0.5).collect()
    }

    /// A square matrix with an empty row, a full row and everything between.
    fn example(n: usize) -> (Vec<i32>, Vec<i32>, Vec<f32>) {
        let stream = Stream::new(5, 0);
        let (mut indptr, mut indices) = (vec![0], Vec::new());
        for row in 0..n {
            let kept = (0..n)
                .filter(|&col| row > 0 && stream.open_unit((row * n + col) as u64) < row as f64 / n as f64);
            indices.extend(kept.map(|col| col as i32));
            indptr.push(indices.len() as i32);
        }
        let values = random(indices.len(), 9);
        (indptr, indices, values)
    }

    #[test]
    fn the_mean_over_layers_is_what_it_says() {
        let n = 37;
        let (indptr, indices, values) = example(n);
        let matrix = Matrix::new(Indptr::Narrow(&indptr), &indices, &values, n).unwrap();
        for width in [1, 7, 8, 33, 64, 75, 130] {
            let x = random(n * width, 3);
            for layers in 0..4 {
                let mut outs = Vec::new();
                for path in [Path::Portable, Path::Avx2] {
                    let mut out = vec![f32::NAN; n * width];
                    propagate_mean(matrix, &x, layers, width, &mut out, path, &Cancel::new()).unwrap();
                    outs.push(out);
                }
                assert_eq!(outs[0], outs[1], "the paths differ");
                let mut power: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
                let mut sum = power.clone();
                for _ in 0..layers {
                    let mut next = vec![0.0; n * width];
                    for row in 0..n {
                        for entry in indptr[row] as usize..indptr[row + 1] as usize {
                            for c in 0..width {
                                next[row * width + c] +=
                                    f64::from(values[entry]) * power[indices[entry] as usize * width + c];
                            }
                        }
                    }
                    power = next;
                    sum.iter_mut().zip(&power).for_each(|(s, p)| *s += p);
                }
                for (out, sum) in outs[0].iter().zip(sum) {
                    assert!((f64::from(*out) - sum / (layers + 1) as f64).abs() < 1e-4);
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(Matrix::new(Indptr::Narrow(&[0, 1]), &[3], &[1.0], 3).is_err(), "column too large");
        assert!(Matrix::new(Indptr::Narrow(&[0, 1]), &[-1], &[1.0], 3).is_err(), "negative column");
        assert!(Matrix::new(Indptr::Wide(&[0, 2, 1]), &[0], &[1.0], 3).is_err(), "pointers descend");
        assert!(Matrix::new(Indptr::Narrow(&[]), &[], &[], 3).is_err(), "no pointers");
        let matrix = Matrix::new(Indptr::Narrow(&[0, 1]), &[2], &[1.0], 3).unwrap();
        let (mut out, cancel) = ([0.0; 2], Cancel::new());
        assert!(multiply(matrix, &[0.0; 6], None, 1.0, 2, &mut out, Path::Portable, &cancel).is_ok());
        assert!(multiply(matrix, &[0.0; 5], None, 1.0, 2, &mut out, Path::Portable, &cancel).is_err());
        assert!(propagate_mean(matrix, &[0.0; 2], 1, 2, &mut out, Path::Portable, &cancel).is_err());
    }
}
