//! The transpose of a sparse matrix, by counting.

use std::ops::Range;

use rayon::prelude::*;

use super::buckets::{Buckets, Ranges, Records, chunk_len, split};
use super::cancel::Cancel;
use super::csr::{Csr, OwnedCsr, Pattern, indptr_from_counts};
use super::error::Error;
use super::pages::zeroed;

/// The transpose. Cost linear in rows, columns and entries.
///
/// # Errors
/// [`Error::Cancelled`] when asked to stop.
pub fn transpose(matrix: Csr<'_>, cancel: &Cancel) -> Result<OwnedCsr, Error> {
    let n_entries = matrix.pattern.n_entries();
    let (mut indices, mut values) = (zeroed(n_entries), zeroed(n_entries));
    let columns = transpose_into(matrix, &mut indices, &mut values, |_| 0.0, |value, _, _| value, cancel)?;
    Ok(OwnedCsr { indptr: indptr_from_counts(columns.counts.into_iter()), indices, values })
}

/// What is known of each column after a transposition.
pub(super) struct Columns {
    /// Its entries.
    pub(super) counts: Vec<usize>,
    /// What `scale` gave for it.
    pub(super) scales: Vec<f64>,
}

/// Writes the transpose into arrays of as many entries.
///
/// Column by column, `scale` makes a number of the sum of the values (float64, in the order of the rows), and then
/// `place(value, scale, row)` says what is written. Rows come in runs that lie close together.
pub(super) fn transpose_into(
    matrix: Csr<'_>,
    indices: &mut [i32],
    values: &mut [f32],
    scale: impl Fn(f64) -> f64 + Sync,
    place: impl Fn(f32, f64, usize) -> f32 + Sync,
    cancel: &Cancel,
) -> Result<Columns, Error> {
    let (n_entries, n_cols) = (matrix.pattern.n_entries(), matrix.pattern.n_cols());
    let ranges = Ranges::new(n_entries, n_cols);
    let chunks = row_chunks(matrix.pattern, chunk_len(n_entries));
    let starts = chunks.iter().map(|rows| matrix.pattern.start(rows.start));
    let bounds = starts.chain([n_entries]).collect();
    let buckets = Buckets::new(&Entries { matrix, chunks: &chunks }, bounds, ranges, cancel)?;
    let lens = buckets.lens();
    let mut columns = Columns { counts: vec![0; n_cols], scales: vec![0.0; n_cols] };
    let parts = split(indices, lens.iter().copied()).into_par_iter().zip(split(values, lens.iter().copied()));
    let of_columns =
        columns.counts.par_chunks_mut(ranges.width()).zip(columns.scales.par_chunks_mut(ranges.width()));
    parts.zip(of_columns).enumerate().try_for_each_init(
        Vec::new,
        |next, (bucket, ((indices, values), (counts, scales)))| {
            cancel.check()?;
            let base = bucket << ranges.shift;
            let segments = buckets.segments(bucket);
            for &[column, _, value] in segments.clone().flatten() {
                counts[column as usize - base] += 1;
                scales[column as usize - base] += f64::from(f32::from_bits(value));
            }
            scales.iter_mut().for_each(|sum| *sum = scale(*sum));
            next.clear();
            next.extend(counts.iter().scan(0usize, |total, count| {
                *total += count;
                Some(*total - count)
            }));
            for segment in segments {
                cancel.check()?;
                for &[column, row, value] in segment {
                    let own = column as usize - base;
                    indices[next[own]] = row as i32;
                    values[next[own]] = place(f32::from_bits(value), scales[own], row as usize);
                    next[own] += 1;
                }
            }
            Ok(())
        },
    )?;
    Ok(columns)
}

/// The entries of a matrix by column: `[column, row, bits of the value]`.
struct Entries<'a> {
    matrix: Csr<'a>,
    chunks: &'a [Range<usize>],
}

impl Records for Entries<'_> {
    type Record = [u32; 3];

    #[inline]
    fn each(&self, chunk: usize, mut visit: impl FnMut(u32, [u32; 3])) {
        for row in self.chunks[chunk].clone() {
            let (columns, values) = self.matrix.row(row);
            for (&column, value) in columns.iter().zip(values) {
                visit(column as u32, [column as u32, row as u32, value.to_bits()]);
            }
        }
    }
}

/// Ranges of rows that cover them all, of about `len` entries each.
pub(super) fn row_chunks(pattern: Pattern<'_>, len: usize) -> Vec<Range<usize>> {
    let mut chunks = Vec::new();
    let mut first = 0;
    for row in 0..pattern.n_rows() {
        if pattern.start(row + 1) - pattern.start(first) >= len || row + 1 == pattern.n_rows() {
            chunks.push(first..row + 1);
            first = row + 1;
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::super::interactions::interactions;
    use super::super::rng::Stream;
    use super::*;

    #[test]
    fn rows_become_columns() {
        let matrix =
            OwnedCsr { indptr: vec![0, 2, 2, 3], indices: vec![0, 2, 1], values: vec![1.0, 2.0, 3.0] };
        let found = transpose(matrix.view(3), &Cancel::new()).unwrap();
        assert_eq!(found.indptr, [0, 1, 2, 3]);
        assert_eq!(found.indices, [0, 2, 0]);
        assert_eq!(found.values, [1.0, 3.0, 2.0]);
        let empty = transpose(OwnedCsr { indptr: vec![0], ..OwnedCsr::default() }.view(2), &Cancel::new());
        assert_eq!(empty.unwrap().indptr, [0, 0, 0]);
    }

    #[test]
    fn a_large_transpose_is_the_matrix_of_the_swapped_pairs() {
        let stream = Stream::new(5, 0);
        let draw = |at: usize, of: f64| (stream.open_unit(at as u64).powi(3) * of) as i32;
        let users: Vec<i32> = (0..60_000).map(|at| draw(2 * at, 900.0)).collect();
        let items: Vec<i32> = (0..60_000).map(|at| draw(2 * at + 1, 5000.0)).collect();
        let mut matrix = interactions(&users, &items, 900, 5000, &Cancel::new()).unwrap();
        let mut other = interactions(&items, &users, 5000, 900, &Cancel::new()).unwrap();
        // A value says where it stands.
        let mark = |matrix: &mut OwnedCsr, wide: bool| {
            for (row, (columns, values)) in matrix.rows_mut().into_iter().enumerate() {
                for (&column, value) in columns.iter().zip(values) {
                    let (user, item) = if wide { (row as i32, column) } else { (column, row as i32) };
                    *value = (user * 5000 + item) as f32;
                }
            }
        };
        mark(&mut matrix, true);
        mark(&mut other, false);
        assert_eq!(transpose(matrix.view(5000), &Cancel::new()).unwrap(), other);
    }
}
