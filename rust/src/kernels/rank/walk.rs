//! The walk over the catalogue: blocks of users against panels of items.

use rayon::prelude::*;

use super::best::Best;
use super::dot::Dot;
use super::mixture::{Mixture, Waiting};
use super::order::promising_first;
use super::pack::{PackedExperts, PackedItems, PackedUsers};
use super::tile::{PANEL, USERS};
use super::towers::Towers;
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
    let width = towers.width;
    let order = promising_first(towers, users, path);
    let packed = PackedItems::new(towers, &order);
    let experts = towers.active().map(|experts| (experts, PackedExperts::new(&experts, width, &order)));
    let Places { items, scores, k } = places;
    // Few users are shared out among the threads; how many walk together changes no bit.
    let block =
        users.len().div_ceil(rayon::current_num_threads()).next_multiple_of(USERS).clamp(USERS, BLOCK);
    let outputs = items.par_chunks_mut(block * k).zip(scores.par_chunks_mut(block * k));
    users.par_chunks(block).zip(outputs).try_for_each(|(users, (out_items, out_scores))| {
        let best: Vec<Best<'_>> = users
            .iter()
            .map(|&user| {
                let seen = seen.map_or(&[][..], |seen| seen.row(user as usize));
                Best::new(k.min(towers.n_items()), seen)
            })
            .collect();
        let vectors = PackedUsers::new(towers, users);
        let (items, users, bars) = (&packed, &vectors, vec![f32::NEG_INFINITY; users.len()]);
        let best = match &experts {
            None => path.run(Dot { width, items, users, bars, best, cancel }),
            Some((experts, packed)) => {
                let waiting = Waiting::new();
                path.run(Mixture {
                    experts: *experts,
                    width,
                    items,
                    packed,
                    users,
                    bars,
                    best,
                    waiting,
                    cancel,
                })
            }
        }?;
        let outputs = out_items.chunks_mut(k).zip(out_scores.chunks_mut(k));
        best.into_iter().zip(outputs).for_each(|(best, (items, scores))| best.finish(items, scores));
        Ok(())
    })
}

/// Bits of the places of a panel that hold an item.
#[inline(always)]
pub(super) fn valid(items: &PackedItems<'_>, panel: usize) -> u32 {
    (1 << (items.order.len() - panel * PANEL).min(PANEL)) - 1
}
