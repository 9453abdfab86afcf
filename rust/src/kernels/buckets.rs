//! The first half of the counting sorts of these kernels: records grouped by ranges of keys, a chunk at a time.
//!
//! A chunk of records is grouped within its own part of the array, which fits a cache and is written by one thread. The
//! records of a bucket are then one segment of each chunk. So no two threads write to the same place, and the order
//! within a bucket is the order of the input, for any number of threads.

use std::ops::Range;

use rayon::prelude::*;

use super::cancel::Cancel;
use super::error::Error;
use super::pages::{Blank, Plain};

/// Records that one bucket should hold: they are sorted further within the second-level cache.
const BUCKET: usize = 1 << 14;
/// The most buckets: one cache line of each stays in the caches while a chunk is grouped.
const MOST: usize = 1 << 10;
/// Records of a chunk, at most and at least.
const CHUNK: Range<usize> = 1 << 13..1 << 18;

/// A source of records, in chunks.
pub(super) trait Records: Sync {
    /// A record.
    type Record: Plain;

    /// The keys of a chunk, in any order.
    fn keys(&self, chunk: usize) -> impl Iterator<Item = u32>;

    /// Visits the records of a chunk with their keys, always in the same order.
    fn each(&self, chunk: usize, visit: impl FnMut(u32, Self::Record));
}

/// Which keys share a bucket: those that agree after a shift.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranges {
    pub(super) shift: u32,
    pub(super) n_buckets: usize,
}

impl Ranges {
    /// Ranges of a power of two of the keys `0..n_keys`, for `n` records.
    pub(super) fn new(n: usize, n_keys: usize) -> Self {
        let wanted = (n / BUCKET).clamp(1, MOST).max(if n > 1 << 12 { 16 } else { 1 });
        let width = n_keys.div_ceil(wanted).max(1).next_power_of_two();
        Self { shift: width.trailing_zeros(), n_buckets: n_keys.div_ceil(width).max(1) }
    }

    /// Keys of a bucket.
    pub(super) fn width(self) -> usize {
        1 << self.shift
    }
}

/// How many records a chunk should have, of `n`.
pub(super) fn chunk_len(n: usize) -> usize {
    (n / 32).clamp(CHUNK.start, CHUNK.end)
}

/// Records grouped by bucket within each chunk.
#[derive(Debug)]
pub(super) struct Buckets<T> {
    records: Vec<T>,
    /// Where each chunk begins, and the end.
    bounds: Vec<usize>,
    /// Where each bucket begins within its chunk, and the chunk's length: `n_buckets + 1` for each chunk.
    cuts: Vec<u32>,
    n_buckets: usize,
}

impl<T: Plain> Buckets<T> {
    /// Groups the records; `bounds` says where each chunk begins and where the last one ends.
    pub(super) fn new<R: Records<Record = T>>(
        source: &R,
        bounds: Vec<usize>,
        ranges: Ranges,
        cancel: &Cancel,
    ) -> Result<Self, Error> {
        let Ranges { shift, n_buckets } = ranges;
        let mut records = Blank::<T>::new(bounds.last().copied().unwrap_or(0));
        let mut cuts = vec![0u32; (bounds.len().saturating_sub(1)) * (n_buckets + 1)];
        let parts = split(&mut records, bounds.windows(2).map(|pair| pair[1] - pair[0]));
        parts.into_par_iter().zip(cuts.par_chunks_mut(n_buckets + 1)).enumerate().try_for_each(
            |(chunk, (part, cuts))| {
                cancel.check()?;
                // Counted one place further on, the sums are where the next bucket begins.
                source.keys(chunk).for_each(|key| cuts[(key >> shift) as usize + 1] += 1);
                let mut total = 0;
                for cut in &mut *cuts {
                    total += *cut;
                    *cut = total;
                }
                let mut next = cuts[..n_buckets].to_vec();
                source.each(chunk, |key, record| {
                    let place = &mut next[(key >> shift) as usize];
                    part[*place as usize].write(record);
                    *place += 1;
                });
                assert_eq!(next, cuts[1..], "as many records as keys");
                Ok(())
            },
        )?;
        // SAFETY: every counter ran from the first place of its bucket to the first of the next, one place a write.
        let records = unsafe { records.written() };
        Ok(Self { records, bounds, cuts, n_buckets })
    }

    /// The segments of a bucket in the order of the chunks.
    pub(super) fn segments(&self, bucket: usize) -> impl Iterator<Item = &[T]> + Clone {
        let per_chunk = self.cuts.chunks_exact(self.n_buckets + 1);
        per_chunk.zip(&self.bounds).map(move |(cuts, &start)| {
            &self.records[start + cuts[bucket] as usize..start + cuts[bucket + 1] as usize]
        })
    }

    /// How many records each bucket has.
    pub(super) fn lens(&self) -> Vec<usize> {
        let mut lens = vec![0; self.n_buckets];
        for cuts in self.cuts.chunks_exact(self.n_buckets + 1) {
            for (len, pair) in lens.iter_mut().zip(cuts.windows(2)) {
                *len += (pair[1] - pair[0]) as usize;
            }
        }
        lens
    }
}

/// Cuts an array into parts of these lengths.
pub(super) fn split<T>(mut array: &mut [T], lens: impl Iterator<Item = usize>) -> Vec<&mut [T]> {
    lens.map(|len| array.split_off_mut(..len).unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Numbers<'a>(&'a [u32], &'a [usize]);

    impl Records for Numbers<'_> {
        type Record = u32;

        fn keys(&self, chunk: usize) -> impl Iterator<Item = u32> {
            self.0[self.1[chunk]..self.1[chunk + 1]].iter().map(|number| number / 10)
        }

        fn each(&self, chunk: usize, mut visit: impl FnMut(u32, u32)) {
            self.0[self.1[chunk]..self.1[chunk + 1]].iter().for_each(|&number| visit(number / 10, number));
        }
    }

    #[test]
    fn a_bucket_holds_its_records_in_their_order() {
        let numbers = [31, 5, 92, 33, 12, 30, 4];
        let bounds = vec![0, 3, 3, 7];
        let ranges = Ranges { shift: 1, n_buckets: 5 };
        let buckets =
            Buckets::new(&Numbers(&numbers, &bounds), bounds.clone(), ranges, &Cancel::new()).unwrap();
        let found: Vec<Vec<u32>> =
            (0..5).map(|bucket| buckets.segments(bucket).flatten().copied().collect()).collect();
        assert_eq!(found, [vec![5, 12, 4], vec![31, 33, 30], vec![], vec![], vec![92]]);
        assert_eq!(buckets.lens(), [3, 3, 0, 0, 1]);
    }

    #[test]
    fn ranges_cover_all_keys() {
        for n in [0, 1, 5000, 1 << 20, 1 << 28] {
            for n_keys in [0, 1, 2, 1000, 1 << 20] {
                let ranges = Ranges::new(n, n_keys);
                assert!(ranges.n_buckets * ranges.width() >= n_keys && ranges.n_buckets <= MOST);
                assert!((ranges.n_buckets - 1) * ranges.width() <= n_keys);
            }
        }
    }
}
