//! What a block of users has found on its walk over the catalogue.

use super::best::Best;
use super::order::Order;
use super::tile::PANEL;
use crate::kernels::csr::Pattern;

/// The most users that walk together: their vectors stay in the second-level cache while the items pass.
pub(super) const BLOCK: usize = 120;

/// What the users of a block have found so far.
pub(super) struct Found {
    /// The scores that new candidates must be above.
    pub bars: Vec<f32>,
    pub best: Vec<Best>,
    /// Seen items in the order of the walk: the stretch, the user of the block who has seen the item, and the item's
    /// place in the stretch.
    masks: Vec<(u32, u8, u8)>,
    masked: usize,
    /// How many items are sought in the sample, and how many places the sample has; the bars are guessed after it.
    pub guess: Option<(usize, usize)>,
    pub k: usize,
}

impl Found {
    pub(super) fn new(
        users: &[i32],
        seen: Option<Pattern<'_>>,
        order: &Order,
        stretch: usize,
        guess: Option<usize>,
        k: usize,
    ) -> Self {
        let mut masks: Vec<(u32, u8, u8)> = Vec::new();
        for (at, &user) in users.iter().enumerate() {
            let seen = seen.map_or(&[][..], |seen| seen.row(user as usize));
            masks.extend(seen.iter().map(|&item| {
                let place = order.places[item as usize] as usize;
                ((place / stretch) as u32, at as u8, (place % stretch) as u8)
            }));
        }
        masks.sort_unstable();
        let best = users.iter().map(|_| Best::new(guess.unwrap_or(k))).collect();
        let guess = guess.map(|guess| (guess, order.sample));
        Self { bars: vec![f32::NEG_INFINITY; users.len()], best, masks, masked: 0, guess, k }
    }

    /// Passes the seen items to `take_out`, as users and places in the stretch. To be called at each stretch in turn,
    /// and there for each group of users in turn; `end` is the end of the group.
    #[inline(always)]
    pub(super) fn mask(&mut self, stretch: usize, end: usize, mut take_out: impl FnMut(usize, usize)) {
        while let Some(&(at, user, place)) = self.masks.get(self.masked)
            && (at as usize, usize::from(user)) < (stretch, end)
        {
            take_out(user.into(), place.into());
            self.masked += 1;
        }
    }

    /// Guesses the bars once the sample is over. To be called at each stretch of places in turn.
    #[inline(always)]
    pub(super) fn after_sample(&mut self, start: usize) {
        if self.guess.is_some_and(|(_, sample)| sample == start) {
            for (bar, best) in self.bars.iter_mut().zip(&mut self.best) {
                *bar = best.widen(self.k);
            }
        }
    }

    /// Takes a score that is above the user's bar.
    #[inline(always)]
    pub(super) fn offer(&mut self, user: usize, score: f32, item: i32) {
        if score > self.bars[user] {
            self.best[user].push(score, item, &mut self.bars[user]);
        }
    }
}

/// Bits of the sixteen places from `start` that hold an item.
#[inline(always)]
pub(super) fn valid(order: &Order, start: usize) -> u32 {
    (1 << order.items.len().saturating_sub(start).min(PANEL)) - 1
}
