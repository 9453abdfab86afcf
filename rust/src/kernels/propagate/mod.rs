//! Sparse times dense, and the mean over propagation layers.
//!
//! Each output row is one sequential chain of fused multiply-adds over the row's entries, in their stored order, so the
//! result is the same for every number of threads and every instruction path. Memory bandwidth limits the speed: each
//! entry reads one row of the operand.

use rayon::prelude::*;

use super::cancel::Cancel;
use super::error::Error;
use super::simd::Path;

mod matrix;
mod rows;
mod scratch;
mod storage;

pub use matrix::Matrix;
use rows::Rows;
use scratch::Scratch;
use storage::{Half, Stored};

/// The most bytes that one kept work buffer may have.
const KEEP: usize = 1 << 28;
static WHOLE: Scratch<f32> = Scratch::new(KEEP / 4);
static HALVES: Scratch<Half> = Scratch::new(KEEP / 2);

/// Outputs of more bytes bypass the caches: they would be evicted before they are read, and a cached write first reads
/// the line from memory.
const FAR: usize = if cfg!(test) { 1 << 12 } else { 1 << 25 };

/// The number format of the operand of each product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// `f32`.
    Whole,
    /// bfloat16: half the bytes to read, each layer rounded to within 2⁻⁸ of its size.
    Half,
}

/// Writes `matrix · dense` into `out`, both with rows of `width` numbers.
///
/// # Errors
/// [`Error::Invalid`] if a shape does not fit; [`Error::Cancelled`].
pub fn multiply(
    matrix: Matrix<'_>,
    dense: &[f32],
    width: usize,
    out: &mut [f32],
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    let n_rows = matrix.n_rows();
    // An array of no rows may say that they are of any width.
    let sizes = [matrix.n_cols.checked_mul(width), n_rows.checked_mul(width)];
    if sizes != [Some(dense.len()), Some(out.len())] {
        return Err(Error::invalid(format!(
            "a ({n_rows}, {}) matrix times rows of {width} does not take {} numbers and give {}",
            matrix.n_cols,
            dense.len(),
            out.len()
        )));
    }
    Product { matrix, plus: None, width, cuts: &matrix.chunks(width), path, cancel }.write(dense, 1.0, out)
}

/// No model has as many; a number beyond is a mistake, and would take for ever.
const MOST_LAYERS: usize = 10_000;

/// Writes the mean over l = 0 … `layers` of `matrix^l · x` into `out`, by Horner's form: h ← x + A·h, `layers` times,
/// then one division. Cost: `layers` products; at most two work buffers of the size of `x`.
///
/// With [`Storage::Half`] each h is rounded before it is multiplied. An output is then off by at most
/// (1 + 2⁻⁸)^`layers` − 1 times the mean over l of |`matrix`|^l · |x|.
///
/// # Errors
/// [`Error::Invalid`] if the matrix is not square, a shape does not fit or the layers are too many;
/// [`Error::Cancelled`].
pub fn propagate_mean(
    matrix: Matrix<'_>,
    x: &[f32],
    layers: usize,
    width: usize,
    storage: Storage,
    out: &mut [f32],
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    let n_rows = matrix.n_rows();
    if n_rows != matrix.n_cols {
        return Err(Error::invalid(format!(
            "propagation needs a square matrix, got ({n_rows}, {})",
            matrix.n_cols
        )));
    }
    if layers > MOST_LAYERS {
        return Err(Error::invalid(format!("at most {MOST_LAYERS} layers can be propagated, got {layers}")));
    }
    if n_rows.checked_mul(width) != Some(x.len()) || out.len() != x.len() {
        return Err(Error::invalid(format!(
            "{n_rows} rows of {width} do not have {} numbers in and {} out",
            x.len(),
            out.len()
        )));
    }
    if layers == 0 {
        out.copy_from_slice(x);
        return Ok(());
    }
    let product = Product { matrix, plus: Some(x), width, cuts: &matrix.chunks(width), path, cancel };
    let last = 1.0 / (layers + 1) as f32;
    match storage {
        Storage::Whole if layers == 1 => product.write(x, last, out),
        Storage::Whole => WHOLE.with(x.len(), |scratch| {
            // The layers alternate between the two arrays so that the last one writes to `out`.
            let (mut from, mut to) = if layers.is_multiple_of(2) { (scratch, out) } else { (out, scratch) };
            product.write(x, 1.0, from)?;
            for layer in 2..=layers {
                product.write(from, if layer == layers { last } else { 1.0 }, to)?;
                std::mem::swap(&mut from, &mut to);
            }
            Ok(())
        }),
        Storage::Half => HALVES.with(x.len(), |a| {
            HALVES.with(if layers > 1 { x.len() } else { 0 }, |b| {
                let (mut from, mut to) = (a, b);
                from.par_iter_mut()
                    .zip(x)
                    .with_min_len(1 << 14)
                    .for_each(|(half, &x)| *half = Half::round(x));
                for _ in 1..layers {
                    product.write(from, 1.0, to)?;
                    std::mem::swap(&mut from, &mut to);
                }
                product.write(from, last, out)
            })
        }),
    }
}

/// The arguments that all layers share.
struct Product<'a> {
    matrix: Matrix<'a>,
    plus: Option<&'a [f32]>,
    width: usize,
    cuts: &'a [usize],
    path: Path,
    cancel: &'a Cancel,
}

impl Product<'_> {
    /// Writes `scale · (plus + matrix · dense)` into `out`.
    fn write<From: Stored, To: Stored>(
        &self,
        dense: &[From],
        scale: f32,
        out: &mut [To],
    ) -> Result<(), Error> {
        let Self { matrix, plus, width, .. } = *self;
        if width == 0 {
            return Ok(());
        }
        let far = size_of_val(out) > FAR;
        let mut rest = out;
        let parts = self.cuts.windows(2).map(|cut| {
            let (part, after) = std::mem::take(&mut rest).split_at_mut((cut[1] - cut[0]) * width);
            rest = after;
            (cut[0], part)
        });
        // A free thread takes the next chunk in order: neighbouring rows read about the same rows of the operand (all
        // users read those of items), and the threads share these rows in their cache.
        parts.collect::<Vec<_>>().into_iter().par_bridge().try_for_each(|(first, out)| {
            self.cancel.check()?;
            self.path.run(Rows { matrix, dense, plus, scale, width, first, far, out });
            Ok(())
        })
    }
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
        let n = if cfg!(miri) { 9 } else { 37 };
        let (indptr, indices, values) = example(n);
        let matrix = Matrix::new(Indptr::Narrow(&indptr), &indices, &values, n).unwrap();
        for width in [1, 7, 8, 33, 64, 75, 130] {
            let x = random(n * width, 3);
            for layers in 0..4 {
                let mut outs = Vec::new();
                for path in Path::available() {
                    let mut out = vec![f32::NAN; n * width];
                    propagate_mean(matrix, &x, layers, width, Storage::Whole, &mut out, path, &Cancel::new())
                        .unwrap();
                    outs.push(out);
                }
                assert!(outs.iter().all(|out| *out == outs[0]), "the paths differ");
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
        let sixteen = Matrix::new(Indptr::Narrow(&[0; 17]), &[], &[], 16).unwrap();
        let (wide, cancel) = (1 << 60, Cancel::new());
        assert!(multiply(sixteen, &[], wide, &mut [], Path::Portable, &cancel).is_err(), "2^64 is not 0");
        let mean = propagate_mean(sixteen, &[], 1, wide, Storage::Whole, &mut [], Path::Portable, &cancel);
        assert!(mean.is_err(), "2^64 is not 0");
        let matrix = Matrix::new(Indptr::Narrow(&[0, 1]), &[2], &[1.0], 3).unwrap();
        let (mut out, cancel) = ([0.0; 2], Cancel::new());
        assert!(multiply(matrix, &[0.0; 6], 2, &mut out, Path::Portable, &cancel).is_ok());
        assert!(multiply(matrix, &[0.0; 5], 2, &mut out, Path::Portable, &cancel).is_err());
        assert!(
            propagate_mean(matrix, &[0.0; 2], 1, 2, Storage::Whole, &mut out, Path::Portable, &cancel)
                .is_err()
        );
    }
}
