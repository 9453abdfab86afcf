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
    users: Vec<f32>,
    items: Vec<f32>,
    width: usize,
}

impl Example {
    fn new(n_users: usize, n_items: usize, width: usize) -> Self {
        Self { users: quarters(n_users * width, 1), items: quarters(n_items * width, 2), width }
    }

    fn vectors(&self) -> Vectors<'_> {
        Vectors { users: &self.users, items: &self.items, width: self.width }
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
        vectors: &Vectors<'_>,
        users: &[i32],
        seen: Option<Pattern<'_>>,
        k: usize,
    ) -> Vec<(f32, i32)> {
        let cancel = &Cancel::new();
        let (mut items, mut scores) = (vec![7; users.len() * k], vec![7.0; users.len() * k]);
        let places = Places { items: &mut items, scores: &mut scores, k };
        match self {
            Self::Path(path) => rank_dots(vectors, users, seen, places, path, cancel).unwrap(),
            Self::Sieve(path) => {
                let order = Order::new(vectors.n_items());
                let walk = Walk::new(vectors, &order, users, seen, &places, path, cancel).unwrap();
                walk.by_sieve(Plain::<Tiles>::new(), users, places).unwrap();
            }
        }
        scores.into_iter().zip(items).collect()
    }
}

/// The expected result: every pair that was not seen is scored, and all are sorted.
fn sort_all(vectors: &Vectors<'_>, users: &[i32], seen: Option<Pattern<'_>>, k: usize) -> Vec<(f32, i32)> {
    let paths: Vec<Path> = Path::available().collect();
    let mut best = Vec::new();
    for &user in users {
        let seen = seen.map_or(&[][..], |seen| seen.row(user as usize));
        let unseen: Vec<i32> = (0..vectors.n_items() as i32).filter(|item| !seen.contains(item)).collect();
        let mut scores = vec![0.0; unseen.len()];
        let path = paths[user as usize % paths.len()];
        let repeated = vec![user; unseen.len()];
        score_dots(vectors, &repeated, &unseen, &mut scores, path, &Cancel::new()).unwrap();
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
    let (n_users, n_items) = (13, 37);
    let indptr: Vec<i32> = (0..=n_users).map(|user| user * 3).collect();
    let indices: Vec<i32> = (0..n_users).flat_map(|user| [user, user + 5, user + 24]).collect();
    let seen = Some(Pattern::new(Indptr::Narrow(&indptr), &indices, n_items).unwrap());
    let users: Vec<i32> = (0..n_users).rev().collect();
    for width in [1, 5, 8, 19, 40].into_iter().take(if cfg!(miri) { 2 } else { 5 }) {
        let example = Example::new(n_users as usize, n_items, width);
        let vectors = example.vectors();
        for k in [1, 4, 10, 40] {
            let expected = sort_all(&vectors, &users, seen, k);
            for way in Way::all() {
                let all = users.len();
                let batches: &[usize] = if matches!(way, Way::Sieve(_)) { &[all] } else { &[1, 4, all] };
                for &batch in batches {
                    let found: Vec<(f32, i32)> =
                        users.chunks(batch).flat_map(|users| way.rank(&vectors, users, seen, k)).collect();
                    assert_eq!(found, expected, "width {width} k {k} {way:?}");
                }
            }
        }
    }
}

/// Rows that bfloat16 cannot tell apart, rows far longer and shorter than the others, and zeros.
#[test]
#[cfg_attr(miri, ignore = "too long for an interpreter")]
fn what_coarse_scores_cannot_tell_apart_is_told_apart() {
    let stream = Stream::new(9, 0);
    for width in [3, 40, 64] {
        let mut example = Example::new(70, 400, width);
        let Example { users, items, .. } = &mut example;
        for (salt, values) in [&mut *users, &mut *items].into_iter().enumerate() {
            for (at, value) in values.iter_mut().enumerate() {
                *value += 1e-4 * stream.bits32((salt << 24 | at) as u64) as f32 / 2f32.powi(32);
            }
        }
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
        let users: Vec<i32> = (0..70).collect();
        let vectors = example.vectors();
        for k in [5, 20, 60] {
            let expected = sort_all(&vectors, &users, None, k);
            for way in Way::all() {
                let found = way.rank(&vectors, &users, None, k);
                assert!(found == expected, "width {width} k {k} {way:?}");
            }
        }
    }
}

/// Bfloat16 writes every number of the best item too low by nearly half a step, and all numbers of the others as much
/// too high: coarse scores are as wrong as their errors allow.
#[test]
fn the_best_is_found_where_coarse_scores_are_as_wrong_as_can_be() {
    const WIDTH: usize = 32;
    const BEST: usize = 50;
    // From 1 to 2 a step of bfloat16 is 2^-7.
    let number = |share: f32| 1.25 + share / 128.0;
    let (users, mut items) = (vec![1.0; 2 * WIDTH], vec![number(66.0 / 128.0); 64 * WIDTH]);
    // The sums differ in one number by a step and a little: those of the others would be greater otherwise.
    items.iter_mut().step_by(WIDTH).for_each(|x| *x = number(65.0 / 128.0 - 1.0));
    items[BEST * WIDTH..][..WIDTH].fill(number(62.0 / 128.0));
    let vectors = Vectors { users: &users, items: &items, width: WIDTH };
    let best = (WIDTH as f32 * number(62.0 / 128.0), BEST as i32);
    for way in Way::all() {
        assert_eq!(way.rank(&vectors, &[0, 1], None, 1), [best; 2], "{way:?}");
    }
}

#[test]
fn numbers_without_coarse_scores_are_ranked_all_the_same() {
    for odd in [f32::NAN, f32::INFINITY, 1e20] {
        for of_users in [true, false] {
            let mut example = Example::new(5, 40, 6);
            let numbers = if of_users { &mut example.users } else { &mut example.items };
            numbers[13] = odd;
            let vectors = example.vectors();
            let expected = sort_all(&vectors, &[0, 1, 2, 3, 4], None, 10);
            for path in Path::available() {
                let found = Way::Path(path).rank(&vectors, &[0, 1, 2, 3, 4], None, 10);
                assert_eq!(found, expected, "{odd} of users {of_users} {path:?}");
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for an interpreter")]
fn a_guess_from_a_sample_loses_nothing() {
    let n_items = 4500;
    let sample = Order::new(n_items);
    assert!(sample.sample > 0);
    let indptr: Vec<i32> = (0..=9).map(|user| user * 700).collect();
    let indices: Vec<i32> = (0..9).flat_map(|user| (0..700).map(move |i| user + 6 * i)).collect();
    let seen = Some(Pattern::new(Indptr::Narrow(&indptr), &indices, n_items).unwrap());
    let users: Vec<i32> = (0..9).collect();
    for width in [1, 6] {
        let mut example = Example::new(9, n_items, width);
        // The first user likes the items of the sample only, all equally, so that too few are above any guess.
        example.users[..width].fill(1.0);
        for (place, &item) in sample.items.iter().enumerate() {
            example.items[item as usize * width] = if place < sample.sample { 1.0 } else { -1.0 };
        }
        let vectors = example.vectors();
        for k in [1, 20, 4000] {
            let expected = sort_all(&vectors, &users, seen, k);
            for way in Way::all() {
                let found = way.rank(&vectors, &users, seen, k);
                assert!(found == expected, "width {width} k {k} {way:?}");
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
    let example = Example::new(4, 6, 2);
    let (vectors, cancel) = (example.vectors(), Cancel::new());
    let rank = |vectors: Vectors<'_>, users: &[i32], k: usize| {
        let (mut items, mut scores) = (vec![0; users.len() * k], vec![0.0; users.len() * k]);
        let places = Places { items: &mut items, scores: &mut scores, k };
        rank_dots(&vectors, users, None, places, Path::Portable, &cancel)
    };
    assert!(rank(vectors, &[0, 3], 2).is_ok());
    assert!(rank(vectors, &[0, 4], 2).is_err(), "user out of range");
    assert!(rank(vectors, &[-1], 2).is_err(), "negative user");
    assert!(rank(vectors, &[0], 0).is_err(), "no place");
    assert!(rank(Vectors { width: 0, ..vectors }, &[0], 1).is_err(), "no numbers");
    // Lists of nobody take no room, and products of sizes do not wrap around.
    let nothing = Vectors { users: &[], items: &[], width: 1 << 60 };
    for k in [1 << 60, usize::MAX] {
        let places = || Places { items: &mut [], scores: &mut [], k };
        for vectors in [vectors, nothing] {
            assert!(rank_dots(&vectors, &[], None, places(), Path::Portable, &cancel).is_ok(), "nobody");
        }
        assert!(rank_scores(&[], k, &[], None, places(), Path::Portable, &cancel).is_ok(), "nobody");
        assert!(rank_dots(&vectors, &[0; 16], None, places(), Path::Portable, &cancel).is_err(), "no room");
    }
    let places = Places { items: &mut [0; 16], scores: &mut [0.0; 16], k: 1 };
    assert!(rank_scores(&[], 1 << 60, &[0; 16], None, places, Path::Portable, &cancel).is_err(), "no scores");
    let score = |users: &[i32], items: &[i32]| {
        score_dots(&vectors, users, items, &mut [0.0; 2], Path::Portable, &cancel)
    };
    assert!(score(&[0, 3], &[5, 0]).is_ok());
    assert!(score(&[0, 4], &[5, 0]).is_err(), "user out of range");
    assert!(score(&[0, 3], &[6, 0]).is_err() && score(&[0, 3], &[0, -1]).is_err(), "item out of range");
    assert!(score(&[0], &[5]).is_err() && score(&[0, 3], &[5]).is_err(), "lengths differ");
    cancel.raise();
    assert_eq!(rank(vectors, &[0], 1), Err(Error::Cancelled));
    assert_eq!(score(&[0, 3], &[5, 0]), Err(Error::Cancelled));
}
