//! The walk of a dot product with a mixture of experts on top.
//!
//! Two bounds spare most of the work. The router's gate is convex, so a mix is no greater than the longest of the
//! user's towers times the longest of the item's, and `base` plus that must be above the user's bar before an expert is
//! asked. Nor is it greater than the greatest of the experts, so `base + max_e s_e` must be above it before the router
//! is. Both bounds allow for rounding, hence nothing is lost.

use super::beside::{self, GROUPS, PerExpert, TOGETHER};
use super::pack::{PackedExperts, PackedItems, PackedUsers};
use super::router::{MAX_EXPERTS, largest, mix};
use super::tile::{PANEL, Tile, USERS, dots};
use super::towers::Experts;
use super::walk::{BLOCK, Found, valid};
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
pub(super) struct Mixture<'a> {
    pub experts: Experts<'a>,
    pub width: usize,
    pub items: &'a PackedItems<'a>,
    pub packed: &'a PackedExperts,
    pub users: &'a PackedUsers,
    pub found: Found,
    pub waiting: Waiting,
    pub cancel: &'a Cancel,
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

#[derive(Clone, Copy, Default)]
struct Pair {
    user: usize,
    place: usize,
    base: f32,
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
}

/// A panel of items as it is worked on.
struct Panel<'a> {
    index: usize,
    /// Base scores, tile by tile.
    base: &'a [Tile],
    /// Which of the items are still to be asked for, user by user.
    left: &'a [u32],
}

impl<'a> Work for Mixture<'a> {
    type Output = Result<Found, Error>;

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) -> Self::Output {
        let width = self.width;
        let n_users = self.found.best.len();
        let n_tiles = n_users.div_ceil(USERS);
        let mut base = [[[0.0; PANEL]; USERS]; BLOCK / USERS];
        let mut values = vec![[[0.0; PANEL]; USERS]; self.experts.n * n_tiles];
        let mut left = [0; BLOCK];
        for (index, rows) in self.items.base.chunks_exact(width).enumerate() {
            if index % LOOK_EVERY == 0 {
                self.cancel.check()?;
            }
            dots(lanes, &self.users.base, rows, &mut base[..n_tiles]);
            self.found.enter(index, &mut base);
            let valid = valid(self.items, index);
            let lengths = lanes.load(&self.packed.lengths[index]);
            let mut count = 0;
            for (user, left) in left[..n_users].iter_mut().enumerate() {
                // What the scores cannot exceed, by the lengths of towers.
                let base = lanes.load(&base[user / USERS][user % USERS]);
                let bound = lanes.fma(lanes.splat(self.users.lengths[user]), lengths, base);
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
        if self.waiting.len > 0 {
            self.weigh(lanes);
        }
        Ok(self.found)
    }
}

impl Mixture<'_> {
    /// Settles a panel most of whose pairs are left.
    #[inline(always)]
    fn all<L: Lanes>(&mut self, lanes: L, panel: &Panel<'_>, values: &mut [Tile]) {
        let width = self.width;
        let rows = self.packed.panel(&self.experts, width, &self.items.order.items, panel.index);
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
                for (expert, values) in values.chunks_exact(n_tiles).enumerate() {
                    self.waiting.values[expert][self.waiting.len] = values[tile][row][lane];
                }
                self.await_router(lanes, panel, user, lane);
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
                let mut towers = [&[][..]; TOGETHER];
                for (at, towers) in towers.iter_mut().enumerate() {
                    let user = usize::from(users[at.min(users.len() - 1)]);
                    *towers = &self.users.towers[user * size..][..size];
                }
                beside::products(lanes, towers, [item], n, &mut values);
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
                    if panel.base[user / USERS][user % USERS][lane] + bound > self.found.bars[user] {
                        for (own, &value) in self.waiting.values.iter_mut().zip(&values.as_flattened()[..n]) {
                            own[self.waiting.len] = value;
                        }
                        self.await_router(lanes, panel, user, lane);
                    }
                }
            }
        }
    }

    /// Lets a pair wait for the router; its values stand in the next free place already.
    #[inline(always)]
    fn await_router<L: Lanes>(&mut self, lanes: L, panel: &Panel<'_>, user: usize, lane: usize) {
        let place = panel.index * PANEL + lane;
        let waiting = &mut self.waiting;
        waiting.pairs[waiting.len] = Pair { user, place, base: panel.base[user / USERS][user % USERS][lane] };
        waiting.len += 1;
        if waiting.len == WIDTH {
            self.weigh(lanes);
        }
    }

    /// Scores and offers the pairs that wait.
    #[inline(always)]
    fn weigh<L: Lanes>(&mut self, lanes: L) {
        let Experts { n, rank, top, .. } = self.experts;
        let size = beside::size(n, rank);
        let mut own: [PerExpert; TOGETHER] = [[[0.0; WIDTH]; GROUPS]; TOGETHER];
        for (half, pairs) in self.waiting.pairs.as_chunks::<TOGETHER>().0.iter().enumerate() {
            let (mut users, mut items) = ([&[][..]; TOGETHER], [&[][..]; TOGETHER]);
            for (pair, (user, item)) in pairs.iter().zip(users.iter_mut().zip(&mut items)) {
                *user = &self.users.keys[pair.user * size..][..size];
                *item = &self.packed.keys[pair.place * size..][..size];
            }
            beside::products(lanes, users, items, n, &mut own);
            for (at, own) in own.iter().enumerate() {
                for (wishes, &wish) in self.waiting.wishes.iter_mut().zip(&own.as_flattened()[..n]) {
                    wishes[half * TOGETHER + at] = wish;
                }
            }
        }
        let mixed = mix(lanes, &self.waiting.wishes[..n], &self.waiting.values[..n], top);
        for (pair, mixed) in self.waiting.pairs.iter().zip(mixed).take(self.waiting.len) {
            let score = pair.base + mixed;
            if score > self.found.bars[pair.user] {
                let item = self.items.order.items[pair.place];
                self.found.best[pair.user].push(score, item, &mut self.found.bars[pair.user]);
            }
        }
        self.waiting.len = 0;
    }
}

/// What the mixes cannot exceed, by the greatest of the experts' values.
#[inline(always)]
fn highest<'a, L: Lanes>(lanes: L, values: impl Iterator<Item = &'a [f32; WIDTH]>) -> L::V {
    // No expert at all leaves 0.
    let (mut high, mut far) = (lanes.splat(0.0), lanes.splat(0.0));
    for values in values {
        let value = lanes.load(values);
        high = lanes.max(value, high);
        far = lanes.max(lanes.abs(value), far);
    }
    lanes.fma(far, lanes.splat(SLACK), high)
}
