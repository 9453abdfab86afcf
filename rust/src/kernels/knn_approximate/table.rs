//! The k best neighbours of every row so far. Many threads merge what they find into the table.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::kernels::csr::{OwnedCsr, indptr_from_counts};
use crate::kernels::topk::Scored;

/// Rows under one lock.
const STRIPE: usize = 256;

/// Lists of at most k neighbours. Their final content does not depend on the order of the merges: the k best of a set
/// are the same in any order.
#[derive(Debug)]
pub(super) struct Table {
    stripes: Vec<Mutex<Stripe>>,
}

#[derive(Debug)]
struct Stripe {
    k: usize,
    lens: Vec<usize>,
    /// k places for each row, the first `lens` of them filled, best first.
    places: Vec<Scored<f32>>,
}

impl Stripe {
    fn list(&self, row: usize) -> &[Scored<f32>] {
        &self.places[row * self.k..][..self.lens[row]]
    }

    fn merge(&mut self, row: usize, new: Scored<f32>) {
        let len = self.lens[row];
        let list = &mut self.places[row * self.k..][..self.k];
        // A neighbour always has the same score, so a repeated one is found exactly where it would be inserted.
        let at = list[..len].partition_point(|kept| kept.before(&new));
        if at == self.k || (at < len && list[at].id == new.id) {
            return;
        }
        let len = (len + 1).min(self.k);
        list[at..len].rotate_right(1);
        list[at] = new;
        self.lens[row] = len;
    }
}

impl Table {
    pub(super) fn new(n_rows: usize, k: usize) -> Self {
        let stripe = |first: usize| {
            let n = STRIPE.min(n_rows - first);
            let places = vec![Scored { score: 0.0, id: -1 }; n * k];
            Mutex::new(Stripe { k, lens: vec![0; n], places })
        };
        Self { stripes: (0..n_rows).step_by(STRIPE).map(stripe).collect() }
    }

    /// Merges neighbours into the list of a row.
    pub(super) fn merge(&self, row: usize, new: impl Iterator<Item = Scored<f32>>) {
        let mut stripe = self.lock(row);
        for new in new {
            stripe.merge(row % STRIPE, new);
        }
    }

    /// The neighbours of every row, `(n_rows, k)`, best first, -1 behind the last.
    pub(super) fn ids(&self) -> Vec<i32> {
        let mut ids = Vec::new();
        for stripe in &self.stripes {
            let stripe = stripe.lock().unwrap_or_else(PoisonError::into_inner);
            for row in 0..stripe.lens.len() {
                ids.extend(stripe.list(row).iter().map(|found| found.id));
                ids.resize(ids.len() + stripe.k - stripe.lens[row], -1);
            }
        }
        ids
    }

    /// The neighbours of a row, best first.
    pub(super) fn list(&self, row: usize) -> Vec<Scored<f32>> {
        self.lock(row).list(row % STRIPE).to_vec()
    }

    /// As a matrix, columns ascending within a row.
    pub(super) fn into_graph(self) -> OwnedCsr {
        let stripes: Vec<Stripe> = self
            .stripes
            .into_iter()
            .map(|stripe| stripe.into_inner().unwrap_or_else(PoisonError::into_inner))
            .collect();
        let lens: Vec<usize> = stripes.iter().flat_map(|stripe| stripe.lens.iter().copied()).collect();
        let indptr = indptr_from_counts(lens.iter().copied());
        let total = lens.iter().sum();
        let (mut indices, mut values) = (Vec::with_capacity(total), Vec::with_capacity(total));
        for stripe in stripes {
            for row in 0..stripe.lens.len() {
                let mut list = stripe.list(row).to_vec();
                list.sort_unstable_by_key(|found| found.id);
                indices.extend(list.iter().map(|found| found.id));
                values.extend(list.iter().map(|found| found.score));
            }
        }
        OwnedCsr { indptr, indices, values }
    }

    fn lock(&self, row: usize) -> MutexGuard<'_, Stripe> {
        // A list is poisoned only if a thread panicked; then the result is never read.
        self.stripes[row / STRIPE].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::Stream;

    #[test]
    fn the_best_stay_once_each_whatever_the_order() {
        let stream = Stream::new(4, 0);
        for k in [1usize, 3, 10] {
            let all: Vec<Scored<f32>> =
                (0..40).map(|id| Scored { score: (stream.bits32(id) % 5) as f32, id: id as i32 }).collect();
            let mut best = all.clone();
            best.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
            best.truncate(k);
            let table = Table::new(300, k);
            table.merge(299, all.iter().rev().copied());
            table.merge(299, all.iter().copied());
            assert_eq!(table.list(299), best);
            assert_eq!(table.ids()[299 * k..], best.iter().map(|b| b.id).collect::<Vec<_>>());
            assert!(table.list(0).is_empty());
            assert_eq!(table.into_graph().indptr[300], k as i64);
        }
    }
}
