//! The linear item-item model at any size: for each item a small ridge regression on the items that say most about it.
//!
//! EASE (Steck, WWW 2019) inverts a matrix over all items: cubic time, quadratic memory. Here an item j has a support C
//! of a few hundred items and a system of its own, (G_CC + λI) b = G_Cj, where G counts the users that two items share.
//! G is never stored: the most popular items have a table, and all other counts come from the histories of the few users
//! who took the rarer item. Counts are exact, so that the result does not depend on which way they were found.

mod cholesky;
mod count;
mod double;
mod gather;
mod ranked;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::cancel::Cancel;
use super::csr::{Csr, OwnedCsr};
use super::error::Error;
use super::simd::Path;
use super::sparse::{Block, side_by_side};
use super::transpose::transpose;
use cholesky::{Shape, Solve};
use double::solve_double;
use gather::Scratch;
use ranked::{Ranked, Shared, room};

/// The most equations of one system.
pub const MAX_SUPPORT: usize = 1 << 15;
/// Items whose shared users are kept in a table, 2 · `POPULAR`² bytes.
const POPULAR: usize = 1 << 13;
/// Items of one parallel step.
const STEP: usize = 16;

/// How the regressions are made.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// λ, on the diagonal; positive.
    pub ridge: f64,
    /// λ_s, how much the weights are drawn towards the content matrix; not negative.
    pub content_weight: f64,
    /// Items that an item is predicted from, at most.
    pub support: usize,
}

impl Options {
    fn check(self, n_items: usize) -> Result<(), Error> {
        let Self { ridge, content_weight, support } = self;
        if !(ridge > 0.0 && ridge <= f64::from(f32::MAX)) {
            return Err(Error::invalid(format!("ridge must be a positive number, got {ridge}")));
        }
        if !(content_weight >= 0.0 && content_weight <= f64::from(f32::MAX)) {
            return Err(Error::invalid(format!("content_weight must not be negative, got {content_weight}")));
        }
        if support == 0 {
            return Err(Error::invalid("support must be at least 1, got 0"));
        }
        let largest = support.min(n_items.saturating_sub(1));
        if largest > MAX_SUPPORT {
            return Err(Error::invalid(format!(
                "a support of {largest} items is too large; at most {MAX_SUPPORT} are supported"
            )));
        }
        Ok(())
    }
}

/// What all items share.
struct Problem<'a> {
    ranked: &'a Ranked,
    shared: &'a Shared,
    /// Row j holds what content says of item j.
    content: Option<Csr<'a>>,
    content_weight: f32,
    /// λ + λ_s.
    diagonal: f64,
    support: usize,
    path: Path,
    cancel: &'a Cancel,
}

/// Weights `(I, I)`: row c, column j says how much item c in a history speaks for item j.
///
/// Column j solves (G_CC + (λ + λ_s) I) b = G_Cj + λ_s S_Cj with G = XᵀX for the pattern X of `train` `(U, I)`, S =
/// `content` `(I, I)` and C the `support` items c ≠ j of largest |G_cj + λ_s S_cj|, the lower item first where these are
/// equal. Items with a zero there are left out, unless the support has room for all items; then the result is that of
/// the dense model. An item without any such entry has an empty column. The diagonal of `content` is not read.
///
/// Cost: Σ over users of the square of their items, and for each item about `support`³ / 6 multiply-adds and one look at
/// the histories of all users of the rarer items of its support. Memory: four times the result while it is transposed,
/// and 2 · 8192² bytes.
///
/// # Errors
/// [`Error::Invalid`] if an option or a shape is wrong, `content` holds NaN or infinity, an item has more than 2²⁴
/// users, or weights are too large for float32; [`Error::Cancelled`].
pub fn local_ridge(
    train: Csr<'_>,
    content: Option<Csr<'_>>,
    options: Options,
    path: Path,
    cancel: &Cancel,
) -> Result<OwnedCsr, Error> {
    with_table(train, content, options, POPULAR, path, cancel)
}

/// The same with a table for the `popular` most popular items.
fn with_table(
    train: Csr<'_>,
    content: Option<Csr<'_>>,
    options: Options,
    popular: usize,
    path: Path,
    cancel: &Cancel,
) -> Result<OwnedCsr, Error> {
    let n_items = train.pattern.n_cols();
    options.check(n_items)?;
    let columns = content.map(|content| by_column(content, n_items, cancel)).transpose()?;
    let ranked = Ranked::new(train, cancel)?;
    let shared = Shared::new(&ranked, popular, cancel)?;
    let content_weight = if columns.is_some() { options.content_weight } else { 0.0 };
    let problem = Problem {
        ranked: &ranked,
        shared: &shared,
        content: columns.as_ref().map(|columns| columns.view(n_items)),
        content_weight: content_weight as f32,
        diagonal: options.ridge + content_weight,
        support: options.support,
        path,
        cancel,
    };
    let solved = problem.solve_all()?;
    transpose(solved.view(n_items), cancel)
}

/// The columns of a content matrix, as rows.
fn by_column(content: Csr<'_>, n_items: usize, cancel: &Cancel) -> Result<OwnedCsr, Error> {
    let pattern = content.pattern;
    if (pattern.n_rows(), pattern.n_cols()) != (n_items, n_items) {
        return Err(Error::invalid(format!(
            "content for {n_items} items must be a matrix of {n_items} by {n_items}, got {} by {}",
            pattern.n_rows(),
            pattern.n_cols()
        )));
    }
    if let Some(at) = content.values.iter().position(|value| !value.is_finite()) {
        let row = (0..n_items).find(|&row| pattern.range(row).contains(&at)).unwrap_or_default();
        return Err(Error::invalid(format!(
            "content must be finite; row {row}, column {} is {}",
            pattern.indices()[at],
            content.values[at]
        )));
    }
    transpose(content, cancel)
}

impl Problem<'_> {
    /// Row j holds the weights for item j.
    fn solve_all(&self) -> Result<OwnedCsr, Error> {
        let n_items = self.ranked.n_items();
        // Tables over all items and users are made once a thread, not once a step.
        let idle = Mutex::new(Vec::new());
        let blocks = (0..n_items.div_ceil(STEP)).into_par_iter().map(|step| {
            let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut scratch = kept.map_or_else(|| Scratch::new(self.ranked), Ok)?;
            let block = self.solve_step(step * STEP..n_items.min((step + 1) * STEP), &mut scratch)?;
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
            Ok(block)
        });
        let blocks = blocks.collect::<Result<Vec<Block>, Error>>()?;
        drop(idle);
        side_by_side(&blocks, self.cancel)
    }

    fn solve_step(&self, items: std::ops::Range<usize>, scratch: &mut Scratch) -> Result<Block, Error> {
        let mut weights: Vec<(i32, f32)> = Vec::new();
        let mut lens = Vec::with_capacity(items.len());
        for item in items {
            let before = weights.len();
            self.solve(item, scratch, &mut weights)?;
            weights[before..].sort_unstable_by_key(|&(item, _)| item);
            lens.push(weights.len() - before);
        }
        let (mut indices, mut values) = (room(weights.len())?, room(weights.len())?);
        indices.extend(weights.iter().map(|&(item, _)| item));
        values.extend(weights.iter().map(|&(_, weight)| weight));
        Ok(Block { lens, indices, values })
    }

    /// Adds the weights for one item.
    fn solve(&self, item: usize, scratch: &mut Scratch, weights: &mut Vec<(i32, f32)>) -> Result<(), Error> {
        self.cancel.check()?;
        scratch.gather(self, self.ranked.rank(item) as usize)?;
        let n = scratch.support.len();
        if n == 0 {
            return Ok(());
        }
        let shape = Shape { n };
        let sound = self.path.run(Solve {
            shape,
            matrix: &mut scratch.matrix,
            inverses: &mut scratch.inverses,
            solution: &mut scratch.solution,
            // In exact arithmetic every pivot is at least λ + λ_s.
            least_pivot: (self.diagonal / 2.0) as f32,
            cancel: self.cancel,
        })?;
        let items = scratch.support.iter().map(|&rank| self.ranked.item(rank as usize));
        // Very large numbers leave the range of f32 on the way, though the weights may be small.
        let in_range = self.diagonal <= f64::from(f32::MAX)
            && scratch.solution.as_flattened()[..n].iter().all(|weight| weight.is_finite());
        if sound && in_range {
            weights.extend(items.zip(scratch.solution.as_flattened()).map(|(item, &weight)| (item, weight)));
        } else {
            let exact = self.solve_again(item, scratch)?;
            if exact.iter().any(|&weight| !(weight as f32).is_finite()) {
                return Err(Error::invalid(format!(
                    "the weights for item {item} are too large for float32; choose a smaller content_weight than {}, or \
                     smaller numbers in content",
                    self.content_weight
                )));
            }
            let items = scratch.support.iter().map(|&rank| self.ranked.item(rank as usize));
            weights.extend(items.zip(exact).map(|(item, weight)| (item, weight as f32)));
        }
        Ok(())
    }

    /// The solution in `f64`, of a system that `f32` has spoilt.
    fn solve_again(&self, item: usize, scratch: &mut Scratch) -> Result<Vec<f64>, Error> {
        scratch.gather(self, self.ranked.rank(item) as usize)?;
        let degree = |at: usize| self.ranked.users(scratch.support[at] as usize).len() as f64;
        let diagonal = |at: usize| degree(at) + self.diagonal;
        let shape = Shape { n: scratch.support.len() };
        solve_double(shape, &scratch.matrix, diagonal, self.cancel)?.ok_or_else(|| {
            Error::invalid(format!(
                "the counts of item {item} are singular even in float64; choose a larger ridge than {}",
                self.diagonal
            ))
        })
    }
}
