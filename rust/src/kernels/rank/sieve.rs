//! The sieve: coarse scores and their error rule most pairs out; what may be among a user's best is scored truly at the
//! end.
//!
//! A coarse score plus its error is an upper bound of the score. A [`Shortlist`] keeps the pairs whose bound is high.

use super::coarse::{CoarseItems, CoarseTile, CoarseUsers, SIDE};
use super::found::{Found, valid};
use super::order::Order;
use super::rescore::{Rows, rescore};
use super::shortlist::Shortlist;
use super::vectors::Vectors;
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, Work};
use crate::kernels::tiles::shapes::Tiles;
use crate::kernels::tiles::{COLS, Kernel};

/// Squares that are multiplied together.
const TOGETHER: usize = 3;
/// Stretches between two checks of the cancel flag.
const LOOK_EVERY: usize = 16;

/// Some users against all items.
pub(super) struct Sieve<'a, K> {
    pub kernel: K,
    pub vectors: &'a Vectors<'a>,
    pub order: &'a Order,
    pub items: &'a CoarseItems,
    /// Which users they are.
    pub rows: &'a [i32],
    pub users: &'a CoarseUsers,
    pub found: Found,
    pub cancel: &'a Cancel,
}

/// 32 users and 32 places.
#[derive(Clone, Copy)]
struct Square {
    group: usize,
    stretch: usize,
}

impl<K: Kernel<Shape = Tiles>> Work for Sieve<'_, K> {
    type Output = Result<Found, Error>;

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) -> Self::Output {
        let mut session = self.kernel.session();
        let mut tiles = [CoarseTile::EMPTY; TOGETHER];
        let n_groups = self.rows.len().div_ceil(SIDE);
        let mut lists = self.lists();
        let mut floors = self.found.bars.clone();
        for stretch in 0..self.order.items.len().div_ceil(SIDE) {
            if stretch % LOOK_EVERY == 0 {
                self.cancel.check()?;
            }
            if self.found.guess.is_some_and(|(_, sample)| sample == stretch * SIDE) {
                for ((bar, floor), list) in self.found.bars.iter_mut().zip(&mut floors).zip(&mut lists) {
                    *floor = list.widen(self.found.k);
                    *bar = *floor;
                }
            }
            for group in 0..n_groups {
                // Several squares together: one does not wait for the last products of another.
                let ready = group % TOGETHER;
                if ready == 0 {
                    for (group, tile) in (group..n_groups).zip(&mut tiles) {
                        self.users.multiply(self.kernel, &mut session, group, (self.items, stretch), tile);
                    }
                }
                let (square, tile) = (Square { group, stretch }, &mut tiles[ready]);
                self.found.mask(stretch, self.users_of(group).end, |user, place| {
                    tile.rows[2 * (user % SIDE) + place / COLS][place % COLS] = f32::NEG_INFINITY;
                });
                let mut left = [0; SIDE];
                if self.by_bound(lanes, square, tile, &mut left) {
                    self.list(square, tile, &left, &mut lists);
                }
            }
        }
        drop(session);
        let Self { vectors, order, rows, .. } = self;
        rescore(Rows { vectors, order, rows }, lists, floors, &mut self.found);
        Ok(self.found)
    }
}

impl<K: Kernel<Shape = Tiles>> Sieve<'_, K> {
    fn lists(&self) -> Vec<Shortlist> {
        let k = self.found.guess.map_or(self.found.k, |(guess, _)| guess);
        let margins = self.users.errors.iter().map(|user| {
            // Slightly more than twice the error, for the rounding of the bound.
            2.0 * user.bound(self.items.largest) * 1.000_01
        });
        margins.map(|margin| Shortlist::new(k, margin)).collect()
    }

    /// Users of a group, and where they stand in the block.
    #[inline(always)]
    fn users_of(&self, group: usize) -> std::ops::Range<usize> {
        group * SIDE..self.rows.len().min((group + 1) * SIDE)
    }

    /// Sets the pairs that their bounds leave, user by user, and returns whether there are any.
    #[inline(always)]
    fn by_bound<L: Lanes>(
        &self,
        lanes: L,
        square: Square,
        tile: &CoarseTile,
        left: &mut [u32; SIDE],
    ) -> bool {
        let valid = [0, COLS].map(|panel| valid(self.order, square.stretch * SIDE + panel));
        let error = self.items.errors[square.stretch];
        let mut any = 0;
        for ((at, left), scores) in self.users_of(square.group).zip(left).zip(tile.rows.as_chunks::<2>().0) {
            let error = lanes.splat(self.users.errors[at].bound(error));
            let bar = lanes.splat(self.found.bars[at]);
            for panel in 0..2 {
                let bound = lanes.add(lanes.load(&scores[panel]), error);
                *left |= (valid[panel] & lanes.above(bound, bar)) << (panel * COLS);
            }
            any |= *left;
        }
        any != 0
    }

    /// Lists the pairs that are left.
    #[inline(always)]
    fn list(&mut self, square: Square, tile: &CoarseTile, left: &[u32; SIDE], lists: &mut [Shortlist]) {
        for ((at, &left), scores) in self.users_of(square.group).zip(left).zip(tile.rows.as_chunks::<2>().0) {
            let error = self.users.errors[at].bound(self.items.errors[square.stretch]);
            for place in bits(left) {
                let number = scores[place / COLS][place % COLS] + error;
                let bar = &mut self.found.bars[at];
                // The bar may have risen since the comparison.
                if number > *bar {
                    lists[at].push(number, square.stretch * SIDE + place, bar);
                }
            }
        }
    }
}

/// The places of the bits that are set.
#[inline(always)]
fn bits(mut of: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (of != 0).then(|| {
            let bit = of.trailing_zeros() as usize;
            of &= of - 1;
            bit
        })
    })
}
