//! The same small systems in `f64`, for the few that rounding spoils in `f32`.

use super::cholesky::{Chunk, Shape};
use super::ranked::room;
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;

/// A pivot that is less than this share of its diagonal element is nothing but rounding.
const LEAST_SHARE: f64 = 1e-12;

/// Solves the system that `matrix` holds, with this diagonal instead of its own: the sum of a large count and a small
/// ridge is not exact in `f32`. `None` if that is singular, too.
pub(super) fn solve_double(
    shape: Shape,
    matrix: &[Chunk],
    diagonal: impl Fn(usize) -> f64,
    cancel: &Cancel,
) -> Result<Option<Vec<f64>>, Error> {
    let (n, stride) = (shape.n, shape.stride());
    let at = |row: usize, column: usize| -f64::from(matrix[column * stride..].as_flattened()[row]);
    // Row after row, the lower triangle and the right-hand side below it.
    let mut rows: Vec<f64> = room((n + 1) * n)?;
    for row in 0..=n {
        rows.extend((0..n).map(|column| if row == column { diagonal(row) } else { at(row, column) }));
    }
    for row in 0..=n {
        cancel.check()?;
        let (above, own) = rows.split_at_mut(row * n);
        for column in 0..row {
            let other = &above[column * n..][..=column];
            let sum: f64 = other[..column].iter().zip(&*own).map(|(a, b)| a * b).sum();
            own[column] = (own[column] - sum) / other[column];
        }
        if row < n {
            let pivot = own[row] - own[..row].iter().map(|a| a * a).sum::<f64>();
            if pivot.is_nan() || pivot <= LEAST_SHARE * diagonal(row) {
                return Ok(None);
            }
            own[row] = pivot.sqrt();
        }
    }
    let mut solution = rows[n * n..].to_vec();
    for row in (0..n).rev() {
        let own = &rows[row * n..][..=row];
        solution[row] /= own[row];
        let found = solution[row];
        solution[..row].iter_mut().zip(own).for_each(|(other, factor)| *other -= factor * found);
    }
    Ok(Some(solution))
}
