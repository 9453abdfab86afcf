//! The walk over the catalogue: blocks of users against panels of items.
//!
//! The router's gate is convex: `base + max_e s_e` bounds a score from above, so only pairs whose bound beats the
//! user's worst kept score need the router. The bound allows for the rounding of the mix, hence nothing is lost.

use rayon::prelude::*;

use super::best::Best;
use super::router::{GROUPS, mix, wishes};
use super::tile::{PANEL, USERS, dots};
use super::towers::{Experts, PackedItems, PackedUsers, Towers, key_size};
use super::{Places, check_users};
use crate::kernels::cancel::Cancel;
use crate::kernels::csr::Pattern;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, WIDTH, Work};
use crate::kernels::simd::Path;

/// The most users that walk together: their vectors stay in the second-level cache while the items pass.
const BLOCK: usize = 60;
/// Panels between two looks at the flag that stops the walk.
const LOOK_EVERY: usize = 64;
/// The mix is a sum of at most 64 rounded products over a rounded sum: its relative error is far below.
const SLACK: f32 = 3e-5;

/// Ranks all items for each of `users`, leaving out what they have seen.
///
/// Score: `⟨user, item⟩`, and with experts `+ weight · Σ p_e s_e / Σ p_e` over the `top` experts of the pair.
/// Cost: `2 · width · (1 + experts)` operations a pair, and the router for what survives the bound.
///
/// # Errors
/// [`Error::Invalid`] if a shape does not fit or a user is out of range; [`Error::Cancelled`].
pub fn rank_towers(
    towers: &Towers<'_>,
    users: &[i32],
    seen: Option<Pattern<'_>>,
    places: Places<'_>,
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    towers.check()?;
    places.check(users.len())?;
    check_users(users, towers.n_users(), towers.n_items(), seen)?;
    let packed = PackedItems::new(towers);
    let Places { items, scores, k } = places;
    // Few users are shared out among the threads; how many walk together changes no bit.
    let block =
        users.len().div_ceil(rayon::current_num_threads()).next_multiple_of(USERS).clamp(USERS, BLOCK);
    let outputs = items.par_chunks_mut(block * k).zip(scores.par_chunks_mut(block * k));
    users.par_chunks(block).zip(outputs).try_for_each(|(users, (items, scores))| {
        let best = users
            .iter()
            .map(|&user| {
                let seen = seen.map_or(&[][..], |seen| seen.row(user as usize));
                Best::new(k.min(towers.n_items()), seen)
            })
            .collect();
        let vectors = PackedUsers::new(towers, users);
        let best = path.run(Walk { towers, items: &packed, users: &vectors, best, cancel })?;
        for ((best, items), scores) in best.into_iter().zip(items.chunks_mut(k)).zip(scores.chunks_mut(k)) {
            best.finish(items, scores);
        }
        Ok(())
    })
}

struct Walk<'a> {
    towers: &'a Towers<'a>,
    items: &'a PackedItems,
    users: &'a PackedUsers,
    best: Vec<Best<'a>>,
    cancel: &'a Cancel,
}

impl<'a> Work for Walk<'a> {
    type Output = Result<Vec<Best<'a>>, Error>;

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) -> Self::Output {
        let width = self.towers.width;
        let experts = self.towers.active();
        let n = experts.map_or(0, |experts| experts.n);
        let padded = self.users.padded;
        let mut left = [0; BLOCK];
        let mut products = vec![[0.0; PANEL]; (1 + n) * padded]; // (1 + experts, users, PANEL)
        for (panel, rows) in self.items.panels.chunks_exact((1 + n) * width).enumerate() {
            if panel % LOOK_EVERY == 0 {
                self.cancel.check()?;
            }
            for (part, rows) in rows.chunks_exact(width).enumerate() {
                let vectors = &self.users.vectors[part * padded * width..][..padded * width];
                let products = &mut products[part * padded..][..padded];
                for (users, out) in vectors.chunks_exact(USERS * width).zip(products.chunks_exact_mut(USERS))
                {
                    dots(lanes, users, rows, out);
                }
            }
            let first = panel * PANEL;
            let valid = (1u32 << (self.towers.n_items() - first).min(PANEL)) - 1;
            for (user, bits) in left[..self.best.len()].iter_mut().enumerate() {
                *bits = valid & survivors(lanes, &products, user, padded, self.best[user].threshold());
                self.ask_for_keys(lanes, experts, first, *bits);
            }
            for (user, &bits) in left[..self.best.len()].iter().enumerate() {
                self.settle(lanes, experts, &products, user, first, bits);
            }
        }
        Ok(self.best)
    }
}

impl Walk<'_> {
    /// Asks memory for the keys of those items of a panel whose bits are set: the router will read them soon.
    #[inline(always)]
    fn ask_for_keys<L: Lanes>(&self, lanes: L, experts: Option<Experts<'_>>, first: usize, mut bits: u32) {
        let Some(experts) = experts else { return };
        let size = key_size(experts.n, experts.rank);
        while bits != 0 {
            let item = first + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            for line in self.items.keys[item * size..][..size].chunks(16) {
                lanes.prefetch(&line[0]);
            }
        }
    }

    /// Scores and offers those items of a panel whose bits are set.
    #[inline(always)]
    fn settle<L: Lanes>(
        &mut self,
        lanes: L,
        experts: Option<Experts<'_>>,
        products: &[[f32; PANEL]],
        user: usize,
        first: usize,
        mut bits: u32,
    ) {
        let padded = self.users.padded;
        let best = &mut self.best[user];
        while bits != 0 {
            let lane = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            let item = first + lane;
            if best.is_seen(item as i32) {
                continue;
            }
            let mut score = products[user][lane];
            if let Some(experts) = experts {
                let groups = experts.n.div_ceil(WIDTH);
                let size = key_size(experts.n, experts.rank);
                let user_keys = &self.users.keys[user * size..][..size];
                let item_keys = &self.items.keys[item * size..][..size];
                let mut wish = [[0.0; WIDTH]; GROUPS];
                wishes(lanes, user_keys, item_keys, experts.n, experts.rank, &mut wish[..groups]);
                let value = |expert: usize| products[(1 + expert) * padded + user][lane];
                score += mix(lanes, &wish[..groups], experts.n, value, experts.top);
            }
            best.push(score, item as i32);
        }
    }
}

/// Bits of the items whose score can exceed `threshold`.
#[inline(always)]
fn survivors<L: Lanes>(
    lanes: L,
    products: &[[f32; PANEL]],
    user: usize,
    padded: usize,
    threshold: f32,
) -> u32 {
    let threshold = lanes.splat(threshold);
    let (base, _) = products[user].as_chunks::<WIDTH>();
    let mut bits = 0;
    for (half, base) in base.iter().enumerate() {
        // No expert at all leaves 0.
        let mut highest = lanes.splat(0.0);
        let mut largest = lanes.splat(0.0);
        for values in products[padded..].chunks_exact(padded) {
            let (values, _) = values[user].as_chunks::<WIDTH>();
            let value = lanes.load(&values[half]);
            highest = lanes.max(value, highest);
            largest = lanes.max(lanes.abs(value), largest);
        }
        let bound = lanes.add(lanes.load(base), lanes.fma(largest, lanes.splat(SLACK), highest));
        bits |= lanes.above(bound, threshold) << (half * WIDTH);
    }
    bits
}
