//! The k best of a stream of scored candidates. Higher scores first, then lower ids: a total order, so the result does
//! not depend on the order in which candidates come.

/// A candidate with its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored<S> {
    /// Its score.
    pub score: S,
    /// Which item or row it is.
    pub id: i32,
}

impl<S: PartialOrd> Scored<S> {
    /// Whether this one comes before `other` in the order.
    #[inline]
    pub fn before(&self, other: &Self) -> bool {
        self.score > other.score || (self.score == other.score && self.id < other.id)
    }
}

const LIKELY: usize = 1 << 12;

/// Keeps the k best seen so far in a binary heap whose root is the worst of them.
#[derive(Debug, Clone)]
pub struct TopK<S> {
    k: usize,
    heap: Vec<Scored<S>>,
}

impl<S: PartialOrd + Copy> TopK<S> {
    /// Room for `k` candidates; it grows where they are more than anybody is likely to ask for.
    pub fn new(k: usize) -> Self {
        Self { k, heap: Vec::with_capacity(k.min(LIKELY)) }
    }

    /// The worst candidate kept, once there are k: a worse one cannot enter.
    #[inline]
    pub fn worst(&self) -> Option<Scored<S>> {
        if self.heap.len() == self.k { self.heap.first().copied() } else { None }
    }

    /// Offers a candidate. Cost: one comparison, or O(log k) if it enters.
    #[inline]
    pub fn push(&mut self, new: Scored<S>) {
        if self.heap.len() < self.k {
            self.heap.push(new);
            let mut child = self.heap.len() - 1;
            while child > 0 {
                let parent = (child - 1) / 2;
                if !self.heap[parent].before(&self.heap[child]) {
                    break;
                }
                self.heap.swap(parent, child);
                child = parent;
            }
        } else if self.k > 0 && new.before(&self.heap[0]) {
            self.heap[0] = new;
            let mut parent = 0;
            loop {
                let mut worst = parent;
                for child in [2 * parent + 1, 2 * parent + 2] {
                    if child < self.k && self.heap[worst].before(&self.heap[child]) {
                        worst = child;
                    }
                }
                if worst == parent {
                    break;
                }
                self.heap.swap(parent, worst);
                parent = worst;
            }
        }
    }

    /// The kept candidates, best first; the heap is empty afterwards.
    pub fn drain_sorted(&mut self) -> Vec<Scored<S>> {
        let mut best = std::mem::take(&mut self.heap);
        best.sort_by(|a, b| if a.before(b) { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater });
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::Stream;

    #[test]
    fn equals_sorting_everything_in_any_order() {
        let stream = Stream::new(3, 0);
        for n in [0usize, 1, 5, 40, 400] {
            for k in [0usize, 1, 3, 10, 500] {
                let all: Vec<Scored<f32>> = (0..n)
                    .map(|i| Scored {
                        score: (stream.bits32((n * 1000 + i) as u64) % 7) as f32,
                        id: i as i32,
                    })
                    .collect();
                let mut sorted = all.clone();
                sorted.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
                sorted.truncate(k);
                for step in [1usize, 3, 7] {
                    let mut top = TopK::new(k);
                    for start in 0..step {
                        all.iter().skip(start).step_by(step).for_each(|&c| top.push(c));
                    }
                    assert_eq!(top.drain_sorted(), sorted, "n {n} k {k} step {step}");
                }
            }
        }
    }
}
