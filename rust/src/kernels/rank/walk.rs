//! The walk over the catalogue: blocks of users against panels of items.

use rayon::prelude::*;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::coarse;
use super::coarse::{CoarseItems, CoarseUsers, SIDE};
use super::dot::Dot;
use super::found::{BLOCK, Found};
use super::mixture::Mixture;
use super::order::Order;
use super::pack::{PackedExperts, PackedItems, UserExperts, UserTiles};
use super::pairwise::{Packed, Pairwise};
use super::sieve::Sieve;
use super::tile::{PANEL, USERS};
use super::towers::{Experts, Towers};
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
/// Score: `⟨user, item⟩`, and with experts `+ weight · Σ p_e s_e / Σ p_e` over the `top` experts of the pair.
/// Cost: `2 · width` operations a pair. With experts, a pair that the bounds do not rule out costs the same again for
/// each expert, and the router.
///
/// # Errors
/// [`Error::Invalid`] if a shape does not fit or an index is out of range; [`Error::Cancelled`].
pub fn rank_towers(
    towers: &Towers<'_>,
    users: &[i32],
    seen: Option<Pattern<'_>>,
    places: Places<'_>,
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    let order = &Order::new(towers.n_items());
    let walk = Walk::new(towers, order, users, seen, &places, path, cancel)?;
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    if path == Path::Amx
        && coarse::fits(towers)
        && let Some(amx) = Amx::detect()
    {
        return walk.by_sieve(amx, users, places);
    }
    walk.by_tiles(users, places)
}

/// What all blocks of users have in common.
pub(super) struct Walk<'a> {
    towers: &'a Towers<'a>,
    order: &'a Order,
    experts: Option<(Experts<'a>, PackedExperts)>,
    seen: Option<Pattern<'a>>,
    k: usize,
    path: Path,
    cancel: &'a Cancel,
}

impl<'a> Walk<'a> {
    /// Checks that everything fits.
    pub(super) fn new(
        towers: &'a Towers<'a>,
        order: &'a Order,
        users: &[i32],
        seen: Option<Pattern<'a>>,
        places: &Places<'_>,
        path: Path,
        cancel: &'a Cancel,
    ) -> Result<Self, Error> {
        towers.check()?;
        places.check(users.len())?;
        check_users(users, towers.n_users(), towers.n_items(), seen)?;
        let experts = towers.active();
        let experts =
            experts.map(|experts| (experts, PackedExperts::new(&experts, towers.width, &order.items)));
        let k = places.k.min(towers.n_items());
        Ok(Self { towers, order, experts, seen, k, path, cancel })
    }

    /// Scores all pairs, or with experts all that the bounds do not rule out.
    fn by_tiles(&self, users: &[i32], places: Places<'_>) -> Result<(), Error> {
        let Self { towers, path, cancel, .. } = *self;
        let items = &PackedItems::new(towers, self.order);
        self.blocks(users, places, (USERS, BLOCK, PANEL), |users, found| {
            let own = self.user_experts(users);
            let users = &UserTiles::new(towers, users);
            match self.pairwise(own.as_ref()) {
                None => path.run(Dot { width: towers.width, items, users, found, cancel }),
                Some(pairwise) => path.run(Mixture { pairwise, items, users, found, cancel }),
            }
        })
    }

    /// Scores the pairs that coarse scores do not rule out.
    pub(super) fn by_sieve<K: Kernel<Shape = Tiles>>(
        &self,
        kernel: K,
        users: &[i32],
        places: Places<'_>,
    ) -> Result<(), Error> {
        let Self { towers, order, path, cancel, .. } = *self;
        let items = &CoarseItems::new(kernel, towers, order);
        self.blocks(users, places, (SIDE, COARSE_BLOCK, SIDE), |rows, found| {
            let own = self.user_experts(rows);
            let pairwise = self.pairwise(own.as_ref());
            let users = &CoarseUsers::new(kernel, towers, rows);
            path.run(Sieve { kernel, towers, order, items, rows, users, pairwise, found, cancel })
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

    fn user_experts(&self, users: &[i32]) -> Option<UserExperts> {
        self.experts.as_ref().map(|(experts, _)| UserExperts::new(experts, self.towers.width, users))
    }

    fn pairwise<'b>(&'b self, users: Option<&'b UserExperts>) -> Option<Pairwise<'b>> {
        let ((experts, items), users) = self.experts.as_ref().zip(users)?;
        let (experts, width, order) = (*experts, self.towers.width, self.order);
        Some(Pairwise::new(Packed { experts, width, users, items, order }))
    }
}
