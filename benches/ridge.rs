//! The local ridge, without and with content: `cargo bench --bench ridge`.

mod support;

use criterion::{BenchmarkId, Throughput};
use magnet_core::kernels::knn::knn;
use magnet_core::kernels::ridge::{Options, local_ridge};
use support::{SIZES, features, path, run, taken};

fn main() {
    let mut criterion = support::criterion();
    let mut group = criterion.benchmark_group("local_ridge");
    let (n_users, n_items, n_pairs) = SIZES[0];
    let train = taken(n_users, n_items, n_pairs);
    let (features, present) = (features(n_items, 16), vec![true; n_items]);
    // Cosines stand for a content matrix: it only matters how many there are.
    let content = run(|cancel| knn(&features, 16, &present, 50, path(), cancel));
    group.throughput(Throughput::Elements(n_items as u64));
    for support in [50, 200] {
        for (name, content) in [("interactions", None), ("content", Some(content.view(n_items)))] {
            let options = Options { ridge: 50.0, content_weight: 150.0, support };
            let solve = || run(|cancel| local_ridge(train.view(n_items), content, options, path(), cancel));
            assert!(solve().indices.len() <= support * n_items);
            group.bench_function(BenchmarkId::new(name, support), |bencher| bencher.iter(solve));
        }
    }
    group.finish();
    criterion.final_summary();
}
