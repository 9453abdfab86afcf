//! The true scores of the pairs that a sieve has left.

use super::best::Best;
use super::found::Found;
use super::order::Order;
use super::shortlist::Shortlist;
use super::vectors::Vectors;

/// Pairs that are scored side by side.
const CHAINS: usize = 8;
/// Numbers of a row between two bounds checks.
const STEP: usize = 16;

/// Where to find the vectors of a block of users and of all places.
pub(super) struct Rows<'a> {
    pub vectors: &'a Vectors<'a>,
    pub order: &'a Order,
    /// Which users they are.
    pub rows: &'a [i32],
}

/// Scores the listed pairs, those of the highest bounds first; only scores above the floors count.
///
/// Inlined into the walk, so that the multiply-adds are those of its instruction path.
#[inline(always)]
pub(super) fn rescore(
    Rows { vectors, order, rows }: Rows<'_>,
    lists: Vec<Shortlist>,
    floors: Vec<f32>,
    found: &mut Found,
) {
    found.bars = floors;
    found.best.iter_mut().for_each(|best| *best = Best::new(found.k));
    for (user, list) in lists.into_iter().enumerate() {
        let own = vectors.user(rows[user]);
        for numbers in list.sorted().chunks(CHAINS) {
            found.best[user].raise(&mut found.bars[user]);
            if numbers[0].0 <= found.bars[user] {
                break;
            }
            let mut items = [&[][..]; CHAINS];
            for (at, item) in items.iter_mut().enumerate() {
                let (_, place) = numbers[at.min(numbers.len() - 1)];
                *item = vectors.item(order.items[place]);
            }
            for (&(_, place), score) in numbers.iter().zip(dots(own, items)) {
                found.offer(user, score, order.items[place]);
            }
        }
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
