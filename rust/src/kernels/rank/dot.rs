//! The walk of a dot product.

use super::best::Best;
use super::pack::{PackedItems, PackedUsers};
use super::tile::{PANEL, USERS, above, dots};
use super::walk::valid;
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, Work};

/// Panels between two looks at the flag that stops the walk.
const LOOK_EVERY: usize = 64;

/// Some users against all items.
pub(super) struct Dot<'a, 'b> {
    pub width: usize,
    pub items: &'b PackedItems<'b>,
    pub users: &'b PackedUsers,
    pub bars: Vec<f32>,
    pub best: Vec<Best<'a>>,
    pub cancel: &'b Cancel,
}

impl<'a> Work for Dot<'a, '_> {
    type Output = Result<Vec<Best<'a>>, Error>;

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) -> Self::Output {
        let width = self.width;
        for (panel, rows) in self.items.base.chunks_exact(width).enumerate() {
            if panel % LOOK_EVERY == 0 {
                self.cancel.check()?;
            }
            let valid = valid(self.items, panel);
            for (tile, users) in self.users.base.chunks_exact(width).enumerate() {
                let mut scores = [[0.0; PANEL]; USERS];
                dots(lanes, users, rows, &mut scores);
                let first = tile * USERS;
                let users = first..self.best.len().min(first + USERS);
                for (user, scores) in users.zip(&scores) {
                    let mut bits = valid & above(lanes, scores, self.bars[user]);
                    while bits != 0 {
                        let lane = bits.trailing_zeros() as usize;
                        bits &= bits - 1;
                        let item = self.items.order[panel * PANEL + lane];
                        // The bar may have risen since.
                        if scores[lane] > self.bars[user] && !self.best[user].is_seen(item) {
                            self.best[user].push(scores[lane], item, &mut self.bars[user]);
                        }
                    }
                }
            }
        }
        Ok(self.best)
    }
}
