//! The walk over the catalogue: blocks of users against panels of items.

use rayon::prelude::*;

use super::best::Best;
use super::dot::Dot;
use super::mixture::{Mixture, Waiting};
use super::order::Order;
use super::pack::{PackedExperts, PackedItems, PackedUsers};
use super::tile::{PANEL, Tile, USERS};
use super::towers::{Experts, Towers};
use super::{Places, check_users};
use crate::kernels::cancel::Cancel;
use crate::kernels::csr::Pattern;
use crate::kernels::error::Error;
use crate::kernels::simd::Path;

/// The most users that walk together: their vectors stay in the second-level cache while the items pass.
pub(super) const BLOCK: usize = 120;

/// Ranks all items for each of `users`, leaving out what they have seen.
///
/// Score: `⟨user, item⟩`, and with experts `+ weight · Σ p_e s_e / Σ p_e` over the `top` experts of the pair.
/// Cost: `2 · width` operations a pair; with experts, as many more for each of them, and the router, where the bounds
/// do not spare it.
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
    towers.check()?;
    places.check(users.len())?;
    check_users(users, towers.n_users(), towers.n_items(), seen)?;
    let order = Order::new(towers.n_items());
    let packed = PackedItems::new(towers, &order);
    let experts =
        towers.active().map(|experts| (experts, PackedExperts::new(&experts, towers.width, &order.items)));
    let walk = Walk { towers, packed, experts, seen, k: places.k.min(towers.n_items()), path, cancel };
    let Places { items, scores, k } = places;
    // Few users are shared out among the threads; how many walk together changes no bit.
    let block =
        users.len().div_ceil(rayon::current_num_threads()).next_multiple_of(USERS).clamp(USERS, BLOCK);
    let outputs = items.par_chunks_mut(block * k).zip(scores.par_chunks_mut(block * k));
    users.par_chunks(block).zip(outputs).try_for_each(|(users, (items, scores))| {
        let guess = order.guess(walk.k);
        let mut best = walk.past(users, guess)?;
        let missed: Vec<usize> = (0..users.len()).filter(|&at| !best[at].is_full()).collect();
        if guess.is_some() && !missed.is_empty() {
            let again: Vec<i32> = missed.iter().map(|&at| users[at]).collect();
            for (at, found) in missed.into_iter().zip(walk.past(&again, None)?) {
                best[at] = found;
            }
        }
        let outputs = items.chunks_mut(k).zip(scores.chunks_mut(k));
        best.into_iter().zip(outputs).for_each(|(best, (items, scores))| best.finish(items, scores));
        Ok(())
    })
}

/// What all blocks of users have in common.
struct Walk<'a> {
    towers: &'a Towers<'a>,
    packed: PackedItems<'a>,
    experts: Option<(Experts<'a>, PackedExperts)>,
    seen: Option<Pattern<'a>>,
    k: usize,
    path: Path,
    cancel: &'a Cancel,
}

impl Walk<'_> {
    /// Leads a block of users past all items. With a guess they look for so many in the sample; after it for the `k`
    /// best, but only above the last of those: whoever ends up with fewer than `k` guessed too high, or has no more.
    fn past(&self, users: &[i32], guess: Option<usize>) -> Result<Vec<Best>, Error> {
        let Self { towers, path, cancel, .. } = *self;
        let width = towers.width;
        let found = Found::new(users, self.seen, self.packed.order, guess, self.k);
        let items = &self.packed;
        let users = &PackedUsers::new(towers, users);
        let found = match &self.experts {
            None => path.run(Dot { width, items, users, found, cancel }),
            Some((experts, packed)) => {
                let (experts, waiting) = (*experts, Waiting::new());
                path.run(Mixture { experts, width, items, packed, users, found, waiting, cancel })
            }
        }?;
        Ok(found.best)
    }
}

/// What the users of a block have found so far.
pub(super) struct Found {
    /// The scores that new candidates must be above.
    pub bars: Vec<f32>,
    pub best: Vec<Best>,
    /// Seen items: the place of each and, in the lowest bits, who of the block has seen it; in the order of the walk.
    masks: Vec<u64>,
    masked: usize,
    /// After how many panels the bars are guessed.
    sample: Option<usize>,
    k: usize,
}

impl Found {
    fn new(users: &[i32], seen: Option<Pattern<'_>>, order: &Order, guess: Option<usize>, k: usize) -> Self {
        let mut masks: Vec<u64> = Vec::new();
        for (at, &user) in users.iter().enumerate() {
            let seen = seen.map_or(&[][..], |seen| seen.row(user as usize));
            masks.extend(seen.iter().map(|&item| u64::from(order.places[item as usize]) << 32 | at as u64));
        }
        masks.sort_unstable();
        let best = users.iter().map(|_| Best::new(guess.unwrap_or(k))).collect();
        let sample = guess.map(|_| order.sample);
        Self { bars: vec![f32::NEG_INFINITY; users.len()], best, masks, masked: 0, sample, k }
    }

    /// To be called at each panel in turn: takes the seen items out of its scores and sets the bars after the sample.
    #[inline(always)]
    pub(super) fn enter(&mut self, panel: usize, scores: &mut [Tile]) {
        let end = ((panel + 1) * PANEL) as u64;
        while let Some(&mask) = self.masks.get(self.masked)
            && mask >> 32 < end
        {
            let (place, user) = ((mask >> 32) as usize, mask as u32 as usize);
            scores.as_flattened_mut()[user][place % PANEL] = f32::NEG_INFINITY;
            self.masked += 1;
        }
        if Some(panel) == self.sample {
            for (bar, best) in self.bars.iter_mut().zip(&mut self.best) {
                *bar = best.widen(self.k);
            }
        }
    }
}

/// Bits of the places of a panel that hold an item.
#[inline(always)]
pub(super) fn valid(items: &PackedItems<'_>, panel: usize) -> u32 {
    (1 << (items.order.items.len() - panel * PANEL).min(PANEL)) - 1
}
