//! Dot products of users with sixteen items.

use crate::kernels::lanes::{Lanes, WIDTH};

/// Items side by side: one vector.
pub(in crate::kernels) const PANEL: usize = WIDTH;
/// Users side by side: as pairs of 256-bit vectors, their sums fill twelve of sixteen registers.
pub(in crate::kernels) const USERS: usize = 6;

/// A number for each of six users and sixteen items.
type Tile = [[f32; PANEL]; USERS];

/// Writes the dot products of users with the panel's items. Both are laid out with one row a dimension, the users tile
/// after tile.
///
/// Each is one chain of fused multiply-adds over the dimensions, first to last.
#[inline(always)]
pub(in crate::kernels) fn dots<L: Lanes>(
    lanes: L,
    users: &[[f32; USERS]],
    panel: &[[f32; PANEL]],
    out: &mut [Tile],
) {
    if !L::TALL {
        return tiles::<L, 1>(lanes, users, panel, out);
    }
    // More registers hold the sums of several tiles, which keep the multipliers busy.
    let whole = out.len() / TOGETHER * TOGETHER;
    let (users, rest) = users.split_at(whole * panel.len());
    let (out, last) = out.split_at_mut(whole);
    tiles::<L, TOGETHER>(lanes, users, panel, out);
    tiles::<L, 1>(lanes, rest, panel, last);
}

/// Tiles that are computed together where there are enough registers.
const TOGETHER: usize = 4;

#[inline(always)]
fn tiles<L: Lanes, const N: usize>(
    lanes: L,
    users: &[[f32; USERS]],
    panel: &[[f32; PANEL]],
    out: &mut [Tile],
) {
    let width = panel.len();
    for (users, out) in users.chunks_exact(N * width).zip(out.chunks_exact_mut(N)) {
        let users: [_; N] = std::array::from_fn(|tile| &users[tile * width..][..width]);
        let mut sums = [[lanes.splat(0.0); USERS]; N];
        for (d, items) in panel.iter().enumerate() {
            let items = lanes.load(items);
            for (sums, users) in sums.iter_mut().zip(users) {
                for (sum, &user) in sums.iter_mut().zip(&users[d]) {
                    *sum = lanes.fma(lanes.splat(user), items, *sum);
                }
            }
        }
        for (sums, out) in sums.iter().zip(out) {
            for (&sum, out) in sums.iter().zip(out) {
                lanes.store(sum, out);
            }
        }
    }
}
