use super::*;
use crate::kernels::rng::Stream;

/// Rows around a few hundred directions, with twins, zero rows and an absent one.
fn rows(n: usize, width: usize) -> (Vec<f32>, Vec<bool>) {
    let stream = Stream::new(9, 1);
    let draw = |at: u64| (stream.open_unit(at) * 2.0 - 1.0) as f32;
    let mut features = Vec::with_capacity(n * width);
    for row in 0..n as u64 {
        let (centre, own) = (row % 37, if row % 11 == 0 { row / 2 } else { row });
        for d in 0..width as u64 {
            let value = draw(centre << 20 | d) + 0.4 * draw(1 << 40 | own << 20 | d);
            features.push(if row % 50 == 3 { 0.0 } else { value });
        }
    }
    let present = (0..n).map(|row| row != 5).collect();
    (features, present)
}

fn plan(clusters: usize, overlap: usize, rounds: usize) -> Plan {
    Plan { clusters, overlap, rounds, sample: 100, seed: 3 }
}

#[test]
#[cfg_attr(miri, ignore = "too long for an interpreter")]
fn one_cluster_is_the_exact_search() {
    let (features, present) = rows(400, 12);
    let cancel = Cancel::new();
    let exact = knn(&features, 12, &present, 5, Path::Portable, &cancel).unwrap();
    let found =
        knn_approximate(Features::Single(&features), 12, &present, 5, plan(1, 3, 1), Path::Portable, &cancel)
            .unwrap();
    assert_eq!(found.graph.indptr, exact.indptr);
    assert_eq!(found.graph.indices, exact.indices);
    assert_eq!(found.graph.values, exact.values);
    assert_eq!(found.recall, 1.0);
}

#[test]
fn counts_and_widths_beyond_any_memory_are_taken_or_refused() {
    let (features, present) = rows(100, 4);
    let run = |features: &[f32], width, present: &[bool], plan| {
        let features = Features::Single(features);
        knn_approximate(features, width, present, 3, plan, Path::Portable, &Cancel::new())
    };
    let all = run(&features, 4, &present, plan(100, 100, 1)).unwrap();
    // 64 rows of a sample for each of 2^58 clusters are none in 64 bits.
    for many in [1 << 58, usize::MAX] {
        let found = run(&features, 4, &present, plan(many, many, 1)).unwrap();
        assert_eq!((found.graph, found.recall), (all.graph.clone(), all.recall));
    }
    assert_eq!(run(&[], 1 << 60, &[], plan(2, 2, 1)).unwrap().graph.indptr, [0]);
    assert!(run(&[], 1 << 60, &[true; 16], plan(2, 2, 1)).is_err());
}

#[test]
#[cfg_attr(miri, ignore = "too long for an interpreter")]
fn a_round_over_neighbours_of_neighbours_finds_more() {
    let (features, present) = rows(2000, 12);
    let recall = |plan| {
        let features = Features::Single(&features);
        knn_approximate(features, 12, &present, 10, plan, Path::Portable, &Cancel::new()).unwrap().recall
    };
    let (single, polished) = (recall(plan(200, 2, 0)), recall(plan(200, 2, 1)));
    assert!(0.3 < single && single < polished, "{single} {polished}");
    assert!(polished > 0.95, "{polished}");
}

#[test]
fn a_raised_flag_stops_it_and_bad_plans_are_refused() {
    let (features, present) = rows(100, 4);
    let run = |plan, cancel: &Cancel| {
        knn_approximate(Features::Single(&features), 4, &present, 3, plan, Path::Portable, cancel)
    };
    let cancel = Cancel::new();
    assert!(matches!(run(plan(0, 1, 0), &cancel), Err(Error::Invalid(_))));
    assert!(matches!(run(plan(1, 0, 0), &cancel), Err(Error::Invalid(_))));
    cancel.raise();
    assert!(matches!(run(plan(2, 2, 1), &cancel), Err(Error::Cancelled)));
}

#[test]
fn more_clusters_than_rows_are_as_many_as_rows() {
    let (features, present) = rows(60, 4);
    let found = |clusters| {
        let features = Features::Single(&features);
        knn_approximate(features, 4, &present, 3, plan(clusters, 2, 1), Path::Portable, &Cancel::new())
            .unwrap()
            .graph
    };
    let expected = found(60);
    // The sample of a cluster has 64 rows: the product of the second number wraps to zero.
    for clusters in [1000, 1 << 58, usize::MAX] {
        assert_eq!(found(clusters), expected, "{clusters}");
    }
}
