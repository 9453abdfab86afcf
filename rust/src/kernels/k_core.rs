//! The k-core: what is left after users and items with too few interactions are removed, again and again.

use super::cancel::Cancel;
use super::csr::{Csr, Pattern};
use super::error::Error;
use super::transpose::transpose;

/// Nodes handled between two checks of the cancel flag.
const STEP: usize = 1024;

/// Which users and items form the largest part of `taken` `(U, I)` in which every user has at least `per_user` items and
/// every item at least `per_item` users of that part.
///
/// The result does not depend on the order in which nodes are removed. Cost linear in users, items and entries.
///
/// # Errors
/// [`Error::Cancelled`] if the caller stops it.
pub fn k_core(
    taken: Csr<'_>,
    per_user: usize,
    per_item: usize,
    cancel: &Cancel,
) -> Result<(Vec<bool>, Vec<bool>), Error> {
    let by_item = transpose(taken, cancel)?;
    let sides = [
        Side::new(taken.pattern, per_user),
        Side::new(by_item.view(taken.pattern.n_rows()).pattern, per_item),
    ];
    let [mut users, mut items] = sides;
    while !(users.leaving.is_empty() && items.leaving.is_empty()) {
        users.leave(&mut items, cancel)?;
        items.leave(&mut users, cancel)?;
    }
    Ok((users.kept(), items.kept()))
}

/// Users or items while they are removed.
struct Side<'a> {
    rows: Pattern<'a>,
    least: usize,
    /// For each node, the neighbours that are not removed yet.
    degrees: Vec<usize>,
    /// Removed nodes whose neighbours still count them; every node comes here at most once.
    leaving: Vec<usize>,
}

impl<'a> Side<'a> {
    fn new(rows: Pattern<'a>, least: usize) -> Self {
        let degrees: Vec<usize> = (0..rows.n_rows()).map(|node| rows.range(node).len()).collect();
        let leaving = (0..rows.n_rows()).filter(|&node| degrees[node] < least).collect();
        Self { rows, least, degrees, leaving }
    }

    /// Lowers the counts of the neighbours of removed nodes.
    fn leave(&mut self, others: &mut Side<'_>, cancel: &Cancel) -> Result<(), Error> {
        for (step, node) in self.leaving.drain(..).enumerate() {
            if step % STEP == 0 {
                cancel.check()?;
            }
            for &other in self.rows.row(node) {
                let degree = &mut others.degrees[other as usize];
                if *degree == others.least {
                    others.leaving.push(other as usize);
                }
                *degree = degree.saturating_sub(1);
            }
        }
        Ok(())
    }

    /// Which nodes have enough neighbours left.
    fn kept(&self) -> Vec<bool> {
        self.degrees.iter().map(|&degree| degree >= self.least).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::csr::OwnedCsr;
    use super::*;

    #[test]
    fn one_who_leaves_takes_others_along() {
        // Users 0 and 1 share items 0 and 1; user 2 has items 1 and 2, and no other user has item 2.
        let taken =
            OwnedCsr { indptr: vec![0, 2, 4, 6, 6], indices: vec![0, 1, 0, 1, 1, 2], values: vec![1.0; 6] };
        let core = |per_user, per_item| k_core(taken.view(4), per_user, per_item, &Cancel::new()).unwrap();
        assert_eq!(core(2, 2), (vec![true, true, false, false], vec![true, true, false, false]));
        assert_eq!(core(1, 1), (vec![true, true, true, false], vec![true, true, true, false]));
        assert_eq!(core(0, 0), (vec![true; 4], vec![true; 4]));
        assert_eq!(core(0, 3), (vec![true; 4], vec![false, true, false, false]));
        assert_eq!(core(3, 1), (vec![false; 4], vec![false; 4]));
    }
    #[test]
    fn those_who_leave_are_followed_to_the_end_of_the_chain() {
        // User u has items u - 1 and u, as links of a chain that is open at user 0 and item 6; users and items 7 to 9 are
        // a ring, in which everyone keeps two.
        let chain = (0..7).flat_map(|user| [user - 1, user]).skip(1);
        let indices: Vec<i32> = chain.chain([7, 9, 7, 8, 8, 9]).collect();
        let indptr = (0..=10).map(|user| (2 * user - 1).max(0)).collect();
        let taken = OwnedCsr { indptr, values: vec![1.0; indices.len()], indices };
        let ring: Vec<bool> = (0..10).map(|node| node >= 7).collect();
        let core = |per_user, per_item| k_core(taken.view(10), per_user, per_item, &Cancel::new()).unwrap();
        assert_eq!(core(2, 2), (ring.clone(), ring));
        assert_eq!(core(1, 1), (vec![true; 10], vec![true; 10]));
    }
}
