//! Against every pair in float64: on every path of this machine, and with every format and geometry in plain Rust.

use super::*;
use crate::kernels::rng::Stream;
use crate::kernels::tiles::dot::canonical_dot;
use crate::kernels::tiles::format::{F32, Format, I16};
use crate::kernels::tiles::plain::Plain;
use crate::kernels::tiles::shapes::{Small, Tiles, Wide};
use crate::kernels::tiles::{Kernel, Shape};

type Neighbours = Vec<Vec<(i32, f32)>>;

fn oracle(features: &[f32], width: usize, present: &[bool], k: usize) -> Neighbours {
    let row = |i: usize| &features[i * width..(i + 1) * width];
    let norm = |i: usize| canonical_dot(row(i), row(i)).sqrt();
    let alive = |i: usize| present[i] && norm(i) > 0.0;
    let n = present.len();
    (0..n)
        .map(|i| {
            let others = (0..n).filter(|&j| alive(i) && alive(j) && i != j);
            let mut all: Vec<(i32, f32)> = others
                .map(|j| (j as i32, (canonical_dot(row(i), row(j)) / (norm(i) * norm(j))) as f32))
                .collect();
            all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            all.truncate(k);
            all.sort_by_key(|found| found.0);
            all
        })
        .collect()
}

fn rows_of(graph: &OwnedCsr) -> Neighbours {
    let rows = graph.indptr.windows(2).map(|ends| ends[0] as usize..ends[1] as usize);
    rows.map(|row| row.map(|entry| (graph.indices[entry], graph.values[entry])).collect()).collect()
}

/// With rows written more coarsely than necessary, by the factor `coarseness`.
fn with<K: Kernel>(
    kernel: K,
    features: &[f32],
    width: usize,
    present: &[bool],
    k: usize,
    coarseness: f64,
) -> Neighbours {
    let cancel = Cancel::new();
    let rows = Rows::new(canonical_dot, features, width, present, &cancel).unwrap();
    let scale = <K::Shape as Shape>::Format::scale(width, rows.largest()) / coarseness;
    let nearest = search::search(kernel, &rows, k.min(present.len()), scale, true, &cancel).unwrap().unwrap();
    rows_of(&spell_out(&rows, nearest, k.min(present.len())))
}

fn check(features: &[f32], width: usize, present: &[bool], k: usize) {
    let truth = oracle(features, width, present, k);
    for path in Path::available() {
        let graph = knn(features, width, present, k, path, &Cancel::new()).unwrap();
        assert_eq!(rows_of(&graph), truth, "{path:?}, width {width}, k {k}");
    }
    let found = [
        ("small i16", with(Plain::<Small<I16>>::new(), features, width, present, k, 1.0)),
        // Rows become zeros and ones: most of every row is lost, and the bound must account for it.
        ("coarse i16", with(Plain::<Small<I16>>::new(), features, width, present, k, 50_000.0)),
        ("wide f32", with(Plain::<Wide<F32>>::new(), features, width, present, k, 1.0)),
        ("wide i16", with(Plain::<Wide<I16>>::new(), features, width, present, k, 1.0)),
    ];
    // A tile of theirs is half a million products of sixteen numbers.
    let tiles =
        (!cfg!(miri)).then(|| ("tiles", with(Plain::<Tiles>::new(), features, width, present, k, 1.0)));
    for (name, found) in found.into_iter().chain(tiles) {
        assert_eq!(found, truth, "{name}, width {width}, k {k}");
    }
}

fn random(n: usize, width: usize, seed: u64) -> Vec<f32> {
    let stream = Stream::new(seed, 9);
    (0..n * width).map(|p| (stream.open_unit(p as u64) * 2.0 - 1.0) as f32).collect()
}

#[test]
fn equals_every_pair_in_float64() {
    let all = [(1, 3, 2), (7, 1, 10), (200, 5, 3), (401, 17, 10), (300, 300, 4), (50, 1100, 3)];
    for (n, width, k) in all.into_iter().take(if cfg!(miri) { 2 } else { 6 }) {
        check(&random(n, width, n as u64), width, &vec![true; n], k);
    }
}

#[test]
fn no_rows_may_be_of_any_width_and_sizes_do_not_wrap_around() {
    for width in [0, 1, 1 << 60, usize::MAX] {
        for path in Path::available() {
            let found = knn(&[], width, &[], 3, path, &Cancel::new()).unwrap();
            assert_eq!((found.indptr, found.indices.len()), (vec![0], 0));
        }
    }
    // 16 times 2^60 is nothing in 64 bits.
    assert!(knn(&[], 1 << 60, &[true; 16], 3, Path::Portable, &Cancel::new()).is_err());
}

#[test]
#[cfg_attr(miri, ignore = "too long for an interpreter")]
fn near_ties_are_decided_exactly() {
    // All rows within a few roundings of one direction: no filter can tell them apart.
    let (n, width) = (260, 8);
    let features: Vec<f32> =
        random(n, width, 1).iter().zip(0..).map(|(x, p)| 1.0 + (p % 3) as f32 + 1e-6 * x).collect();
    check(&features, width, &vec![true; n], 5);
}

#[test]
#[cfg_attr(miri, ignore = "too long for an interpreter")]
fn rows_of_a_few_clusters_are_all_nearly_alike() {
    let (n, width) = (400, 24);
    let (centres, noise) = (random(4, width, 3), random(n, width, 4));
    let features: Vec<f32> =
        (0..n * width).map(|p| centres[p / width % 4 * width + p % width] + 0.02 * noise[p]).collect();
    check(&features, width, &vec![true; n], 10);
}

#[test]
#[cfg_attr(miri, ignore = "too long for an interpreter")]
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
#[cfg_attr(miri, ignore = "too long for an interpreter")]
fn rows_of_one_value_and_of_very_small_and_large_ones() {
    let (n, width) = (230, 6);
    let mut features = random(n, width, 5);
    for row in 0..n {
        let values = &mut features[row * width..(row + 1) * width];
        let scale = [1e-44f32, 1e-38, 1.0, 1e20, 3e38][row % 5];
        values.iter_mut().for_each(|value| *value *= scale);
        if row % 4 == 0 {
            values
                .iter_mut()
                .enumerate()
                .filter(|(at, _)| *at != row % width)
                .for_each(|(_, value)| *value = 0.0);
        }
    }
    check(&features, width, &vec![true; n], 7);
}

#[test]
fn wrong_sizes_and_no_neighbours_are_refused() {
    let cancel = Cancel::new();
    assert!(knn(&[1.0; 5], 2, &[true; 2], 1, Path::Portable, &cancel).is_err());
    assert!(knn(&[1.0; 4], 2, &[true; 2], 0, Path::Portable, &cancel).is_err());
    cancel.raise();
    assert_eq!(knn(&[1.0; 4], 2, &[true; 2], 1, Path::Portable, &cancel), Err(Error::Cancelled));
}
