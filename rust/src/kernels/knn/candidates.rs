//! The candidates of a row while the tiles are computed: all that may still be among its k best, and few others.

use std::sync::atomic::{AtomicU32, Ordering};

use super::bound::round_down;
use crate::kernels::topk::{Scored, TopK};

/// The numbers that all lists share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// How many neighbours are wanted; at least 1.
    pub(super) k: usize,
    /// What canonical values are multiplied by in the filter, q² of [`super::bound`].
    pub(super) scale: f64,
    /// The filter's error, ε of [`super::bound`], in its own units.
    pub(super) error: f64,
}

impl Rule {
    /// Candidates that a list holds before it is cut back.
    pub(super) fn capacity(self) -> usize {
        2 * self.k + 16
    }
}

/// The candidates of one row, with the filter's values.
#[derive(Debug)]
pub(super) struct List {
    limit: f32,
    pending: Vec<Scored<f32>>,
    /// The k best by canonical value, once the filter's error leaves too many candidates. From then on every candidate
    /// is decided when the list is full, and the list stays short.
    decided: Option<TopK<f32>>,
}

impl List {
    pub(super) fn new(rule: Rule) -> Self {
        Self { limit: f32::NEG_INFINITY, pending: Vec::with_capacity(rule.capacity()), decided: None }
    }

    /// Candidates below this value of the filter cannot be among the k best.
    pub(super) fn limit(&self) -> f32 {
        self.limit
    }

    /// Whether the filter was found unable to tell this row's candidates apart.
    pub(super) fn is_decided(&self) -> bool {
        self.decided.is_some()
    }

    /// Candidates that are not decided yet.
    pub(super) fn waiting(&self) -> impl Iterator<Item = i32> {
        self.pending.iter().map(|candidate| candidate.id)
    }

    /// Raises the limit, given that k candidates have at least the value `kth` of the filter.
    pub(super) fn raise(&mut self, rule: Rule, kth: f32) {
        self.limit = self.limit.max(round_down(f64::from(kth) - 2.0 * rule.error));
    }

    /// Offers a candidate with the filter's value; `exact` gives the canonical value of any candidate.
    #[inline]
    pub(super) fn push(&mut self, rule: Rule, new: Scored<f32>, exact: impl Fn(i32) -> f32) {
        if new.score < self.limit {
            return;
        }
        self.pending.push(new);
        if self.pending.len() >= rule.capacity() {
            self.cut(rule, exact);
        }
    }

    #[cold]
    fn cut(&mut self, rule: Rule, exact: impl Fn(i32) -> f32) {
        if self.decided.is_none() {
            self.cut_by_filter(rule);
            // Filtering again pays only if it frees a good part of the list.
            if self.pending.len() <= (rule.k + rule.capacity()) / 2 {
                return;
            }
        }
        self.decide(rule, exact);
    }

    fn cut_by_filter(&mut self, rule: Rule) {
        if self.pending.len() > rule.k {
            let (_, kth, _) =
                self.pending.select_nth_unstable_by(rule.k - 1, |a, b| b.score.total_cmp(&a.score));
            let kth = kth.score;
            self.raise(rule, kth);
            let limit = self.limit;
            self.pending.retain(|candidate| candidate.score >= limit);
        }
    }

    fn decide(&mut self, rule: Rule, exact: impl Fn(i32) -> f32) {
        let best = self.decided.get_or_insert_with(|| TopK::new(rule.k));
        for candidate in self.pending.drain(..) {
            best.push(Scored { score: exact(candidate.id), id: candidate.id });
        }
        if let Some(worst) = best.worst() {
            self.limit = self.limit.max(round_down(f64::from(worst.score) * rule.scale - rule.error));
        }
    }

    /// The k best by canonical value, best first.
    pub(super) fn finish(&mut self, rule: Rule, exact: impl Fn(i32) -> f32) -> Vec<Scored<f32>> {
        if self.decided.is_none() {
            self.cut_by_filter(rule);
        }
        self.decide(rule, exact);
        self.pending = Vec::new();
        self.decided.take().map_or_else(Vec::new, |mut best| best.drain_sorted())
    }
}

/// The limits of all lists side by side, read without a lock. A limit may rise after it was read: the lower one lets
/// more candidates through, but is not wrong.
#[derive(Debug)]
pub(super) struct Limits(Vec<AtomicU32>);

impl Limits {
    /// The limits of places behind the last of `n_rows` are out of reach.
    pub(super) fn new(n_rows: usize, places: usize) -> Self {
        let limit = |row| if row < n_rows { f32::NEG_INFINITY } else { f32::INFINITY };
        Self((0..places).map(|row| AtomicU32::new(limit(row).to_bits())).collect())
    }

    pub(super) fn set(&self, row: usize, limit: f32) {
        self.0[row].store(limit.to_bits(), Ordering::Relaxed);
    }

    /// Copies those of a block.
    pub(super) fn copy(&self, block: usize, to: &mut [f32]) {
        let from = &self.0[block * to.len()..];
        for (to, limit) in to.iter_mut().zip(from) {
            *to = f32::from_bits(limit.load(Ordering::Relaxed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::Stream;

    /// Canonical values on a grid finer than the filter's error, the filter wrong by as much as it may be.
    fn run(n: i32, k: usize, levels: u32, error: f64) -> (Vec<Scored<f32>>, Vec<Scored<f32>>, usize) {
        let stream = Stream::new(11, u64::from(levels));
        let value = |id: i32| (stream.bits32(id as u64) % levels) as f32 / levels as f32;
        let rule = Rule { k, scale: 1.0, error };
        let (mut list, mut longest) = (List::new(rule), 0);
        for id in (0..n).rev() {
            let wrong = (stream.open_unit(1 << 40 | id as u64) * 2.0 - 1.0) * error * 0.99;
            list.push(rule, Scored { score: (f64::from(value(id)) + wrong) as f32, id }, value);
            longest = longest.max(list.pending.len());
        }
        let mut all: Vec<Scored<f32>> = (0..n).map(|id| Scored { score: value(id), id }).collect();
        all.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        all.truncate(k);
        (list.finish(rule, value), all, longest)
    }

    #[test]
    fn the_best_are_found_whatever_the_filter_does_within_its_error() {
        for (n, k) in [
            (0, 3),
            (5, 10),
            (if cfg!(miri) { 50 } else { 500 }, 1),
            (if cfg!(miri) { 80 } else { 3000 }, 10),
        ] {
            for levels in [1, 2, 50, 1 << 20] {
                for error in [1e-5, 1e-2, 2.0] {
                    let (found, truth, longest) = run(n, k, levels, error);
                    assert_eq!(found, truth, "n {n} k {k} levels {levels} error {error}");
                    assert!(longest <= 2 * k + 16, "the list grew to {longest}");
                }
            }
        }
    }
}
