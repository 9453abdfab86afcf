//! Experts beside each other: the products of all experts of a pair at once.

use crate::kernels::lanes::{Lanes, WIDTH};

/// Vectors that hold a number for each of so many experts.
pub(super) const GROUPS: usize = 4;
/// Users that share the reading of an item, and keep the multipliers busy while each waits for its last sum.
pub(super) const TOGETHER: usize = 4;

/// A number for each of sixteen experts, on a cache line of its own: a product reads two of them a step.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
pub(super) struct Sixteen(pub [f32; WIDTH]);

/// A number for each expert.
pub(super) type PerExpert = [[f32; WIDTH]; GROUPS];

/// Vectors that the `rows` numbers of each of `n` experts of one user or item take when laid out.
pub(super) fn size(n: usize, rows: usize) -> usize {
    rows * n.div_ceil(WIDTH)
}

/// Lays what the experts of one user or item have out with experts beside each other: `(n, rows)` to `(rows, n)`.
/// The places between `n` and the end of a row's last vector stay as they are.
pub(super) fn lay_out(from: &[f32], n: usize, rows: usize, out: &mut [Sixteen]) {
    let groups = n.div_ceil(WIDTH);
    for (expert, from) in from.chunks_exact(rows).enumerate().take(n) {
        for (row, &value) in from.iter().enumerate() {
            out[row * groups + expert / WIDTH].0[expert % WIDTH] = value;
        }
    }
}

/// The dot product that each expert makes of each of `users` and its item, all laid out by [`lay_out`] over zeros, and
/// 0 in the places beyond the `n` experts. The users share the item if there is only one.
///
/// Each is one chain of fused multiply-adds, first row to last, as in a tile.
#[inline(always)]
pub(super) fn products<L: Lanes, const N: usize, const M: usize>(
    lanes: L,
    users: [&[Sixteen]; N],
    items: [&[Sixteen]; M],
    n: usize,
    out: &mut [PerExpert; N],
) {
    let groups = n.div_ceil(WIDTH);
    // One length for all, so that one comparison a row is enough.
    let length = items[0].len();
    let (users, items) = (users.map(|rows| &rows[..length]), items.map(|rows| &rows[..length]));
    for group in 0..groups {
        let mut sums = [lanes.splat(0.0); N];
        let mut at = group;
        while at < length {
            for (pair, (sum, user)) in sums.iter_mut().zip(users).enumerate() {
                *sum = lanes.fma(lanes.load(&user[at].0), lanes.load(&items[pair % M][at].0), *sum);
            }
            at += groups;
        }
        for (&sum, out) in sums.iter().zip(out.iter_mut()) {
            lanes.store(sum, &mut out[group]);
        }
    }
}
