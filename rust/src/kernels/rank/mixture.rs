//! The walk of a dot product with a mixture of experts on top.
//!
//! Two bounds spare most of the work. The router's gate is convex, so a mix is no greater than the longest of the
//! user's towers times the longest of the item's, and `base` plus that must be above the user's bar before an expert is
//! asked. Nor is it greater than the greatest of the experts, so `base + max_e s_e` must be above it before the router
//! is. Both bounds allow for rounding, hence nothing is lost.

use super::beside::{self, GROUPS, PerExpert, TOGETHER};
use super::best::Best;
use super::pack::{PackedExperts, PackedItems, PackedUsers};
use super::router::{largest, mix};
use super::tile::{PANEL, Tile, USERS, above, dots};
use super::towers::Experts;
use super::walk::{BLOCK, valid};
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, WIDTH, Work};

/// The mix is a sum of at most 64 rounded products over a rounded sum: its relative error is far below.
const SLACK: f32 = 3e-5;
/// Experts are evaluated for whole panels where more than one pair in so many is left.
const DENSE: u32 = 3;
/// Panels between two looks at the flag that stops the walk.
const LOOK_EVERY: usize = 16;

/// Some users against all items.
pub(super) struct Mixture<'a, 'b> {
    pub experts: Experts<'b>,
    pub width: usize,
    pub items: &'b PackedItems<'b>,
    pub packed: &'b PackedExperts,
    pub users: &'b PackedUsers,
    pub bars: Vec<f32>,
    pub best: Vec<Best<'a>>,
    pub cancel: &'b Cancel,
}

/// A panel of items as it is worked on.
struct Panel<'a> {
    index: usize,
    /// Base scores, tile by tile.
    base: &'a [Tile],
    /// Which of the items are still to be asked for, user by user.
    left: &'a [u32],
}

impl<'a> Work for Mixture<'a, '_> {
    type Output = Result<Vec<Best<'a>>, Error>;

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) -> Self::Output {
        let width = self.width;
        let n_users = self.best.len();
        let n_tiles = n_users.div_ceil(USERS);
        let mut base = [[[0.0; PANEL]; USERS]; BLOCK / USERS];
        let mut values = vec![[[0.0; PANEL]; USERS]; self.experts.n * n_tiles];
        let mut left = [0; BLOCK];
        for (index, rows) in self.items.base.chunks_exact(width).enumerate() {
            if index % LOOK_EVERY == 0 {
                self.cancel.check()?;
            }
            for (users, out) in self.users.base.chunks_exact(width).zip(&mut base) {
                dots(lanes, users, rows, out);
            }
            let valid = valid(self.items, index);
            let lengths = &self.packed.lengths[index];
            let mut count = 0;
            for (user, left) in left[..n_users].iter_mut().enumerate() {
                let base = &base[user / USERS][user % USERS];
                let bound = bounds(lanes, base, lengths, self.users.lengths[user]);
                *left = valid & above(lanes, &bound, self.bars[user]);
                count += left.count_ones();
            }
            let panel = Panel { index, base: &base[..n_tiles], left: &left[..n_users] };
            if count * DENSE > (n_users * PANEL) as u32 {
                self.all(lanes, &panel, &mut values);
            } else if count > 0 {
                self.some(lanes, &panel);
            }
        }
        Ok(self.best)
    }
}

impl Mixture<'_, '_> {
    /// Settles a panel most of whose pairs are left.
    #[inline(always)]
    fn all<L: Lanes>(&mut self, lanes: L, panel: &Panel<'_>, values: &mut [Tile]) {
        let (width, n) = (self.width, self.experts.n);
        let rows = self.packed.panel(&self.experts, width, self.items.order, panel.index);
        let n_tiles = panel.base.len();
        for (expert, rows) in rows.chunks_exact(width).enumerate() {
            let users = &self.users.experts[expert * n_tiles * width..][..n_tiles * width];
            for (users, out) in users.chunks_exact(width).zip(&mut values[expert * n_tiles..][..n_tiles]) {
                dots(lanes, users, rows, out);
            }
        }
        let mut own: PerExpert = [[0.0; WIDTH]; GROUPS];
        for (user, &left) in panel.left.iter().enumerate() {
            let (tile, row) = (user / USERS, user % USERS);
            let experts = values.chunks_exact(n_tiles).map(|values| &values[tile][row]);
            let bound = highest(lanes, &panel.base[tile][row], experts.clone());
            let mut bits = left & above(lanes, &bound, self.bars[user]);
            while bits != 0 {
                let lane = bits.trailing_zeros() as usize;
                bits &= bits - 1;
                for (own, values) in own.as_flattened_mut()[..n].iter_mut().zip(experts.clone()) {
                    *own = values[lane];
                }
                self.settle(lanes, panel, user, lane, &own);
            }
        }
    }

    /// Settles a panel few of whose pairs are left: item by item, a few users at a time.
    #[inline(always)]
    fn some<L: Lanes>(&mut self, lanes: L, panel: &Panel<'_>) {
        let (width, n) = (self.width, self.experts.n);
        let size = beside::size(n, width);
        let mut asking = [[0u8; BLOCK]; PANEL];
        let mut counts = [0usize; PANEL];
        for (user, &left) in panel.left.iter().enumerate() {
            let mut bits = left;
            while bits != 0 {
                let lane = bits.trailing_zeros() as usize;
                bits &= bits - 1;
                asking[lane][counts[lane]] = user as u8;
                counts[lane] += 1;
            }
        }
        let groups = n.div_ceil(WIDTH);
        let mut values: [PerExpert; TOGETHER] = [[[0.0; WIDTH]; GROUPS]; TOGETHER];
        for lane in 0..PANEL {
            for users in asking[lane][..counts[lane]].chunks(TOGETHER) {
                let item = &self.packed.towers[(panel.index * PANEL + lane) * size..][..size];
                let towers = std::array::from_fn(|at| {
                    let user = usize::from(users[at.min(users.len() - 1)]);
                    &self.users.towers[user * size..][..size]
                });
                beside::products(lanes, towers, item, n, 0.0, &mut values);
                for (&user, values) in users.iter().zip(&values) {
                    let user = usize::from(user);
                    let mut high = lanes.splat(0.0);
                    let mut far = lanes.splat(0.0);
                    for values in &values[..groups] {
                        let values = lanes.load(values);
                        high = lanes.max(values, high);
                        far = lanes.max(lanes.abs(values), far);
                    }
                    let bound = largest(lanes, far).mul_add(SLACK, largest(lanes, high));
                    if panel.base[user / USERS][user % USERS][lane] + bound > self.bars[user] {
                        self.settle(lanes, panel, user, lane, values);
                    }
                }
            }
        }
    }

    /// Scores and offers one pair of which the experts' values are known.
    #[inline(always)]
    fn settle<L: Lanes>(
        &mut self,
        lanes: L,
        panel: &Panel<'_>,
        user: usize,
        lane: usize,
        values: &PerExpert,
    ) {
        let place = panel.index * PANEL + lane;
        let item = self.items.order[place];
        if self.best[user].is_seen(item) {
            return;
        }
        let Experts { n, rank, top, .. } = self.experts;
        let groups = n.div_ceil(WIDTH);
        let size = beside::size(n, rank);
        let keys = [&self.users.keys[user * size..][..size]];
        let mut wishes: [PerExpert; 1] = [[[0.0; WIDTH]; GROUPS]];
        beside::products(
            lanes,
            keys,
            &self.packed.keys[place * size..][..size],
            n,
            f32::NEG_INFINITY,
            &mut wishes,
        );
        let mix = mix(lanes, &wishes[0][..groups], &values[..groups], n, top);
        let score = panel.base[user / USERS][user % USERS][lane] + mix;
        if score > self.bars[user] {
            self.best[user].push(score, item, &mut self.bars[user]);
        }
    }
}

/// What the scores cannot exceed, by the lengths of towers.
#[inline(always)]
fn bounds<L: Lanes>(lanes: L, base: &[f32; PANEL], lengths: &[f32; PANEL], length: f32) -> [f32; PANEL] {
    let mut out = *base;
    let (lengths, _) = lengths.as_chunks::<WIDTH>();
    let (halves, _) = out.as_chunks_mut::<WIDTH>();
    for (out, lengths) in halves.iter_mut().zip(lengths) {
        let bound = lanes.fma(lanes.splat(length), lanes.load(lengths), lanes.load(out));
        lanes.store(bound, out);
    }
    out
}

/// What the scores cannot exceed, by the greatest of the experts' values.
#[inline(always)]
fn highest<'v, L: Lanes>(
    lanes: L,
    base: &[f32; PANEL],
    experts: impl Iterator<Item = &'v [f32; PANEL]> + Clone,
) -> [f32; PANEL] {
    let mut out = *base;
    let (halves, _) = out.as_chunks_mut::<WIDTH>();
    for (half, out) in halves.iter_mut().enumerate() {
        // No expert at all leaves 0.
        let mut high = lanes.splat(0.0);
        let mut far = lanes.splat(0.0);
        for values in experts.clone() {
            let (values, _) = values.as_chunks::<WIDTH>();
            let value = lanes.load(&values[half]);
            high = lanes.max(value, high);
            far = lanes.max(lanes.abs(value), far);
        }
        let bound = lanes.fma(far, lanes.splat(SLACK), high);
        lanes.store(lanes.add(lanes.load(out), bound), out);
    }
    out
}
