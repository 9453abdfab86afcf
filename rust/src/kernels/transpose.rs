//! The transpose of a sparse matrix, by counting.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

use super::buckets::{Buckets, Ranges, Records, chunk_len, split};
use super::cancel::Cancel;
use super::csr::{Csr, OwnedCsr, Pattern, indptr_from_counts};
use super::error::Error;
use super::memory::room_for;
use super::pages::{Blank, Plain};

/// Entries handled between two checks of the cancel flag.
const STEP: usize = 1 << 15;

/// The transpose. Cost linear in rows, columns and entries.
///
/// # Errors
/// [`Error::Cancelled`] if the caller stops it.
pub fn transpose(matrix: Csr<'_>, cancel: &Cancel) -> Result<OwnedCsr, Error> {
    let n_entries = matrix.pattern.n_entries();
    let (mut indices, mut values) = (Blank::new(n_entries), Blank::new(n_entries));
    let columns = transpose_into(matrix, &mut indices, &mut values, |_| 0.0, |value, _, _| value, cancel)?;
    // SAFETY: the transpose has the same number of entries, and all are written.
    let (indices, values) = unsafe { (indices.written(), values.written()) };
    Ok(OwnedCsr { indptr: indptr_from_counts(columns.counts.into_iter()), indices, values })
}

/// Numbers of each column, known after a transposition.
pub(super) struct Columns {
    /// Entries of the column.
    pub(super) counts: Vec<usize>,
    /// What `scale` gave for it.
    pub(super) scales: Vec<f64>,
}

/// Writes all entries of the transpose into arrays of the same number of entries.
///
/// Column by column, `scale` makes a number of the sum of the values (float64, in the order of the rows), and then
/// `place(value, scale, row)` says what is written. Rows come in runs that lie close together.
pub(super) fn transpose_into(
    matrix: Csr<'_>,
    indices: &mut [MaybeUninit<i32>],
    values: &mut [MaybeUninit<f32>],
    scale: impl Fn(f64) -> f64 + Sync,
    place: impl Fn(f32, f64, usize) -> f32 + Sync,
    cancel: &Cancel,
) -> Result<Columns, Error> {
    // Counts, scales and pointers of columns, and as much for the caller.
    room_for::<[u64; 6]>(matrix.pattern.n_cols())?;
    let n_entries = matrix.pattern.n_entries();
    let ranges = Ranges::new(n_entries, matrix.pattern.n_cols());
    let chunks = row_chunks(matrix.pattern, chunk_len(n_entries));
    let most_rows = chunks.iter().map(Range::len).max().unwrap_or_default();
    let row_bits = most_rows.next_power_of_two().trailing_zeros();
    let entries = Entries { matrix, chunks, ranges, row_bits };
    if ranges.shift + row_bits > u32::BITS {
        sorted::<[u32; 3]>(&entries, indices, values, scale, place, cancel)
    } else if is_all_ones(matrix.values) {
        sorted::<u32>(&entries, indices, values, scale, place, cancel)
    } else {
        sorted::<u64>(&entries, indices, values, scale, place, cancel)
    }
}

/// Whether all values are one, as in a matrix of interactions.
pub(super) fn is_all_ones(values: &[f32]) -> bool {
    // Without an early exit the loop is vectorised.
    values.par_chunks(STEP).all(|part| part.iter().fold(true, |all, &value| all & (value == 1.0)))
}

fn sorted<E: Entry>(
    entries: &Entries<'_>,
    indices: &mut [MaybeUninit<i32>],
    values: &mut [MaybeUninit<f32>],
    scale: impl Fn(f64) -> f64 + Sync,
    place: impl Fn(f32, f64, usize) -> f32 + Sync,
    cancel: &Cancel,
) -> Result<Columns, Error> {
    let Entries { matrix, ref chunks, ranges, row_bits } = *entries;
    let (n_entries, n_cols) = (matrix.pattern.n_entries(), matrix.pattern.n_cols());
    let starts = chunks.iter().map(|rows| matrix.pattern.start(rows.start));
    let bounds = starts.chain([n_entries]).collect();
    let buckets = Buckets::new(&Of::<E>(entries, PhantomData), bounds, ranges, cancel)?;
    let lens = buckets.lens();
    let mut columns = Columns { counts: vec![0; n_cols], scales: vec![0.0; n_cols] };
    let parts = split(indices, lens.iter().copied()).into_par_iter().zip(split(values, lens.iter().copied()));
    let of_columns =
        columns.counts.par_chunks_mut(ranges.width()).zip(columns.scales.par_chunks_mut(ranges.width()));
    parts.zip(of_columns).enumerate().try_for_each_init(
        Vec::new,
        |next, (bucket, ((indices, values), (counts, scales)))| {
            cancel.check()?;
            let segments = buckets.segments(bucket);
            for segment in segments.clone() {
                for entry in segment {
                    let column = (entry.place() >> row_bits) as usize;
                    counts[column] += 1;
                    if !E::ONES {
                        scales[column] += f64::from(entry.value());
                    }
                }
            }
            for (sum, &count) in scales.iter_mut().zip(&*counts) {
                *sum = scale(if E::ONES { count as f64 } else { *sum });
            }
            next.clear();
            next.extend(counts.iter().scan(0usize, |total, count| {
                *total += count;
                Some(*total - count)
            }));
            let mask = (1 << row_bits) - 1;
            // Each entry has its own place, and the counts fill the part: all of it is written.
            for (segment, rows) in segments.zip(chunks) {
                cancel.check()?;
                for entry in segment {
                    let column = (entry.place() >> row_bits) as usize;
                    let row = rows.start + (entry.place() & mask) as usize;
                    let at = &mut next[column];
                    indices[*at].write(row as i32);
                    values[*at].write(place(entry.value(), scales[column], row));
                    *at += 1;
                }
            }
            Ok(())
        },
    )?;
    Ok(columns)
}

/// An entry while it is sorted. The high bits of `place` are the column, counted from the first of its bucket; the low
/// bits are the row, counted from the first of its chunk.
trait Entry: Plain {
    /// Whether every value is one.
    const ONES: bool = false;
    fn new(place: u64, value: f32) -> Self;
    fn place(self) -> u64;
    fn value(self) -> f32;
}

impl Entry for u32 {
    const ONES: bool = true;
    fn new(place: u64, _: f32) -> Self {
        place as u32
    }
    fn place(self) -> u64 {
        self.into()
    }
    fn value(self) -> f32 {
        1.0
    }
}

impl Entry for u64 {
    fn new(place: u64, value: f32) -> Self {
        place << 32 | u64::from(value.to_bits())
    }
    fn place(self) -> u64 {
        self >> 32
    }
    fn value(self) -> f32 {
        f32::from_bits(self as u32)
    }
}

/// For places of more than 32 bits: many empty rows or columns.
impl Entry for [u32; 3] {
    fn new(place: u64, value: f32) -> Self {
        [place as u32, (place >> 32) as u32, value.to_bits()]
    }
    fn place(self) -> u64 {
        u64::from(self[1]) << 32 | u64::from(self[0])
    }
    fn value(self) -> f32 {
        f32::from_bits(self[2])
    }
}

/// The entries of a matrix in chunks of rows.
struct Entries<'a> {
    matrix: Csr<'a>,
    chunks: Vec<Range<usize>>,
    ranges: Ranges,
    row_bits: u32,
}

/// The same entries by column, in the form E.
struct Of<'a, E>(&'a Entries<'a>, PhantomData<fn() -> E>);

impl<E: Entry> Records for Of<'_, E> {
    type Record = E;

    #[inline]
    fn keys(&self, chunk: usize) -> impl Iterator<Item = u32> {
        let Entries { matrix, ref chunks, .. } = *self.0;
        let Range { start, end } = chunks[chunk];
        let range = matrix.pattern.start(start)..matrix.pattern.start(end);
        matrix.pattern.indices()[range].iter().map(|&column| column as u32)
    }

    #[inline]
    fn each(&self, chunk: usize, mut visit: impl FnMut(u32, E)) {
        let Entries { matrix, ref chunks, ranges, row_bits } = *self.0;
        let mask = ranges.width() as u32 - 1;
        for (row, own) in chunks[chunk].clone().enumerate() {
            let (columns, values) = matrix.row(own);
            for (&column, &value) in columns.iter().zip(values) {
                let place = u64::from(column as u32 & mask) << row_bits | row as u64;
                visit(column as u32, E::new(place, value));
            }
        }
    }
}

/// Ranges of rows that cover them all, of about `len` entries each.
pub(super) fn row_chunks(pattern: Pattern<'_>, len: usize) -> Vec<Range<usize>> {
    let n_rows = pattern.n_rows();
    let mut chunks = Vec::new();
    let mut first = 0;
    while first < n_rows {
        let goal = pattern.start(first) + len;
        // The first row that reaches the goal, or the last one.
        let (mut low, mut high) = (first, n_rows - 1);
        while low < high {
            let middle = low.midpoint(high);
            if pattern.start(middle + 1) < goal { low = middle + 1 } else { high = middle }
        }
        chunks.push(first..low + 1);
        first = low + 1;
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
        // Places of 32 bits, and of more.
        let many = if cfg!(miri) {
            [(2000, 90, 500), (60, 1 << 6, 1 << 11)]
        } else {
            [(60_000, 900, 5000), (600, 1 << 13, 1 << 20)]
        };
        for (n, n_users, n_items) in many {
            let draw = |at: usize, of: usize| (stream.open_unit(at as u64).powi(3) * of as f64) as i32;
            let users: Vec<i32> = (0..n).map(|at| draw(2 * at, n_users)).collect();
            let items: Vec<i32> = (0..n).map(|at| draw(2 * at + 1, n_items)).collect();
            let mut matrix = interactions(&users, &items, n_users, n_items, &Cancel::new()).unwrap();
            let mut other = interactions(&items, &users, n_items, n_users, &Cancel::new()).unwrap();
            assert_eq!(transpose(matrix.view(n_items), &Cancel::new()).unwrap(), other);
            // Each value encodes its row and column.
            let mark = |matrix: &mut OwnedCsr, wide: bool| {
                for (row, (columns, values)) in matrix.rows_mut().into_iter().enumerate() {
                    for (&column, value) in columns.iter().zip(values) {
                        let (user, item) = if wide { (row as i32, column) } else { (column, row as i32) };
                        *value = (user % 900 * 5000 + item % 5000) as f32;
                    }
                }
            };
            mark(&mut matrix, true);
            mark(&mut other, false);
            assert_eq!(transpose(matrix.view(n_items), &Cancel::new()).unwrap(), other);
        }
    }

    #[test]
    fn chunks_end_with_the_row_that_fills_them() {
        let indptr = [0, 0, 3, 4, 4, 4, 9, 9];
        let matrix = OwnedCsr { indptr: indptr.to_vec(), ..OwnedCsr::default() };
        let chunks = |len| row_chunks(matrix.view(1).pattern, len);
        assert_eq!(chunks(1), [0..2, 2..3, 3..6, 6..7]);
        assert_eq!(chunks(4), [0..3, 3..6, 6..7]);
        assert_eq!(chunks(6), [0..6, 6..7]);
        assert!(
            row_chunks(OwnedCsr { indptr: vec![0], ..OwnedCsr::default() }.view(1).pattern, 4).is_empty()
        );
    }
}
