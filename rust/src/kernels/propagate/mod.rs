//! Sparse times dense, and the mean over propagation layers.
//!
//! Each output row is one sequential chain of fused multiply-adds over the row's entries, in their stored order, so
//! the result is the same for every number of threads and every instruction path. Bound by memory: per entry one row of
//! the operand is read.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::cancel::Cancel;
use super::error::Error;
use super::simd::Path;

mod matrix;
mod rows;

pub use matrix::Matrix;
use rows::Rows;

/// Scratch of the last call, for the next one: touching fresh memory costs as much as a product does.
static SCRATCH: Mutex<Vec<f32>> = Mutex::new(Vec::new());
/// The most numbers that are kept for it: 64 MiB.
const KEEP: usize = 1 << 24;

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
    let mut kept = Vec::new();
    if layers > 1 {
        kept = std::mem::take(&mut *SCRATCH.lock().unwrap_or_else(PoisonError::into_inner));
        if kept.len() < x.len() {
            kept.resize(x.len(), 0.0);
        }
    }
    let scratch = kept.get_mut(..x.len()).unwrap_or_default();
    for layer in 0..layers {
        let scale = if layer + 1 == layers { last } else { 1.0 };
        // The layers alternate between the two arrays so that the last one writes to `out`.
        let to_out = (layers - layer) % 2 == 1;
        let (from, to): (&[f32], &mut [f32]) = match (layer, to_out) {
            (0, true) => (x, &mut *out),
            (0, false) => (x, &mut *scratch),
            (_, true) => (&*scratch, &mut *out),
            (_, false) => (&*out, &mut *scratch),
        };
        multiply(matrix, from, Some(x), scale, width, to, path, cancel)?;
    }
    if layers > 1 && kept.len() <= KEEP {
        *SCRATCH.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::csr::Indptr;
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
