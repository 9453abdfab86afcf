//! The model that is ranked: a dot product, plus optionally a mixture of experts that depends on the pair.

use super::router::MAX_EXPERTS;
use crate::kernels::error::Error;

/// Vectors of every user and item; rows of `width` numbers.
#[derive(Debug, Clone, Copy)]
pub struct Towers<'a> {
    /// `(U, width)`.
    pub users: &'a [f32],
    /// `(I, width)`.
    pub items: &'a [f32],
    /// Numbers in a row.
    pub width: usize,
    /// The mixture, if there is one.
    pub experts: Option<Experts<'a>>,
}

/// A mixture: the value of expert e is `⟨user tower, item tower⟩`, its logit in the router `⟨user key, item key⟩`.
#[derive(Debug, Clone, Copy)]
pub struct Experts<'a> {
    /// `(U, n, width)`.
    pub user_towers: &'a [f32],
    /// `(I, n, width)`.
    pub item_towers: &'a [f32],
    /// `(U, n, rank)`.
    pub user_keys: &'a [f32],
    /// `(I, n, rank)`.
    pub item_keys: &'a [f32],
    /// Experts.
    pub n: usize,
    /// Numbers in a key.
    pub rank: usize,
    /// The factor of the mixture.
    pub weight: f32,
    /// How many experts of a pair take part: those of the highest logits.
    pub top: usize,
}

impl Towers<'_> {
    /// Number of users.
    pub fn n_users(&self) -> usize {
        self.users.len() / self.width.max(1)
    }

    /// Number of items.
    pub fn n_items(&self) -> usize {
        self.items.len() / self.width.max(1)
    }

    /// Checks that all shapes fit.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.width == 0 {
            return Err(Error::invalid("vectors must have at least one number"));
        }
        let Some(experts) = self.experts else { return Ok(()) };
        let (n_users, n_items, n, rank) = (self.n_users(), self.n_items(), experts.n, experts.rank);
        if n == 0 || n > MAX_EXPERTS || rank == 0 {
            return Err(Error::invalid(format!(
                "there must be 1 to {MAX_EXPERTS} experts with keys of at least one number, got {n} and {rank}"
            )));
        }
        if experts.top == 0 || experts.top > n {
            return Err(Error::invalid(format!(
                "the best 1 to {n} experts can be taken, not {}",
                experts.top
            )));
        }
        for (name, len, expected) in [
            ("user towers", experts.user_towers.len(), n_users * n * self.width),
            ("item towers", experts.item_towers.len(), n_items * n * self.width),
            ("user keys", experts.user_keys.len(), n_users * n * rank),
            ("item keys", experts.item_keys.len(), n_items * n * rank),
        ] {
            if len != expected {
                return Err(Error::invalid(format!("{name} must hold {expected} numbers, they hold {len}")));
            }
        }
        Ok(())
    }

    /// The mixture, unless its weight is zero.
    pub(super) fn active(&self) -> Option<Experts<'_>> {
        self.experts.filter(|experts| experts.weight != 0.0)
    }
}
