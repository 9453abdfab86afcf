//! Scores of given pairs: exactly the numbers that the ranking sorts.

use rayon::prelude::*;

use super::check_users;
use super::vectors::Vectors;
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, Work};
use crate::kernels::simd::Path;

/// Pairs per parallel step.
const BLOCK: usize = 256;

/// Writes the score of each pair to `out`, bit for bit what [`super::rank_dots`] sorts by.
///
/// # Errors
/// [`Error::Invalid`] if a shape does not fit or an index is out of range; [`Error::Cancelled`].
pub fn score_dots(
    vectors: &Vectors<'_>,
    users: &[i32],
    items: &[i32],
    out: &mut [f32],
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    vectors.check()?;
    check_users(users, vectors.n_users(), vectors.n_items(), None)?;
    if let Some(at) = items.iter().position(|&item| item < 0 || item as usize >= vectors.n_items()) {
        let (item, n) = (items[at], vectors.n_items());
        return Err(Error::invalid(format!("item {item} at position {at} is outside 0..{n}")));
    }
    if users.len() != items.len() || out.len() != users.len() {
        return Err(Error::invalid(format!(
            "{} users, {} items and {} scores do not fit",
            users.len(),
            items.len(),
            out.len()
        )));
    }
    let pairs = users.par_chunks(BLOCK).zip(items.par_chunks(BLOCK));
    pairs.zip(out.par_chunks_mut(BLOCK)).try_for_each(|((users, items), out)| {
        cancel.check()?;
        path.run(Pairs { vectors, users, items, out });
        Ok(())
    })
}

struct Pairs<'a> {
    vectors: &'a Vectors<'a>,
    users: &'a [i32],
    items: &'a [i32],
    out: &'a mut [f32],
}

impl Work for Pairs<'_> {
    type Output = ();

    // One pair at a time: the path only decides whether a multiply-add is one instruction.
    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        for ((&user, &item), out) in self.users.iter().zip(self.items).zip(self.out) {
            let numbers = self.vectors.user(user).iter().zip(self.vectors.item(item));
            // The ranking takes -0.0 for 0.0 and gives 0.0.
            *out = numbers.fold(0.0, |sum: f32, (a, b)| a.mul_add(*b, sum)) + 0.0;
        }
    }
}
