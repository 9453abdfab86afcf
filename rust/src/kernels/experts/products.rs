//! Products of the experts' sums, for pairs of rows.

use rayon::prelude::*;

use super::gram::{ByPart, add_sums, gram};
use super::{Shape, expect};
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, Work};
use crate::kernels::simd::Path;

/// Users or items of one parallel step.
const STEP: usize = 32;

/// Pairs of a user and an item: user u is paired with `per_user` items, one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Pairs<'a> {
    /// Sizes; the rows are the users', and after them the items'.
    pub shape: Shape,
    /// `(rows, K, D)`.
    pub parts: &'a [f32],
    /// `(rows, E, K)`.
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
        expect("parts", self.parts.len(), rows * self.shape.of_parts())?;
        expect("shares", self.shares.len(), rows * self.shape.of_shares())?;
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
    fn row(&self, row: usize) -> (&'a [f32], &'a [f32]) {
        let (parts, shares) = (self.shape.of_parts(), self.shape.of_shares());
        (&self.parts[row * parts..][..parts], &self.shares[row * shares..][..shares])
    }

    /// Parts and shares of a pair's item.
    #[inline(always)]
    fn item(&self, pair: usize) -> (&'a [f32], &'a [f32]) {
        self.row(self.n_users() + self.items[pair] as usize)
    }
}

/// Writes `Σ_kl share_uek · share_iel · ⟨part_uk, part_il⟩` of every pair and expert, `(pairs, E)`, into `out`.
///
/// # Errors
/// [`Error::Invalid`] if a shape or index does not fit; [`Error::Cancelled`].
pub fn products(pairs: Pairs<'_>, out: &mut [f32], path: Path, cancel: &Cancel) -> Result<(), Error> {
    pairs.check()?;
    let n = pairs.shape.experts;
    expect("products", out.len(), pairs.items.len() * n)?;
    out.par_chunks_mut(STEP * n).enumerate().try_for_each(|(step, out)| {
        cancel.check()?;
        path.run(Forward { pairs, first: step * STEP, out });
        Ok(())
    })
}

/// Gradients of [`products`]: of parts and shares, from that of the products.
///
/// What a pair asks of the products of its parts is kept between two passes, one over users and one over items, so that
/// every sum is made by one thread, in the order of the pairs.
///
/// # Errors
/// [`Error::Invalid`] if a shape or index does not fit; [`Error::Cancelled`].
pub fn products_gradient(
    pairs: Pairs<'_>,
    gradient: &[f32],
    of_parts: &mut [f32],
    of_shares: &mut [f32],
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    pairs.check()?;
    let Shape { rows, parts: k, experts: n, .. } = pairs.shape;
    let (parts, shares) = (pairs.shape.of_parts(), pairs.shape.of_shares());
    expect("gradients of products", gradient.len(), pairs.items.len() * n)?;
    expect("gradients of parts", of_parts.len(), pairs.parts.len())?;
    expect("gradients of shares", of_shares.len(), pairs.shares.len())?;
    let n_users = pairs.n_users();
    let by_item = group(pairs.items, rows - n_users);
    let mut kept = vec![0.0; pairs.items.len() * k * k];
    let (user_parts, item_parts) = of_parts.split_at_mut(n_users * parts);
    let (user_shares, item_shares) = of_shares.split_at_mut(n_users * shares);
    let users = user_parts.par_chunks_mut(STEP * parts).zip(user_shares.par_chunks_mut(STEP * shares));
    let of_users = kept.par_chunks_mut(STEP * pairs.per_user * k * k);
    users.zip(of_users).enumerate().try_for_each(|(step, ((of_parts, of_shares), kept))| {
        cancel.check()?;
        path.run(OfUsers { pairs, gradient, first: step * STEP, kept, of_parts, of_shares });
        Ok(())
    })?;
    let items = item_parts.par_chunks_mut(STEP * parts).zip(item_shares.par_chunks_mut(STEP * shares));
    items.enumerate().try_for_each(|(step, (of_parts, of_shares))| {
        cancel.check()?;
        let (first, kept) = (step * STEP, &kept);
        path.run(OfItems { pairs, gradient, first, by_item: &by_item, kept, of_parts, of_shares });
        Ok(())
    })
}

/// The pairs of each item, ascending, and where those of each item begin.
fn group(items: &[i64], n_items: usize) -> (Vec<usize>, Vec<u32>) {
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
}

impl Work for Forward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Shape { parts: k, width, experts, .. } = self.pairs.shape;
        let mut products = vec![0.0; k * k];
        let new = || ByPart::new(k, experts);
        let (mut user, mut item, mut taken) = (new(), new(), new());
        let mut sums = vec![0.0; user.stride];
        for (pair, out) in (self.first..).zip(self.out.chunks_exact_mut(experts)) {
            let (user_parts, user_shares) = self.pairs.row(pair / self.pairs.per_user);
            let (item_parts, item_shares) = self.pairs.item(pair);
            gram(lanes, user_parts, item_parts, width, &mut products);
            user.take(user_shares, k);
            item.take(item_shares, k);
            taken.set_product(lanes, &products, &item);
            user.dots(&taken, &mut sums);
            out.copy_from_slice(&sums[..experts]);
        }
    }
}

/// The pass over users: their gradients, and for each pair what is asked of the products of its parts, `(K, K)`.
struct OfUsers<'a, 'b> {
    pairs: Pairs<'a>,
    gradient: &'a [f32],
    first: usize,
    kept: &'b mut [f32],
    of_parts: &'b mut [f32],
    of_shares: &'b mut [f32],
}

impl Work for OfUsers<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Shape { parts: k, width, experts, .. } = self.pairs.shape;
        let per_user = self.pairs.per_user;
        let mut products = vec![0.0; k * k];
        let new = || ByPart::new(k, experts);
        let (mut own, mut item, mut taken, mut asked, mut sums) = (new(), new(), new(), new(), new());
        let mut factors = vec![0.0; own.stride];
        let users =
            self.of_parts.chunks_exact_mut(k * width).zip(self.of_shares.chunks_exact_mut(experts * k));
        let kept = self.kept.chunks_exact_mut(per_user * k * k);
        for (user, ((of_parts, of_shares), kept)) in (self.first..).zip(users.zip(kept)) {
            let (parts, shares) = self.pairs.row(user);
            own.take(shares, k);
            sums.numbers.fill(0.0);
            of_parts.fill(0.0);
            for (pair, kept) in (user * per_user..).zip(kept.chunks_exact_mut(k * k)) {
                let (item_parts, item_shares) = self.pairs.item(pair);
                factors[..experts].copy_from_slice(&self.gradient[pair * experts..][..experts]);
                gram(lanes, parts, item_parts, width, &mut products);
                item.take(item_shares, k);
                taken.set_product(lanes, &products, &item);
                sums.add_scaled(&taken, &factors);
                asked.set_scaled(&own, &factors);
                gram(lanes, &asked.numbers, &item.numbers, own.stride, kept);
                add_sums(lanes, kept, item_parts, width, of_parts);
            }
            of_shares.fill(0.0);
            sums.add_to(of_shares, k);
        }
    }
}

/// The pass over items.
struct OfItems<'a, 'b> {
    pairs: Pairs<'a>,
    gradient: &'a [f32],
    first: usize,
    by_item: &'b (Vec<usize>, Vec<u32>),
    kept: &'b [f32],
    of_parts: &'b mut [f32],
    of_shares: &'b mut [f32],
}

impl Work for OfItems<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Shape { parts: k, width, experts, .. } = self.pairs.shape;
        let (starts, order) = self.by_item;
        let (mut products, mut mirrored) = (vec![0.0; k * k], vec![0.0; k * k]);
        let new = || ByPart::new(k, experts);
        let (mut user, mut taken, mut sums) = (new(), new(), new());
        let mut factors = vec![0.0; user.stride];
        let items =
            self.of_parts.chunks_exact_mut(k * width).zip(self.of_shares.chunks_exact_mut(experts * k));
        for (item, (of_parts, of_shares)) in (self.first..).zip(items) {
            let (parts, _) = self.pairs.row(self.pairs.n_users() + item);
            sums.numbers.fill(0.0);
            of_parts.fill(0.0);
            for &pair in &order[starts[item]..starts[item + 1]] {
                let pair = pair as usize;
                let (user_parts, user_shares) = self.pairs.row(pair / self.pairs.per_user);
                factors[..experts].copy_from_slice(&self.gradient[pair * experts..][..experts]);
                // The same numbers as the users' pass has, seen from the other side.
                gram(lanes, parts, user_parts, width, &mut products);
                user.take(user_shares, k);
                taken.set_product(lanes, &products, &user);
                sums.add_scaled(&taken, &factors);
                let kept = &self.kept[pair * k * k..][..k * k];
                for (at, mirrored) in mirrored.iter_mut().enumerate() {
                    *mirrored = kept[at % k * k + at / k];
                }
                add_sums(lanes, &mirrored, user_parts, width, of_parts);
            }
            of_shares.fill(0.0);
            sums.add_to(of_shares, k);
        }
    }
}
