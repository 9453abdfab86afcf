//! `pseudo_edges`: against whole rows of the products.

use std::collections::BTreeMap;

use crate::draw::{Draw, Kind};
use crate::kernels::cancel::Cancel;
use crate::kernels::pseudo_edges::{Options, pseudo_edges as make};
use crate::kernels::topk::{Scored, TopK};
use crate::matrix::{Arrays, rows_of};
use crate::same::{check, on_threads, refused};

pub fn pseudo_edges(data: &[u8]) {
    let draw = &mut Draw::new(data);
    let (n_users, n_items, kind) = (draw.upto(30), draw.upto(30), draw.kind());
    let taken = Arrays::sound(draw, n_users, n_items, Kind::Any);
    let (rows, cols) = (draw.about(n_items), draw.about(n_items));
    let similarity = Arrays::sound(draw, rows, cols, kind);
    let options = Options { per_user: draw.count(9), per_item: draw.count(9), strength: draw.any() };
    let found = on_threads(|| make(taken.csr()?, similarity.csr()?, options, &Cancel::new()));
    refused(&found, (rows, cols) != (n_items, n_items));
    let Ok(found) = found else { return };
    let found = rows_of(&found, n_items);
    // Sums of the other kinds can leave the range, where nothing is promised but that no rule of a matrix is broken.
    if !matches!(kind, Kind::Whole | Kind::Unit) {
        return;
    }
    let (taken, similarity) = (taken.rows(), similarity.rows());
    let sums = |user: usize, item: usize| {
        let own = taken[user].keys().filter_map(|&mine| similarity[mine].get(&item));
        own.map(|&value| f64::from(value)).sum::<f64>() as f32
    };
    let best = |scores: &mut dyn Iterator<Item = (usize, f32)>, k: usize| {
        let mut all: Vec<(usize, f32)> = scores.filter(|found| found.1 > 0.0).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let mut top = TopK::new(k);
        // In an order of its own: the k best do not depend on it.
        all.iter().rev().for_each(|&(id, score)| top.push(Scored { score, id: id as i32 }));
        all.truncate(k);
        let kept: Vec<(usize, f32)> =
            top.drain_sorted().iter().map(|kept| (kept.id as usize, kept.score)).collect();
        assert_eq!(kept, all);
        all
    };
    let of_user =
        |user| best(&mut (0..n_items).map(|item| (item, sums(user, item))), options.per_user.max(1));
    let mut degrees: Vec<usize> =
        (0..n_items).map(|item| taken.iter().filter(|row| row.contains_key(&item)).count()).collect();
    let mut expected = vec![BTreeMap::new(); n_users];
    let most: Vec<f32> = (0..n_users).map(|user| of_user(user).first().map_or(1.0, |best| best.1)).collect();
    let weigh =
        |user: usize, score: f32| (options.strength * f64::from(score) / f64::from(most[user])) as f32;
    for (user, expected) in expected.iter_mut().enumerate() {
        for (item, score) in of_user(user).into_iter().take(options.per_user) {
            expected.insert(item, weigh(user, score));
        }
    }
    let own = degrees.clone();
    degrees.sort_unstable();
    for (item, own) in own.into_iter().enumerate() {
        if 2 * own < degrees[(n_items - 1) / 2] + degrees[n_items / 2] {
            for (user, score) in
                best(&mut (0..n_users).map(|user| (user, sums(user, item))), options.per_item)
            {
                expected[user].insert(item, weigh(user, score));
            }
        }
    }
    check(&found, &expected);
}
