//! How many users the two ends of an edge between items share.

use rayon::prelude::*;

use super::cancel::Cancel;
use super::csr::{Csr, Pattern};
use super::error::Error;
use super::transpose::transpose;

/// Items handled between two checks of the cancel flag.
const STEP: usize = 64;

/// The number of users that took both ends, summed over the edges of `edges` `(I, I)`.
///
/// `taken` `(U, I)` holds which user took which item. Cost: one pass over the two user lists of every edge.
///
/// # Errors
/// [`Error::Invalid`] if `edges` is not a square over the items of `taken`.
pub fn shared_users(taken: Csr<'_>, edges: Pattern<'_>, cancel: &Cancel) -> Result<u64, Error> {
    let n_items = taken.pattern.n_cols();
    if (edges.n_rows(), edges.n_cols()) != (n_items, n_items) {
        return Err(Error::invalid(format!(
            "edges between {n_items} items need a matrix of {n_items} by {n_items}, got {} by {}",
            edges.n_rows(),
            edges.n_cols()
        )));
    }
    let by_item = transpose(taken, cancel)?;
    let users = by_item.view(taken.pattern.n_rows()).pattern;
    (0..n_items)
        .into_par_iter()
        .with_min_len(STEP)
        .map(|item| {
            if item % STEP == 0 {
                cancel.check()?;
            }
            Ok(edges
                .row(item)
                .iter()
                .map(|&other| overlap(users.row(item), users.row(other as usize)))
                .sum::<u64>())
        })
        .try_reduce(|| 0, |a, b| Ok(a + b))
}

/// Size of the intersection of two ascending lists.
fn overlap(a: &[i32], b: &[i32]) -> u64 {
    let (mut at, mut shared) = (0, 0);
    for &value in a {
        while at < b.len() && b[at] < value {
            at += 1;
        }
        shared += u64::from(b.get(at) == Some(&value));
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::super::csr::OwnedCsr;
    use super::*;

    #[test]
    fn counts_every_edge_in_its_own_direction() {
        let taken =
            OwnedCsr { indptr: vec![0, 2, 5, 6], indices: vec![0, 1, 0, 1, 2, 2], values: vec![1.0; 6] };
        let edges = OwnedCsr { indptr: vec![0, 2, 3, 3], indices: vec![1, 2, 0], values: vec![1.0; 3] };
        // Items 0 and 1 share two users, 0 and 2 one.
        assert_eq!(shared_users(taken.view(3), edges.view(3).pattern, &Cancel::new()), Ok(2 + 1 + 2));
        assert!(shared_users(taken.view(3), edges.view(4).pattern, &Cancel::new()).is_err());
    }
}
