//! `rank_dots`, `rank_scores`, `score_dots` and `dot_rows`: against scoring and sorting everything.

use crate::draw::Draw;
use crate::kernels::cancel::Cancel;
use crate::kernels::rank::{NO_ITEM, Places, Vectors, dot_rows, rank_dots, rank_scores, score_dots};
use crate::matrix::Arrays;
use crate::same::{check, on_paths, refused};

type Lists = (Vec<i32>, Vec<f32>);

pub fn rank(data: &[u8]) {
    let draw = &mut Draw::new(data);
    let kind = draw.kind();
    let large = draw.once_in(8);
    let (n_users, n_items) =
        if large { (draw.upto(70), draw.upto(300)) } else { (draw.upto(6), draw.upto(40)) };
    let width = if draw.once_in(8) { draw.upto(40) } else { draw.upto(5) };
    let (user_numbers, item_numbers) =
        (draw.numbers(n_users * width, kind), draw.numbers(n_items * width, kind));
    let vectors = &Vectors { users: &user_numbers, items: &item_numbers, width };
    let (n_users, n_items) = if width == 0 { (0, 0) } else { (n_users, n_items) };
    let n = draw.upto(if large { 90 } else { 7 });
    let users = draw.indices(n, n_users);
    let (seen_rows, seen_cols) = (draw.about(n_users), draw.about(n_items));
    let seen = draw.any::<bool>().then(|| Arrays::sound(draw, seen_rows, seen_cols, kind));
    let k = draw.count(12);
    let n_places = draw.about(n.saturating_mul(k).min(2000));
    let no_users = users.iter().any(|&user| user < 0 || user as usize >= n_users);
    let misfit = seen.is_some() && (seen_rows, seen_cols) != (n_users, n_items);
    let no_places = k == 0 || n.checked_mul(k) != Some(n_places);
    let pattern = || seen.as_ref().map(Arrays::pattern).transpose();

    let lists = on_paths(|path| {
        let (mut items, mut scores) = (vec![7; n_places], vec![7.0; n_places]);
        let places = Places { items: &mut items, scores: &mut scores, k };
        rank_dots(vectors, &users, pattern()?, places, path, &Cancel::new())?;
        Ok((items, scores))
    });
    refused(&lists, width == 0 || no_places || no_users || misfit);
    let score = |user: i32, item: usize| {
        let (user, item) = (&user_numbers[user as usize * width..], &item_numbers[item * width..]);
        user.iter().zip(item).take(width).fold(0.0, |sum: f32, (a, b)| a.mul_add(*b, sum)) + 0.0
    };
    let rows = || -> Vec<f32> {
        users.iter().flat_map(|&user| (0..n_items).map(move |item| score(user, item))).collect()
    };
    if let Ok(lists) = lists {
        check(&lists, &sorted(&rows(), n_items, &users, seen.as_ref(), k));
    }

    let n_out = draw.about(n * n_items);
    let whole = on_paths(|path| {
        let mut out = vec![7.0; n_out];
        dot_rows(vectors, &users, &mut out, path, &Cancel::new())?;
        // Here a zero may have either sign.
        Ok(out.into_iter().map(|score| score + 0.0).collect::<Vec<f32>>())
    });
    refused(&whole, width == 0 || no_users || n_out != n * n_items);
    if let Ok(whole) = whole {
        check(&whole, &rows());
    }

    let n_pairs = draw.about(n);
    let items = draw.indices(n_pairs, n_items);
    let pairs = on_paths(|path| {
        let mut out = vec![7.0; n];
        score_dots(vectors, &users, &items, &mut out, path, &Cancel::new())?;
        Ok(out)
    });
    let no_items = items.iter().any(|&item| item < 0 || item as usize >= n_items);
    refused(&pairs, width == 0 || no_users || no_items || n_pairs != n);
    if let Ok(pairs) = pairs {
        check(&pairs, &users.iter().zip(&items).map(|(&user, &item)| score(user, item as usize)).collect());
    }

    let mut n_items = n_items;
    let len = draw.about(n * n_items);
    let scores = draw.numbers(len, kind);
    if scores.is_empty() && draw.any() && seen.is_none() {
        n_items = 1 << draw.upto(63);
    }
    let ranked = on_paths(|path| {
        let (mut items, mut out) = (vec![7; n_places], vec![7.0; n_places]);
        let places = Places { items: &mut items, scores: &mut out, k };
        rank_scores(&scores, n_items, &users, pattern()?, places, path, &Cancel::new())?;
        Ok((items, out))
    });
    let unseen = seen.is_some() && (no_users && (seen_rows == n_users) || seen_cols != n_items);
    if seen.is_none() || seen_rows == n_users {
        refused(&ranked, no_places || n.checked_mul(n_items) != Some(scores.len()) || unseen);
    }
    if let Ok(ranked) = ranked {
        check(&ranked, &sorted(&scores, n_items, &users, seen.as_ref(), k));
    }
}

/// The lists by sorting all scores, `(B, I)`.
pub fn sorted(scores: &[f32], n_items: usize, users: &[i32], seen: Option<&Arrays>, k: usize) -> Lists {
    let rows = seen.map(Arrays::rows);
    let mut lists = Lists::default();
    for (at, &user) in users.iter().enumerate() {
        let own = &scores[at * n_items..][..n_items];
        let unseen = |item: &usize| !rows.as_ref().is_some_and(|rows| rows[user as usize].contains_key(item));
        let ranked = |item: &usize| !own[*item].is_nan() && own[*item] > f32::NEG_INFINITY;
        let mut all: Vec<usize> = (0..n_items).filter(|item| unseen(item) && ranked(item)).collect();
        all.sort_by(|&a, &b| (own[b] + 0.0).total_cmp(&(own[a] + 0.0)).then(a.cmp(&b)));
        all.truncate(k);
        lists
            .0
            .extend(all.iter().map(|&item| item as i32).chain(std::iter::repeat_n(NO_ITEM, k - all.len())));
        let empty = std::iter::repeat_n(f32::NEG_INFINITY, k - all.len());
        lists.1.extend(all.iter().map(|&item| own[item] + 0.0).chain(empty));
    }
    lists
}
