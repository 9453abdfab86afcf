//! Negative sampling: `cargo bench --bench sampling`.

mod support;

use criterion::{BenchmarkId, Throughput};
use magnet_core::kernels::rng::Stream;
use magnet_core::kernels::sampling::{Source, sample};
use support::{SIZES, done, path, run, taken};

fn main() {
    let mut criterion = support::criterion();
    for (n_users, n_items, n_pairs) in SIZES {
        let mut group = criterion.benchmark_group("sampling");
        let matrix = taken(n_users, n_items, n_pairs);
        let seen = matrix.view(n_items).pattern;
        // One draw for each pair; the users come in random order.
        let stream = Stream::new(4, 0);
        let users: Vec<i32> =
            (0..n_pairs).map(|pair| (stream.open_unit(pair as u64) * n_users as f64) as i32).collect();
        let weights: Vec<f64> = (0..n_items).map(|item| 1.0 / (1.0 + item as f64).sqrt()).collect();
        let mut out = vec![0; n_pairs];
        group.throughput(Throughput::Elements(n_pairs as u64));
        for (name, weights) in [("uniform", None), ("popularity", Some(weights.as_slice()))] {
            let source = done(Source::new(n_items, None, weights));
            let path = path();
            group.bench_function(BenchmarkId::new(name, n_pairs), |bencher| {
                bencher.iter(|| {
                    run(|cancel| sample(seen, &users, &source, stream, 0, &mut out, path, cancel));
                });
            });
            assert!(users.iter().zip(&out).all(|(&u, item)| !seen.row(u as usize).contains(item)));
        }
    }
    criterion.final_summary();
}
