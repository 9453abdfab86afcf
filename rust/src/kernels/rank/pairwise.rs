//! Experts and router for single pairs: what is left of a mixture once bounds have spared the rest.

use super::found::Found;
use super::interleaved::{self, GROUPS, PerExpert, TOGETHER};
use super::order::Order;
use super::pack::{PackedExperts, UserExperts};
use super::router::{MAX_EXPERTS, largest, mix};
use super::towers::Experts;
use crate::kernels::lanes::{Lanes, WIDTH};

/// The mix is a sum of at most 64 rounded products over a rounded sum: its relative error is far below.
pub(super) const SLACK: f32 = 3e-5;

/// The pairs of a walk that are asked for one by one.
pub(super) struct Pairwise<'a> {
    pub asked: Asked<'a>,
    waiting: Waiting,
}

/// Who is asked.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub experts: Experts<'a>,
    pub width: usize,
    pub users: &'a UserExperts,
    pub items: &'a PackedExperts,
    pub order: &'a Order,
}

/// Pairs that wait for the router, which weighs sixteen of them at a time.
pub(super) struct Waiting {
    pairs: [Pair; WIDTH],
    /// What each expert says of them.
    values: [[f32; WIDTH]; MAX_EXPERTS],
    /// How much the router wants each.
    wishes: [[f32; WIDTH]; MAX_EXPERTS],
    len: usize,
}

/// A user of the block and the place of an item.
#[derive(Clone, Copy, Default)]
pub(super) struct Pair {
    pub user: usize,
    pub place: usize,
    /// The dot product.
    pub base: f32,
}

impl<'a> Pairwise<'a> {
    pub(super) fn new(asked: Asked<'a>) -> Self {
        Self { asked, waiting: Waiting::new() }
    }

    /// Asks the experts for up to four pairs, all of one item if `M` is 1; those that may still enter go on to the router.
    #[inline(always)]
    pub(super) fn ask<L: Lanes, const M: usize>(&mut self, lanes: L, found: &mut Found, pairs: &[Pair]) {
        let Asked { experts, width, users: all, items: places, .. } = self.asked;
        let n = experts.n;
        let size = interleaved::size(n, width);
        let groups = n.div_ceil(WIDTH);
        let (mut users, mut items) = ([&[][..]; TOGETHER], [&[][..]; M]);
        for (at, user) in users.iter_mut().enumerate() {
            *user = &all.towers[pairs[at.min(pairs.len() - 1)].user * size..][..size];
        }
        for (at, item) in items.iter_mut().enumerate() {
            *item = &places.towers[pairs[at.min(pairs.len() - 1)].place * size..][..size];
        }
        let mut values: [PerExpert; TOGETHER] = [[[0.0; WIDTH]; GROUPS]; TOGETHER];
        interleaved::products(lanes, users, items, n, &mut values);
        for (&pair, values) in pairs.iter().zip(&values) {
            let mut high = lanes.splat(0.0);
            let mut far = lanes.splat(0.0);
            for values in &values[..groups] {
                let values = lanes.load(values);
                high = lanes.max(values, high);
                far = lanes.max(lanes.abs(values), far);
            }
            let bound = largest(lanes, far).mul_add(SLACK, largest(lanes, high));
            if pair.base + bound > found.bars[pair.user] {
                self.wait(lanes, found, pair, values.as_flattened()[..n].iter().copied());
            }
        }
    }

    /// Lets a pair wait for the router, with what the experts say of it.
    #[inline(always)]
    pub(super) fn wait<L: Lanes>(
        &mut self,
        lanes: L,
        found: &mut Found,
        pair: Pair,
        values: impl Iterator<Item = f32>,
    ) {
        if self.waiting.add(pair, values) {
            self.settle(lanes, found);
        }
    }

    /// Scores and offers the pairs that wait; to be called at the end of a walk.
    #[inline(always)]
    pub(super) fn settle<L: Lanes>(&mut self, lanes: L, found: &mut Found) {
        for (pair, mixed) in self.waiting.weigh(lanes, &self.asked) {
            found.offer(pair.user, pair.base + mixed, self.asked.order.items[pair.place]);
        }
    }
}

impl Waiting {
    pub(super) fn new() -> Self {
        Self {
            pairs: [Pair::default(); WIDTH],
            values: [[0.0; WIDTH]; MAX_EXPERTS],
            wishes: [[0.0; WIDTH]; MAX_EXPERTS],
            len: 0,
        }
    }

    /// Lets a pair wait; whether all sixteen places are taken now.
    #[inline(always)]
    pub(super) fn add(&mut self, pair: Pair, values: impl Iterator<Item = f32>) -> bool {
        for (own, value) in self.values.iter_mut().zip(values) {
            own[self.len] = value;
        }
        self.pairs[self.len] = pair;
        self.len += 1;
        self.len == WIDTH
    }

    /// The pairs that waited and their mixes.
    #[inline(always)]
    pub(super) fn weigh<L: Lanes>(
        &mut self,
        lanes: L,
        asked: &Asked<'_>,
    ) -> impl Iterator<Item = (Pair, f32)> {
        let Experts { n, rank, top, .. } = asked.experts;
        let size = interleaved::size(n, rank);
        let mut own: [PerExpert; TOGETHER] = [[[0.0; WIDTH]; GROUPS]; TOGETHER];
        for (quarter, pairs) in self.pairs.as_chunks::<TOGETHER>().0.iter().enumerate() {
            let (mut users, mut items) = ([&[][..]; TOGETHER], [&[][..]; TOGETHER]);
            for (pair, (user, item)) in pairs.iter().zip(users.iter_mut().zip(&mut items)) {
                *user = &asked.users.keys[pair.user * size..][..size];
                *item = &asked.items.keys[pair.place * size..][..size];
            }
            interleaved::products(lanes, users, items, n, &mut own);
            for (at, own) in own.iter().enumerate() {
                for (wishes, &wish) in self.wishes.iter_mut().zip(&own.as_flattened()[..n]) {
                    wishes[quarter * TOGETHER + at] = wish;
                }
            }
        }
        let mixed = mix(lanes, &self.wishes[..n], &self.values[..n], top);
        let len = std::mem::take(&mut self.len);
        self.pairs.into_iter().zip(mixed).take(len)
    }
}
