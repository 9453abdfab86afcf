//! Products of the experts' sums, for pairs of rows.

use rayon::prelude::*;

use super::gram::{Chunk, Matrix, Rows, add_scaled, add_sums, dot_by_expert, mix, products_of, scale};
use super::shares::chunks;
use super::{Mixed, STEP, Shape, Usual, expect, shares_of};
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, WIDTH};
use crate::kernels::simd::Path;

/// The rows of the other side are prefetched this many pairs ahead.
const AHEAD: usize = 2;

/// Pairs of a user and an item: user u is paired with `per_user` items, one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Pairs<'a> {
    /// Sizes; the rows are the users', and after them the items'.
    pub shape: Shape,
    /// `(K, rows, D)`.
    pub components: &'a [f32],
    /// `(rows, K, S)`.
    pub shares: &'a [f32],
    /// The item of each pair, numbered from 0: `(users · per_user)`.
    pub items: &'a [i64],
    /// Items that each user is paired with.
    pub per_user: usize,
}

impl<'a> Pairs<'a> {
    fn check(&self) -> Result<(), Error> {
        let rows = self.shape.rows;
        self.shape.check()?;
        expect("components", self.components.len(), self.shape.components_len())?;
        expect("shares", self.shares.len(), rows * self.shape.shares_len())?;
        let users = self.items.len() / self.per_user.max(1);
        if self.per_user == 0 || users * self.per_user != self.items.len() || users > rows {
            return Err(Error::invalid(format!(
                "{} pairs of {rows} rows cannot be {} for each user",
                self.items.len(),
                self.per_user
            )));
        }
        let n = rows - users;
        match self.items.iter().find(|&&item| !(0..n as i64).contains(&item)) {
            Some(outside) => Err(Error::invalid(format!("item {outside} is outside 0..{n}"))),
            None => Ok(()),
        }
    }

    fn n_users(&self) -> usize {
        self.items.len() / self.per_user
    }

    /// Parts and shares of a row.
    #[inline(always)]
    fn row(&self, row: usize, components: usize, blocks: usize) -> (Rows<'a>, &'a [Chunk]) {
        (self.shape.row(self.components, row, components), shares_of(self.shares, row, components * blocks))
    }

    /// Parts and shares of a pair's item.
    #[inline(always)]
    fn item(&self, pair: usize, components: usize, blocks: usize) -> (Rows<'a>, &'a [Chunk]) {
        self.row(self.n_users() + self.items[pair] as usize, components, blocks)
    }

    /// Prefetches the item of a pair, if there is such a pair: items come in no order, which the processor cannot
    /// foresee.
    #[inline(always)]
    fn prefetch_item<L: Lanes>(&self, lanes: L, pair: usize, components: usize, blocks: usize) {
        if pair < self.items.len() {
            let (rows, shares) = self.item(pair, components, blocks);
            rows.prefetch(lanes);
            shares.iter().for_each(|line| lanes.prefetch(line));
        }
    }
}

/// Writes `Σ_kl share_uke · share_ile · ⟨component_uk, component_il⟩` of every pair and expert, `(pairs, E)`, into
/// `out`, and the products of the components, `(pairs, K, K)`, into `grams`, for the gradient.
///
/// # Errors
/// [`Error::Invalid`] if a shape or index does not fit; [`Error::Cancelled`].
pub fn products(
    pairs: Pairs<'_>,
    out: &mut [f32],
    grams: &mut [f32],
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    pairs.check()?;
    let Shape { components: k, experts: n, .. } = pairs.shape;
    expect("products", out.len(), pairs.items.len() * n)?;
    expect("products of components", grams.len(), pairs.items.len() * k * k)?;
    let steps = out.par_chunks_mut(STEP * n).zip(grams.par_chunks_mut(STEP * k * k));
    steps.enumerate().try_for_each(|(step, (out, grams))| {
        cancel.check()?;
        path.run(Usual(Forward { pairs, first: step * STEP, out, grams }));
        Ok(())
    })
}

/// Gradients of [`products`]: of components and shares, from that of the products; `grams` are those of [`products`].
///
/// There are two passes, one over users and one over items, so that every sum is made by one thread, in the order of the
/// pairs. The first keeps the gradient of the products of each pair's components for the second.
///
/// # Errors
/// [`Error::Invalid`] if a shape or index does not fit; [`Error::Cancelled`].
pub fn products_gradient(
    pairs: Pairs<'_>,
    grams: &[f32],
    gradient: &[f32],
    grad_components: &mut [f32],
    grad_shares: &mut [f32],
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    pairs.check()?;
    let Shape { rows, components: k, experts: n, .. } = pairs.shape;
    let size = pairs.shape.shares_len();
    expect("products of components", grams.len(), pairs.items.len() * k * k)?;
    expect("gradients of products", gradient.len(), pairs.items.len() * n)?;
    expect("gradients of components", grad_components.len(), pairs.components.len())?;
    expect("gradients of shares", grad_shares.len(), pairs.shares.len())?;
    let n_users = pairs.n_users();
    let by_item = by_item(pairs.items, rows - n_users);
    let mut kept = vec![0.0; pairs.items.len() * k * k];
    let (user_shares, item_shares) = grad_shares.split_at_mut(n_users * size);
    let users = pairs.shape.steps(grad_components, 0..n_users).into_par_iter();
    let users = users.zip(user_shares.par_chunks_mut(STEP * size));
    let kept_by_user = kept.par_chunks_mut(STEP * pairs.per_user * k * k);
    users.zip(kept_by_user).enumerate().try_for_each(|(step, ((grad_components, grad_shares), kept))| {
        cancel.check()?;
        path.run(Usual(UserGradients {
            pairs,
            grams,
            gradient,
            first: step * STEP,
            kept,
            grad_components,
            grad_shares,
        }));
        Ok(())
    })?;
    let items = pairs.shape.steps(grad_components, n_users..rows).into_par_iter();
    let items = items.zip(item_shares.par_chunks_mut(STEP * size));
    items.enumerate().try_for_each(|(step, (grad_components, grad_shares))| {
        cancel.check()?;
        let (first, kept) = (step * STEP, &kept);
        path.run(Usual(ItemGradients {
            pairs,
            grams,
            gradient,
            first,
            by_item: &by_item,
            kept,
            grad_components,
            grad_shares,
        }));
        Ok(())
    })
}

/// Where the pairs of each item begin, and all pairs, item after item and ascending.
pub fn by_item(items: &[i64], n_items: usize) -> (Vec<usize>, Vec<u32>) {
    let mut starts = vec![0; n_items + 1];
    items.iter().for_each(|&item| starts[item as usize + 1] += 1);
    (0..n_items).for_each(|item| starts[item + 1] += starts[item]);
    let mut next = starts.clone();
    let mut pairs = vec![0; items.len()];
    for (pair, &item) in items.iter().enumerate() {
        pairs[next[item as usize]] = pair as u32;
        next[item as usize] += 1;
    }
    (starts, pairs)
}

struct Forward<'a, 'b> {
    pairs: Pairs<'a>,
    first: usize,
    out: &'b mut [f32],
    grams: &'b mut [f32],
}

impl Mixed for Forward<'_, '_> {
    type Output = ();

    fn shape(&self) -> Shape {
        self.pairs.shape
    }

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L, k: usize, blocks: usize) {
        let Shape { experts, .. } = self.pairs.shape;
        let (mut taken, mut sums) = (chunks(k * blocks), chunks(blocks));
        let outs = self.out.chunks_exact_mut(experts).zip(self.grams.chunks_exact_mut(k * k));
        for (pair, (out, gram)) in (self.first..).zip(outs) {
            self.pairs.prefetch_item(lanes, pair + AHEAD, k, blocks);
            let (user_components, user) = self.pairs.row(pair / self.pairs.per_user, k, blocks);
            let (item_components, item) = self.pairs.item(pair, k, blocks);
            products_of(lanes, user_components, item_components, gram);
            mix(lanes, Matrix { numbers: gram, mirrored: false }, item, &mut taken, k, blocks);
            dot_by_expert(lanes, user, &taken, &mut sums);
            out.copy_from_slice(&sums.as_flattened()[..experts]);
        }
    }
}

/// The pass over users: their gradients, and for each pair the gradient of the products of its components, `(K, K)`.
struct UserGradients<'a, 'b> {
    pairs: Pairs<'a>,
    grams: &'a [f32],
    gradient: &'a [f32],
    first: usize,
    kept: &'b mut [f32],
    grad_components: Vec<&'b mut [f32]>,
    grad_shares: &'b mut [f32],
}

impl Mixed for UserGradients<'_, '_> {
    type Output = ();

    fn shape(&self) -> Shape {
        self.pairs.shape
    }

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L, k: usize, blocks: usize) {
        let Shape { width, experts, .. } = self.pairs.shape;
        let (per_user, size) = (self.pairs.per_user, k * blocks * WIDTH);
        let (mut taken, mut scaled, mut factors) = (chunks(k * blocks), chunks(k * blocks), chunks(blocks));
        self.grad_components.iter_mut().for_each(|component| component.fill(0.0));
        self.grad_shares.fill(0.0);
        let users = self.grad_shares.chunks_exact_mut(size).zip(self.kept.chunks_exact_mut(per_user * k * k));
        for (row, (grad_shares, kept)) in users.enumerate() {
            let user = self.first + row;
            let (_, own) = self.pairs.row(user, k, blocks);
            for (pair, kept) in (user * per_user..).zip(kept.chunks_exact_mut(k * k)) {
                self.pairs.prefetch_item(lanes, pair + AHEAD, k, blocks);
                let (item_components, item) = self.pairs.item(pair, k, blocks);
                factors.as_flattened_mut()[..experts]
                    .copy_from_slice(&self.gradient[pair * experts..][..experts]);
                let gram = Matrix { numbers: &self.grams[pair * k * k..][..k * k], mirrored: false };
                mix(lanes, gram, item, &mut taken, k, blocks);
                add_scaled(lanes, &taken, &factors, grad_shares.as_chunks_mut().0);
                scale(lanes, own, &factors, &mut scaled);
                let (scaled, item) = (Rows::of_chunks(&scaled, k, blocks), Rows::of_chunks(item, k, blocks));
                products_of(lanes, scaled, item, kept);
                let kept = Matrix { numbers: kept, mirrored: false };
                add_sums(lanes, kept, item_components, &mut self.grad_components, row * width);
            }
        }
    }
}

/// The pass over items.
struct ItemGradients<'a, 'b> {
    pairs: Pairs<'a>,
    grams: &'a [f32],
    gradient: &'a [f32],
    first: usize,
    by_item: &'b (Vec<usize>, Vec<u32>),
    kept: &'b [f32],
    grad_components: Vec<&'b mut [f32]>,
    grad_shares: &'b mut [f32],
}

impl Mixed for ItemGradients<'_, '_> {
    type Output = ();

    fn shape(&self) -> Shape {
        self.pairs.shape
    }

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L, k: usize, blocks: usize) {
        let Shape { width, experts, .. } = self.pairs.shape;
        let (starts, order) = self.by_item;
        let (mut taken, mut factors) = (chunks(k * blocks), chunks(blocks));
        self.grad_components.iter_mut().for_each(|component| component.fill(0.0));
        self.grad_shares.fill(0.0);
        for (row, grad_shares) in self.grad_shares.chunks_exact_mut(k * blocks * WIDTH).enumerate() {
            let item = self.first + row;
            for at in starts[item]..starts[item + 1] {
                if let Some(&next) = order.get(at + AHEAD) {
                    let (components, shares) = self.pairs.row(next as usize / self.pairs.per_user, k, blocks);
                    components.prefetch(lanes);
                    shares.iter().for_each(|line| lanes.prefetch(line));
                }
                let pair = order[at] as usize;
                let (user_components, user) = self.pairs.row(pair / self.pairs.per_user, k, blocks);
                factors.as_flattened_mut()[..experts]
                    .copy_from_slice(&self.gradient[pair * experts..][..experts]);
                // The matrices of the users' pass, transposed.
                let own = pair * k * k..(pair + 1) * k * k;
                let gram = Matrix { numbers: &self.grams[own.clone()], mirrored: true };
                let kept = Matrix { numbers: &self.kept[own], mirrored: true };
                mix(lanes, gram, user, &mut taken, k, blocks);
                add_scaled(lanes, &taken, &factors, grad_shares.as_chunks_mut().0);
                add_sums(lanes, kept, user_components, &mut self.grad_components, row * width);
            }
        }
    }
}
