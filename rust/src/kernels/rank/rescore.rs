//! The true scores of the pairs that a sieve has left.

use super::best::Best;
use super::found::Found;
use super::interleaved::TOGETHER;
use super::order::Order;
use super::pack::row;
use super::pairwise::{Pair, Pairwise};
use super::shortlist::Shortlist;
use super::towers::Towers;
use crate::kernels::lanes::Lanes;

/// Pairs that are scored side by side.
const CHAINS: usize = 8;
/// Numbers of a row between two bounds checks.
const STEP: usize = 16;

/// Where to find the vectors of a block of users and of all places.
pub(super) struct Rows<'a> {
    pub towers: &'a Towers<'a>,
    pub order: &'a Order,
    /// Which users they are.
    pub rows: &'a [i32],
}

/// Scores the listed pairs, those of the highest bounds first; only scores above the floors count.
#[inline(always)]
pub(super) fn rescore<L: Lanes>(
    lanes: L,
    Rows { towers, order, rows }: Rows<'_>,
    mut pairwise: Option<Pairwise<'_>>,
    lists: Vec<Shortlist>,
    floors: Vec<f32>,
    found: &mut Found,
) {
    let width = towers.width;
    found.bars = floors;
    found.best.iter_mut().for_each(|best| *best = Best::new(found.k));
    for (user, list) in lists.into_iter().enumerate() {
        let own = row(towers.users, rows[user], width);
        for numbers in list.sorted().chunks(CHAINS) {
            found.best[user].raise(&mut found.bars[user]);
            if numbers[0].0 <= found.bars[user] {
                break;
            }
            let mut items = [&[][..]; CHAINS];
            for (at, item) in items.iter_mut().enumerate() {
                let (_, place) = numbers[at.min(numbers.len() - 1)];
                *item = row(towers.items, order.items[place], width);
            }
            let bases = dots(own, items);
            let mut pairs = [Pair::default(); CHAINS];
            for ((pair, &(_, place)), base) in pairs.iter_mut().zip(numbers).zip(bases) {
                *pair = Pair { user, place, base };
            }
            for pairs in pairs[..numbers.len()].chunks(TOGETHER) {
                match &mut pairwise {
                    Some(pairwise) => pairwise.evaluate::<L, TOGETHER>(lanes, found, pairs),
                    None => {
                        pairs.iter().for_each(|pair| found.offer(user, pair.base, order.items[pair.place]))
                    }
                }
            }
        }
    }
    if let Some(pairwise) = &mut pairwise {
        pairwise.flush(lanes, found);
    }
}

/// Dot products of a user with items, each in the order of the ranking. Several are computed side by side, since each
/// sum waits for its last step.
#[inline(always)]
fn dots(user: &[f32], items: [&[f32]; CHAINS]) -> [f32; CHAINS] {
    let mut sums = [0.0; CHAINS];
    let (blocks, rest) = user.as_chunks::<STEP>();
    for (block, user) in blocks.iter().enumerate() {
        let items = items.map(|item| &item.as_chunks::<STEP>().0[block]);
        for (d, &value) in user.iter().enumerate() {
            for (sum, item) in sums.iter_mut().zip(items) {
                *sum = value.mul_add(item[d], *sum);
            }
        }
    }
    for (d, &value) in (STEP * blocks.len()..).zip(rest) {
        for (sum, item) in sums.iter_mut().zip(items) {
            *sum = value.mul_add(item[d], *sum);
        }
    }
    sums
}
