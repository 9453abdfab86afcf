//! Ranking of scores that the caller computed, block by block.

use rayon::prelude::*;

use super::list::List;
use super::{Places, check_users};
use crate::kernels::cancel::Cancel;
use crate::kernels::csr::Pattern;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, WIDTH, Work};
use crate::kernels::simd::Path;

/// Ranks row b of `scores`, `(B, n_items)`, leaving out what `users[b]` has seen. Cost: one pass over the scores.
///
/// # Errors
/// [`Error::Invalid`] if a shape does not fit or a user is out of range; [`Error::Cancelled`].
pub fn rank_scores(
    scores: &[f32],
    n_items: usize,
    users: &[i32],
    seen: Option<Pattern<'_>>,
    places: Places<'_>,
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    places.check(users.len())?;
    if users.len().checked_mul(n_items) != Some(scores.len()) {
        return Err(Error::invalid(format!(
            "{} users and {n_items} items do not have {} scores",
            users.len(),
            scores.len()
        )));
    }
    if let Some(seen) = seen {
        check_users(users, seen.n_rows(), n_items, Some(seen))?;
    }
    let Places { items, scores: out, k } = places;
    items.par_chunks_mut(k).zip(out.par_chunks_mut(k)).enumerate().try_for_each(|(row, (items, out))| {
        cancel.check()?;
        let seen = seen.map_or(&[][..], |seen| seen.row(users[row] as usize));
        let scores = &scores[row * n_items..][..n_items];
        path.run(Scan { scores, list: List::new(seen, k, n_items, f32::NEG_INFINITY) }).finish(items, out);
        Ok(())
    })
}

struct Scan<'a> {
    scores: &'a [f32],
    list: List<'a>,
}

impl<'a> Work for Scan<'a> {
    type Output = List<'a>;

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) -> List<'a> {
        let (groups, rest) = self.scores.as_chunks::<WIDTH>();
        for (group, scores) in groups.iter().enumerate() {
            self.list.take(lanes, lanes.load(scores), group * WIDTH, WIDTH);
        }
        let mut padded = [0.0; WIDTH];
        padded[..rest.len()].copy_from_slice(rest);
        self.list.take(lanes, lanes.load(&padded), groups.len() * WIDTH, rest.len());
        self.list
    }
}
