//! The walk that scores every pair.

use super::found::{BLOCK, Found, valid};
use super::order::Order;
use super::tile::{PANEL, USERS, dots};
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, Work};

/// Panels between two checks of the cancel flag.
const LOOK_EVERY: usize = 64;

/// Some users against all items.
pub(super) struct Dot<'a> {
    pub width: usize,
    pub order: &'a Order,
    /// [`super::pack::item_panels`].
    pub items: &'a [[f32; PANEL]],
    /// [`super::pack::user_tiles`].
    pub users: &'a [[f32; USERS]],
    pub found: Found,
    pub cancel: &'a Cancel,
}

impl Work for Dot<'_> {
    type Output = Result<Found, Error>;

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) -> Self::Output {
        let mut scores = [[[0.0; PANEL]; USERS]; BLOCK / USERS];
        let scores = &mut scores[..self.found.best.len().div_ceil(USERS)];
        for (panel, rows) in self.items.chunks_exact(self.width).enumerate() {
            if panel % LOOK_EVERY == 0 {
                self.cancel.check()?;
            }
            let valid = valid(self.order, panel * PANEL);
            dots(lanes, self.users, rows, scores);
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
                        best.push(scores[lane], self.order.items[panel * PANEL + lane], bar);
                    }
                }
            }
        }
        Ok(self.found)
    }
}
