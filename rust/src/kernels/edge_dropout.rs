//! Dropping edges at random, the same ones for the same key.

use rayon::prelude::*;

use super::cancel::Cancel;
use super::csr::{Csr, OwnedCsr, indptr_from_counts};
use super::error::Error;
use super::rng::Stream;
use super::sparse::column_counts;

/// Rows handled between two looks at the cancel flag.
const STEP: usize = 1024;

/// With what probability an edge is kept, relative to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weighting {
    /// All alike.
    Uniform,
    /// `1 / sqrt(deg_u deg_i)`, degrees counted in the matrix itself: edges of hubs go first.
    Degree,
}

/// Draws `n_kept` of the edges without replacement and keeps their values.
///
/// Each edge e gets `log w_e + Gumbel_e` and the largest are kept (Gumbel top-k), which draws one edge after the other
/// in proportion to w. Here it is done with `Exponential_e / w_e`, smallest first: the same order without a second
/// logarithm. Draw e of `stream` belongs to edge e, so the result does not depend on threads. Cost linear in edges.
///
/// # Errors
/// [`Error::Invalid`] if more edges are asked for than there are.
pub fn drop_edges(
    edges: Csr<'_>,
    n_kept: usize,
    weighting: Weighting,
    stream: Stream,
    cancel: &Cancel,
) -> Result<OwnedCsr, Error> {
    let pattern = edges.pattern;
    if n_kept > pattern.n_entries() {
        return Err(Error::invalid(format!("cannot keep {n_kept} of {} edges", pattern.n_entries())));
    }
    let column_roots: Vec<f64> = column_counts(pattern).into_iter().map(|n| (n as f64).sqrt()).collect();
    let mut keys = vec![0f64; pattern.n_entries()];
    let mut rows = Vec::with_capacity(pattern.n_rows());
    let mut rest = keys.as_mut_slice();
    for row in 0..pattern.n_rows() {
        let (own, others) = std::mem::take(&mut rest).split_at_mut(pattern.range(row).len());
        rows.push(own);
        rest = others;
    }
    rows.into_par_iter().with_min_len(STEP).enumerate().try_for_each(|(row, keys)| {
        if row % STEP == 0 {
            cancel.check()?;
        }
        let row_root = (keys.len() as f64).sqrt();
        for ((key, entry), &column) in keys.iter_mut().zip(pattern.range(row)).zip(pattern.row(row)) {
            let exponential = -stream.open_unit(entry as u64).ln();
            *key = match weighting {
                Weighting::Uniform => exponential,
                Weighting::Degree => exponential * (row_root * column_roots[column as usize]),
            };
        }
        Ok(())
    })?;
    let kept = smallest(&keys, n_kept);
    cancel.check()?;
    let indptr = indptr_from_counts(
        (0..pattern.n_rows()).map(|row| kept[pattern.range(row)].iter().filter(|&&kept| kept).count()),
    );
    let chosen = || kept.iter().enumerate().filter(|(_, kept)| **kept).map(|(entry, _)| entry);
    Ok(OwnedCsr {
        indptr,
        indices: chosen().map(|entry| pattern.indices()[entry]).collect(),
        values: chosen().map(|entry| edges.values[entry]).collect(),
    })
}

/// Marks the `n` smallest keys; of equal keys the first.
fn smallest(keys: &[f64], n: usize) -> Vec<bool> {
    if n == 0 || n == keys.len() {
        return vec![n > 0; keys.len()];
    }
    let mut sorted = keys.to_vec();
    let (below, &mut limit, _) = sorted.select_nth_unstable_by(n - 1, f64::total_cmp);
    let mut equals = n - below.iter().filter(|&&key| key < limit).count();
    keys.iter()
        .map(|&key| {
            let equal = key == limit && equals > 0;
            equals -= usize::from(equal);
            key < limit || equal
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_so_many_and_the_same_ones_again() {
        let edges = OwnedCsr {
            indptr: vec![0, 3, 3, 5],
            indices: vec![0, 1, 2, 0, 1],
            values: vec![1.0, 2.0, 3.0, 4.0, 5.0],
        };
        for n in 0..=5 {
            let draw = |seed| {
                drop_edges(edges.view(3), n, Weighting::Degree, Stream::new(seed, 0), &Cancel::new()).unwrap()
            };
            assert_eq!(draw(1).values.len(), n);
            assert_eq!(draw(1), draw(1));
            assert_eq!(draw(1).indptr.len(), 4);
        }
        assert!(drop_edges(edges.view(3), 6, Weighting::Uniform, Stream::new(1, 0), &Cancel::new()).is_err());
    }

    #[test]
    fn of_equal_keys_the_first_are_taken() {
        assert_eq!(smallest(&[2.0, 1.0, 1.0, 1.0, 0.0], 3), [false, true, true, false, true]);
        assert_eq!(smallest(&[1.0, 2.0], 0), [false, false]);
        assert_eq!(smallest(&[1.0, 2.0], 2), [true, true]);
    }

    #[test]
    fn edges_of_hubs_go_first() {
        // Column 0 has 99 edges, column 1 one edge, all rows have one: weights 1/sqrt(99) and 1.
        let edges = OwnedCsr {
            indptr: (0..=100).collect(),
            indices: (0..100).map(|row| i32::from(row == 50)).collect(),
            values: vec![1.0; 100],
        };
        let n = 4000;
        let hits = (0..n)
            .filter(|&seed| {
                let stream = Stream::new(seed, 1);
                let kept = drop_edges(edges.view(2), 1, Weighting::Degree, stream, &Cancel::new()).unwrap();
                kept.indices[0] == 1
            })
            .count() as f64;
        let expected = 1.0 / (1.0 + 99.0 / 99f64.sqrt());
        let spread = (n as f64 * expected * (1.0 - expected)).sqrt();
        assert!((hits - n as f64 * expected).abs() < 4.0 * spread, "{hits} of {n}, expected {expected}");
    }
}
