//! Sparse times dense, one layer and three; the gradient of a symmetric graph is the same product once more:
//! `cargo bench --bench propagation`.

mod support;

use criterion::{BenchmarkId, Throughput};
use magnet_core::kernels::adjacency::bipartite;
use magnet_core::kernels::csr::Indptr;
use magnet_core::kernels::propagate::{Matrix, Storage, multiply, propagate_mean};
use support::{SIZES, done, features, path, run, taken};

const WIDTH: usize = 64;
const LAYERS: usize = 3;

fn main() {
    let mut criterion = support::criterion();
    let mut group = criterion.benchmark_group("propagation");
    for (n_users, n_items, n_pairs) in SIZES {
        let pairs = taken(n_users, n_items, n_pairs);
        let graph = run(|cancel| bipartite(pairs.view(n_items), cancel));
        let n = n_users + n_items;
        let matrix = done(Matrix::new(Indptr::Wide(&graph.indptr), &graph.indices, &graph.values, n));
        let (x, mut h, mut gradient) = (features(n, WIDTH), vec![0f32; n * WIDTH], vec![0f32; n * WIDTH]);
        group.throughput(Throughput::Elements(graph.values.len() as u64));
        group.bench_function(BenchmarkId::new("one product", n_pairs), |bencher| {
            bencher.iter(|| run(|cancel| multiply(matrix, &x, WIDTH, &mut h, path(), cancel)));
        });
        let mean = |x: &[f32], storage: Storage, out: &mut [f32]| {
            run(|cancel| propagate_mean(matrix, x, LAYERS, WIDTH, storage, out, path(), cancel));
        };
        for (name, storage) in [("forward", Storage::Whole), ("forward, bfloat16", Storage::Half)] {
            group.bench_function(BenchmarkId::new(name, n_pairs), |bencher| {
                bencher.iter(|| mean(&x, storage, &mut h));
            });
        }
        group.bench_function(BenchmarkId::new("forward and backward", n_pairs), |bencher| {
            bencher.iter(|| {
                mean(&x, Storage::Whole, &mut h);
                mean(&h, Storage::Whole, &mut gradient);
            });
        });
        assert!(gradient.iter().all(|value| value.is_finite()));
    }
    group.finish();
    criterion.final_summary();
}
