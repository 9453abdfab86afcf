//! The memory layouts of users and items that a walk over tiles reads.

use rayon::prelude::*;

use super::tile::{PANEL, USERS};
use super::vectors::Vectors;

/// Lays rows of `width` numbers out side by side: lane j of `out` is row j.
fn side_by_side<'a, const N: usize>(rows: impl Iterator<Item = &'a [f32]>, out: &mut [[f32; N]]) {
    for (lane, row) in rows.enumerate() {
        for (out, &value) in out.iter_mut().zip(row) {
            out[lane] = value;
        }
    }
}

/// Items in the given order: panel after panel, `width` rows of one number per item; zeros beyond the last
/// item.
pub(in crate::kernels) fn item_panels(vectors: &Vectors<'_>, items: &[i32]) -> Vec<[f32; PANEL]> {
    let width = vectors.width;
    let mut panels = vec![[0.0; PANEL]; items.len().div_ceil(PANEL) * width];
    panels.par_chunks_mut(width).zip(items.par_chunks(PANEL)).for_each(|(out, items)| {
        side_by_side(items.iter().map(|&item| vectors.item(item)), out);
    });
    panels
}

/// Some users: tile after tile, `width` rows of one number per user; zeros beyond the last user.
pub(in crate::kernels) fn user_tiles(vectors: &Vectors<'_>, users: &[i32]) -> Vec<[f32; USERS]> {
    let width = vectors.width;
    let mut tiles = vec![[0.0; USERS]; users.len().div_ceil(USERS) * width];
    for (out, users) in tiles.chunks_exact_mut(width).zip(users.chunks(USERS)) {
        side_by_side(users.iter().map(|&user| vectors.user(user)), out);
    }
    tiles
}
