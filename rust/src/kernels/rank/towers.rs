//! What is ranked: a dot product, and optionally a pair-conditioned mixture of experts on top of it.

use rayon::prelude::*;

use super::router::MAX_EXPERTS;
use super::tile::{PANEL, USERS};
use crate::kernels::error::Error;
use crate::kernels::lanes::WIDTH;

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

/// A mixture: expert e is worth `⟨user tower, item tower⟩`, and the router wants it with `⟨user key, item key⟩`.
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
    /// What the mixture is multiplied with.
    pub weight: f32,
    /// How many experts of a pair take part, those that the router wants most.
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

/// Numbers that the keys of one user or item take when laid out: some more than there are, since the last row of
/// experts is read in whole vectors.
pub(super) fn key_size(n: usize, rank: usize) -> usize {
    (rank - 1) * n + n.next_multiple_of(WIDTH)
}

/// Lays the keys of one user or item out with experts beside each other: `(rank, n)`.
pub(super) fn pack_keys(keys: &[f32], n: usize, rank: usize, out: &mut [f32]) {
    for (expert, key) in keys.chunks_exact(rank).enumerate().take(n) {
        for (r, &value) in key.iter().enumerate() {
            out[r * n + expert] = value;
        }
    }
}

/// The items as the walk reads them.
pub(super) struct PackedItems {
    /// Panel after panel, in it the base vectors and then each expert's: `width` rows of one number per item.
    pub panels: Vec<[f32; PANEL]>,
    /// Item after item, see [`pack_keys`].
    pub keys: Vec<f32>,
}

impl PackedItems {
    pub(super) fn new(towers: &Towers<'_>) -> Self {
        let (n_items, width) = (towers.n_items(), towers.width);
        let experts = towers.active();
        let n = experts.map_or(0, |experts| experts.n);
        let size = (1 + n) * width;
        let mut panels = vec![[0.0; PANEL]; n_items.div_ceil(PANEL) * size];
        panels.par_chunks_mut(size).enumerate().for_each(|(panel, rows)| {
            for (lane, item) in (panel * PANEL..n_items.min((panel + 1) * PANEL)).enumerate() {
                let base = &towers.items[item * width..][..width];
                let rest = experts.map_or(&[][..], |e| &e.item_towers[item * n * width..][..n * width]);
                for (row, &value) in rows.iter_mut().zip(base.iter().chain(rest)) {
                    row[lane] = value;
                }
            }
        });
        let keys = experts.map_or_else(Vec::new, |experts| {
            let size = key_size(n, experts.rank);
            let mut keys = vec![0.0; n_items * size];
            keys.par_chunks_mut(size)
                .zip(experts.item_keys.par_chunks(n * experts.rank))
                .for_each(|(out, keys)| pack_keys(keys, n, experts.rank, out));
            keys
        });
        Self { panels, keys }
    }
}

/// Some users as the walk reads them.
pub(super) struct PackedUsers {
    /// Base vectors of all users of the block, then each expert's, the weight of the mixture multiplied in.
    pub vectors: Vec<f32>,
    /// User after user, see [`pack_keys`].
    pub keys: Vec<f32>,
    /// Users, filled up with zero vectors to whole tiles.
    pub padded: usize,
}

impl PackedUsers {
    pub(super) fn new(towers: &Towers<'_>, users: &[i32]) -> Self {
        let width = towers.width;
        let experts = towers.active();
        let n = experts.map_or(0, |experts| experts.n);
        let padded = users.len().next_multiple_of(USERS);
        let mut vectors = vec![0.0; (1 + n) * padded * width];
        let mut keys = vec![0.0; experts.map_or(0, |e| users.len() * key_size(n, e.rank))];
        for (slot, &user) in users.iter().enumerate() {
            let user = user as usize;
            vectors[slot * width..][..width].copy_from_slice(&towers.users[user * width..][..width]);
            let Some(experts) = experts else { continue };
            for expert in 0..n {
                let from = &experts.user_towers[(user * n + expert) * width..][..width];
                let to = &mut vectors[((1 + expert) * padded + slot) * width..][..width];
                for (to, from) in to.iter_mut().zip(from) {
                    *to = experts.weight * from;
                }
            }
            let size = key_size(n, experts.rank);
            let from = &experts.user_keys[user * n * experts.rank..][..n * experts.rank];
            pack_keys(from, n, experts.rank, &mut keys[slot * size..][..size]);
        }
        Self { vectors, keys, padded }
    }
}
