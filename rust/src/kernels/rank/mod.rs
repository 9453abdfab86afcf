//! Full-catalogue ranking: every item a user has not seen is scored, exactly, and the k best are kept.
//!
//! Higher scores come first, then lower items. The score of a pair is always computed by the same operations in the same
//! order, so the result does not depend on threads, on how users are batched, or on the instruction path. Items whose
//! score is NaN or -∞ are never ranked. Where the machine multiplies bfloat16 in tiles, [`sieve`] rules most pairs out
//! before any true score is computed. Memory: O(B · k), and one packed copy of the items' vectors.

mod best;
mod coarse;
mod dot;
mod found;
mod list;
mod order;
pub(super) mod pack;
mod pairs;
mod rescore;
mod rows;
mod scores;
mod shortlist;
mod sieve;
#[cfg(test)]
mod tests;
pub(super) mod tile;
mod vectors;
mod walk;

pub(super) use list::List;
pub use pairs::score_dots;
pub use rows::dot_rows;
pub use scores::rank_scores;
pub use vectors::Vectors;
pub use walk::rank_dots;

use super::csr::Pattern;
use super::error::Error;

/// The item of a place for which there was no item; its score is -∞.
pub const NO_ITEM: i32 = -1;

/// The output of a ranking: `k` places for each of the users, best first.
#[derive(Debug)]
pub struct Places<'a> {
    /// Items, [`NO_ITEM`] at the end where fewer than `k` could be ranked.
    pub items: &'a mut [i32],
    /// Their scores.
    pub scores: &'a mut [f32],
    /// Places per user.
    pub k: usize,
}

impl Places<'_> {
    pub(super) fn check(&self, n_rows: usize) -> Result<(), Error> {
        if self.k == 0 {
            return Err(Error::invalid("k must be at least 1, got 0"));
        }
        if n_rows.checked_mul(self.k) != Some(self.items.len()) || self.scores.len() != self.items.len() {
            return Err(Error::invalid(format!(
                "{n_rows} users with {} places each do not have {} items and {} scores",
                self.k,
                self.items.len(),
                self.scores.len()
            )));
        }
        Ok(())
    }
}

/// Checks that `users` are rows of the model and of the seen items.
pub(super) fn check_users(
    users: &[i32],
    n_users: usize,
    n_items: usize,
    seen: Option<Pattern<'_>>,
) -> Result<(), Error> {
    if let Some(at) = users.iter().position(|&user| user < 0 || user as usize >= n_users) {
        return Err(Error::invalid(format!("user {} at position {at} is outside 0..{n_users}", users[at])));
    }
    match seen {
        Some(seen) if seen.n_rows() != n_users || seen.n_cols() != n_items => Err(Error::invalid(format!(
            "the seen items are ({}, {}), the model ({n_users}, {n_items})",
            seen.n_rows(),
            seen.n_cols()
        ))),
        _ => Ok(()),
    }
}
