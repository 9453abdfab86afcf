//! Operations on sparse matrices that several kernels share.

use rayon::prelude::*;

use super::cancel::Cancel;
use super::csr::{Csr, OwnedCsr, Pattern};
use super::error::Error;

/// Rows handled between two looks at the cancel flag.
const STEP: usize = 1024;

/// Number of entries in each column.
pub fn column_counts(pattern: Pattern<'_>) -> Vec<usize> {
    let mut counts = vec![0usize; pattern.n_cols()];
    for &column in pattern.indices() {
        counts[column as usize] += 1;
    }
    counts
}

/// The entries of both matrices; where both have one, the larger value.
///
/// # Errors
/// [`Error::Invalid`] if the shapes differ.
pub fn union_max(a: Csr<'_>, b: Csr<'_>, cancel: &Cancel) -> Result<OwnedCsr, Error> {
    let shape = |matrix: Csr<'_>| (matrix.pattern.n_rows(), matrix.pattern.n_cols());
    if shape(a) != shape(b) {
        return Err(Error::invalid(format!(
            "only matrices of one shape can be united, got {:?} and {:?}",
            shape(a),
            shape(b)
        )));
    }
    let rows: Vec<_> = (0..a.pattern.n_rows())
        .into_par_iter()
        .with_min_len(STEP)
        .map(|row| {
            if row % STEP == 0 {
                cancel.check()?;
            }
            Ok(merge_max(a.row(row), b.row(row)))
        })
        .collect::<Result<_, Error>>()?;
    Ok(OwnedCsr::from_rows(rows))
}

/// Merges two sorted rows.
pub(super) fn merge_max(
    (a_columns, a_values): (&[i32], &[f32]),
    (b_columns, b_values): (&[i32], &[f32]),
) -> (Vec<i32>, Vec<f32>) {
    let most = a_columns.len() + b_columns.len();
    let (mut columns, mut values) = (Vec::with_capacity(most), Vec::with_capacity(most));
    let (mut a, mut b) = (0, 0);
    while a < a_columns.len() || b < b_columns.len() {
        let left = a_columns.get(a).copied().unwrap_or(i32::MAX);
        let right = b_columns.get(b).copied().unwrap_or(i32::MAX);
        columns.push(left.min(right));
        values.push(match left.cmp(&right) {
            std::cmp::Ordering::Less => a_values[a],
            std::cmp::Ordering::Greater => b_values[b],
            std::cmp::Ordering::Equal => a_values[a].max(b_values[b]),
        });
        a += usize::from(left <= right);
        b += usize::from(right <= left);
    }
    (columns, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> OwnedCsr {
        OwnedCsr { indptr: vec![0, 2, 2, 3], indices: vec![0, 2, 1], values: vec![1.0, 2.0, 3.0] }
    }

    #[test]
    fn a_union_keeps_the_larger_value_and_lone_negatives() {
        let other = OwnedCsr { indptr: vec![0, 2, 2, 2], indices: vec![1, 2], values: vec![-1.0, 5.0] };
        let found = union_max(matrix().view(3), other.view(3), &Cancel::new()).unwrap();
        assert_eq!(found.indptr, [0, 3, 3, 4]);
        assert_eq!(found.indices, [0, 1, 2, 1]);
        assert_eq!(found.values, [1.0, -1.0, 5.0, 3.0]);
        assert!(union_max(matrix().view(3), matrix().view(4), &Cancel::new()).is_err());
    }
}
