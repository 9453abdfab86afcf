//! Dot products of a few users with sixteen items.

use crate::kernels::lanes::{Lanes, WIDTH};

/// Items side by side: two vectors.
pub(super) const PANEL: usize = 2 * WIDTH;
/// Users side by side: with two vectors of items, their sums fill twelve of sixteen registers.
pub(super) const USERS: usize = 6;

/// A number for each of six users and sixteen items.
pub(super) type Tile = [[f32; PANEL]; USERS];

/// Writes the dot products of six users with the panel's items, both laid out with one row a dimension.
///
/// Each is one chain of fused multiply-adds over the dimensions, first to last.
#[inline(always)]
pub(super) fn dots<L: Lanes>(lanes: L, users: &[[f32; USERS]], panel: &[[f32; PANEL]], out: &mut Tile) {
    let mut sums = [[lanes.splat(0.0); 2]; USERS];
    for (users, items) in users.iter().zip(panel) {
        let (halves, _) = items.as_chunks::<WIDTH>();
        let (low, high) = (lanes.load(&halves[0]), lanes.load(&halves[1]));
        for (sum, &user) in sums.iter_mut().zip(users) {
            let user = lanes.splat(user);
            sum[0] = lanes.fma(user, low, sum[0]);
            sum[1] = lanes.fma(user, high, sum[1]);
        }
    }
    for (sum, out) in sums.iter().zip(out) {
        let (halves, _) = out.as_chunks_mut::<WIDTH>();
        lanes.store(sum[0], &mut halves[0]);
        lanes.store(sum[1], &mut halves[1]);
    }
}

/// Bits of the items whose number in `row` is above `bar`.
#[inline(always)]
pub(super) fn above<L: Lanes>(lanes: L, row: &[f32; PANEL], bar: f32) -> u32 {
    let (halves, _) = row.as_chunks::<WIDTH>();
    let bar = lanes.splat(bar);
    lanes.above(lanes.load(&halves[0]), bar) | lanes.above(lanes.load(&halves[1]), bar) << WIDTH
}
