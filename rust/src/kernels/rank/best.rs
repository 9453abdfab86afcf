//! The best items of one user, met in ascending order.

use super::NO_ITEM;
use crate::kernels::topk::{Scored, TopK};

/// Keeps the best unseen items. Candidates must come with ascending items, which makes the mask one pass.
pub(super) struct Best<'a> {
    seen: &'a [i32],
    top: TopK<f32>,
    /// What a score must exceed to enter: a tie with the worst kept loses, since its item is higher.
    threshold: f32,
}

impl<'a> Best<'a> {
    pub(super) fn new(k: usize, seen: &'a [i32]) -> Self {
        Self { seen, top: TopK::new(k), threshold: f32::NEG_INFINITY }
    }

    #[inline]
    pub(super) fn threshold(&self) -> f32 {
        self.threshold
    }

    /// Whether `item` is masked; not asked again for lower ones.
    #[inline]
    pub(super) fn is_seen(&mut self, item: i32) -> bool {
        while let [first, rest @ ..] = self.seen
            && *first < item
        {
            self.seen = rest;
        }
        self.seen.first() == Some(&item)
    }

    #[inline]
    pub(super) fn push(&mut self, score: f32, item: i32) {
        if score > self.threshold {
            self.top.push(Scored { score, id: item });
            if let Some(worst) = self.top.worst() {
                self.threshold = worst.score;
            }
        }
    }

    /// Writes the kept items, best first, and fills up.
    pub(super) fn finish(mut self, items: &mut [i32], scores: &mut [f32]) {
        items.fill(NO_ITEM);
        scores.fill(f32::NEG_INFINITY);
        for ((item, score), kept) in items.iter_mut().zip(scores).zip(self.top.drain_sorted()) {
            (*item, *score) = (kept.id, kept.score);
        }
    }
}
