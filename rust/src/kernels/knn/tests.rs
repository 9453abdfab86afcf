//! Against every pair in float64, on both paths.

use super::*;
use crate::kernels::rng::Stream;
use crate::kernels::simd::has_avx2;

fn oracle(features: &[f32], width: usize, present: &[bool], k: usize) -> Vec<Vec<(i32, f32)>> {
    let row = |i: usize| &features[i * width..(i + 1) * width];
    let norm = |i: usize| tile::canonical_dot(row(i), row(i)).sqrt();
    let alive = |i: usize| present[i] && norm(i) > 0.0;
    let n = present.len();
    (0..n)
        .map(|i| {
            let others = (0..n).filter(|&j| alive(i) && alive(j) && i != j);
            let mut all: Vec<(i32, f32)> = others
                .map(|j| (j as i32, (tile::canonical_dot(row(i), row(j)) / (norm(i) * norm(j))) as f32))
                .collect();
            all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            all.truncate(k);
            all.sort_by_key(|found| found.0);
            all
        })
        .collect()
}

fn check(features: &[f32], width: usize, present: &[bool], k: usize) {
    let truth = oracle(features, width, present, k);
    let paths = if has_avx2() { vec![Path::Portable, Path::Avx2] } else { vec![Path::Portable] };
    for path in paths {
        let graph = knn(features, width, present, k, path, &Cancel::new()).unwrap();
        for (row, truth) in truth.iter().enumerate() {
            let range = graph.indptr[row] as usize..graph.indptr[row + 1] as usize;
            let found: Vec<(i32, f32)> =
                range.map(|entry| (graph.indices[entry], graph.values[entry])).collect();
            assert_eq!(&found, truth, "row {row}, {path:?}, width {width}, k {k}");
        }
    }
}

fn random(n: usize, width: usize, seed: u64) -> Vec<f32> {
    let stream = Stream::new(seed, 9);
    (0..n * width).map(|p| (stream.open_unit(p as u64) * 2.0 - 1.0) as f32).collect()
}

#[test]
fn equals_every_pair_in_float64() {
    for (n, width, k) in [(1, 3, 2), (7, 1, 10), (200, 5, 3), (401, 17, 10), (300, 300, 4)] {
        check(&random(n, width, n as u64), width, &vec![true; n], k);
    }
}

#[test]
fn near_ties_are_decided_exactly() {
    // All rows within a few roundings of one direction: the filter cannot tell them apart.
    let (n, width) = (260, 8);
    let features: Vec<f32> =
        random(n, width, 1).iter().zip(0..).map(|(x, p)| 1.0 + (p % 3) as f32 + 1e-6 * x).collect();
    check(&features, width, &vec![true; n], 5);
}

#[test]
fn twins_zero_rows_and_absent_rows() {
    let (n, width) = (250, 4);
    let mut features = random(n, width, 2);
    for row in 0..n {
        if row % 3 == 0 {
            features.copy_within(4..8, row * width);
        }
        if row % 7 == 0 {
            features[row * width..(row + 1) * width].fill(0.0);
        }
    }
    let present: Vec<bool> = (0..n).map(|row| row % 11 != 0).collect();
    for k in [1, 2, 30, 400] {
        check(&features, width, &present, k);
    }
}

#[test]
fn wrong_sizes_and_no_neighbours_are_refused() {
    let cancel = Cancel::new();
    assert!(knn(&[1.0; 5], 2, &[true; 2], 1, Path::Portable, &cancel).is_err());
    assert!(knn(&[1.0; 4], 2, &[true; 2], 0, Path::Portable, &cancel).is_err());
    cancel.raise();
    assert_eq!(knn(&[1.0; 4], 2, &[true; 2], 1, Path::Portable, &cancel), Err(Error::Cancelled));
}
