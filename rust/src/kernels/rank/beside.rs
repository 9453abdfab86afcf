//! Experts beside each other: the products of all experts of a pair at once.

use crate::kernels::lanes::{Lanes, WIDTH};

/// Vectors that hold a number for each of so many experts.
pub(super) const GROUPS: usize = 4;
/// Users that share the reading of an item, and keep the multipliers busy while each waits for its last sum.
pub(super) const TOGETHER: usize = 4;

/// A number for each expert.
pub(super) type PerExpert = [[f32; WIDTH]; GROUPS];

/// Numbers that the `rows` numbers of each expert of one user or item take when laid out: some more than there are,
/// since the last row of experts is read in whole vectors.
pub(super) fn size(n: usize, rows: usize) -> usize {
    (rows - 1) * n + n.next_multiple_of(WIDTH)
}

/// Lays what the experts of one user or item have out with experts beside each other: `(n, rows)` to `(rows, n)`.
pub(super) fn lay_out(from: &[f32], n: usize, rows: usize, out: &mut [f32]) {
    for (expert, from) in from.chunks_exact(rows).enumerate().take(n) {
        for (row, &value) in from.iter().enumerate() {
            out[row * n + expert] = value;
        }
    }
}

/// The dot product that each expert makes of each of `users` and its item, all laid out by [`lay_out`], and 0 in the
/// places beyond the `n` experts. The users share the item if there is only one.
///
/// Each is one chain of fused multiply-adds, first row to last, as in a tile.
#[inline(always)]
pub(super) fn products<L: Lanes, const N: usize, const M: usize>(
    lanes: L,
    users: [&[f32]; N],
    items: [&[f32]; M],
    n: usize,
    out: &mut [PerExpert; N],
) {
    let groups = n.div_ceil(WIDTH);
    let mut group = 0;
    while group < groups {
        if group + 1 < groups {
            some_groups::<L, N, M, 2>(lanes, users, items, n, group, out);
        } else {
            some_groups::<L, N, M, 1>(lanes, users, items, n, group, out);
        }
        group += 2;
    }
    for out in out {
        out.as_flattened_mut()[n..groups * WIDTH].fill(0.0);
    }
}

#[inline(always)]
fn some_groups<L: Lanes, const N: usize, const M: usize, const G: usize>(
    lanes: L,
    users: [&[f32]; N],
    items: [&[f32]; M],
    n: usize,
    group: usize,
    out: &mut [PerExpert; N],
) {
    let take = G * WIDTH;
    // One length for all, so that one comparison a row is enough.
    let length = items[0].len() - group * WIDTH;
    let (mut items, mut users) = (items, users);
    for row in items.iter_mut().chain(&mut users) {
        *row = &row[group * WIDTH..][..length];
    }
    let mut sums = [[lanes.splat(0.0); G]; N];
    let mut at = 0;
    // Beyond the last expert this reads into the next row: what comes of it is overwritten.
    while at + take <= length {
        for (pair, (sums, user)) in sums.iter_mut().zip(users).enumerate() {
            let (item, _) = items[pair % M][at..at + take].as_chunks::<WIDTH>();
            let (user, _) = user[at..at + take].as_chunks::<WIDTH>();
            for (sum, (user, item)) in sums.iter_mut().zip(user.iter().zip(item)) {
                *sum = lanes.fma(lanes.load(user), lanes.load(item), *sum);
            }
        }
        at += n;
    }
    for (sums, out) in sums.iter().zip(out) {
        for (&sum, out) in sums.iter().zip(&mut out[group..]) {
            lanes.store(sum, out);
        }
    }
}
