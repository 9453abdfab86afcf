//! The walk of a dot product with a mixture of experts on top.
//!
//! Two bounds avoid most of the work. The router's weights are convex, so a mix is no greater than the longest of the
//! user's towers times the longest of the item's: experts are evaluated only if `base` plus that product is above the
//! user's bar. A mix is no greater than the greatest of the experts either: the router is evaluated only if
//! `base + max_e s_e` is above the bar. Both bounds allow for rounding, so no item is lost.

use super::found::{BLOCK, Found, valid};
use super::interleaved::TOGETHER;
use super::pack::{PackedItems, UserTiles};
use super::pairwise::{Packed, Pair, Pairwise, SLACK};
use super::tile::{PANEL, Tile, USERS, dots};
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, WIDTH, Work};

/// Experts are evaluated for a whole panel if more than one pair in `DENSE` is left.
const DENSE: u32 = 3;
/// Panels between two checks of the cancel flag.
const LOOK_EVERY: usize = 16;

/// Some users against all items.
pub(super) struct Mixture<'a> {
    pub pairwise: Pairwise<'a>,
    pub items: &'a PackedItems<'a>,
    pub users: &'a UserTiles,
    pub found: Found,
    pub cancel: &'a Cancel,
}

/// A panel of items as it is worked on.
struct Panel<'a> {
    index: usize,
    /// Base scores, tile by tile.
    base: &'a [Tile],
    /// The items that the first bound leaves, user by user.
    left: &'a [u32],
}

impl Panel<'_> {
    #[inline(always)]
    fn pair(&self, user: usize, lane: usize) -> Pair {
        let base = self.base[user / USERS][user % USERS][lane];
        Pair { user, place: self.index * PANEL + lane, base }
    }
}

impl<'a> Work for Mixture<'a> {
    type Output = Result<Found, Error>;

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) -> Self::Output {
        let (width, n) = (self.pairwise.packed.width, self.pairwise.packed.experts.n);
        let n_users = self.found.best.len();
        let n_tiles = n_users.div_ceil(USERS);
        let mut base = [[[0.0; PANEL]; USERS]; BLOCK / USERS];
        let mut values = vec![[[0.0; PANEL]; USERS]; n * n_tiles];
        let mut left = [0; BLOCK];
        for (index, rows) in self.items.base.chunks_exact(width).enumerate() {
            if index % LOOK_EVERY == 0 {
                self.cancel.check()?;
            }
            dots(lanes, &self.users.base, rows, &mut base[..n_tiles]);
            self.found.mask(index, n_users, |user, lane| {
                base[user / USERS][user % USERS][lane] = f32::NEG_INFINITY;
            });
            self.found.after_sample(index * PANEL);
            let valid = valid(self.items.order, index * PANEL);
            let lengths = lanes.load(&self.pairwise.packed.items.lengths[index]);
            let mut count = 0;
            for (user, left) in left[..n_users].iter_mut().enumerate() {
                // An upper bound of the scores, by the lengths of towers.
                let base = lanes.load(&base[user / USERS][user % USERS]);
                let bound = lanes.fma(lanes.splat(self.pairwise.packed.users.lengths[user]), lengths, base);
                *left = valid & lanes.above(bound, lanes.splat(self.found.bars[user]));
                count += left.count_ones();
            }
            let panel = Panel { index, base: &base[..n_tiles], left: &left[..n_users] };
            if count * DENSE > (n_users * PANEL) as u32 {
                self.all(lanes, &panel, &mut values);
            } else if count > 0 {
                self.some(lanes, &panel);
            }
        }
        self.pairwise.flush(lanes, &mut self.found);
        Ok(self.found)
    }
}

impl Mixture<'_> {
    /// Evaluates a panel of which many pairs are left.
    #[inline(always)]
    fn all<L: Lanes>(&mut self, lanes: L, panel: &Panel<'_>, values: &mut [Tile]) {
        let Packed { width, experts, items, .. } = self.pairwise.packed;
        let rows = items.panel(&experts, width, &self.items.order.items, panel.index);
        let n_tiles = panel.base.len();
        for (expert, rows) in rows.chunks_exact(width).enumerate() {
            let users = &self.users.experts[expert * n_tiles * width..][..n_tiles * width];
            dots(lanes, users, rows, &mut values[expert * n_tiles..][..n_tiles]);
        }
        for (user, &left) in panel.left.iter().enumerate() {
            let (tile, row) = (user / USERS, user % USERS);
            let high = highest(lanes, values.chunks_exact(n_tiles).map(|values| &values[tile][row]));
            let bound = lanes.add(lanes.load(&panel.base[tile][row]), high);
            let mut bits = left & lanes.above(bound, lanes.splat(self.found.bars[user]));
            while bits != 0 {
                let lane = bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let values = values.chunks_exact(n_tiles).map(|values| values[tile][row][lane]);
                self.pairwise.wait(lanes, &mut self.found, panel.pair(user, lane), values);
            }
        }
    }

    /// Evaluates a panel of which few pairs are left: item by item, a few users at a time.
    #[inline(always)]
    fn some<L: Lanes>(&mut self, lanes: L, panel: &Panel<'_>) {
        let mut users_of = [[0u8; BLOCK]; PANEL];
        let mut counts = [0usize; PANEL];
        for (user, &left) in panel.left.iter().enumerate() {
            let mut bits = left;
            while bits != 0 {
                let lane = bits.trailing_zeros() as usize;
                bits &= bits - 1;
                users_of[lane][counts[lane]] = user as u8;
                counts[lane] += 1;
            }
        }
        for lane in 0..PANEL {
            for users in users_of[lane][..counts[lane]].chunks(TOGETHER) {
                let mut pairs = [Pair::default(); TOGETHER];
                for (pair, &user) in pairs.iter_mut().zip(users) {
                    *pair = panel.pair(user.into(), lane);
                }
                self.pairwise.evaluate::<L, 1>(lanes, &mut self.found, &pairs[..users.len()]);
            }
        }
    }
}

/// An upper bound of the mixes, by the greatest of the experts' values.
#[inline(always)]
fn highest<'a, L: Lanes>(lanes: L, values: impl Iterator<Item = &'a [f32; WIDTH]>) -> L::V {
    // Where all experts are off, the mix is 0.
    let (mut high, mut far) = (lanes.splat(0.0), lanes.splat(0.0));
    for values in values {
        let value = lanes.load(values);
        high = lanes.max(value, high);
        far = lanes.max(lanes.abs(value), far);
    }
    lanes.fma(far, lanes.splat(SLACK), high)
}
