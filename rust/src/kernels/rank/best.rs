//! The best items of one user, offered in any order.

use super::NO_ITEM;

/// Keeps up to `2 k` candidates, and cuts them to `k` when full: a few cheap steps a candidate, where a heap takes
/// O(log k).
pub(super) struct Best {
    k: usize,
    kept: Vec<u64>,
}

impl Best {
    pub(super) fn new(k: usize) -> Self {
        Self { k, kept: Vec::with_capacity(2 * k) }
    }

    /// Keeps `k` items from now on, but only items that score higher than the last of those kept so far; returns that
    /// score. Only the end of the walk shows whether there are `k` of them.
    pub(super) fn widen(&mut self, k: usize) -> f32 {
        let bar = if self.kept.len() < self.k { f32::NEG_INFINITY } else { self.halve() };
        // Equal scores are dropped as well: some equal items that came earlier are no longer known.
        self.kept.retain(|&kept| score(kept) > bar);
        self.k = k;
        self.kept.reserve(2 * k);
        bar
    }

    /// Whether all places are taken.
    pub(super) fn is_full(&self) -> bool {
        self.kept.len() >= self.k
    }

    /// Takes an item whose score is above `bar`; raises `bar` once k better ones are known.
    ///
    /// A bar starts at -∞, and stays below the worst score kept: an equal one enters if its item is lower.
    #[inline(always)]
    pub(super) fn push(&mut self, score: f32, item: i32, bar: &mut f32) {
        self.kept.push(place(score, item));
        if self.kept.len() == 2 * self.k {
            *bar = self.halve().next_down();
        }
    }

    /// Raises `bar` to what the candidates so far allow.
    pub(super) fn raise(&mut self, bar: &mut f32) {
        if self.kept.len() > self.k {
            *bar = self.halve().next_down();
        }
    }

    /// Keeps the `k` best and returns the score of the worst of them.
    #[inline(never)]
    fn halve(&mut self) -> f32 {
        let (_, &mut worst, _) = self.kept.select_nth_unstable(self.k - 1);
        self.kept.truncate(self.k);
        score(worst)
    }

    /// Writes the kept items, best first, then [`NO_ITEM`] and -∞.
    pub(super) fn finish(mut self, items: &mut [i32], scores: &mut [f32]) {
        if self.kept.len() > self.k {
            self.halve();
        }
        self.kept.sort_unstable();
        items.fill(NO_ITEM);
        scores.fill(f32::NEG_INFINITY);
        for ((item, out), &kept) in items.iter_mut().zip(scores).zip(&self.kept) {
            (*item, *out) = (kept as i32, score(kept));
        }
    }
}

/// A sort key: smaller is better, by score, then by item. 0.0 and -0.0 are the same score.
#[inline(always)]
pub(super) fn place(score: f32, item: i32) -> u64 {
    let bits = (score + 0.0).to_bits();
    // Floats of the same sign have the order of their bits without the sign.
    let descending = if bits >> 31 == 0 { !bits ^ 1 << 31 } else { bits };
    u64::from(descending) << 32 | u64::from(item as u32)
}

/// The score in a number of [`place`].
#[inline(always)]
pub(super) fn score(place: u64) -> f32 {
    let descending = (place >> 32) as u32;
    f32::from_bits(if descending >> 31 == 0 { !descending ^ 1 << 31 } else { descending })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::Stream;

    #[test]
    fn places_are_ordered_by_score_and_then_by_item() {
        let scores = [f32::INFINITY, f32::MAX, 1.5, 1e-45, 0.0, -1e-45, -1.5, f32::MIN];
        for pair in scores.windows(2) {
            assert!(place(pair[0], 9) < place(pair[1], 3), "{pair:?}");
            assert!(place(pair[0], 3) < place(pair[0], 9), "{pair:?}");
        }
        assert_eq!(place(-0.0, 4), place(0.0, 4));
        for value in scores {
            assert_eq!(score(place(value, 7)).to_bits(), value.to_bits());
        }
    }

    #[test]
    fn equals_sorting_everything_in_any_order() {
        let stream = Stream::new(3, 0);
        for n in [0usize, 1, 5, 40, 400] {
            for k in [1usize, 3, 10, 500] {
                let all: Vec<(f32, i32)> = (0..n)
                    .map(|i| ((stream.bits32((n * 1000 + i) as u64) % 7) as f32 - 3.0, i as i32))
                    .collect();
                let mut sorted = all.clone();
                sorted.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                sorted.resize(k.max(sorted.len()), (f32::NEG_INFINITY, NO_ITEM));
                for step in [1usize, 3, 7] {
                    let mut best = Best::new(k.min(n));
                    let mut bar = f32::NEG_INFINITY;
                    for start in 0..step {
                        for &(score, item) in all.iter().skip(start).step_by(step) {
                            if score > bar {
                                best.push(score, item, &mut bar);
                            }
                        }
                    }
                    let (mut items, mut scores) = (vec![0; k], vec![0.0; k]);
                    best.finish(&mut items, &mut scores);
                    let found: Vec<_> = scores.into_iter().zip(items).collect();
                    assert_eq!(found, sorted[..k], "n {n} k {k} step {step}");
                }
            }
        }
    }
}
