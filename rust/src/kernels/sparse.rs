//! Operations on sparse matrices that several kernels share.

use rayon::prelude::*;

use super::buckets::split;
use super::cancel::Cancel;
use super::csr::{Csr, OwnedCsr, Pattern, indptr_from_counts};
use super::error::Error;
use super::pages::Blank;

/// Rows handled between two checks of the cancel flag.
const STEP: usize = 1024;

/// Consecutive rows of a matrix that is being made.
#[derive(Default)]
pub(super) struct Block {
    /// Entries of each row.
    pub(super) lens: Vec<usize>,
    /// Their columns.
    pub(super) indices: Vec<i32>,
    /// Their values.
    pub(super) values: Vec<f32>,
}

/// Makes a matrix of `n_rows` rows: `entries(row, push)` gives those of a row in the order of their columns.
///
/// Rows are made in blocks, and the blocks are then copied side by side: allocating and freeing a vector for each row
/// would cost more than making the rows.
pub(super) fn by_rows(
    n_rows: usize,
    cancel: &Cancel,
    entries: impl Fn(usize, &mut dyn FnMut(i32, f32)) + Sync,
) -> Result<OwnedCsr, Error> {
    let made = (0..n_rows.div_ceil(STEP)).into_par_iter().map(|at| {
        cancel.check()?;
        let mut block = Block::default();
        for row in at * STEP..n_rows.min((at + 1) * STEP) {
            let before = block.indices.len();
            entries(row, &mut |column, value| {
                block.indices.push(column);
                block.values.push(value);
            });
            block.lens.push(block.indices.len() - before);
        }
        Ok(block)
    });
    side_by_side(&made.collect::<Result<Vec<_>, Error>>()?, cancel)
}

/// Copies blocks into one matrix.
pub(super) fn side_by_side(blocks: &[Block], cancel: &Cancel) -> Result<OwnedCsr, Error> {
    let lens: Vec<usize> = blocks.iter().flat_map(|block| &block.lens).copied().collect();
    let n_entries = blocks.iter().map(|block| block.indices.len()).sum();
    let (mut indices, mut values) = (Blank::<i32>::new(n_entries), Blank::<f32>::new(n_entries));
    let sizes = || blocks.iter().map(|block| block.indices.len());
    let places = split(&mut indices, sizes()).into_par_iter().zip(split(&mut values, sizes()));
    places.zip(blocks).try_for_each(|((indices, values), block)| {
        cancel.check()?;
        indices.write_copy_of_slice(&block.indices);
        values.write_copy_of_slice(&block.values);
        Ok(())
    })?;
    // SAFETY: each block has written its part.
    let (indices, values) = unsafe { (indices.written(), values.written()) };
    Ok(OwnedCsr { indptr: indptr_from_counts(lens.into_iter()), indices, values })
}

/// Number of entries in each column.
pub fn column_counts(pattern: Pattern<'_>) -> Vec<usize> {
    let n_cols = pattern.n_cols();
    // One table for each thread, but fewer where filling tables with zeros would cost more than counting.
    let part = pattern.n_entries().div_ceil(rayon::current_num_threads()).max(n_cols).max(1);
    let tables = pattern.indices().par_chunks(part).map(|columns| {
        let mut counts = vec![0usize; n_cols];
        columns.iter().for_each(|&column| counts[column as usize] += 1);
        counts
    });
    let counts = tables.reduce_with(|mut a, b| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        a
    });
    counts.unwrap_or_else(|| vec![0; n_cols])
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
    by_rows(a.pattern.n_rows(), cancel, |row, push| merge_max(a.row(row), b.row(row), push))
}

/// Passes on the entries of two sorted rows; of equal columns the larger value.
pub(super) fn merge_max(
    (a_columns, a_values): (&[i32], &[f32]),
    (b_columns, b_values): (&[i32], &[f32]),
    mut push: impl FnMut(i32, f32),
) {
    let (mut a, mut b) = (0, 0);
    while a < a_columns.len() || b < b_columns.len() {
        let left = a_columns.get(a).copied().unwrap_or(i32::MAX);
        let right = b_columns.get(b).copied().unwrap_or(i32::MAX);
        let value = match left.cmp(&right) {
            std::cmp::Ordering::Less => a_values[a],
            std::cmp::Ordering::Greater => b_values[b],
            std::cmp::Ordering::Equal => a_values[a].max(b_values[b]),
        };
        push(left.min(right), value);
        a += usize::from(left <= right);
        b += usize::from(right <= left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> OwnedCsr {
        OwnedCsr { indptr: vec![0, 2, 2, 3], indices: vec![0, 2, 1], values: vec![1.0, 2.0, 3.0] }
    }

    #[test]
    fn rows_of_many_blocks_come_in_their_order() {
        let n = 3 * STEP + 5;
        let entries = |row: usize, push: &mut dyn FnMut(i32, f32)| {
            (0..row % 3).for_each(|column| push(column as i32, row as f32));
        };
        let found = by_rows(n, &Cancel::new(), entries).unwrap();
        assert_eq!(found.indptr.len(), n + 1);
        for row in 0..n {
            let (columns, values) = found.view(3).row(row);
            assert!(columns.iter().copied().eq(0..(row % 3) as i32));
            assert!(values.iter().all(|&value| value == row as f32));
        }
        assert_eq!(by_rows(0, &Cancel::new(), entries).unwrap().indptr, [0]);
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
