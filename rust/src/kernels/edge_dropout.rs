//! Dropping edges at random, the same ones for the same seed.

use std::ops::Range;

use rayon::prelude::*;

use super::buckets::split;
use super::cancel::Cancel;
use super::csr::{Csr, OwnedCsr};
use super::error::Error;
use super::memory::room_for;
use super::pages::Blank;
use super::rng::Stream;
use super::sparse::{Block, column_counts, side_by_side};
use super::transpose::row_chunks;

/// Edges handled between two checks of the cancel flag.
const STEP: usize = 1 << 14;
/// Keys that are counted into one table.
const COUNTED: usize = 1 << 18;

/// The weight of an edge in the draw: how likely it is kept, relative to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weighting {
    /// The same for all.
    Uniform,
    /// `1 / sqrt(deg_u deg_i)`, degrees counted in the matrix itself: edges of hubs are dropped first.
    Degree,
}

/// Draws `n_kept` of the edges without replacement and keeps their values.
///
/// Each edge e gets `log w_e + Gumbel_e` and the largest are kept (Gumbel top-k), which draws one edge after the other
/// in proportion to w. Here it is done with `Exponential_e / w_e`, smallest first: the same order without a second
/// logarithm. Draw e of `stream` belongs to edge e, so the result does not depend on threads. Cost linear in edges.
///
/// # Errors
/// [`Error::Invalid`] if `n_kept` exceeds the number of edges.
pub fn drop_edges(
    edges: Csr<'_>,
    n_kept: usize,
    weighting: Weighting,
    stream: Stream,
    cancel: &Cancel,
) -> Result<OwnedCsr, Error> {
    let pattern = edges.pattern;
    if n_kept > pattern.n_entries() {
        return Err(Error::invalid(format!("cannot keep {n_kept} of {} edges", pattern.n_entries())));
    }
    // Counts of columns, those of two threads while they are added up, and roots.
    room_for::<[u64; 3]>(pattern.n_cols())?;
    let column_roots: Vec<f64> = column_counts(pattern).into_iter().map(|n| (n as f64).sqrt()).collect();
    let chunks = row_chunks(pattern, STEP);
    let lens = chunks.iter().map(|rows| pattern.start(rows.end) - pattern.start(rows.start));
    let mut keys = Blank::<f64>::new(pattern.n_entries());
    split(&mut keys, lens).into_par_iter().zip(&chunks).try_for_each(|(keys, rows)| {
        cancel.check()?;
        let first = pattern.start(rows.start);
        for row in rows.clone() {
            let row_root = (pattern.range(row).len() as f64).sqrt();
            for (entry, &column) in pattern.range(row).zip(pattern.row(row)) {
                let exponential = -stream.open_unit(entry as u64).ln();
                keys[entry - first].write(match weighting {
                    Weighting::Uniform => exponential,
                    Weighting::Degree => exponential * (row_root * column_roots[column as usize]),
                });
            }
        }
        Ok(())
    })?;
    // SAFETY: every entry of every row has its key.
    let keys = unsafe { keys.written() };
    let limit = Limit::of_smallest(&keys, n_kept, cancel)?;
    let blocks = chunks.par_iter().map_init(Vec::new, |entries, rows| {
        cancel.check()?;
        Ok(kept(edges, rows.clone(), entries, |entry| limit.admits(entry, keys[entry])))
    });
    side_by_side(&blocks.collect::<Result<Vec<_>, Error>>()?, cancel)
}

/// The admitted entries of some rows. Admission is unpredictable, so that there is no branch on it.
fn kept(
    edges: Csr<'_>,
    rows: Range<usize>,
    entries: &mut Vec<usize>,
    admits: impl Fn(usize) -> bool,
) -> Block {
    let pattern = edges.pattern;
    entries.resize(pattern.start(rows.end) - pattern.start(rows.start) + 1, 0);
    let mut n = 0;
    let lens = rows.map(|row| {
        let before = n;
        for entry in pattern.range(row) {
            // Every entry is written; the next one overwrites it if it is not admitted.
            entries[n] = entry;
            n += usize::from(admits(entry));
        }
        n - before
    });
    let lens = lens.collect();
    let entries = &entries[..n];
    Block {
        lens,
        indices: entries.iter().map(|&entry| pattern.indices()[entry]).collect(),
        values: entries.iter().map(|&entry| edges.values[entry]).collect(),
    }
}

/// The limit between the smallest keys and the others; of equal keys the first count as smaller.
#[derive(Debug)]
struct Limit {
    key: f64,
    last: usize,
}

impl Limit {
    /// The limit of the `n` smallest of keys that are not negative.
    ///
    /// Non-negative floats have the order of their bits. The highest bits are counted first; only keys that share them
    /// with the limit are examined further.
    fn of_smallest(keys: &[f64], n: usize, cancel: &Cancel) -> Result<Self, Error> {
        if n == 0 {
            return Ok(Self { key: -1.0, last: 0 });
        }
        let group = |key: f64| (key.to_bits() >> 48) as usize;
        let counted = keys.par_chunks(COUNTED).map(|part| {
            cancel.check()?;
            let mut counts = vec![0usize; 1 << 16];
            part.iter().for_each(|&key| counts[group(key)] += 1);
            Ok(counts)
        });
        let counts = counted.try_reduce_with(|mut a, b| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
            Ok(a)
        });
        let (mut below, mut own) = (0, 0);
        for (at, count) in counts.transpose()?.unwrap_or_default().into_iter().enumerate() {
            own = at;
            if below + count >= n {
                break;
            }
            below += count;
        }
        let close = keys.par_iter().copied().enumerate().filter(|&(_, key)| group(key) == own);
        let mut close: Vec<(usize, f64)> = close.collect();
        let order = |a: &(usize, f64), b: &(usize, f64)| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0));
        let (_, &mut (last, key), _) = close.select_nth_unstable_by(n - below - 1, order);
        Ok(Self { key, last })
    }

    fn admits(&self, entry: usize, key: f64) -> bool {
        (key < self.key) | ((key == self.key) & (entry <= self.last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_so_many_and_the_same_ones_again() {
        let edges = OwnedCsr {
            indptr: vec![0, 3, 3, 5],
            indices: vec![0, 1, 2, 0, 1],
            values: vec![1.0, 2.0, 3.0, 4.0, 5.0],
        };
        for n in 0..=5 {
            let draw = |seed| {
                drop_edges(edges.view(3), n, Weighting::Degree, Stream::new(seed, 0), &Cancel::new()).unwrap()
            };
            assert_eq!(draw(1).values.len(), n);
            assert_eq!(draw(1), draw(1));
            assert_eq!(draw(1).indptr.len(), 4);
        }
        assert!(drop_edges(edges.view(3), 6, Weighting::Uniform, Stream::new(1, 0), &Cancel::new()).is_err());
    }

    #[test]
    fn of_equal_keys_the_first_are_taken() {
        let smallest = |keys: &[f64], n| -> Vec<bool> {
            let limit = Limit::of_smallest(keys, n, &Cancel::new()).unwrap();
            keys.iter().enumerate().map(|(entry, &key)| limit.admits(entry, key)).collect()
        };
        assert_eq!(smallest(&[2.0, 1.0, 1.0, 1.0, 0.0], 3), [false, true, true, false, true]);
        assert_eq!(smallest(&[1.0, 2.0], 0), [false, false]);
        assert_eq!(smallest(&[1.0, 2.0], 2), [true, true]);
        assert_eq!(smallest(&[1.0, 1.0 + f64::EPSILON, 1.0, f64::INFINITY], 3), [true, true, true, false]);
    }

    #[test]
    fn edges_of_hubs_go_first() {
        // Column 0 has 99 edges, column 1 one edge, all rows have one: weights 1/sqrt(99) and 1.
        let edges = OwnedCsr {
            indptr: (0..=100).collect(),
            indices: (0..100).map(|row| i32::from(row == 50)).collect(),
            values: vec![1.0; 100],
        };
        let n = if cfg!(miri) { 100 } else { 4000 };
        let hits = (0..n)
            .filter(|&seed| {
                let stream = Stream::new(seed, 1);
                let kept = drop_edges(edges.view(2), 1, Weighting::Degree, stream, &Cancel::new()).unwrap();
                kept.indices[0] == 1
            })
            .count() as f64;
        let expected = 1.0 / (1.0 + 99.0 / 99f64.sqrt());
        let spread = (n as f64 * expected * (1.0 - expected)).sqrt();
        assert!((hits - n as f64 * expected).abs() < 4.0 * spread, "{hits} of {n}, expected {expected}");
    }
}
