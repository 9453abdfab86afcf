//! What negatives are drawn from.

use super::alias::Alias;
use crate::kernels::error::Error;
use crate::kernels::lanes::Lanes;

/// Which items may be drawn, and how often.
#[derive(Debug)]
pub struct Source<'a> {
    /// The items; all of `0..n_items` where absent.
    pool: Option<&'a [i32]>,
    /// The weight of each of them; all are equal where absent.
    weighted: Option<(&'a [f64], Alias)>,
    pub(super) n_items: usize,
}

impl<'a> Source<'a> {
    /// Checks pool and weights; `weights[j]` belongs to `pool[j]`, or to item `j` where there is no pool.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is no item, the pool does not ascend inside `0..n_items`, or a weight is no weight.
    pub fn new(n_items: usize, pool: Option<&'a [i32]>, weights: Option<&'a [f64]>) -> Result<Self, Error> {
        let len = pool.map_or(n_items, <[i32]>::len);
        if len == 0 {
            return Err(Error::invalid("there is no item to draw from"));
        }
        if let Some(pool) = pool {
            let ascending = pool.windows(2).all(|pair| pair[0] < pair[1]);
            if !ascending || pool[0] < 0 || pool[len - 1] as usize >= n_items {
                return Err(Error::invalid(format!(
                    "the pool must hold ascending items inside 0..{n_items}, without repeats"
                )));
            }
        }
        let weighted = match weights {
            Some(weights) if weights.len() != len => {
                return Err(Error::invalid(format!("{} weights for {len} items", weights.len())));
            }
            Some(weights) => Some((weights, Alias::new(weights)?)),
            None => None,
        };
        Ok(Self { pool, weighted, n_items })
    }

    fn len(&self) -> usize {
        self.pool.map_or(self.n_items, <[i32]>::len)
    }

    #[inline]
    fn item(&self, slot: usize) -> i32 {
        self.pool.map_or(slot as i32, |pool| pool[slot])
    }

    /// The item that these bits stand for; the bias of the multiplication is below n / 2^64.
    #[inline]
    pub(super) fn draw(&self, bits: u64) -> i32 {
        let slot = match &self.weighted {
            Some((_, alias)) => alias.draw(bits) as usize,
            None => ((u128::from(bits) * self.len() as u128) >> 64) as usize,
        };
        self.item(slot)
    }

    /// Prefetches the memory that [`Self::draw`] will read.
    #[inline(always)]
    pub(super) fn prefetch<L: Lanes>(&self, lanes: L, bits: u64) {
        if let Some((_, alias)) = &self.weighted {
            alias.prefetch(lanes, bits);
        }
    }

    /// The unseen item that `unit`, in (0, 1), stands for; none if there is no unseen item of positive weight.
    pub(super) fn choose_unseen(&self, seen: &[i32], unit: f64) -> Option<i32> {
        let weight = |slot: usize| self.weighted.as_ref().map_or(1.0, |(weights, _)| weights[slot]);
        let mut cursor = 0;
        let mut unseen = Vec::new();
        let mut total = 0.0;
        for slot in 0..self.len() {
            let item = self.item(slot);
            while cursor < seen.len() && seen[cursor] < item {
                cursor += 1;
            }
            if weight(slot) > 0.0 && seen.get(cursor) != Some(&item) {
                total += weight(slot);
                unseen.push((item, total));
            }
        }
        let goal = unit * total;
        let at = unseen.partition_point(|&(_, sum)| sum <= goal);
        // Rounding can raise the goal to the total itself.
        unseen.get(at).or(unseen.last()).map(|&(item, _)| item)
    }
}
