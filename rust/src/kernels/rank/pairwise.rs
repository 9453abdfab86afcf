//! Experts and router for single pairs: those that the bounds of a mixture do not rule out.

use super::found::Found;
use super::interleaved::{self, GROUPS, PerExpert, TOGETHER};
use super::order::Order;
use super::pack::{PackedExperts, UserExperts};
use super::router::{MAX_EXPERTS, largest, mix};
use super::towers::Experts;
use crate::kernels::lanes::{Lanes, WIDTH};

/// More than the relative error of a mix, which is a sum of at most 64 rounded products over a rounded sum.
pub(super) const SLACK: f32 = 3e-5;

/// Evaluates pairs of a walk one by one.
pub(super) struct Pairwise<'a> {
    pub packed: Packed<'a>,
    waiting: Waiting,
}

/// The experts of a block of users and of all items.
#[derive(Clone, Copy)]
pub(super) struct Packed<'a> {
    pub experts: Experts<'a>,
    pub width: usize,
    pub users: &'a UserExperts,
    pub items: &'a PackedExperts,
    pub order: &'a Order,
}

/// Pairs that wait for the router, which takes sixteen at a time.
pub(super) struct Waiting {
    pairs: [Pair; WIDTH],
    /// The value of each expert.
    values: [[f32; WIDTH]; MAX_EXPERTS],
    /// The router's logit of each expert.
    logits: [[f32; WIDTH]; MAX_EXPERTS],
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
    pub(super) fn new(packed: Packed<'a>) -> Self {
        Self { packed, waiting: Waiting::new() }
    }

    /// Evaluates the experts of up to four pairs, all of one item if `M` is 1. Pairs that may still enter then wait for
    /// the router.
    #[inline(always)]
    pub(super) fn evaluate<L: Lanes, const M: usize>(&mut self, lanes: L, found: &mut Found, pairs: &[Pair]) {
        let Packed { experts, width, users: all, items: places, .. } = self.packed;
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

    /// Lets a pair wait for the router, with its experts' values.
    #[inline(always)]
    pub(super) fn wait<L: Lanes>(
        &mut self,
        lanes: L,
        found: &mut Found,
        pair: Pair,
        values: impl Iterator<Item = f32>,
    ) {
        if self.waiting.add(pair, values) {
            self.flush(lanes, found);
        }
    }

    /// Scores and offers the pairs that wait; to be called at the end of a walk.
    #[inline(always)]
    pub(super) fn flush<L: Lanes>(&mut self, lanes: L, found: &mut Found) {
        for (pair, mixed) in self.waiting.route(lanes, &self.packed) {
            found.offer(pair.user, pair.base + mixed, self.packed.order.items[pair.place]);
        }
    }
}

impl Waiting {
    pub(super) fn new() -> Self {
        Self {
            pairs: [Pair::default(); WIDTH],
            values: [[0.0; WIDTH]; MAX_EXPERTS],
            logits: [[0.0; WIDTH]; MAX_EXPERTS],
            len: 0,
        }
    }

    /// Lets a pair wait; returns whether all sixteen places are taken now.
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
    pub(super) fn route<L: Lanes>(
        &mut self,
        lanes: L,
        packed: &Packed<'_>,
    ) -> impl Iterator<Item = (Pair, f32)> {
        let Experts { n, rank, top, .. } = packed.experts;
        let size = interleaved::size(n, rank);
        let mut own: [PerExpert; TOGETHER] = [[[0.0; WIDTH]; GROUPS]; TOGETHER];
        for (quarter, pairs) in self.pairs.as_chunks::<TOGETHER>().0.iter().enumerate() {
            let (mut users, mut items) = ([&[][..]; TOGETHER], [&[][..]; TOGETHER]);
            for (pair, (user, item)) in pairs.iter().zip(users.iter_mut().zip(&mut items)) {
                *user = &packed.users.keys[pair.user * size..][..size];
                *item = &packed.items.keys[pair.place * size..][..size];
            }
            interleaved::products(lanes, users, items, n, &mut own);
            for (at, own) in own.iter().enumerate() {
                for (logits, &logit) in self.logits.iter_mut().zip(&own.as_flattened()[..n]) {
                    logits[quarter * TOGETHER + at] = logit;
                }
            }
        }
        let mixed = mix(lanes, &self.logits[..n], &self.values[..n], top);
        let len = std::mem::take(&mut self.len);
        self.pairs.into_iter().zip(mixed).take(len)
    }
}
