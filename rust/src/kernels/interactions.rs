//! Pairs of users and items as a sparse matrix.

use super::cancel::Cancel;
use super::csr::{OwnedCsr, indptr_from_counts};
use super::error::Error;

/// Pairs handled between two looks at the cancel flag.
const STEP: usize = 1 << 20;

/// The matrix with a one for every pair; repeated pairs count once.
///
/// Two counting sorts, by item and then by user, so that items ascend within a user without any comparison. Cost and
/// memory are linear in the number of pairs, users and items.
///
/// # Errors
/// [`Error::Invalid`] if the two lengths differ or an index is out of range (the first such pair is named).
pub fn interactions(
    users: &[i32],
    items: &[i32],
    n_users: usize,
    n_items: usize,
    cancel: &Cancel,
) -> Result<OwnedCsr, Error> {
    if users.len() != items.len() {
        return Err(Error::invalid(format!(
            "{} users but {} items; pairs need as many",
            users.len(),
            items.len()
        )));
    }
    let n_of_user = counts(users, n_users, "user", cancel)?;
    let n_of_item = counts(items, n_items, "item", cancel)?;
    let mut next: Vec<usize> = starts(&n_of_item);
    let mut users_by_item = vec![0i32; users.len()];
    for (users, items) in users.chunks(STEP).zip(items.chunks(STEP)) {
        cancel.check()?;
        for (&user, &item) in users.iter().zip(items) {
            users_by_item[next[item as usize]] = user;
            next[item as usize] += 1;
        }
    }
    let first: Vec<usize> = starts(&n_of_user);
    let mut next = first.clone();
    let mut indices = vec![0i32; users.len()];
    let mut rest = users_by_item.as_slice();
    for (item, &n) in n_of_item.iter().enumerate() {
        if item % 1024 == 0 {
            cancel.check()?;
        }
        let (of_item, others) = rest.split_at(n);
        rest = others;
        for &user in of_item {
            let (from, to) = (first[user as usize], next[user as usize]);
            // Items come in order, so a repeated pair finds itself at the end of the row.
            if to == from || indices[to - 1] != item as i32 {
                indices[to] = item as i32;
                next[user as usize] += 1;
            }
        }
    }
    let indptr = indptr_from_counts(first.iter().zip(&next).map(|(from, to)| to - from));
    let mut end = 0;
    for (&from, &to) in first.iter().zip(&next) {
        indices.copy_within(from..to, end);
        end += to - from;
    }
    indices.truncate(end);
    Ok(OwnedCsr { indptr, values: vec![1.0; indices.len()], indices })
}

fn counts(indices: &[i32], n: usize, name: &str, cancel: &Cancel) -> Result<Vec<usize>, Error> {
    let mut counts = vec![0usize; n];
    for (step, part) in indices.chunks(STEP).enumerate() {
        cancel.check()?;
        for (at, &index) in part.iter().enumerate() {
            match usize::try_from(index).ok().and_then(|index| counts.get_mut(index)) {
                Some(count) => *count += 1,
                None => {
                    let pair = step * STEP + at;
                    return Err(Error::invalid(format!("pair {pair}: {name} {index} is outside 0..{n}")));
                }
            }
        }
    }
    Ok(counts)
}

/// Where each group starts.
fn starts(counts: &[usize]) -> Vec<usize> {
    counts
        .iter()
        .scan(0, |total, &count| {
            let start = *total;
            *total += count;
            Some(start)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_merged_and_rows_sorted() {
        let found = interactions(&[1, 0, 1, 1, 0], &[2, 1, 0, 2, 1], 3, 3, &Cancel::new()).unwrap();
        assert_eq!(found.indptr, [0, 1, 3, 3]);
        assert_eq!(found.indices, [1, 0, 2]);
        assert_eq!(found.values, [1.0; 3]);
    }

    #[test]
    fn a_pair_out_of_range_is_named() {
        for (users, items) in [([0, 9], [0, 0]), ([0, 0], [0, -1])] {
            let error = interactions(&users, &items, 2, 2, &Cancel::new()).unwrap_err();
            assert!(error.to_string().starts_with("pair 1: "), "{error}");
        }
        assert!(interactions(&[0], &[], 2, 2, &Cancel::new()).is_err());
    }
}
