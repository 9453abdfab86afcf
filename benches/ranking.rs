//! Full ranking by dot products: `cargo bench --bench ranking`.

mod support;

use criterion::{BenchmarkId, Throughput};
use magnet_core::kernels::rank::{Places, Vectors, rank_dots};
use support::{features, path, run, taken};

const N_USERS: usize = 8_000;
const N_ITEMS: usize = 7_000;
const WIDTH: usize = 64;
const K: usize = 50;

fn main() {
    let mut criterion = support::criterion();
    let mut group = criterion.benchmark_group("ranking");
    let seen = taken(N_USERS, N_ITEMS, 8 * N_USERS);
    let (users, items) = (features(N_USERS, WIDTH), features(N_ITEMS, WIDTH));
    let vectors = Vectors { users: &users, items: &items, width: WIDTH };
    let rows: Vec<i32> = (0..N_USERS as i32).collect();
    let (mut best, mut scores) = (vec![0; N_USERS * K], vec![0.0; N_USERS * K]);
    group.throughput(Throughput::Elements((N_USERS * N_ITEMS) as u64));
    group.bench_function(BenchmarkId::new("dot", format!("{N_USERS}x{N_ITEMS}")), |bencher| {
        bencher.iter(|| {
            let places = Places { items: &mut best, scores: &mut scores, k: K };
            let mask = Some(seen.view(N_ITEMS).pattern);
            run(|cancel| rank_dots(&vectors, &rows, mask, places, path(), cancel));
        });
    });
    assert!(best.iter().all(|&item| item >= 0));
    group.finish();
    criterion.final_summary();
}
