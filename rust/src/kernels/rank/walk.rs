//! The walk over the catalogue: blocks of users against panels of items.

use rayon::prelude::*;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::coarse;
use super::coarse::{CoarseItems, CoarseUsers, SIDE};
use super::dot::Dot;
use super::found::{BLOCK, Found};
use super::order::Order;
use super::pack::{item_panels, user_tiles};
use super::sieve::Sieve;
use super::tile::{PANEL, USERS};
use super::vectors::Vectors;
use super::{Places, check_users};
use crate::kernels::cancel::Cancel;
use crate::kernels::csr::Pattern;
use crate::kernels::error::Error;
use crate::kernels::simd::Path;
use crate::kernels::tiles::Kernel;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use crate::kernels::tiles::amx::Amx;
use crate::kernels::tiles::shapes::Tiles;

/// [`BLOCK`] where the vectors are coarse.
const COARSE_BLOCK: usize = 192;

/// Ranks all items for each of `users`, leaving out what they have seen.
///
/// Score: `⟨user, item⟩`. Cost: `2 · width` operations a pair.
///
/// # Errors
/// [`Error::Invalid`] if a shape does not fit or an index is out of range; [`Error::Cancelled`].
pub fn rank_dots(
    vectors: &Vectors<'_>,
    users: &[i32],
    seen: Option<Pattern<'_>>,
    places: Places<'_>,
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    let order = &Order::new(vectors.n_items());
    let walk = Walk::new(vectors, order, users, seen, &places, path, cancel)?;
    // Lists of nobody may have any number of places, and vectors of nobody any width.
    if users.is_empty() {
        return Ok(());
    }
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    if path == Path::Amx
        && coarse::fits(vectors)
        && let Some(amx) = Amx::detect()
    {
        return walk.by_sieve(amx, users, places);
    }
    walk.by_tiles(users, places)
}

/// What all blocks of users have in common.
pub(super) struct Walk<'a> {
    vectors: &'a Vectors<'a>,
    order: &'a Order,
    seen: Option<Pattern<'a>>,
    k: usize,
    path: Path,
    cancel: &'a Cancel,
}

impl<'a> Walk<'a> {
    /// Checks that everything fits.
    pub(super) fn new(
        vectors: &'a Vectors<'a>,
        order: &'a Order,
        users: &[i32],
        seen: Option<Pattern<'a>>,
        places: &Places<'_>,
        path: Path,
        cancel: &'a Cancel,
    ) -> Result<Self, Error> {
        vectors.check()?;
        places.check(users.len())?;
        check_users(users, vectors.n_users(), vectors.n_items(), seen)?;
        let k = places.k.min(vectors.n_items());
        Ok(Self { vectors, order, seen, k, path, cancel })
    }

    /// Scores all pairs.
    fn by_tiles(&self, users: &[i32], places: Places<'_>) -> Result<(), Error> {
        let Self { vectors, order, path, cancel, .. } = *self;
        let items = &item_panels(vectors, &order.items);
        self.blocks(users, places, (USERS, BLOCK, PANEL), |users, found| {
            let users = &user_tiles(vectors, users);
            path.run(Dot { width: vectors.width, order, items, users, found, cancel })
        })
    }

    /// Scores the pairs that coarse scores do not rule out.
    pub(super) fn by_sieve<K: Kernel<Shape = Tiles>>(
        &self,
        kernel: K,
        users: &[i32],
        places: Places<'_>,
    ) -> Result<(), Error> {
        let Self { vectors, order, path, cancel, .. } = *self;
        let items = &CoarseItems::new(kernel, vectors, order);
        self.blocks(users, places, (SIDE, COARSE_BLOCK, SIDE), |rows, found| {
            let users = &CoarseUsers::new(kernel, vectors, rows);
            path.run(Sieve { kernel, vectors, order, items, rows, users, found, cancel })
        })
    }

    /// Walks all users past all items, `stretch` by `stretch`, in blocks that are multiples of `unit` and no larger than
    /// `most`; `past` walks one block.
    ///
    /// With a guess a user first looks for the `guess` best of the sample; after it for the `k` best of all, but only
    /// above the last of those. A user who ends with fewer than `k` items guessed too high, or has no more items; that
    /// user walks again without a guess.
    fn blocks(
        &self,
        users: &[i32],
        places: Places<'_>,
        (unit, most, stretch): (usize, usize, usize),
        past: impl Fn(&[i32], Found) -> Result<Found, Error> + Sync,
    ) -> Result<(), Error> {
        let Places { items, scores, k } = places;
        // Few users are divided among the threads; the size of a block changes no bit of the result.
        let block =
            users.len().div_ceil(rayon::current_num_threads()).next_multiple_of(unit).clamp(unit, most);
        let found = |users: &[i32], guess| Found::new(users, self.seen, self.order, stretch, guess, self.k);
        let outputs = items.par_chunks_mut(block * k).zip(scores.par_chunks_mut(block * k));
        users.par_chunks(block).zip(outputs).try_for_each(|(users, (items, scores))| {
            let guess = self.order.guess(self.k);
            let mut best = past(users, found(users, guess))?.best;
            let missed: Vec<usize> = (0..users.len()).filter(|&at| !best[at].is_full()).collect();
            if guess.is_some() && !missed.is_empty() {
                let again: Vec<i32> = missed.iter().map(|&at| users[at]).collect();
                for (at, found) in missed.into_iter().zip(past(&again, found(&again, None))?.best) {
                    best[at] = found;
                }
            }
            let outputs = items.chunks_mut(k).zip(scores.chunks_mut(k));
            best.into_iter().zip(outputs).for_each(|(best, (items, scores))| best.finish(items, scores));
            Ok(())
        })
    }
}
