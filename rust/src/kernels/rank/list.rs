//! The list of one user, whose scores come in order of the items.

use super::best::Best;
use crate::kernels::lanes::{Lanes, WIDTH};

/// Keeps the best items that a user has not seen.
pub(in crate::kernels) struct List<'a> {
    /// Ascending.
    seen: &'a [i32],
    best: Best,
    bar: f32,
}

impl<'a> List<'a> {
    /// Room for `k` of `n_items`, of which only those that score above `bar` enter.
    pub(in crate::kernels) fn new(seen: &'a [i32], k: usize, n_items: usize, bar: f32) -> Self {
        Self { seen, best: Best::new(k.min(n_items)), bar }
    }

    /// Whether all places are taken: then no bar was too high.
    pub(in crate::kernels) fn is_full(&self) -> bool {
        self.best.is_full()
    }

    /// Scores that are not above it do not enter.
    #[inline(always)]
    pub(in crate::kernels) fn bar(&self) -> f32 {
        self.bar
    }

    /// Takes the scores of the items from `at` on, of which the first `n` exist.
    #[inline(always)]
    pub(in crate::kernels) fn take<L: Lanes>(&mut self, lanes: L, scores: L::V, at: usize, n: usize) {
        let mut bits = lanes.above(scores, lanes.splat(self.bar)) & ((1 << n) - 1);
        if bits == 0 {
            return;
        }
        let mut each = [0.0; WIDTH];
        lanes.store(scores, &mut each);
        while bits != 0 {
            let lane = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            let item = (at + lane) as i32;
            // The bar may have risen since the comparison.
            if each[lane] > self.bar && self.seen.binary_search(&item).is_err() {
                self.best.push(each[lane], item, &mut self.bar);
            }
        }
    }

    /// Writes the kept items, best first, then [`NO_ITEM`](super::NO_ITEM) and -∞.
    pub(in crate::kernels) fn finish(self, items: &mut [i32], scores: &mut [f32]) {
        self.best.finish(items, scores);
    }
}
