//! Interleaved experts: the products of all experts of a pair at once.
//!
//! The numbers of all experts in one dimension lie side by side, then those in the next dimension.

use crate::kernels::lanes::{Lanes, WIDTH};

/// The most vectors that hold one number for each expert.
pub(super) const GROUPS: usize = 4;
/// Pairs computed at a time. Users of one item share its loads, and their independent sums keep the multipliers busy.
pub(super) const TOGETHER: usize = 4;

/// A number for each of sixteen experts, on a cache line of its own: a product reads two lines a step.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
pub(super) struct Sixteen(pub [f32; WIDTH]);

/// A number for each expert.
pub(super) type PerExpert = [[f32; WIDTH]; GROUPS];

/// Number of vectors that `n` experts of one user or item take when laid out, with `rows` numbers each.
pub(super) fn size(n: usize, rows: usize) -> usize {
    rows * n.div_ceil(WIDTH)
}

/// Interleaves the experts of one user or item: `(n, rows)` becomes `(rows, n)`. The places between `n` and the end of a
/// row's last vector stay as they are.
pub(super) fn lay_out(from: &[f32], n: usize, rows: usize, out: &mut [Sixteen]) {
    let groups = n.div_ceil(WIDTH);
    for (expert, from) in from.chunks_exact(rows).enumerate().take(n) {
        for (row, &value) in from.iter().enumerate() {
            out[row * groups + expert / WIDTH].0[expert % WIDTH] = value;
        }
    }
}

/// The dot products of each of `users` and its item, one for each expert, and 0 in the places beyond the `n` experts.
/// All are laid out by [`lay_out`] in arrays of zeros. If there is only one item, it belongs to all users.
///
/// Each product is one chain of fused multiply-adds, first row to last, as in a tile.
#[inline(always)]
pub(super) fn products<L: Lanes, const N: usize, const M: usize>(
    lanes: L,
    users: [&[Sixteen]; N],
    items: [&[Sixteen]; M],
    n: usize,
    out: &mut [PerExpert; N],
) {
    let groups = n.div_ceil(WIDTH);
    // With one length for all slices, one bounds check a row is enough.
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
