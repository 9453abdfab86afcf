//! Dot products of a few users with sixteen items.

use crate::kernels::lanes::{Lanes, WIDTH};

/// Items side by side: two vectors.
pub(super) const PANEL: usize = 2 * WIDTH;
/// Users at once: with two vectors of items, their sums are held in registers.
pub(super) const USERS: usize = 6;

/// Writes the dot products of `USERS` users, rows of `panel.len()` numbers in `users`, with the panel's items to `out`.
///
/// Each is one chain of fused multiply-adds over the dimensions, first to last.
#[inline(always)]
pub(super) fn dots<L: Lanes>(lanes: L, users: &[f32], panel: &[[f32; PANEL]], out: &mut [[f32; PANEL]]) {
    let width = panel.len();
    let rows: [&[f32]; USERS] = std::array::from_fn(|user| &users[user * width..][..width]);
    let mut sums = [[lanes.splat(0.0); 2]; USERS];
    for (d, items) in panel.iter().enumerate() {
        let (halves, _) = items.as_chunks::<WIDTH>();
        let (low, high) = (lanes.load(&halves[0]), lanes.load(&halves[1]));
        for (sum, row) in sums.iter_mut().zip(rows) {
            let user = lanes.splat(row[d]);
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
