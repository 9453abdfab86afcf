//! Symmetric normalisation: the bipartite graph of users and items, and the similarity of items.

use rayon::prelude::*;

use super::cancel::Cancel;
use super::csr::{Csr, OwnedCsr};
use super::error::Error;
use super::sparse::{merge_max, transpose};

/// Rows handled between two looks at the cancel flag.
const STEP: usize = 1024;

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
    check_weights(weights)?;
    let by_item = transpose(weights, cancel)?;
    let by_item_view = by_item.view(n_users);
    let mut scale = scales(weights);
    scale.extend(scales(by_item_view));
    let n_edges = weights.pattern.n_entries();
    let mut graph = OwnedCsr {
        indptr: (0..=n_users).map(|user| weights.pattern.start(user) as i64).collect(),
        indices: Vec::with_capacity(2 * n_edges),
        values: Vec::with_capacity(2 * n_edges),
    };
    graph.indptr.extend(by_item.indptr[1..].iter().map(|&end| end + n_edges as i64));
    graph.indices.extend(weights.pattern.indices().iter().map(|&item| item + n_users as i32));
    graph.indices.extend(&by_item.indices);
    graph.values.extend(weights.values);
    graph.values.extend(&by_item.values);
    apply(&mut graph, &scale, cancel)?;
    Ok(graph)
}

/// The similarity that is propagated over: negatives dropped, `max(S, Sᵀ)`, then `D^-1/2 S D^-1/2`.
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
    let rows: Vec<_> = (0..n)
        .into_par_iter()
        .with_min_len(STEP)
        .map(|row| {
            if row % STEP == 0 {
                cancel.check()?;
            }
            let (columns, values) = merge_max(neighbours.row(row), mirrored.row(row));
            Ok(columns.into_iter().zip(values).filter(|&(_, value)| value > 0.0).unzip())
        })
        .collect::<Result<_, Error>>()?;
    let mut graph = OwnedCsr::from_rows(rows);
    let scale = scales(graph.view(n));
    apply(&mut graph, &scale, cancel)?;
    Ok(graph)
}

fn check_weights(weights: Csr<'_>) -> Result<(), Error> {
    match weights.values.iter().position(|&weight| !(0.0..f32::INFINITY).contains(&weight)) {
        Some(entry) => Err(Error::invalid(format!(
            "edge weights must be finite and not negative; entry {entry} is {}",
            weights.values[entry]
        ))),
        None => Ok(()),
    }
}

/// The degree of each row, summed in float64 in the order of the entries.
fn scales(matrix: Csr<'_>) -> Vec<f64> {
    let degree = |row| matrix.row(row).1.iter().map(|&value| f64::from(value)).sum();
    (0..matrix.pattern.n_rows()).into_par_iter().with_min_len(STEP).map(degree).collect()
}

/// Divides every entry by the root of the product of its two degrees, which is the same in either order.
fn apply(graph: &mut OwnedCsr, degrees: &[f64], cancel: &Cancel) -> Result<(), Error> {
    let rows = graph.rows_mut();
    rows.into_par_iter().zip(degrees).with_min_len(STEP).enumerate().try_for_each(
        |(row, ((columns, values), &degree))| {
            if row % STEP == 0 {
                cancel.check()?;
            }
            for (&column, value) in columns.iter().zip(values) {
                let product = degree * degrees[column as usize];
                if product > 0.0 {
                    *value = (f64::from(*value) / product.sqrt()) as f32;
                }
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
        // User 0 takes items 0 and 1 with weights 1 and 3, user 1 takes nothing, item 2 is taken by nobody.
        let weights = OwnedCsr { indptr: vec![0, 2, 2], indices: vec![0, 1], values: vec![1.0, 3.0] };
        let found = bipartite(weights.view(3), &Cancel::new()).unwrap();
        assert_eq!(found.indptr, [0, 2, 2, 3, 4, 4]);
        assert_eq!(found.indices, [2, 3, 0, 0]);
        let root = 0.75f32.sqrt();
        assert_eq!(found.values, [0.5, root, 0.5, root]);
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
