//! Exact cosine neighbours: `cargo bench --bench knn`.

mod support;

use criterion::{BenchmarkId, Throughput};
use magnet_core::kernels::knn::knn;
use support::{features, path, run};

fn main() {
    let mut criterion = support::criterion();
    let mut group = criterion.benchmark_group("knn");
    for (n, width) in [(2_000, 512), (8_000, 64)] {
        let (features, present, path) = (features(n, width), vec![true; n], path());
        let build = || run(|cancel| knn(&features, width, &present, 10, path, cancel));
        assert_eq!(build().indices.len(), 10 * n);
        group.throughput(Throughput::Elements((n * n) as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{n}x{width}")), |bencher| {
            bencher.iter(build);
        });
    }
    group.finish();
    criterion.final_summary();
}
