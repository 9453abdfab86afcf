//! Sparse graphs, made and thinned: `cargo bench --bench graph`.

mod support;

use criterion::{BenchmarkId, Criterion, Throughput};
use magnet_core::kernels::adjacency::{bipartite, similarity};
use magnet_core::kernels::edge_dropout::{Weighting, drop_edges};
use magnet_core::kernels::interactions::interactions;
use magnet_core::kernels::knn::knn;
use magnet_core::kernels::pseudo_edges::{Options, pseudo_edges};
use magnet_core::kernels::rng::Stream;
use magnet_core::kernels::shared_users::shared_users;
use support::{SIZES, features, pairs, path, run, taken};

fn main() {
    let mut criterion = support::criterion();
    bench_pairs(&mut criterion);
    bench_edge_dropout(&mut criterion);
    bench_content(&mut criterion);
    criterion.final_summary();
}

/// Pairs to interactions, and on to the normalised adjacency.
fn bench_pairs(criterion: &mut Criterion) {
    for (n_users, n_items, n_pairs) in SIZES {
        let (users, items) = pairs(n_users, n_items, n_pairs);
        let mut group = criterion.benchmark_group("pairs");
        group.throughput(Throughput::Elements(n_pairs as u64));
        group.bench_function(BenchmarkId::new("interactions", n_pairs), |bencher| {
            bencher.iter(|| run(|cancel| interactions(&users, &items, n_users, n_items, cancel)));
        });
        let matrix = taken(n_users, n_items, n_pairs);
        let adjacency = || run(|cancel| bipartite(matrix.view(n_items), cancel));
        assert_eq!(adjacency().values.len(), 2 * matrix.values.len());
        group.bench_function(BenchmarkId::new("bipartite", n_pairs), |bencher| bencher.iter(adjacency));
    }
}

fn bench_edge_dropout(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("edge_dropout");
    for (n_users, n_items, n_pairs) in SIZES {
        let matrix = taken(n_users, n_items, n_pairs);
        let n_kept = matrix.values.len() / 5;
        let stream = Stream::new(3, 0);
        let build =
            || run(|cancel| drop_edges(matrix.view(n_items), n_kept, Weighting::Degree, stream, cancel));
        assert_eq!(build().values.len(), n_kept);
        group.throughput(Throughput::Elements(n_pairs as u64));
        group.bench_function(BenchmarkId::from_parameter(n_pairs), |bencher| bencher.iter(build));
    }
}

/// What content adds: similarities, pseudo edges, and how many users neighbours share.
fn bench_content(criterion: &mut Criterion) {
    for (n_users, n_items, n_pairs) in [(2_000, 1_000, 20_000), SIZES[0]] {
        let mut group = criterion.benchmark_group("content");
        group.throughput(Throughput::Elements(n_pairs as u64));
        let matrix = taken(n_users, n_items, n_pairs);
        let (features, present, path) = (features(n_items, 16), vec![true; n_items], path());
        let neighbours = run(|cancel| knn(&features, 16, &present, 10, path, cancel));
        let alike = run(|cancel| similarity(neighbours.view(n_items), cancel));
        group.bench_function(BenchmarkId::new("similarity", n_pairs), |bencher| {
            bencher.iter(|| run(|cancel| similarity(neighbours.view(n_items), cancel)));
        });
        let options = Options { per_user: 10, per_item: 5, strength: 0.5 };
        let edges = || run(|cancel| pseudo_edges(matrix.view(n_items), alike.view(n_items), options, cancel));
        assert!(edges().values.len() <= 10 * n_users + 5 * n_items);
        group.bench_function(BenchmarkId::new("pseudo_edges", n_pairs), |bencher| bencher.iter(edges));
        let shared =
            || run(|cancel| shared_users(matrix.view(n_items), neighbours.view(n_items).pattern, cancel));
        group.bench_function(BenchmarkId::new("shared_users", n_pairs), |bencher| bencher.iter(shared));
    }
}
