//! The sparse operand.

use rayon::prelude::*;

use crate::kernels::csr::Indptr;
use crate::kernels::error::Error;

/// Chunks per thread: enough to balance rows of unequal cost.
const CHUNKS_PER_THREAD: usize = 16;
/// The most multiply-adds in a chunk, unless one row has more: some tens of milliseconds between two checks for Ctrl-C.
const CHUNK_WORK: usize = 1 << 26;
/// Columns that one thread checks at a time.
const CHECKED: usize = 1 << 16;

/// A sparse matrix whose entries may stand in any order within a row.
///
/// Unlike [`crate::kernels::csr::Csr`] it checks only what memory safety needs, since it is made anew for every product.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    pub(super) indptr: Indptr<'a>,
    pub(super) indices: &'a [i32],
    pub(super) values: &'a [f32],
    pub(super) n_cols: usize,
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
        // Without an early exit the loop is vectorised.
        let outside = |part: &[i32]| part.iter().fold(false, |bad, &col| bad | (col as u32 >= limit));
        if indices.par_chunks(CHECKED).any(outside) {
            return Err(Error::invalid(format!("a column is outside 0..{n_cols}")));
        }
        Ok(Self { indptr, indices, values, n_cols })
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.indptr.n_rows()
    }

    /// Number of columns.
    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// Columns and values of a row.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (usize, f32)> + use<'a> {
        let (indices, values) = self.entries(row);
        indices.iter().zip(values).map(|(&col, &value)| (col as usize, value))
    }

    /// The same, one slice each.
    pub fn entries(&self, row: usize) -> (&'a [i32], &'a [f32]) {
        let entries = self.indptr.at(row)..self.indptr.at(row + 1);
        (&self.indices[entries.clone()], &self.values[entries])
    }

    /// Rows cut into chunks of about equal cost: the first row of each, then the number of rows.
    pub(super) fn chunks(&self, width: usize) -> Vec<usize> {
        let n_rows = self.n_rows();
        // A row itself costs about as much as two entries.
        let cost = |row: usize| self.indptr.at(row) + 2 * row;
        let total = cost(n_rows);
        let wanted = (rayon::current_num_threads() * CHUNKS_PER_THREAD).max(total * width / CHUNK_WORK);
        let parts = wanted.clamp(1, n_rows.max(1));
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
