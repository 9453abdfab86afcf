//! Which of some items users have seen.

use rayon::prelude::*;

use super::check_users;
use crate::kernels::cancel::Cancel;
use crate::kernels::csr::Pattern;
use crate::kernels::error::Error;
use crate::kernels::memory::room_for;

/// Writes into `out`, row by row, whether `users[b]` has seen `items[j]`. Cost: O(B · (n_u + n) + I).
///
/// # Errors
/// [`Error::Invalid`] if a user or item is out of range; [`Error::Cancelled`].
pub fn membership(
    seen: Pattern<'_>,
    users: &[i32],
    items: &[i32],
    out: &mut [bool],
    cancel: &Cancel,
) -> Result<(), Error> {
    check_users(seen, users)?;
    if let Some(item) = items.iter().find(|&&item| item < 0 || item as usize >= seen.n_cols()) {
        return Err(Error::invalid(format!("item {item} is outside 0..{}", seen.n_cols())));
    }
    if users.len().checked_mul(items.len()) != Some(out.len()) {
        return Err(Error::invalid(format!(
            "{} users and {} items do not fill {}",
            users.len(),
            items.len(),
            out.len()
        )));
    }
    if items.is_empty() {
        return Ok(());
    }
    // The columns of the same item form a linked list that starts at `head[item]`.
    const NONE: u32 = u32::MAX;
    room_for::<u32>(seen.n_cols())?;
    let mut head = vec![NONE; seen.n_cols()];
    let mut next = vec![NONE; items.len()];
    for (column, &item) in items.iter().enumerate() {
        next[column] = std::mem::replace(&mut head[item as usize], column as u32);
    }
    out.par_chunks_mut(items.len()).zip(users).with_min_len(64).try_for_each(|(out, &user)| {
        cancel.check()?;
        out.fill(false);
        for &item in seen.row(user as usize) {
            let mut column = head[item as usize];
            while column != NONE {
                out[column as usize] = true;
                column = next[column as usize];
            }
        }
        Ok(())
    })
}
