//! A block of rows against itself: the first candidates of every row, and with them a first limit.
//!
//! Without limits nothing can be filtered, so the sums of the whole square are kept, and each row's limit is found among
//! its own sums. With these limits the other tiles let through few candidates that do not belong to the result.

use super::search::{Scratch, Search};
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::tiles::format::Format;
use crate::kernels::tiles::{Kernel, Shape};
use crate::kernels::topk::Scored;

/// Maxima among which the k-th is sought, for each of the k: more of them come closer to the true k-th value.
const GROUPS: usize = 4;
/// Values looked at together.
const PIECE: usize = 16;

impl<K: Kernel> Search<'_, K> {
    /// Fills the lists of a block from the block itself. Returns the number of crowded rows: a row is crowded if the
    /// filter's error leaves far more than k candidates, so that the filter hardly tells them apart.
    pub(super) fn diagonal(
        &self,
        scratch: &mut Scratch<K>,
        block: usize,
        cancel: &Cancel,
    ) -> Result<usize, Error> {
        scratch.block.fill(&self.panels, block);
        self.product(scratch, block, false, cancel, |_, _, _, _| {})?;
        let first = block * K::Shape::SIDE;
        let n = (self.rows.len() - first).min(K::Shape::SIDE);
        let mut crowded = 0;
        let (mut values, mut maxima) = (vec![0.0; n], Vec::new());
        let mut lists = self.lock(block);
        for (row, list) in lists.iter_mut().enumerate() {
            read::<K>(scratch.tiles.cells(), row, &mut values);
            // A row is not its own neighbour.
            values[row] = f32::NEG_INFINITY;
            if let Some(kth) = kth_at_least(&values, self.rule.k, &mut maxima) {
                list.raise(self.rule, kth);
            }
            let mut candidates = 0;
            for (piece, values) in values.chunks(PIECE).enumerate() {
                // Most pieces hold no candidate. A loop without an early exit is vectorised.
                if !values.iter().fold(false, |any, &score| any | (score >= list.limit())) {
                    continue;
                }
                for (column, &score) in (piece * PIECE..).zip(values) {
                    if score >= list.limit() && column != row {
                        candidates += 1;
                        let candidate = Scored { score, id: (first + column) as i32 };
                        list.push(self.rule, candidate, |id| self.exact(first + row, id));
                    }
                }
            }
            self.limits.set(first + row, list.limit());
            crowded += usize::from(candidates > self.rule.k + self.rule.capacity() / 2 && list.is_decided());
        }
        Ok(crowded)
    }
}

/// The values of one row of a tile.
fn read<K: Kernel>(tiles: &[u32], row: usize, values: &mut [f32]) {
    let (rows, wide) = (K::Shape::ROWS, K::Shape::WIDE);
    let micro_tiles = tiles.chunks_exact(rows * wide).skip(row / rows).step_by(K::Shape::SIDE / rows);
    for (values, sums) in values.chunks_mut(wide).zip(micro_tiles) {
        for (value, &sum) in values.iter_mut().zip(&sums[row % rows * wide..]) {
            *value = <K::Shape as Shape>::Format::value(sum);
        }
    }
}

/// A number that at least k of the values reach, near the k-th largest: the k-th largest of the maxima of groups.
fn kth_at_least(values: &[f32], k: usize, maxima: &mut Vec<f32>) -> Option<f32> {
    if values.len() <= k {
        return None;
    }
    maxima.clear();
    maxima.extend_from_slice(values);
    // The second half is merged into the first by pairwise maxima, which are vectorised; with an odd length the value in
    // the middle stays as it is.
    while maxima.len() / 2 >= GROUPS * k {
        let rest = maxima.len() / 2;
        let kept = maxima.len() - rest;
        let (low, high) = maxima.split_at_mut(kept);
        for (low, &high) in low.iter_mut().zip(&*high) {
            *low = if high > *low { high } else { *low };
        }
        maxima.truncate(kept);
    }
    let (_, kth, _) = maxima.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
    Some(*kth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::Stream;

    #[test]
    fn at_least_k_values_reach_the_limit_and_few_more() {
        let stream = Stream::new(7, 7);
        for n in [1usize, 2, 11, 40, 97, 192, 384] {
            let values: Vec<f32> = (0..n as u64).map(|p| stream.open_unit(p) as f32).collect();
            for k in [1usize, 2, 10, 191] {
                match kth_at_least(&values, k, &mut Vec::new()) {
                    Some(kth) => {
                        let reach = values.iter().filter(|&&value| value >= kth).count();
                        assert!((k..=2 * k + 2).contains(&reach), "n {n} k {k}: {reach}");
                    }
                    None => assert!(n <= k),
                }
            }
        }
    }
}
