//! A product of two sparse matrices whose result is dense: what the items of a history say, added up.

use rayon::prelude::*;

use super::cancel::Cancel;
use super::error::Error;
use super::propagate::Matrix;

/// Rows of one parallel step.
const STEP: usize = 16;

/// Writes `left · right`, `(B, I)`, into `out`, whatever it held. Each number is a sum in the order of the row's entries,
/// every product rounded before it is added, as scipy adds them up.
///
/// Cost: the entries that are met, and a pass over `out`.
///
/// # Errors
/// [`Error::Invalid`] if a shape does not fit; [`Error::Cancelled`].
pub fn sparse_rows(
    left: Matrix<'_>,
    right: Matrix<'_>,
    out: &mut [f32],
    cancel: &Cancel,
) -> Result<(), Error> {
    let (n_rows, n_between, n_cols) = (left.n_rows(), right.n_rows(), right.n_cols());
    if left.n_cols() != n_between || n_rows.checked_mul(n_cols) != Some(out.len()) {
        return Err(Error::invalid(format!(
            "({n_rows}, {}) times ({n_between}, {n_cols}) does not give {} numbers",
            left.n_cols(),
            out.len()
        )));
    }
    if out.is_empty() {
        return Ok(());
    }
    out.par_chunks_mut(STEP * n_cols).enumerate().try_for_each(|(step, out)| {
        cancel.check()?;
        for (row, out) in out.chunks_exact_mut(n_cols).enumerate() {
            out.fill(0.0);
            for (between, own) in left.row(step * STEP + row) {
                for (col, other) in right.row(between) {
                    out[col] += own * other;
                }
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::csr::Indptr;

    fn matrix<'a>(indptr: &'a [i32], indices: &'a [i32], values: &'a [f32], n_cols: usize) -> Matrix<'a> {
        Matrix::new(Indptr::Narrow(indptr), indices, values, n_cols).unwrap()
    }

    #[test]
    fn a_product_by_hand() {
        let left = matrix(&[0, 2, 2, 3], &[1, 0, 1], &[2.0, 1.0, -1.0], 2);
        let right = matrix(&[0, 1, 3], &[2, 0, 2], &[5.0, 3.0, 0.5], 3);
        let mut out = [7.0; 9];
        sparse_rows(left, right, &mut out, &Cancel::new()).unwrap();
        assert_eq!(out, [6.0, 0.0, 6.0, 0.0, 0.0, 0.0, -3.0, 0.0, -0.5]);
        assert!(sparse_rows(left, right, &mut out[1..], &Cancel::new()).is_err());
        assert!(sparse_rows(right, right, &mut out, &Cancel::new()).is_err());
        let cancel = Cancel::new();
        cancel.raise();
        assert_eq!(sparse_rows(left, right, &mut out, &cancel), Err(Error::Cancelled));
    }
}
