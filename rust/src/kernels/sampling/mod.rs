//! Negative sampling: items that a user has not seen.
//!
//! The draw at position `p` is a function of the stream and `p` alone, so a batch may be cut into blocks and run in any
//! order on any number of threads without changing an item. A draw is tried a few times and rejected if it was seen;
//! after that it is made from the list of what the user has not seen. Both have the same distribution, so their mixture
//! has it too, and the procedure always ends. A filter accepts most draws at once. Cost: O(1) a draw, O(log n_u) for a
//! draw that the filter does not accept, O(I) for the rare user who has seen nearly everything.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::cancel::Cancel;
use super::csr::{Indptr, Pattern};
use super::error::Error;
use super::lanes::{Lanes, Work};
use super::rng::Stream;
use super::simd::Path;

mod alias;
mod filter;
mod membership;
mod source;

use filter::Filter;
pub use membership::membership;
pub use source::Source;

/// Draws before the exact choice; each position owns `TRIES + 1` numbers of the stream.
const TRIES: u64 = 31;
/// Draws that are in progress together: enough to hide the latency of memory, few enough for the first-level cache.
const STRIP: usize = 64;
/// Draws per parallel step.
const BLOCK: usize = 2048;
/// How many users an error names.
const NAMED: usize = 10;

/// Draws one unseen item for each of `users` into `out`; the draw for `users[j]` is number `first + j`.
///
/// # Errors
/// [`Error::NothingUnseen`] naming users who have seen every item that can be drawn; [`Error::Invalid`] if a user is
/// out of range or the catalogues differ; [`Error::Cancelled`].
pub fn sample(
    seen: Pattern<'_>,
    users: &[i32],
    source: &Source<'_>,
    stream: Stream,
    first: u64,
    out: &mut [i32],
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    check_users(seen, users)?;
    if seen.n_cols() != source.n_items || users.len() != out.len() {
        return Err(Error::invalid(format!(
            "{} columns for {} items, {} users for {} places",
            seen.n_cols(),
            source.n_items,
            users.len(),
            out.len()
        )));
    }
    // The filter pays only if there are about as many queries as entries.
    let worth = users.len() >= seen.n_entries() / 8;
    let filter = worth.then(|| Filter::new(seen, cancel)).transpose()?;
    let filter = filter.as_ref();
    let stuck = Mutex::new(Vec::new());
    let blocks = users.par_chunks(BLOCK).zip(out.par_chunks_mut(BLOCK)).enumerate();
    blocks.try_for_each(|(block, (users, out))| {
        cancel.check()?;
        let first = first.wrapping_add((block * BLOCK) as u64);
        let none_left = path.run(Draws { seen, filter, users, source, stream, first, out });
        if !none_left.is_empty() {
            stuck.lock().unwrap_or_else(PoisonError::into_inner).extend(none_left);
        }
        Ok(())
    })?;
    let mut stuck = stuck.into_inner().unwrap_or_else(PoisonError::into_inner);
    if stuck.is_empty() {
        return Ok(());
    }
    stuck.sort_unstable();
    stuck.dedup();
    stuck.truncate(NAMED);
    Err(Error::NothingUnseen(stuck))
}

/// A block of draws; returns the users for whom there is nothing to draw.
struct Draws<'a> {
    seen: Pattern<'a>,
    filter: Option<&'a Filter>,
    users: &'a [i32],
    source: &'a Source<'a>,
    stream: Stream,
    first: u64,
    out: &'a mut [i32],
}

impl Work for Draws<'_> {
    type Output = Vec<i32>;

    /// Users come in any order, so that their data are not in the cache: a strip of draws goes through each step
    /// together, and every step prefetches the memory of the next one.
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Vec<i32> {
        let Self { seen, filter, users, source, stream, first, out } = self;
        let mut none_left = Vec::new();
        let counter = |at: usize| first.wrapping_add(at as u64).wrapping_mul(TRIES + 1);
        let (mut bits, mut suspects) = ([0u64; STRIP], [0usize; STRIP]);
        let nothing = u64::MAX;
        let mut asked = [(&nothing, 0u64); STRIP];
        for (strip, (own, out)) in users.chunks(STRIP).zip(out.chunks_mut(STRIP)).enumerate() {
            let start = strip * STRIP;
            for &user in &users[(start + STRIP).min(users.len())..(start + 2 * STRIP).min(users.len())] {
                match seen.indptr() {
                    Indptr::Narrow(pointers) => lanes.prefetch(&pointers[user as usize]),
                    Indptr::Wide(pointers) => lanes.prefetch(&pointers[user as usize]),
                }
            }
            for (at, bits) in bits[..own.len()].iter_mut().enumerate() {
                *bits = stream.bits64(counter(start + at));
                source.prefetch(lanes, *bits);
            }
            for (at, (&user, out)) in own.iter().zip(&mut *out).enumerate() {
                *out = source.draw(bits[at]);
                if let Some(filter) = filter {
                    asked[at] = filter.place(&seen.range(user as usize), user as usize, *out);
                    lanes.prefetch(asked[at].0);
                }
            }
            let mut n_suspects = 0;
            for (at, &user) in own.iter().enumerate() {
                let (word, bits) = asked[at];
                suspects[n_suspects] = at;
                if word & bits == bits {
                    n_suspects += 1;
                    let range = seen.range(user as usize);
                    if let Some(middle) = seen.indices().get(range.start.midpoint(range.end)) {
                        lanes.prefetch(middle);
                    }
                }
            }
            for &at in &suspects[..n_suspects] {
                let user = own[at] as usize;
                let (range, seen) = (seen.range(user), seen.row(user));
                let counter = counter(start + at);
                let unseen = |item: i32| {
                    let cleared = filter.is_some_and(|filter| {
                        let (word, bits) = filter.place(&range, user, item);
                        word & bits != bits
                    });
                    cleared || !contains(seen, item)
                };
                let found = (0..TRIES)
                    .map(|attempt| source.draw(stream.bits64(counter.wrapping_add(attempt))))
                    .find(|item| unseen(*item))
                    .or_else(|| source.choose_unseen(seen, stream.open_unit(counter.wrapping_add(TRIES))));
                match found {
                    Some(item) => out[at] = item,
                    None => none_left.push(own[at]),
                }
            }
        }
        none_left
    }
}

/// Draws items that all users share, with replacement, into `out`; `out[j]` is number `first + j` of the stream.
///
/// # Errors
/// [`Error::Cancelled`] if the caller stops it.
pub fn sample_shared(
    source: &Source<'_>,
    stream: Stream,
    first: u64,
    out: &mut [i32],
    cancel: &Cancel,
) -> Result<(), Error> {
    out.par_chunks_mut(BLOCK).enumerate().try_for_each(|(block, out)| {
        cancel.check()?;
        let first = first.wrapping_add((block * BLOCK) as u64);
        for (offset, out) in out.iter_mut().enumerate() {
            *out = source.draw(stream.bits64(first.wrapping_add(offset as u64)));
        }
        Ok(())
    })
}

fn check_users(seen: Pattern<'_>, users: &[i32]) -> Result<(), Error> {
    // As an unsigned number a negative user is a large one; without an early exit the loop is vectorised.
    let n_users = seen.n_rows().min(1 << 31) as u32;
    let bad = |user: &i32| *user as u32 >= n_users;
    if !users.iter().fold(false, |any, user| any | bad(user)) {
        return Ok(());
    }
    let at = users.iter().position(bad).unwrap_or_default();
    Err(Error::invalid(format!("user {} at position {at} is outside 0..{}", users[at], seen.n_rows())))
}

/// Whether an ascending list holds `item`: a binary search without branches that could be mispredicted.
#[inline]
fn contains(list: &[i32], item: i32) -> bool {
    let mut base = 0;
    let mut size = list.len();
    while size > 1 {
        let half = size / 2;
        base = if list[base + half] <= item { base + half } else { base };
        size -= half;
    }
    list.get(base) == Some(&item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contains_equals_a_linear_search() {
        let list: Vec<i32> =
            (0..40).map(|i| i * i % 97).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
        for len in 0..list.len() {
            for item in -1..100 {
                assert_eq!(contains(&list[..len], item), list[..len].contains(&item));
            }
        }
    }

    #[test]
    fn every_unseen_item_is_as_likely_as_its_weight_on_both_ways() {
        // User 0 has seen little (rejection), user 1 nearly everything (the exact choice nearly always).
        let n_items = 300;
        let mut indices = vec![3, 7];
        indices.extend((0..300).filter(|i| ![11, 12, 250, 251].contains(i)));
        let indptr = [0, 2, indices.len() as i32];
        let seen = Pattern::new(Indptr::Narrow(&indptr), &indices, n_items).unwrap();
        let weights: Vec<f64> =
            (0..n_items).map(|i| if i == 12 { 0.0 } else { 1.0 + (i % 4) as f64 }).collect();
        let n = if cfg!(miri) { 500 } else { 120_000 };
        for weights in [None, Some(&weights[..])] {
            let source = Source::new(n_items, None, weights).unwrap();
            for user in 0..2 {
                let mut out = vec![-1; n];
                sample(
                    seen,
                    &vec![user; n],
                    &source,
                    Stream::new(1, 2),
                    0,
                    &mut out,
                    Path::Avx2,
                    &Cancel::new(),
                )
                .unwrap();
                let mut counts = vec![0.0; n_items];
                out.iter().for_each(|&item| counts[item as usize] += 1.0);
                let weight = |item: usize| match weights {
                    _ if seen.row(user as usize).contains(&(item as i32)) => 0.0,
                    Some(weights) => weights[item],
                    None => 1.0,
                };
                let total: f64 = (0..n_items).map(weight).sum();
                for (item, count) in counts.iter().enumerate() {
                    let expected = weight(item) / total * n as f64;
                    assert!(
                        (count - expected).abs() <= 5.0 * expected.sqrt(),
                        "{item}: {count} of {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_user_with_nothing_left_is_named() {
        let seen = Pattern::new(Indptr::Narrow(&[0, 2, 3]), &[0, 1, 0], 2).unwrap();
        let source = Source::new(2, None, None).unwrap();
        let mut out = [0; 3];
        let result =
            sample(seen, &[1, 0, 0], &source, Stream::new(0, 0), 0, &mut out, Path::Avx2, &Cancel::new());
        assert_eq!(result, Err(Error::NothingUnseen(vec![0])));
        let only_first = Source::new(2, Some(&[0]), None).unwrap();
        let result =
            sample(seen, &[1, 0, 0], &only_first, Stream::new(0, 0), 0, &mut out, Path::Avx2, &Cancel::new());
        assert_eq!(result, Err(Error::NothingUnseen(vec![0, 1])));
    }
}
