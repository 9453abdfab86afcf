//! Graph construction at two sizes each, on Magnet's own threads: `cargo bench --bench graph`.

use criterion::{BenchmarkId, Criterion, Throughput};
use magnet_core::kernels::adjacency::{bipartite, similarity};
use magnet_core::kernels::cancel::Cancel;
use magnet_core::kernels::csr::OwnedCsr;
use magnet_core::kernels::error::Error;
use magnet_core::kernels::interactions::interactions;
use magnet_core::kernels::knn::knn;
use magnet_core::kernels::pseudo_edges::{Options, pseudo_edges};
use magnet_core::kernels::rng::Stream;
use magnet_core::kernels::simd::Path;
use magnet_core::pool;

fn main() {
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    bench_knn(&mut criterion);
    bench_adjacency(&mut criterion);
    bench_pseudo_edges(&mut criterion);
    criterion.final_summary();
}

fn bench_knn(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("knn");
    for (n, width) in [(2_000, 512), (8_000, 64)] {
        let (features, present) = (features(n, width), vec![true; n]);
        let path = done(Path::choose());
        group.throughput(Throughput::Elements((n * n) as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{n}x{width}")), |bencher| {
            bencher.iter(|| run(|cancel| knn(&features, width, &present, 10, path, cancel)));
        });
        let graph = run(|cancel| knn(&features, width, &present, 10, path, cancel));
        assert_eq!(graph.indices.len(), 10 * n);
    }
}

fn bench_adjacency(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("adjacency");
    for (n_users, n_items, n_pairs) in [(20_000, 7_000, 160_000), (190_000, 63_000, 1_600_000)] {
        let (users, items) = pairs(n_users, n_items, n_pairs);
        let build = |cancel: &Cancel| {
            let taken = interactions(&users, &items, n_users, n_items, cancel)?;
            bipartite(taken.view(n_items), cancel)
        };
        group.throughput(Throughput::Elements(n_pairs as u64));
        group.bench_function(BenchmarkId::from_parameter(n_pairs), |bencher| bencher.iter(|| run(build)));
        assert!(run(build).values.len() <= 2 * n_pairs);
    }
}

fn bench_pseudo_edges(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pseudo_edges");
    for (n_users, n_items, n_pairs) in [(2_000, 1_000, 20_000), (20_000, 7_000, 160_000)] {
        let (users, items) = pairs(n_users, n_items, n_pairs);
        let (features, present, path) = (features(n_items, 16), vec![true; n_items], done(Path::choose()));
        let taken = run(|cancel| interactions(&users, &items, n_users, n_items, cancel));
        let neighbours = run(|cancel| knn(&features, 16, &present, 10, path, cancel));
        let alike = run(|cancel| similarity(neighbours.view(n_items), cancel));
        let options = Options { per_user: 10, per_item: 5, strength: 0.5 };
        let build = |cancel: &Cancel| pseudo_edges(taken.view(n_items), alike.view(n_items), options, cancel);
        group.throughput(Throughput::Elements(n_pairs as u64));
        group.bench_function(BenchmarkId::from_parameter(n_pairs), |bencher| bencher.iter(|| run(build)));
        assert!(run(build).values.len() <= 10 * n_users + 5 * n_items);
    }
}

/// Runs a kernel as the Python gate does: on the process's own threads.
fn run(work: impl FnOnce(&Cancel) -> Result<OwnedCsr, Error> + Send) -> OwnedCsr {
    done(pool::current().and_then(|pool| pool.install(|| work(&Cancel::new()))))
}

fn done<T>(result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

/// Rows scattered around a hundred centres.
fn features(n: usize, width: usize) -> Vec<f32> {
    let stream = Stream::new(1, 0);
    let draw = |row: usize, column: usize| stream.open_unit((row * width + column) as u64) - 0.5;
    let centre = |row: usize| n + stream.bits32((row as u64) << 32) as usize % 100;
    (0..n)
        .flat_map(|row| (0..width).map(move |column| (row, column)))
        .map(|(row, column)| (draw(centre(row), column) + draw(row, column)) as f32)
        .collect()
}

/// Pairs with popular users and popular items.
fn pairs(n_users: usize, n_items: usize, n: usize) -> (Vec<i32>, Vec<i32>) {
    let stream = Stream::new(2, 0);
    let draw = |counter: usize, of: usize| (stream.open_unit(counter as u64).powi(2) * of as f64) as i32;
    (0..n).map(|pair| (draw(2 * pair, n_users), draw(2 * pair + 1, n_items))).unzip()
}
