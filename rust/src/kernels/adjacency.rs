//! Symmetric normalisation: the bipartite graph of users and items, and the similarity of items.

use rayon::prelude::*;

use super::buckets::split;
use super::cancel::Cancel;
use super::csr::{Csr, OwnedCsr, indptr_from_counts};
use super::error::Error;
use super::pages::Blank;
use super::sparse::{by_rows, merge_max};
use super::transpose::{is_all_ones, row_chunks, transpose, transpose_into};

/// Rows handled between two checks of the cancel flag.
const ROWS: usize = 1024;
/// Entries handled between two checks.
const STEP: usize = 1 << 15;

/// `D^-1/2 A D^-1/2` of the graph whose edges are the entries of `weights` `(U, I)`: users are nodes `0..U`, items
/// `U..U + I`.
///
/// A degree is the float64 sum of a node's weights; nodes without weight have zero rows. The result is symmetric in
/// every bit. Cost linear in nodes and edges.
///
/// # Errors
/// [`Error::Invalid`] if a weight is negative or not finite, or there are 2^31 nodes or more.
pub fn bipartite(weights: Csr<'_>, cancel: &Cancel) -> Result<OwnedCsr, Error> {
    let (n_users, n_items) = (weights.pattern.n_rows(), weights.pattern.n_cols());
    if i32::try_from(n_users + n_items).is_err() {
        return Err(Error::invalid(format!(
            "{n_users} users and {n_items} items exceed the int32 index type"
        )));
    }
    let degree = |user| weights.pattern.range(user).len();
    if is_all_ones(weights.values) {
        // A sum of ones is exact. There are few different degrees: their scales stay in the caches, those of all users
        // do not.
        let most = (0..n_users).map(degree).max().unwrap_or_default();
        let by_degree: Vec<f64> = (0..=most).map(|degree| scale(degree as f64)).collect();
        return joined(weights, |user| by_degree[degree(user)], cancel);
    }
    check_weights(weights)?;
    let scales = scales(weights);
    joined(weights, |user| scales[user], cancel)
}

/// The users' half and the items' half, given the scale of each user.
fn joined(
    weights: Csr<'_>,
    user_scale: impl Fn(usize) -> f64 + Sync,
    cancel: &Cancel,
) -> Result<OwnedCsr, Error> {
    let (n_users, n_edges) = (weights.pattern.n_rows(), weights.pattern.n_entries());
    let (mut indices, mut values) = (Blank::<i32>::new(2 * n_edges), Blank::<f32>::new(2 * n_edges));
    let (own_indices, item_indices) = indices.split_at_mut(n_edges);
    let (own_values, item_values) = values.split_at_mut(n_edges);
    let by_item = transpose_into(
        weights,
        item_indices,
        item_values,
        scale,
        |weight, scale, user| normalised(weight, scale, user_scale(user)),
        cancel,
    )?;
    let chunks = row_chunks(weights.pattern, STEP);
    let lens =
        || chunks.iter().map(|rows| weights.pattern.start(rows.end) - weights.pattern.start(rows.start));
    let parts = split(own_indices, lens()).into_par_iter().zip(split(own_values, lens()));
    parts.zip(&chunks).try_for_each(|((indices, values), rows)| {
        cancel.check()?;
        let mut at = 0;
        for user in rows.clone() {
            let scale = user_scale(user);
            let (items, weights) = weights.row(user);
            let places = indices[at..].iter_mut().zip(&mut values[at..]);
            for ((index, value), (&item, &weight)) in places.zip(items.iter().zip(weights)) {
                index.write(item + n_users as i32);
                value.write(normalised(weight, scale, by_item.scales[item as usize]));
            }
            at += items.len();
        }
        Ok(())
    })?;
    // SAFETY: the rows of the users fill the first half, the transpose the second.
    let (indices, values) = unsafe { (indices.written(), values.written()) };
    let counts = (0..n_users).map(|user| weights.pattern.range(user).len());
    Ok(OwnedCsr { indptr: indptr_from_counts(counts.chain(by_item.counts)), indices, values })
}

/// The similarity matrix for propagation: negative values dropped, `max(S, Sᵀ)`, then `D^-1/2 S D^-1/2`.
///
/// `neighbours` `(I, I)` holds cosines. Symmetric in every bit; items without positive neighbours have empty rows.
///
/// # Errors
/// [`Error::Invalid`] if the matrix is not square or a value is not finite.
pub fn similarity(neighbours: Csr<'_>, cancel: &Cancel) -> Result<OwnedCsr, Error> {
    let n = neighbours.pattern.n_rows();
    if n != neighbours.pattern.n_cols() {
        return Err(Error::invalid(format!(
            "a similarity must be square, got {n} rows and {} columns",
            neighbours.pattern.n_cols()
        )));
    }
    if let Some(entry) = neighbours.values.iter().position(|value| !value.is_finite()) {
        return Err(Error::invalid(format!(
            "entry {entry} of the similarity is {}",
            neighbours.values[entry]
        )));
    }
    let mirrored = transpose(neighbours, cancel)?;
    let mirrored = mirrored.view(n);
    let mut graph = by_rows(n, cancel, |row, push| {
        merge_max(neighbours.row(row), mirrored.row(row), |column, value| {
            if value > 0.0 {
                push(column, value);
            }
        });
    })?;
    let scale = scales(graph.view(n));
    apply(&mut graph, &scale, cancel)?;
    Ok(graph)
}

fn check_weights(weights: Csr<'_>) -> Result<(), Error> {
    let bad = |weight: &f32| !(0.0..f32::INFINITY).contains(weight);
    // Without an early exit the loop is vectorised.
    let any =
        weights.values.par_chunks(STEP).any(|part| part.iter().fold(false, |any, weight| any | bad(weight)));
    match any.then(|| weights.values.iter().position(bad)).flatten() {
        Some(entry) => Err(Error::invalid(format!(
            "edge weights must be finite and not negative; entry {entry} is {}",
            weights.values[entry]
        ))),
        None => Ok(()),
    }
}

/// The scale of each row; a degree is summed in float64 in the order of the entries.
fn scales(matrix: Csr<'_>) -> Vec<f64> {
    let sum = |row| matrix.row(row).1.iter().map(|&weight| f64::from(weight)).sum();
    (0..matrix.pattern.n_rows()).into_par_iter().with_min_len(ROWS).map(|row| scale(sum(row))).collect()
}

/// One over the root of a degree; 0 for nodes without weight.
fn scale(degree: f64) -> f64 {
    if degree > 0.0 { 1.0 / degree.sqrt() } else { 0.0 }
}

/// A weight times the scales of both ends: the same bits in either order.
#[inline]
fn normalised(weight: f32, scale: f64, other: f64) -> f32 {
    (f64::from(weight) * (scale * other)) as f32
}

/// Normalises a symmetric matrix in place.
fn apply(graph: &mut OwnedCsr, scales: &[f64], cancel: &Cancel) -> Result<(), Error> {
    let rows = graph.rows_mut();
    rows.into_par_iter().zip(scales).with_min_len(ROWS).enumerate().try_for_each(
        |(row, ((columns, values), &scale))| {
            if row % ROWS == 0 {
                cancel.check()?;
            }
            for (&column, value) in columns.iter().zip(values) {
                *value = normalised(*value, scale, scales[column as usize]);
            }
            Ok(())
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weighted_bipartite_graph_is_normalised() {
        // User 0 takes items 0 and 1 with weights 1 and 3, user 1 takes nothing, no user takes item 2.
        let weights = OwnedCsr { indptr: vec![0, 2, 2], indices: vec![0, 1], values: vec![1.0, 3.0] };
        let found = bipartite(weights.view(3), &Cancel::new()).unwrap();
        assert_eq!(found.indptr, [0, 2, 2, 3, 4, 4]);
        assert_eq!(found.indices, [2, 3, 0, 0]);
        let root = 0.75f32.sqrt();
        assert_eq!(found.values, [0.5, root, 0.5, root]);
    }

    #[test]
    fn a_graph_of_ones_is_normalised_by_its_degrees() {
        // User 0 takes items 0, 1 and 2, user 1 nothing, user 2 item 2.
        let ones = OwnedCsr { indptr: vec![0, 3, 3, 4], indices: vec![0, 1, 2, 2], values: vec![1.0; 4] };
        let found = bipartite(ones.view(4), &Cancel::new()).unwrap();
        assert_eq!(found.indptr, [0, 3, 3, 4, 5, 6, 8, 8]);
        assert_eq!(found.indices, [3, 4, 5, 5, 0, 0, 0, 2]);
        let value = |a: f64, b: f64| ((1.0 / a.sqrt()) * (1.0 / b.sqrt())) as f32;
        let (third, sixth, half) = (value(3.0, 1.0), value(3.0, 2.0), value(1.0, 2.0));
        assert_eq!(found.values, [third, third, sixth, half, third, third, sixth, half]);
    }

    #[test]
    fn bad_weights_are_refused() {
        for bad in [-1.0, f32::NAN, f32::INFINITY] {
            let weights = OwnedCsr { indptr: vec![0, 1], indices: vec![0], values: vec![bad] };
            assert!(bipartite(weights.view(1), &Cancel::new()).is_err());
        }
    }

    #[test]
    fn a_similarity_loses_its_negatives_and_becomes_symmetric() {
        // 0 → 1 at .5, 1 → 2 at -.5, 2 → 0 at 1.
        let neighbours =
            OwnedCsr { indptr: vec![0, 1, 2, 3], indices: vec![1, 2, 0], values: vec![0.5, -0.5, 1.0] };
        let found = similarity(neighbours.view(3), &Cancel::new()).unwrap();
        assert_eq!(found.indptr, [0, 2, 3, 4]);
        assert_eq!(found.indices, [1, 2, 0, 0]);
        let (a, b) = ((0.5f64 / (1.5f64 * 0.5).sqrt()) as f32, (1.0 / 1.5f64.sqrt()) as f32);
        assert_eq!(found.values, [a, b, a, b]);
        assert!(similarity(neighbours.view(4), &Cancel::new()).is_err());
    }
}
