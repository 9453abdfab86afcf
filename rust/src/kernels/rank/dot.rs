//! The walk of a dot product.

use super::found::{BLOCK, Found, valid};
use super::pack::{PackedItems, UserTiles};
use super::tile::{PANEL, USERS, dots};
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, Work};

/// Panels between two checks of the cancel flag.
const LOOK_EVERY: usize = 64;

/// Some users against all items.
pub(super) struct Dot<'a> {
    pub width: usize,
    pub items: &'a PackedItems<'a>,
    pub users: &'a UserTiles,
    pub found: Found,
    pub cancel: &'a Cancel,
}

impl<'a> Work for Dot<'a> {
    type Output = Result<Found, Error>;

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) -> Self::Output {
        let width = self.width;
        let mut scores = [[[0.0; PANEL]; USERS]; BLOCK / USERS];
        let scores = &mut scores[..self.found.best.len().div_ceil(USERS)];
        for (panel, rows) in self.items.base.chunks_exact(width).enumerate() {
            if panel % LOOK_EVERY == 0 {
                self.cancel.check()?;
            }
            let valid = valid(self.items.order, panel * PANEL);
            dots(lanes, &self.users.base, rows, scores);
            let scores = scores.as_flattened_mut();
            self.found.mask(panel, BLOCK, |user, lane| {
                scores[user][lane] = f32::NEG_INFINITY;
            });
            self.found.after_sample(panel * PANEL);
            let users = self.found.bars.iter_mut().zip(&mut self.found.best);
            for ((bar, best), scores) in users.zip(&*scores) {
                let mut bits = valid & lanes.above(lanes.load(scores), lanes.splat(*bar));
                while bits != 0 {
                    let lane = bits.trailing_zeros() as usize;
                    bits &= bits - 1;
                    // The bar may have risen since the comparison.
                    if scores[lane] > *bar {
                        best.push(scores[lane], self.items.order.items[panel * PANEL + lane], bar);
                    }
                }
            }
        }
        Ok(self.found)
    }
}
