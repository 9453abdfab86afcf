//! Pairs of users and items as a sparse matrix.

use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

use super::buckets::{Buckets, Ranges, Records, chunk_len, split};
use super::cancel::Cancel;
use super::csr::{OwnedCsr, indptr_from_counts};
use super::error::Error;
use super::memory::{countable, room_for};
use super::pages::{Blank, Plain};

/// Bits that one counting pass sorts by: the counters stay in the first-level cache.
const DIGIT: u32 = 10;
/// Records handled between two checks of the cancel flag.
const STEP: usize = 1 << 20;

/// An index type of the caller.
pub trait Index: Copy + Sync {
    /// Its value, which may be outside the range of indices.
    fn value(self) -> i64;
    /// Whether it is outside `0..n`, compared in its own width: with wider numbers the loop is not vectorised.
    fn is_outside(self, n: usize) -> bool;
}

impl Index for i32 {
    fn value(self) -> i64 {
        self.into()
    }
    fn is_outside(self, n: usize) -> bool {
        // As an unsigned number a negative index is a large one.
        self as u32 >= n.min(1 << 31) as u32
    }
}

impl Index for i64 {
    fn value(self) -> i64 {
        self
    }
    fn is_outside(self, n: usize) -> bool {
        self as u64 >= n as u64
    }
}

/// The matrix with a one for every pair; repeated pairs count once.
///
/// Pairs are grouped by ranges of users, and every group is sorted within the second-level cache by counting: first by
/// the item's digits, then by the user's. No keys are compared; cost and memory are linear in pairs, users and items.
///
/// # Errors
/// [`Error::Invalid`] if the two lengths differ or an index is out of range (the first such pair is named).
pub fn interactions<I: Index>(
    users: &[I],
    items: &[I],
    n_users: usize,
    n_items: usize,
    cancel: &Cancel,
) -> Result<OwnedCsr, Error> {
    if users.len() != items.len() {
        return Err(Error::invalid(format!(
            "{} users but {} items; pairs need as many",
            users.len(),
            items.len()
        )));
    }
    countable(n_users, "users")?;
    countable(n_items, "items")?;
    check(users, n_users, "user", cancel)?;
    check(items, n_items, "item", cancel)?;
    // Counts and pointers, of two widths.
    room_for::<[u64; 3]>(n_users)?;
    let ranges = Ranges::new(users.len(), n_users);
    let item_bits = n_items.next_power_of_two().trailing_zeros();
    if ranges.shift + item_bits <= u32::BITS {
        sorted::<I, u32>(users, items, n_users, ranges, item_bits, cancel)
    } else {
        sorted::<I, u64>(users, items, n_users, ranges, item_bits, cancel)
    }
}

fn check<I: Index>(indices: &[I], n: usize, name: &str, cancel: &Cancel) -> Result<(), Error> {
    let bad = |index: &I| index.is_outside(n);
    // Without an early exit the loop is vectorised.
    let any = indices.par_chunks(STEP / 16).map(|part| {
        cancel.check()?;
        Ok(part.iter().fold(false, |any, index| any | bad(index)))
    });
    if !any.try_reduce(|| false, |a, b| Ok(a | b))? {
        return Ok(());
    }
    let pair = indices.iter().position(bad).unwrap_or_default();
    Err(Error::invalid(format!("pair {pair}: {name} {} is outside 0..{n}", indices[pair].value())))
}

/// A user, counted from the first of its range, and an item in one number: `user << item_bits | item`.
trait Key: Plain {
    fn new(key: u64) -> Self;
    fn bits(self) -> u64;
}

impl Key for u32 {
    fn new(key: u64) -> Self {
        key as u32
    }
    fn bits(self) -> u64 {
        self.into()
    }
}

impl Key for u64 {
    fn new(key: u64) -> Self {
        key
    }
    fn bits(self) -> u64 {
        self
    }
}

struct Pairs<'a, I, K> {
    users: &'a [I],
    items: &'a [I],
    chunk: usize,
    mask: u64,
    item_bits: u32,
    key: std::marker::PhantomData<fn() -> K>,
}

impl<I, K> Pairs<'_, I, K> {
    fn range(&self, chunk: usize) -> Range<usize> {
        chunk * self.chunk..((chunk + 1) * self.chunk).min(self.users.len())
    }
}

impl<I: Index, K: Key> Records for Pairs<'_, I, K> {
    type Record = K;

    #[inline]
    fn keys(&self, chunk: usize) -> impl Iterator<Item = u32> {
        self.users[self.range(chunk)].iter().map(|user| user.value() as u32)
    }

    #[inline]
    fn each(&self, chunk: usize, mut visit: impl FnMut(u32, K)) {
        let range = self.range(chunk);
        for (user, item) in self.users[range.clone()].iter().zip(&self.items[range]) {
            let (user, item) = (user.value() as u64, item.value() as u64);
            visit(user as u32, K::new((user & self.mask) << self.item_bits | item));
        }
    }
}

fn sorted<I: Index, K: Key>(
    users: &[I],
    items: &[I],
    n_users: usize,
    ranges: Ranges,
    item_bits: u32,
    cancel: &Cancel,
) -> Result<OwnedCsr, Error> {
    let n = users.len();
    let chunk = chunk_len(n);
    let mask = ranges.width() as u64 - 1;
    let pairs = Pairs::<I, K> { users, items, chunk, mask, item_bits, key: std::marker::PhantomData };
    let bounds = (0..=n.div_ceil(chunk)).map(|at| (at * chunk).min(n)).collect();
    let buckets = Buckets::new(&pairs, bounds, ranges, cancel)?;
    let lens = buckets.lens();
    let mut indices = Blank::<i32>::new(n);
    let mut counts = vec![0usize; n_users];
    let kept: Vec<usize> = split(&mut indices, lens.iter().copied())
        .into_par_iter()
        .zip(counts.par_chunks_mut(ranges.width()))
        .enumerate()
        .map_init(Sorter::<K>::default, |sorter, (bucket, (indices, counts))| {
            let keys =
                sorter.sort(buckets.segments(bucket), indices.len(), ranges.shift + item_bits, cancel)?;
            Ok(unique(keys, item_bits, indices, counts))
        })
        .collect::<Result<_, Error>>()?;
    drop(buckets);
    let (mut from, mut end) = (0, 0);
    for (len, kept) in lens.into_iter().zip(kept) {
        if from > end {
            indices.copy_within(from..from + kept, end);
        }
        (from, end) = (from + len, end + kept);
    }
    indices.truncate(end);
    // SAFETY: the parts of the buckets lie side by side, and each bucket has written all entries that it counted.
    let indices = unsafe { indices.written() };
    let mut values = Blank::<f32>::new(end);
    values.par_chunks_mut(STEP / 16).for_each(|part| part.fill(MaybeUninit::new(1.0)));
    // SAFETY: all are ones.
    let values = unsafe { values.written() };
    Ok(OwnedCsr { indptr: indptr_from_counts(counts.into_iter()), indices, values })
}

/// Sorts the keys of one bucket after another in the same two arrays.
#[derive(Default)]
struct Sorter<K> {
    keys: Vec<K>,
    other: Vec<K>,
    counts: Vec<u32>,
}

impl<K: Key> Sorter<K> {
    /// The `n` keys of these segments, ascending; only their lowest `bits` are looked at.
    fn sort<'a>(
        &mut self,
        segments: impl Iterator<Item = &'a [K]> + Clone,
        n: usize,
        bits: u32,
        cancel: &Cancel,
    ) -> Result<&[K], Error>
    where
        K: 'a,
    {
        let passes = bits.div_ceil(DIGIT).max(1);
        let digit_bits = bits.div_ceil(passes);
        let mask = (1u64 << digit_bits) - 1;
        if self.keys.len() < n {
            self.keys = vec![K::default(); n];
            self.other = vec![K::default(); n];
        }
        let (mut keys, mut other) = (&mut self.keys[..n], &mut self.other[..n]);
        for pass in 0..passes {
            let shift = pass * digit_bits;
            let digit = |key: K| (key.bits() >> shift & mask) as usize;
            let first = segments.clone().filter(|_| pass == 0).map(|part| -> &[K] { part });
            let parts = first.chain((pass > 0).then_some(&*keys));
            let parts = parts.flat_map(|part| part.chunks(STEP));
            self.counts.clear();
            self.counts.resize(1 << digit_bits, 0);
            for part in parts.clone() {
                cancel.check()?;
                part.iter().for_each(|&key| self.counts[digit(key)] += 1);
            }
            let mut total = 0;
            for count in &mut self.counts {
                (*count, total) = (total, total + *count);
            }
            for part in parts {
                cancel.check()?;
                for &key in part {
                    let place = &mut self.counts[digit(key)];
                    other[*place as usize] = key;
                    *place += 1;
                }
            }
            std::mem::swap(&mut keys, &mut other);
        }
        Ok(keys)
    }
}

/// Writes the items of ascending keys without repeats, counts them for each user, and returns their number.
fn unique<K: Key>(
    keys: &[K],
    item_bits: u32,
    indices: &mut [MaybeUninit<i32>],
    counts: &mut [usize],
) -> usize {
    let mask = (1u64 << item_bits) - 1;
    let mut kept = 0;
    let mut before = u64::MAX;
    for key in keys {
        let key = key.bits();
        // Every item is written; the next one overwrites a repeat.
        indices[kept].write((key & mask) as i32);
        let fresh = usize::from(key != before);
        counts[(key >> item_bits) as usize] += fresh;
        kept += fresh;
        before = key;
    }
    kept
}

#[cfg(test)]
mod tests;
