//! The sieve: coarse scores and their error rule most pairs out; what may be among a user's best is scored truly at the
//! end.
//!
//! With experts there are three meshes. Each is an upper bound of the scores, for the pairs that the one before has
//! left: by the coarse dot product and the longest possible mix; by the greatest of the experts' coarse values; and by
//! the mix of the coarse values. A mix is convex, so it is no farther from the true mix than the coarse values are from
//! the true ones. A [`Shortlist`] keeps the last bound.

use super::coarse::{CoarseItems, CoarseTile, CoarseUsers, SIDE};
use super::found::{Found, valid};
use super::order::Order;
use super::pairwise::{Pair, Pairwise, Waiting};
use super::rescore::{Rows, rescore};
use super::shortlist::Shortlist;
use super::towers::Towers;
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
    pub towers: &'a Towers<'a>,
    pub order: &'a Order,
    pub items: &'a CoarseItems,
    /// Which users they are.
    pub rows: &'a [i32],
    pub users: &'a CoarseUsers,
    pub pairwise: Option<Pairwise<'a>>,
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
        let n = self.pairwise.as_ref().map_or(0, |pairwise| pairwise.packed.experts.n);
        let mut bases = [CoarseTile::EMPTY; TOGETHER];
        let n_groups = self.rows.len().div_ceil(SIDE);
        let mut values = vec![CoarseTile::EMPTY; n];
        let mut lists = self.lists();
        let mut floors = self.found.bars.clone();
        let mut waiting = Waiting::new();
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
                    for (group, base) in (group..n_groups).zip(&mut bases) {
                        self.users.multiply(self.kernel, &mut session, group, (self.items, stretch), 0, base);
                    }
                }
                let (square, base) = (Square { group, stretch }, &mut bases[ready]);
                self.found.mask(stretch, self.users_of(group).end, |user, place| {
                    base.rows[2 * (user % SIDE) + place / COLS][place % COLS] = f32::NEG_INFINITY;
                });
                let mut left = [0; SIDE];
                let any = self.by_length(lanes, square, base, &mut left);
                if !any {
                    continue;
                }
                if n == 0 {
                    self.list(square, base, &left, &mut lists);
                    continue;
                }
                for (expert, values) in values.iter_mut().enumerate() {
                    let place = (self.items, stretch);
                    self.users.multiply(self.kernel, &mut session, group, place, 1 + expert, values);
                }
                self.by_maximum(lanes, square, (base, &values), &mut left);
                self.by_mix(lanes, square, (base, &values), &left, &mut waiting, &mut lists);
            }
        }
        self.flush(lanes, &mut waiting, &mut lists);
        drop(session);
        let Self { towers, order, rows, .. } = self;
        rescore(lanes, Rows { towers, order, rows }, self.pairwise, lists, floors, &mut self.found);
        Ok(self.found)
    }
}

impl<K: Kernel<Shape = Tiles>> Sieve<'_, K> {
    fn lists(&self) -> Vec<Shortlist> {
        let k = self.found.guess.map_or(self.found.k, |(guess, _)| guess);
        let margins = self.users.errors.iter().map(|errors| {
            let errors = errors.iter().zip(self.items.largest).map(|(user, items)| user.bound(items));
            // Slightly more, for the rounding of the sum.
            2.0 * errors.sum::<f32>() * 1.000_01
        });
        margins.map(|margin| Shortlist::new(k, margin)).collect()
    }

    /// Users of a group, and where they stand in the block.
    #[inline(always)]
    fn users_of(&self, group: usize) -> std::ops::Range<usize> {
        group * SIDE..self.rows.len().min((group + 1) * SIDE)
    }

    /// The first mesh, by the coarse dot products and lengths: sets the pairs that are left, user by user, and returns
    /// whether there are any.
    #[inline(always)]
    fn by_length<L: Lanes>(
        &self,
        lanes: L,
        square: Square,
        base: &CoarseTile,
        left: &mut [u32; SIDE],
    ) -> bool {
        let valid = [0, COLS].map(|panel| valid(self.order, square.stretch * SIDE + panel));
        let error = self.items.errors[square.stretch][0];
        let mut lengths = [lanes.splat(0.0); 2];
        if let Some(pairwise) = &self.pairwise {
            let all = &pairwise.packed.items.lengths;
            for (panel, lengths) in lengths.iter_mut().enumerate() {
                // The last stretch may have one panel only.
                *lengths = lanes.load(&all[(2 * square.stretch + panel).min(all.len() - 1)]);
            }
        }
        let mut any = 0;
        for ((at, left), base) in self.users_of(square.group).zip(left).zip(base.rows.as_chunks::<2>().0) {
            let error = lanes.splat(self.users.errors[at][0].bound(error));
            let length = self.pairwise.as_ref().map_or(0.0, |pairwise| pairwise.packed.users.lengths[at]);
            let bar = lanes.splat(self.found.bars[at]);
            for panel in 0..2 {
                let bound = lanes.add(lanes.load(&base[panel]), error);
                let bound = lanes.fma(lanes.splat(length), lengths[panel], bound);
                *left |= (valid[panel] & lanes.above(bound, bar)) << (panel * COLS);
            }
            any |= *left;
        }
        any != 0
    }

    /// Without experts: lists the pairs that are left.
    #[inline(always)]
    fn list(&mut self, square: Square, base: &CoarseTile, left: &[u32; SIDE], lists: &mut [Shortlist]) {
        for ((at, &left), base) in self.users_of(square.group).zip(left).zip(base.rows.as_chunks::<2>().0) {
            let error = self.users.errors[at][0].bound(self.items.errors[square.stretch][0]);
            for place in bits(left) {
                let number = base[place / COLS][place % COLS] + error;
                let bar = &mut self.found.bars[at];
                if number > *bar {
                    lists[at].push(number, square.stretch * SIDE + place, bar);
                }
            }
        }
    }

    /// The second mesh, by the greatest of the experts' coarse values.
    #[inline(always)]
    fn by_maximum<L: Lanes>(
        &self,
        lanes: L,
        square: Square,
        (base, values): (&CoarseTile, &[CoarseTile]),
        left: &mut [u32; SIDE],
    ) {
        let errors = self.items.errors[square.stretch];
        for (row, (at, left)) in self.users_of(square.group).zip(left).enumerate() {
            if *left == 0 {
                continue;
            }
            let [own, experts] = self.users.errors[at];
            let (own, experts) = (lanes.splat(own.bound(errors[0])), lanes.splat(experts.bound(errors[1])));
            let bar = lanes.splat(self.found.bars[at]);
            let mut above = 0;
            for panel in 0..2 {
                let at = 2 * row + panel;
                let mut high = lanes.splat(f32::NEG_INFINITY);
                for values in values {
                    high = lanes.max(lanes.load(&values.rows[at]), high);
                }
                // Where all experts are off, the mix is 0.
                let high = lanes.max(lanes.add(high, experts), lanes.splat(0.0));
                let bound = lanes.add(lanes.add(lanes.load(&base.rows[at]), own), high);
                above |= lanes.above(bound, bar) << (panel * COLS);
            }
            *left &= above;
        }
    }

    /// The third mesh, by the mix of the experts' coarse values: lets the pairs that are left wait for the router.
    #[inline(always)]
    fn by_mix<L: Lanes>(
        &mut self,
        lanes: L,
        square: Square,
        (base, values): (&CoarseTile, &[CoarseTile]),
        left: &[u32; SIDE],
        waiting: &mut Waiting,
        lists: &mut [Shortlist],
    ) {
        let errors = self.items.errors[square.stretch];
        for (row, (user, &left)) in self.users_of(square.group).zip(left).enumerate() {
            let [own, experts] = self.users.errors[user];
            let error = own.bound(errors[0]) + experts.bound(errors[1]);
            for place in bits(left) {
                let (panel, lane) = (2 * row + place / COLS, place % COLS);
                let pair =
                    Pair { user, place: square.stretch * SIDE + place, base: base.rows[panel][lane] + error };
                if waiting.add(pair, values.iter().map(|values| values.rows[panel][lane])) {
                    self.flush(lanes, waiting, lists);
                }
            }
        }
    }

    /// Routes the pairs that wait, and lists those that may be among the best.
    #[inline(always)]
    fn flush<L: Lanes>(&mut self, lanes: L, waiting: &mut Waiting, lists: &mut [Shortlist]) {
        let Some(pairwise) = &self.pairwise else { return };
        for (pair, mixed) in waiting.route(lanes, &pairwise.packed) {
            let bar = &mut self.found.bars[pair.user];
            let number = pair.base + mixed;
            if number > *bar {
                lists[pair.user].push(number, pair.place, bar);
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
