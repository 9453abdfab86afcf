//! A Bloom filter that quickly answers "no" to "has this user seen this item?".

use std::ops::Range;

use rayon::prelude::*;

use crate::kernels::buckets::split;
use crate::kernels::cancel::Cancel;
use crate::kernels::csr::Pattern;
use crate::kernels::error::Error;
use crate::kernels::pages::zeroed;
use crate::kernels::transpose::row_chunks;

/// A user has one word for this many items of the history: two bytes an item, and few unseen items need a search of the
/// history.
const PER_WORD: usize = 4;
/// Entries handled between two checks of the cancel flag.
const STEP: usize = 1 << 15;

/// A Bloom filter of 64-bit words, with words of its own for each user: a query reads a single word.
///
/// The words of a user whose history is `range` start at `range.start / PER_WORD + user` and end where the next user's
/// start. So no table of positions is needed, and every user has at least one word.
#[derive(Debug)]
pub(super) struct Filter {
    words: Vec<u64>,
}

impl Filter {
    /// Enters all histories. Cost linear in users and entries.
    pub(super) fn new(seen: Pattern<'_>, cancel: &Cancel) -> Result<Self, Error> {
        let start = |user: usize| seen.start(user) / PER_WORD + user;
        let mut words = zeroed::<u64>(start(seen.n_rows()));
        let chunks = row_chunks(seen, STEP);
        let lens = chunks.iter().map(|users| start(users.end) - start(users.start));
        split(&mut words, lens).into_par_iter().zip(&chunks).try_for_each(|(words, users)| {
            cancel.check()?;
            let first = start(users.start);
            for user in users.clone() {
                let range = seen.range(user);
                for &item in seen.row(user) {
                    let (word, bits) = place(&range, user, item);
                    words[word - first] |= bits;
                }
            }
            Ok(())
        })?;
        Ok(Self { words })
    }

    /// The word and the bits in it that are set if `user`, whose history is `range`, has seen `item`.
    #[inline(always)]
    pub(super) fn place(&self, range: &Range<usize>, user: usize, item: i32) -> (&u64, u64) {
        let (word, bits) = place(range, user, item);
        (&self.words[word], bits)
    }
}

#[inline(always)]
fn place(range: &Range<usize>, user: usize, item: i32) -> (usize, u64) {
    let hash = u64::from(item as u32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let n_words = (range.end / PER_WORD - range.start / PER_WORD + 1) as u64;
    let word = range.start / PER_WORD + user + (((hash >> 32) * n_words) >> 32) as usize;
    (word, 1 << (hash >> 26 & 63) | 1 << (hash >> 20 & 63))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::csr::OwnedCsr;
    use crate::kernels::interactions::interactions;
    use crate::kernels::rng::Stream;

    #[test]
    #[cfg_attr(miri, ignore = "too long for an interpreter")]
    fn what_was_seen_is_never_denied_and_little_else_is_suspected() {
        let stream = Stream::new(8, 0);
        let draw = |at: u64, of: f64| (stream.open_unit(at).powi(3) * of) as i32;
        let users: Vec<i32> = (0..40_000).map(|at| draw(2 * at, 3000.0)).collect();
        let items: Vec<i32> = (0..40_000).map(|at| draw(2 * at + 1, 9000.0)).collect();
        let matrix: OwnedCsr = interactions(&users, &items, 3001, 9000, &Cancel::new()).unwrap();
        let seen = matrix.view(9000).pattern;
        let filter = Filter::new(seen, &Cancel::new()).unwrap();
        let (mut suspected, mut unseen) = (0, 0);
        for user in (0..3001).step_by(11) {
            for item in
                (0..9000).filter(|item| (user + item) % 7 == 0 || seen.row(user).contains(&(*item as i32)))
            {
                let (word, bits) = filter.place(&seen.range(user), user, item as i32);
                let passes = word & bits == bits;
                if seen.row(user).contains(&(item as i32)) {
                    assert!(passes, "{user} has seen {item}");
                } else {
                    unseen += 1;
                    suspected += usize::from(passes);
                }
            }
        }
        assert!(suspected * 20 < unseen, "{suspected} of {unseen}");
    }
}
