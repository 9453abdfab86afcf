//! Raw scores of a cue for one user: what the items of a history say, added up, or numbers that the caller has.

use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, WIDTH};
use crate::kernels::propagate::Matrix;

/// Where the raw scores of a cue come from.
#[derive(Debug, Clone, Copy)]
pub enum Cue<'a> {
    /// An item–item matrix of few entries, row j being what item j adds to others: as
    /// [`sparse_rows`](crate::kernels::sparse_rows::sparse_rows) multiplies.
    Sparse(Matrix<'a>),
    /// The same as a whole matrix, `(I, I)`: as [`multiply`](crate::kernels::propagate::multiply) multiplies.
    Dense(&'a [f32]),
    /// The scores themselves, `(B, I)`: a row for each user to be ranked.
    Rows(&'a [f32]),
}

impl Cue<'_> {
    pub(super) fn check(&self, n_rows: usize, n_items: usize, name: usize) -> Result<(), Error> {
        let square = n_items.checked_mul(n_items);
        let fits = match *self {
            Self::Sparse(matrix) => matrix.n_rows() == n_items && matrix.n_cols() == n_items,
            Self::Dense(matrix) => square == Some(matrix.len()),
            Self::Rows(rows) => n_rows.checked_mul(n_items) == Some(rows.len()),
        };
        if fits {
            return Ok(());
        }
        let found = match *self {
            Self::Sparse(matrix) => format!("a matrix ({}, {})", matrix.n_rows(), matrix.n_cols()),
            Self::Dense(numbers) => format!("a matrix of {} numbers", numbers.len()),
            Self::Rows(numbers) => format!("{} scores for {n_rows} users", numbers.len()),
        };
        Err(Error::invalid(format!("cue {name} must fit {n_items} items, got {found}")))
    }

    /// Writes row `row`, for the user `user` of `histories`; `out` has a place for each item, whatever it held.
    #[inline(always)]
    pub(super) fn write<L: Lanes>(
        &self,
        lanes: L,
        histories: Matrix<'_>,
        user: usize,
        row: usize,
        out: &mut [f32],
    ) {
        match *self {
            Self::Sparse(matrix) => {
                out.fill(0.0);
                let (items, values) = histories.entries(user);
                for (at, (&item, &own)) in items.iter().zip(values).enumerate() {
                    if let Some(&next) = items.get(at + 1) {
                        let (columns, values) = matrix.entries(next as usize);
                        prefetch(lanes, columns);
                        prefetch(lanes, values);
                    }
                    let (columns, values) = matrix.entries(item as usize);
                    for (&column, &other) in columns.iter().zip(values) {
                        out[column as usize] += own * other;
                    }
                }
            }
            Self::Dense(matrix) => add_up(lanes, histories, user, matrix, out),
            Self::Rows(rows) => out.copy_from_slice(&rows[row * out.len()..][..out.len()]),
        }
    }
}

/// Asks for a row of a matrix whose rows are read in no order.
#[inline(always)]
fn prefetch<L: Lanes, T>(lanes: L, row: &[T]) {
    for line in row.chunks(64 / size_of::<T>()) {
        lanes.prefetch(&line[0]);
    }
}

/// Rows of a matrix that are added up together: each reads and writes all sums.
const TOGETHER: usize = 4;

/// Writes the product of a history with a whole matrix, one chain of fused multiply-adds for each item, from zero on, in
/// the order of the history.
#[inline(always)]
fn add_up<L: Lanes>(lanes: L, histories: Matrix<'_>, user: usize, matrix: &[f32], out: &mut [f32]) {
    let n_items = out.len();
    out.fill(0.0);
    let mut entries = histories.row(user);
    loop {
        let (mut rows, mut own, mut n) = ([&matrix[..0]; TOGETHER], [0.0; TOGETHER], 0);
        while n < TOGETHER
            && let Some((item, value)) = entries.next()
        {
            (rows[n], own[n]) = (&matrix[item * n_items..][..n_items], value);
            n += 1;
        }
        match n {
            0 => return,
            1 => add::<L, 1>(lanes, [rows[0]], [own[0]], out),
            2 => add::<L, 2>(lanes, [rows[0], rows[1]], [own[0], own[1]], out),
            3 => add::<L, 3>(lanes, [rows[0], rows[1], rows[2]], [own[0], own[1], own[2]], out),
            _ => add::<L, TOGETHER>(lanes, rows, own, out),
        }
    }
}

/// Adds N rows to the sums, one after the other.
#[inline(always)]
fn add<L: Lanes, const N: usize>(lanes: L, rows: [&[f32]; N], own: [f32; N], out: &mut [f32]) {
    let (groups, rest) = out.as_chunks_mut::<WIDTH>();
    let at = groups.len() * WIDTH;
    let mut values = [lanes.splat(0.0); N];
    for (value, &own) in values.iter_mut().zip(&own) {
        *value = lanes.splat(own);
    }
    for (group, out) in groups.iter_mut().enumerate() {
        let mut sum = lanes.load(out);
        for (row, &value) in rows.iter().zip(&values) {
            let (row, _) = row.as_chunks::<WIDTH>();
            sum = lanes.fma(value, lanes.load(&row[group]), sum);
        }
        lanes.store(sum, out);
    }
    for (offset, sum) in rest.iter_mut().enumerate() {
        for (row, own) in rows.iter().zip(own) {
            *sum = own.mul_add(row[at + offset], *sum);
        }
    }
}
