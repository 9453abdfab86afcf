//! Compressed sparse rows, borrowed and owned.

use super::error::Error;
use super::memory::countable;

/// Columns that are checked at a time: they fit the second-level cache, and lanes of 32 bits can count them.
const STEP: usize = 1 << 16;

/// Row pointers of either width: SciPy and torch hand out int32 while it suffices.
#[derive(Debug, Clone, Copy)]
pub enum Indptr<'a> {
    /// Fewer than 2^31 entries.
    Narrow(&'a [i32]),
    /// Any number of entries.
    Wide(&'a [i64]),
}

impl Indptr<'_> {
    /// Number of rows.
    #[inline]
    pub fn n_rows(&self) -> usize {
        let len = match self {
            Self::Narrow(p) => p.len(),
            Self::Wide(p) => p.len(),
        };
        len.saturating_sub(1)
    }

    /// First entry of row `row`; `row == n_rows` gives the number of entries.
    #[inline]
    pub fn at(&self, row: usize) -> usize {
        match self {
            Self::Narrow(p) => p[row] as usize,
            Self::Wide(p) => p[row] as usize,
        }
    }
}

/// The pattern of a sparse matrix: which columns each row has. Columns ascend within a row, without repeats.
#[derive(Debug, Clone, Copy)]
pub struct Pattern<'a> {
    indptr: Indptr<'a>,
    indices: &'a [i32],
    n_cols: usize,
}

impl<'a> Pattern<'a> {
    /// Checks the arrays and wraps them; one pass over the entries.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the pointers do not ascend from 0 to the number of entries, or the columns of a row are
    /// outside `0..n_cols` or do not strictly ascend.
    pub fn new(indptr: Indptr<'a>, indices: &'a [i32], n_cols: usize) -> Result<Self, Error> {
        let len = match indptr {
            Indptr::Narrow(p) => p.len(),
            Indptr::Wide(p) => p.len(),
        };
        if len == 0 {
            return Err(Error::invalid("indptr is empty; a matrix of n rows has n + 1 pointers"));
        }
        countable(n_cols, "columns")?;
        let pattern = Self { indptr, indices, n_cols };
        let (first, last) = (pattern.signed(0), pattern.signed(len - 1));
        if first != 0 || last != indices.len() as i64 {
            return Err(Error::invalid(format!(
                "indptr must go from 0 to the number of entries, {}; it goes from {} to {}",
                indices.len(),
                first,
                last
            )));
        }
        if !pattern.is_sound() {
            pattern.find_fault()?;
        }
        Ok(pattern)
    }

    /// Whether pointers and columns keep the rules. The loops have no early exit, so that they are vectorised. Where a
    /// column does not exceed the one before it, a row must begin.
    fn is_sound(&self) -> bool {
        let indices = self.indices;
        // As an unsigned number a negative column is a large one.
        let n_cols = self.n_cols.min(1 << 31) as u32;
        let descends = |pair: &[i32]| pair[1] <= pair[0];
        let (mut outside, mut descents) = (false, 0);
        // Both loops over one part: the second one finds it in the caches.
        for part in indices.chunks(STEP) {
            outside |= part.iter().fold(false, |any, &col| any | (col as u32 >= n_cols));
            descents += part.windows(2).map(|pair| u32::from(descends(pair))).sum::<u32>() as usize;
        }
        let between = (1..indices.len().div_ceil(STEP)).filter(|at| descends(&indices[at * STEP - 1..][..2]));
        let mut before = 0;
        let mut at_starts = 0;
        let ordered = (0..=self.n_rows()).all(|row| {
            let start = self.signed(row);
            let fits = before <= start && start <= indices.len() as i64;
            let begins = fits && before < start && 0 < before;
            at_starts += usize::from(begins && descends(&indices[before as usize - 1..][..2]));
            before = start;
            fits
        });
        !outside && ordered && descents + between.count() == at_starts
    }

    fn signed(&self, row: usize) -> i64 {
        match self.indptr {
            Indptr::Narrow(p) => i64::from(p[row]),
            Indptr::Wide(p) => p[row],
        }
    }

    /// Names the first row that breaks a rule.
    fn find_fault(&self) -> Result<(), Error> {
        let (indices, n_cols) = (self.indices, self.n_cols);
        for row in 0..self.n_rows() {
            let (from, to) = (self.signed(row), self.signed(row + 1));
            if from > to || to > indices.len() as i64 {
                return Err(Error::invalid(format!(
                    "indptr must not descend: row {row} goes from {from} to {to}"
                )));
            }
            let mut before = -1i64;
            for &col in &indices[from as usize..to as usize] {
                if i64::from(col) <= before || col as usize >= n_cols {
                    return Err(Error::invalid(format!(
                        "row {row}: columns must ascend inside 0..{n_cols}, without repeats; found {col} after {before}"
                    )));
                }
                before = i64::from(col);
            }
        }
        Ok(())
    }

    /// Number of rows.
    #[inline]
    pub fn n_rows(&self) -> usize {
        self.indptr.n_rows()
    }

    /// Number of columns.
    #[inline]
    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// Number of entries.
    #[inline]
    pub fn n_entries(&self) -> usize {
        self.indices.len()
    }

    /// The row pointers.
    #[inline]
    pub fn indptr(&self) -> Indptr<'a> {
        self.indptr
    }

    /// First entry of `row`; `row == n_rows` gives the number of entries.
    #[inline]
    pub fn start(&self, row: usize) -> usize {
        self.indptr.at(row)
    }

    /// Where the entries of `row` lie.
    #[inline]
    pub fn range(&self, row: usize) -> std::ops::Range<usize> {
        self.indptr.at(row)..self.indptr.at(row + 1)
    }

    /// The columns of `row`.
    #[inline]
    pub fn row(&self, row: usize) -> &'a [i32] {
        &self.indices[self.range(row)]
    }

    /// All columns, row after row.
    #[inline]
    pub fn indices(&self) -> &'a [i32] {
        self.indices
    }
}

/// A sparse matrix with values, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct Csr<'a> {
    /// Which entries there are.
    pub pattern: Pattern<'a>,
    /// Their values, in the order of `pattern`.
    pub values: &'a [f32],
}

impl<'a> Csr<'a> {
    /// Wraps a pattern with its values.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the numbers of entries and values differ.
    pub fn new(pattern: Pattern<'a>, values: &'a [f32]) -> Result<Self, Error> {
        if pattern.n_entries() != values.len() {
            return Err(Error::invalid(format!(
                "{} entries but {} values",
                pattern.n_entries(),
                values.len()
            )));
        }
        Ok(Self { pattern, values })
    }

    /// The columns and the values of `row`.
    #[inline]
    pub fn row(&self, row: usize) -> (&'a [i32], &'a [f32]) {
        let range = self.pattern.range(row);
        (&self.pattern.indices[range.clone()], &self.values[range])
    }
}

/// A sparse matrix that a kernel made.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OwnedCsr {
    /// Row pointers.
    pub indptr: Vec<i64>,
    /// Columns, ascending within a row.
    pub indices: Vec<i32>,
    /// Values.
    pub values: Vec<f32>,
}

impl OwnedCsr {
    /// Borrows a matrix of `n_cols` columns. Nothing is checked: kernels keep the rules of [`Pattern`].
    pub fn view(&self, n_cols: usize) -> Csr<'_> {
        let pattern = Pattern { indptr: Indptr::Wide(&self.indptr), indices: &self.indices, n_cols };
        Csr { pattern, values: &self.values }
    }

    /// The values of each row, for filling rows side by side.
    pub fn rows_mut(&mut self) -> Vec<(&[i32], &mut [f32])> {
        let (mut indices, mut values) = (self.indices.as_slice(), self.values.as_mut_slice());
        let mut rows = Vec::with_capacity(self.indptr.len().saturating_sub(1));
        for pointers in self.indptr.windows(2) {
            let len = (pointers[1] - pointers[0]) as usize;
            let (row_indices, other_indices) = indices.split_at(len);
            let (row_values, other_values) = std::mem::take(&mut values).split_at_mut(len);
            rows.push((row_indices, row_values));
            (indices, values) = (other_indices, other_values);
        }
        rows
    }
}

/// Pointers from the number of entries in each row.
pub fn indptr_from_counts(counts: impl Iterator<Item = usize>) -> Vec<i64> {
    let mut indptr = Vec::with_capacity(counts.size_hint().0 + 1);
    let mut total = 0i64;
    indptr.push(0);
    for count in counts {
        total += count as i64;
        indptr.push(total);
    }
    indptr
}

#[cfg(test)]
mod tests;
