//! Ranking equals scoring every pair, on every instruction path and for any batching.

use super::order::Order;
use super::walk::Walk;
use super::*;
use crate::kernels::cancel::Cancel;
use crate::kernels::csr::Indptr;
use crate::kernels::rng::Stream;
use crate::kernels::simd::Path;
use crate::kernels::tiles::plain::Plain;
use crate::kernels::tiles::shapes::Tiles;

/// Quarters from -1 to 1: sums of their products are exact, so there are many ties, and they are true ties.
fn quarters(n: usize, seed: u64) -> Vec<f32> {
    let stream = Stream::new(seed, 0);
    (0..n as u64).map(|i| (stream.bits32(i) % 9) as f32 / 4.0 - 1.0).collect()
}

struct Example {
    n_users: usize,
    n_items: usize,
    width: usize,
    n: usize,
    rank: usize,
    arrays: [Vec<f32>; 6],
}

impl Example {
    fn new(n_users: usize, n_items: usize, width: usize, n: usize, rank: usize) -> Self {
        let mut arrays = [
            quarters(n_users * width, 1),
            quarters(n_items * width, 2),
            quarters(n_users * n * width, 3),
            quarters(n_items * n * width, 4),
            quarters(n_users * n * rank, 5),
            quarters(n_items * n * rank, 6),
        ];
        // The last column is a bias of the user; some are off, for one user all of them.
        let [_, _, _, _, user_keys, item_keys] = &mut arrays;
        for (at, key) in user_keys.chunks_exact_mut(rank).enumerate() {
            if at % 5 == 0 || at / n == 3 {
                key[rank - 1] = f32::NEG_INFINITY;
            }
        }
        item_keys.chunks_exact_mut(rank).for_each(|key| key[rank - 1] = 1.0);
        Self { n_users, n_items, width, n, rank, arrays }
    }

    fn towers(&self, weight: f32, top: usize) -> Towers<'_> {
        let [users, items, user_towers, item_towers, user_keys, item_keys] = &self.arrays;
        let (n, rank) = (self.n, self.rank);
        let experts = Experts { user_towers, item_towers, user_keys, item_keys, n, rank, weight, top };
        Towers { users, items, width: self.width, experts: (n > 0).then_some(experts) }
    }
}

/// A way to rank: on a path, or by the sieve with tiles in plain Rust and the vectors of a path (AMX need not be there).
#[derive(Debug, Clone, Copy)]
enum Way {
    Path(Path),
    Sieve(Path),
}

impl Way {
    /// The sieve with the plainest and the longest vectors: its tiles are slow in plain Rust.
    fn all() -> impl Iterator<Item = Self> {
        let sieves = [Path::available().next(), Path::available().last()];
        Path::available().map(Self::Path).chain(sieves.into_iter().flatten().map(Self::Sieve))
    }

    /// Scores and items of the `k` best of each user.
    fn rank(
        self,
        towers: &Towers<'_>,
        users: &[i32],
        seen: Option<Pattern<'_>>,
        k: usize,
    ) -> Vec<(f32, i32)> {
        let cancel = &Cancel::new();
        let (mut items, mut scores) = (vec![7; users.len() * k], vec![7.0; users.len() * k]);
        let places = Places { items: &mut items, scores: &mut scores, k };
        match self {
            Self::Path(path) => rank_towers(towers, users, seen, places, path, cancel).unwrap(),
            Self::Sieve(path) => {
                let order = Order::new(towers.n_items());
                let walk = Walk::new(towers, &order, users, seen, &places, path, cancel).unwrap();
                walk.by_sieve(Plain::<Tiles>::new(), users, places).unwrap();
            }
        }
        scores.into_iter().zip(items).collect()
    }
}

/// The expected result: every pair that was not seen is scored, and all are sorted.
fn sort_all(towers: &Towers<'_>, users: &[i32], seen: Option<Pattern<'_>>, k: usize) -> Vec<(f32, i32)> {
    let paths: Vec<Path> = Path::available().collect();
    let mut best = Vec::new();
    for &user in users {
        let seen = seen.map_or(&[][..], |seen| seen.row(user as usize));
        let unseen: Vec<i32> = (0..towers.n_items() as i32).filter(|item| !seen.contains(item)).collect();
        let mut scores = vec![0.0; unseen.len()];
        let path = paths[user as usize % paths.len()];
        let repeated = vec![user; unseen.len()];
        score_pairs(towers, &repeated, &unseen, &mut scores, &mut [], path, &Cancel::new()).unwrap();
        let mut pairs: Vec<(f32, i32)> = scores.into_iter().zip(unseen).collect();
        pairs.retain(|pair| pair.0 > f32::NEG_INFINITY);
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        pairs.resize(k.max(pairs.len()), (f32::NEG_INFINITY, NO_ITEM));
        best.extend(pairs.into_iter().take(k));
    }
    best
}

#[test]
fn ranking_equals_scoring_every_pair() {
    for (width, n, rank) in [(1, 0, 1), (5, 1, 2), (8, 3, 3), (19, 9, 4), (4, 20, 2)] {
        let example = Example::new(13, 37, width, n, rank);
        let (n_users, n_items) = (example.n_users, example.n_items);
        let indptr: Vec<i32> = (0..=n_users as i32).map(|user| user * 3).collect();
        let indices: Vec<i32> = (0..n_users as i32).flat_map(|user| [user, user + 5, user + 24]).collect();
        let seen = Some(Pattern::new(Indptr::Narrow(&indptr), &indices, n_items).unwrap());
        let users: Vec<i32> = (0..n_users as i32).rev().collect();
        for (weight, top, k) in [(0.5, 1, 4), (-2.0, n.max(1), 10), (0.0, 1, 3), (1.5, n.clamp(1, 3), 40)] {
            let towers = example.towers(weight, top);
            let expected = sort_all(&towers, &users, seen, k);
            for way in Way::all() {
                let all = users.len();
                let batches: &[usize] = if matches!(way, Way::Sieve(_)) { &[all] } else { &[1, 4, all] };
                for &batch in batches {
                    let found: Vec<(f32, i32)> =
                        users.chunks(batch).flat_map(|users| way.rank(&towers, users, seen, k)).collect();
                    assert_eq!(
                        found, expected,
                        "width {width} experts {n} weight {weight} top {top} {way:?}"
                    );
                }
            }
        }
    }
}

/// Rows that bfloat16 cannot tell apart, rows far longer and shorter than the others, and zeros.
#[test]
fn what_coarse_scores_cannot_tell_apart_is_told_apart() {
    let stream = Stream::new(9, 0);
    for (width, n, rank) in [(3, 0, 1), (40, 0, 1), (33, 3, 2), (64, 5, 3)] {
        let mut example = Example::new(70, 400, width, n, rank);
        let [users, items, user_towers, item_towers, ..] = &mut example.arrays;
        for (salt, values) in [users, items, user_towers, item_towers].into_iter().enumerate() {
            for (at, value) in values.iter_mut().enumerate() {
                *value += 1e-4 * stream.bits32((salt << 24 | at) as u64) as f32 / 2f32.powi(32);
            }
        }
        let [users, items, _, item_towers, ..] = &mut example.arrays;
        let first = items[..width].to_vec();
        for (item, row) in items.chunks_exact_mut(width).enumerate() {
            match item % 10 {
                0..5 => row.iter_mut().zip(&first).for_each(|(x, &y)| *x = y + *x * 1e-5),
                5 => row.iter_mut().for_each(|x| *x *= 1e-20),
                6 => row.fill(0.0),
                _ => {}
            }
        }
        items[7 * width..8 * width].iter_mut().for_each(|x| *x *= 1e6);
        users[width..2 * width].fill(0.0);
        users[2 * width..3 * width].iter_mut().for_each(|x| *x *= 1e-25);
        for row in item_towers.chunks_exact_mut(width.max(1)).step_by(3) {
            row.iter_mut().for_each(|x| *x *= 1e-3);
        }
        let users: Vec<i32> = (0..70).collect();
        for (weight, top, k) in [(0.3, n.max(1), 20), (2.0, 1, 5), (-0.5, n.clamp(1, 2), 60)] {
            let towers = example.towers(weight, top);
            let expected = sort_all(&towers, &users, None, k);
            for way in Way::all() {
                let found = way.rank(&towers, &users, None, k);
                assert!(found == expected, "width {width} experts {n} weight {weight} {way:?}");
            }
        }
    }
}

#[test]
fn numbers_without_coarse_scores_are_ranked_all_the_same() {
    for odd in [f32::NAN, f32::INFINITY, 1e20] {
        for array in 0..4 {
            let mut example = Example::new(5, 40, 6, 2, 2);
            example.arrays[array][13] = odd;
            let towers = example.towers(0.5, 2);
            let expected = sort_all(&towers, &[0, 1, 2, 3, 4], None, 10);
            for path in Path::available() {
                let found = Way::Path(path).rank(&towers, &[0, 1, 2, 3, 4], None, 10);
                assert_eq!(found, expected, "{odd} in {array} {path:?}");
            }
        }
    }
}

#[test]
fn a_guess_from_a_sample_loses_nothing() {
    let n_items = 4500;
    let sample = Order::new(n_items);
    assert!(sample.sample > 0);
    for (width, n, rank) in [(1, 0, 1), (6, 0, 1), (3, 3, 2)] {
        let mut example = Example::new(9, n_items, width, n, rank);
        // The first user likes the items of the sample only, all equally, so that too few are above any guess.
        example.arrays[0][..width].fill(1.0);
        for (place, &item) in sample.items.iter().enumerate() {
            example.arrays[1][item as usize * width] = if place < sample.sample { 1.0 } else { -1.0 };
        }
        let towers = example.towers(0.5, 1);
        let indptr: Vec<i32> = (0..=9).map(|user| user * 700).collect();
        let indices: Vec<i32> = (0..9).flat_map(|user| (0..700).map(move |i| user + 6 * i)).collect();
        let seen = Some(Pattern::new(Indptr::Narrow(&indptr), &indices, n_items).unwrap());
        let users: Vec<i32> = (0..9).collect();
        for k in [1, 20, 4000] {
            let expected = sort_all(&towers, &users, seen, k);
            for way in Way::all() {
                let found = way.rank(&towers, &users, seen, k);
                assert!(found == expected, "width {width} experts {n} k {k} {way:?}");
            }
        }
    }
}

#[test]
fn given_scores_are_ranked_without_the_seen_and_the_unordered() {
    let mut scores = quarters(3 * 29, 8);
    scores[4] = f32::NAN;
    scores[5] = f32::INFINITY;
    scores[6] = f32::NEG_INFINITY;
    scores[58..].fill(f32::NEG_INFINITY);
    let seen = Pattern::new(Indptr::Narrow(&[0, 2, 2, 2]), &[0, 5], 29).unwrap();
    for path in Path::available() {
        let (mut items, mut out) = (vec![0; 3 * 29], vec![0.0; 3 * 29]);
        let places = Places { items: &mut items, scores: &mut out, k: 29 };
        rank_scores(&scores, 29, &[0, 1, 2], Some(seen), places, path, &Cancel::new()).unwrap();
        for row in 0..3 {
            let mut order: Vec<i32> = (0..29)
                .filter(|&item| scores[row * 29 + item as usize] > f32::NEG_INFINITY)
                .filter(|item| row > 0 || ![0, 5].contains(item))
                .collect();
            let score = |item: i32| scores[row * 29 + item as usize];
            order.sort_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
            order.resize(29, NO_ITEM);
            assert_eq!(items[row * 29..][..29], order);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let example = Example::new(4, 6, 2, 2, 2);
    let cancel = Cancel::new();
    let rank = |towers: Towers<'_>, users: &[i32], k: usize| {
        let (mut items, mut scores) = (vec![0; users.len() * k], vec![0.0; users.len() * k]);
        let places = Places { items: &mut items, scores: &mut scores, k };
        rank_towers(&towers, users, None, places, Path::Portable, &cancel)
    };
    assert!(rank(example.towers(1.0, 1), &[0, 3], 2).is_ok());
    assert!(rank(example.towers(1.0, 1), &[0, 4], 2).is_err(), "user out of range");
    assert!(rank(example.towers(1.0, 1), &[-1], 2).is_err(), "negative user");
    assert!(rank(example.towers(1.0, 1), &[0], 0).is_err(), "no place");
    assert!(rank(example.towers(1.0, 0), &[0], 1).is_err(), "no expert taken");
    assert!(rank(example.towers(1.0, 3), &[0], 1).is_err(), "more experts taken than there are");
    let mut short = example.towers(1.0, 1);
    if let Some(experts) = &mut short.experts {
        experts.item_keys = &experts.item_keys[1..];
    }
    assert!(rank(short, &[0], 1).is_err(), "keys missing");
    cancel.raise();
    assert_eq!(rank(example.towers(1.0, 1), &[0], 1), Err(Error::Cancelled));
}
