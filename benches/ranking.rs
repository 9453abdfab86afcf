//! Full ranking by dot products and by a mixture: `cargo bench --bench ranking`.

mod support;

use criterion::{BenchmarkId, Throughput};
use magnet_core::kernels::rank::{Experts, Places, Towers, rank_towers};
use support::{features, path, run, taken};

const WIDTH: usize = 64;
const EXPERTS: usize = 9;
const RANK: usize = 16;
const K: usize = 50;

fn main() {
    let mut criterion = support::criterion();
    let mut group = criterion.benchmark_group("ranking");
    for (name, n_users, n_items) in [("dot", 8_000, 7_000), ("mixture", 1_000, 2_000)] {
        let seen = taken(n_users, n_items, 8 * n_users);
        let (users, items) = (features(n_users, WIDTH), features(n_items, WIDTH));
        let wide = |n: usize, width: usize| features(n, EXPERTS * width);
        let (user_towers, item_towers) = (wide(n_users, WIDTH), wide(n_items, WIDTH));
        let (user_keys, item_keys) = (wide(n_users, RANK), wide(n_items, RANK));
        let experts = Experts {
            user_towers: &user_towers,
            item_towers: &item_towers,
            user_keys: &user_keys,
            item_keys: &item_keys,
            n: EXPERTS,
            rank: RANK,
            weight: 0.3,
            top: EXPERTS,
        };
        let experts = (name == "mixture").then_some(experts);
        let towers = Towers { users: &users, items: &items, width: WIDTH, experts };
        let rows: Vec<i32> = (0..n_users as i32).collect();
        let (mut best, mut scores) = (vec![0; n_users * K], vec![0.0; n_users * K]);
        group.throughput(Throughput::Elements((n_users * n_items) as u64));
        group.bench_function(BenchmarkId::new(name, format!("{n_users}x{n_items}")), |bencher| {
            bencher.iter(|| {
                let places = Places { items: &mut best, scores: &mut scores, k: K };
                let mask = Some(seen.view(n_items).pattern);
                run(|cancel| rank_towers(&towers, &rows, mask, places, path(), cancel));
            });
        });
        assert!(best.iter().all(|&item| item >= 0));
    }
    group.finish();
    criterion.final_summary();
}
