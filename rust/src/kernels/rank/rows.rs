//! Whole rows of dot products: every item's score for some users.

use rayon::prelude::*;

use super::check_users;
use super::pack::{item_panels, user_tiles};
use super::tile::{PANEL, USERS, dots};
use super::vectors::Vectors;
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, Work};
use crate::kernels::simd::Path;

/// Users of one parallel step: their tiles and their part of a panel stay in the caches.
const BLOCK: usize = 8 * USERS;

/// Writes `⟨user, item⟩` for each of `users` and every item into `out`, `(B, I)`. Each is one chain of fused
/// multiply-adds over the dimensions, first to last, as in [`super::rank_dots`].
///
/// # Errors
/// [`Error::Invalid`] if a shape does not fit or an index is out of range; [`Error::Cancelled`].
pub fn dot_rows(
    vectors: &Vectors<'_>,
    users: &[i32],
    out: &mut [f32],
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    vectors.check()?;
    let n_items = vectors.n_items();
    check_users(users, vectors.n_users(), n_items, None)?;
    if users.len().checked_mul(n_items) != Some(out.len()) {
        return Err(Error::invalid(format!(
            "{} users and {n_items} items do not have {} scores",
            users.len(),
            out.len()
        )));
    }
    if out.is_empty() {
        return Ok(());
    }
    let all: Vec<i32> = (0..n_items as i32).collect();
    let items = &item_panels(vectors, &all);
    users.par_chunks(BLOCK).zip(out.par_chunks_mut(BLOCK * n_items)).try_for_each(|(users, out)| {
        cancel.check()?;
        let tiles = &user_tiles(vectors, users);
        path.run(Rows { width: vectors.width, items, tiles, n_items, out });
        Ok(())
    })
}

struct Rows<'a> {
    width: usize,
    items: &'a [[f32; PANEL]],
    tiles: &'a [[f32; USERS]],
    n_items: usize,
    out: &'a mut [f32],
}

impl Work for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let mut scores = [[[0.0; PANEL]; USERS]; BLOCK / USERS];
        let scores = &mut scores[..self.tiles.len() / self.width];
        for (panel, rows) in self.items.chunks_exact(self.width).enumerate() {
            dots(lanes, self.tiles, rows, scores);
            let (start, end) = (panel * PANEL, ((panel + 1) * PANEL).min(self.n_items));
            for (out, scores) in self.out.chunks_exact_mut(self.n_items).zip(scores.as_flattened()) {
                out[start..end].copy_from_slice(&scores[..end - start]);
            }
        }
    }
}
