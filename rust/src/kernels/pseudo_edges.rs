//! Edges from users to items that are similar to the items they took.

use rayon::prelude::*;

use super::cancel::Cancel;
use super::csr::{Csr, OwnedCsr};
use super::error::Error;
use super::sparse::{by_rows, merge_max};
use super::topk::{Scored, TopK};
use super::transpose::transpose;

/// Rows of a product that one task handles.
const STEP: usize = 64;

/// The number of pseudo edges, and their weight.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Items for each user.
    pub per_user: usize,
    /// Users for each item whose degree is under the median.
    pub per_item: usize,
    /// Weight of a user's best item.
    pub strength: f64,
}

/// Pseudo edges `(U, I)`: with `s(u, j) = Σ_{i taken by u} S_ij`, the `per_user` items of largest s for each user and
/// the `per_item` users of largest s for each item under the median degree, with weight `strength · s / max_j s(u, j)`.
///
/// Only positive s count, and items already taken take part. The values s are summed in float64 over ascending i,
/// rounded to float32 and ranked as such, the higher first and then the lower index. Neither product is stored: one row
/// at a time is summed and cut to its best. Cost: two sparse products.
///
/// # Errors
/// [`Error::Invalid`] if `similarity` is not a square over the items of `taken`.
pub fn pseudo_edges(
    taken: Csr<'_>,
    similarity: Csr<'_>,
    options: Options,
    cancel: &Cancel,
) -> Result<OwnedCsr, Error> {
    let (n_users, n_items) = (taken.pattern.n_rows(), taken.pattern.n_cols());
    let shape = (similarity.pattern.n_rows(), similarity.pattern.n_cols());
    if shape != (n_items, n_items) {
        return Err(Error::invalid(format!("a similarity of {n_items} items must be square, got {shape:?}")));
    }
    let by_item = transpose(taken, cancel)?;
    let by_item = by_item.view(n_users);
    let degrees: Vec<usize> = (0..n_items).map(|item| by_item.pattern.range(item).len()).collect();
    let all = vec![true; n_users];
    let best_items = best_of_product(
        |user, sums| {
            for &item in taken.pattern.row(user) {
                let (columns, values) = similarity.row(item as usize);
                columns.iter().zip(values).for_each(|(&other, &value)| sums.add(other, value));
            }
        },
        &all,
        n_items,
        options.per_user.max(1),
        cancel,
    )?;
    let mirrored = transpose(similarity, cancel)?;
    let mirrored = mirrored.view(n_items);
    let best_users = best_of_product(
        |item, sums| {
            let (others, values) = mirrored.row(item);
            for (&other, &value) in others.iter().zip(values) {
                by_item.pattern.row(other as usize).iter().for_each(|&user| sums.add(user, value));
            }
        },
        &under_median(&degrees),
        n_users,
        options.per_item,
        cancel,
    )?;
    let for_items = by_user(best_users, n_users);
    by_rows(n_users, cancel, |user, push| {
        let (best, (columns, values)) = (&best_items[user], &for_items[user]);
        let most = best.first().map_or(1.0, |found| f64::from(found.score));
        let weigh = |score: f32| (options.strength * f64::from(score) / most) as f32;
        let mut own: Vec<_> = best.iter().take(options.per_user).collect();
        own.sort_unstable_by_key(|found| found.id);
        let (own_columns, own_values): (Vec<i32>, Vec<f32>) =
            own.into_iter().map(|found| (found.id, weigh(found.score))).unzip();
        let values: Vec<f32> = values.iter().map(|&score| weigh(score)).collect();
        merge_max((&own_columns, &own_values), (columns, &values), push);
    })
}

/// One row of a sparse product while it is summed.
struct Sums {
    sums: Vec<f64>,
    touched: Vec<i32>,
}

impl Sums {
    /// Adds a term; equal columns are summed in the order of the calls.
    #[inline]
    fn add(&mut self, column: i32, value: f32) {
        let sum = &mut self.sums[column as usize];
        // A column whose sum returns to zero may be listed twice; the second time its sum is zero already.
        if *sum == 0.0 {
            self.touched.push(column);
        }
        *sum += f64::from(value);
    }

    /// The best `k` positive sums, best first; the row is empty afterwards.
    fn best(&mut self, k: usize) -> Vec<Scored<f32>> {
        let mut top = TopK::new(k);
        for id in self.touched.drain(..) {
            let score = std::mem::take(&mut self.sums[id as usize]) as f32;
            if score > 0.0 {
                top.push(Scored { score, id });
            }
        }
        top.drain_sorted()
    }
}

/// The best `k` entries of each wanted row of a sparse product of `n_cols` columns; `terms` adds up a row.
fn best_of_product(
    terms: impl Fn(usize, &mut Sums) + Sync,
    wanted: &[bool],
    n_cols: usize,
    k: usize,
    cancel: &Cancel,
) -> Result<Vec<Vec<Scored<f32>>>, Error> {
    let mut rows = vec![Vec::new(); wanted.len()];
    if k == 0 {
        return Ok(rows);
    }
    let scratch = || Sums { sums: vec![0.0; n_cols], touched: Vec::new() };
    rows.par_chunks_mut(STEP).enumerate().try_for_each_init(scratch, |sums, (step, rows)| {
        for (row, best) in (step * STEP..).zip(rows).filter(|(row, _)| wanted[*row]) {
            cancel.check()?;
            terms(row, sums);
            *best = sums.best(k);
        }
        Ok(())
    })?;
    Ok(rows)
}

/// Which items have a degree under the median of all items.
fn under_median(degrees: &[usize]) -> Vec<bool> {
    let mut sorted = degrees.to_vec();
    sorted.sort_unstable();
    let n = sorted.len();
    // Twice the median: the middle value twice, or the two middle ones.
    let twice = if n == 0 { 0 } else { sorted[(n - 1) / 2] + sorted[n / 2] };
    degrees.iter().map(|&degree| 2 * degree < twice).collect()
}

/// Turns each item's users into each user's items, ascending.
fn by_user(best_users: Vec<Vec<Scored<f32>>>, n_users: usize) -> Vec<(Vec<i32>, Vec<f32>)> {
    let mut rows = vec![(Vec::new(), Vec::new()); n_users];
    for (item, users) in best_users.into_iter().enumerate() {
        for found in users {
            let (columns, values) = &mut rows[found.id as usize];
            columns.push(item as i32);
            values.push(found.score);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_case_by_hand() {
        // User 0 took items 0 and 1, user 1 took item 0; item 2 is a little similar to item 0, item 3 to none.
        let taken = OwnedCsr { indptr: vec![0, 2, 3], indices: vec![0, 1, 0], values: vec![1.0; 3] };
        let similarity = OwnedCsr {
            indptr: vec![0, 2, 3, 4, 4],
            indices: vec![1, 2, 0, 0],
            values: vec![0.5, 0.25, 0.5, 0.25],
        };
        let run = |per_user, per_item| {
            let options = Options { per_user, per_item, strength: 0.5 };
            pseudo_edges(taken.view(4), similarity.view(4), options, &Cancel::new()).unwrap()
        };
        // User 0: s = (.5, .5, .25); user 1: s = (0, .5, .25).
        let both = run(1, 0);
        assert_eq!((both.indptr, both.indices, both.values), (vec![0, 1, 2], vec![0, 1], vec![0.5, 0.5]));
        // Degrees 2, 1, 0, 0, median .5: items 2 and 3 are rare, and a tie goes to the lower user.
        let rare = run(0, 1);
        assert_eq!((rare.indptr, rare.indices, rare.values), (vec![0, 1, 1], vec![2], vec![0.25]));
        assert_eq!(run(1, 2).indices, [0, 2, 1, 2]);
        assert_eq!(run(9, 9).indices, [0, 1, 2, 1, 2]);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert_eq!(under_median(&[1, 2, 3, 4]), [true, true, false, false]);
        assert_eq!(under_median(&[2, 2, 3]), [false, false, false]);
        assert_eq!(under_median(&[]), [false; 0]);
    }
}
