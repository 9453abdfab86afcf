//! The order of the items in a walk: a sample of the catalogue comes first, from which each user's bar is guessed.
//!
//! Without a guess most candidates enter the list only to be displaced later. With a guess, a user whose guess was too
//! high walks again: order and guess do not change the result.

/// The sample is one item in `SHARE`, but no fewer than `LEAST` items.
const SHARE: usize = 16;
const LEAST: usize = 1024;
/// The size of the sample is a multiple of this: every walk begins a new stretch of items there.
const STRETCH: usize = 32;

/// The order of a walk.
pub(super) struct Order {
    /// Which item stands in which place.
    pub items: Vec<i32>,
    /// Where each item stands.
    pub places: Vec<u32>,
    /// Items of the sample, a multiple of 32; 0 where the catalogue is too small for one.
    pub sample: usize,
}

impl Order {
    pub(super) fn new(n_items: usize) -> Self {
        let size = (n_items / SHARE).max(LEAST).next_multiple_of(STRETCH);
        let size = if n_items < 4 * size { 0 } else { size };
        let (mut items, mut rest) = (Vec::with_capacity(n_items), Vec::with_capacity(n_items));
        for item in 0..n_items {
            // `item · size / n_items` grows by one at evenly spaced items: those are the sample.
            let taken = (item + 1) * size / n_items > item * size / n_items;
            if taken { &mut items } else { &mut rest }.push(item as i32);
        }
        items.append(&mut rest);
        let mut places = vec![0; n_items];
        for (place, &item) in items.iter().enumerate() {
            places[item as usize] = place as u32;
        }
        Self { items, places, sample: size }
    }

    /// The rank of the score in the sample that becomes a user's bar, if a guess helps. It is low enough that hardly any
    /// user has fewer than `k` scores above it.
    ///
    /// About λ of a user's k best are in the sample, with a standard deviation of √λ.
    pub(super) fn guess(&self, k: usize) -> Option<usize> {
        let expected = (k * self.sample) as f64 / self.items.len().max(1) as f64;
        let guess = (expected + 3.0 * expected.sqrt() + 2.0) as usize;
        (self.sample > 0 && guess < k).then_some(guess)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_has_one_place_and_the_sample_is_spread() {
        for n in [0, 1, 100, 4 * LEAST - 1, 4 * LEAST, 20_001, 70_003].into_iter().take(if cfg!(miri) {
            5
        } else {
            7
        }) {
            let order = Order::new(n);
            let mut sorted = order.items.clone();
            sorted.sort_unstable();
            assert!(sorted.iter().enumerate().all(|(at, &item)| at as i32 == item));
            assert_eq!(sorted.len(), n);
            assert!((0..n).all(|item| order.items[order.places[item] as usize] as usize == item));
            assert_eq!(order.sample > 0, n >= 4 * LEAST);
            let sample = &order.items[..order.sample];
            assert!(sample.is_sorted());
            assert!(sample.windows(2).all(|pair| ((pair[1] - pair[0]) as usize) <= SHARE + 1));
        }
    }
}
