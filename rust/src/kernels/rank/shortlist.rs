//! The places that may be among a user's best, by upper bounds of their scores.

use super::best::{place, score};

/// Keeps all places that may be among the `k` best, and few others: it is cut back whenever it has grown by half.
///
/// A place is listed with a number: an upper bound of its score.
pub(super) struct Shortlist {
    k: usize,
    /// The most by which a score may be below its number.
    margin: f32,
    kept: Vec<u64>,
    full: usize,
}

impl Shortlist {
    /// A list for scores that are at most `margin` below their numbers.
    pub(super) fn new(k: usize, margin: f32) -> Self {
        Self { k, margin, kept: Vec::with_capacity(limit(k)), full: limit(k) }
    }

    /// Keeps `k` places from now on, but only places whose numbers are above that of the last of the `k` so far; returns
    /// that number.
    pub(super) fn widen(&mut self, k: usize) -> f32 {
        let bar = if self.kept.len() < self.k { f32::NEG_INFINITY } else { self.kth() };
        self.kept.retain(|&kept| score(kept) > bar);
        (self.k, self.full) = (k, limit(k));
        bar
    }

    /// Takes a place with a number above `bar`; raises `bar` as far as the scores of the `k` best are surely above it.
    #[inline(always)]
    pub(super) fn push(&mut self, number: f32, at: usize, bar: &mut f32) {
        self.kept.push(place(number, at as i32));
        if self.kept.len() == self.full {
            self.cut(bar);
        }
    }

    #[inline(never)]
    fn cut(&mut self, bar: &mut f32) {
        *bar = bar.max((self.kth() - self.margin).next_down());
        self.kept.retain(|&kept| score(kept) > *bar);
        // A list that cannot be cut may grow, so that cutting stays cheap.
        self.full = limit(self.kept.len().max(self.k));
    }

    /// The k-th greatest number.
    fn kth(&mut self) -> f32 {
        score(*self.kept.select_nth_unstable(self.k - 1).1)
    }

    /// What is kept, greatest number first: numbers and places.
    pub(super) fn sorted(mut self) -> Vec<(f32, usize)> {
        self.kept.sort_unstable();
        self.kept.into_iter().map(|kept| (score(kept), kept as u32 as usize)).collect()
    }
}

/// The length at which a list that keeps `kept` places is cut again.
fn limit(kept: usize) -> usize {
    kept + kept / 2 + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::Stream;

    #[test]
    fn keeps_whatever_may_be_among_the_best() {
        let stream = Stream::new(5, 0);
        for n in [0usize, 1, 30, 500] {
            for (k, margin) in [(1, 0.0), (4, 0.25), (20, 1.0), (600, 0.5)] {
                // A score is anywhere between its number and the number less the margin.
                let numbers: Vec<f32> =
                    (0..n as u64).map(|i| (stream.bits32(i) % 97) as f32 / 16.0).collect();
                let scores: Vec<f32> = (0..n)
                    .map(|i| numbers[i] - margin * (stream.bits32(1000 + i as u64) % 5) as f32 / 4.0)
                    .collect();
                let (mut list, mut bar) = (Shortlist::new(k, margin), f32::NEG_INFINITY);
                for (at, &number) in numbers.iter().enumerate() {
                    if number > bar {
                        list.push(number, at, &mut bar);
                    }
                }
                let kept: Vec<(f32, usize)> = list.sorted();
                assert!(kept.is_sorted_by(|a, b| a.0 >= b.0));
                let mut best: Vec<usize> = (0..n).collect();
                best.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
                for at in best.into_iter().take(k) {
                    assert!(kept.contains(&(numbers[at], at)), "n {n} k {k}");
                }
                assert!(kept.len() <= (2 * k).max(n / 2 + 1) + 1, "{} of {n} for {k}", kept.len());
            }
        }
    }

    #[test]
    fn a_guess_keeps_what_is_above_it() {
        let (mut list, mut bar) = (Shortlist::new(2, 0.0), f32::NEG_INFINITY);
        for (at, number) in [5.0, 1.0, 4.0, 3.0, 4.0].into_iter().enumerate() {
            if number > bar {
                list.push(number, at, &mut bar);
            }
        }
        assert_eq!(list.widen(3), 4.0);
        assert_eq!(list.sorted(), [(5.0, 0)]);
        assert_eq!(Shortlist::new(2, 0.0).widen(3), f32::NEG_INFINITY);
    }
}
