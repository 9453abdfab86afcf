//! `blend_scores`, `blend_pair` and `rank_blend`: whole rows, pairs alone and lists agree to the bit, and with the
//! definition about.

use super::rank::sorted;
use crate::draw::{Draw, Kind};
use crate::kernels::blend::{Blend, Cue, Gate, MAX_CUES, Signals, blend_pair, blend_scores, rank_blend};
use crate::kernels::cancel::Cancel;
use crate::kernels::propagate::multiply;
use crate::kernels::rank::{Places, Vectors, dot_rows};
use crate::kernels::simd::Path;
use crate::kernels::sparse_rows::sparse_rows;
use crate::matrix::Arrays;
use crate::same::{check, on_paths, refused};

/// The most experts that are drawn: one more than there may be.
const EXPERTS: usize = 65;

/// The gate's arrays.
struct Doors {
    users: Vec<f32>,
    items: Vec<f32>,
    roles: Vec<f32>,
    n: usize,
    weight: f32,
    top: usize,
    /// Whether all sizes are right.
    fit: bool,
}

impl Doors {
    fn new(draw: &mut Draw<'_>, n_users: usize, n_items: usize, n_cues: usize) -> Self {
        let n = if draw.once_in(16) { draw.upto(EXPERTS) } else { draw.upto(9) };
        let kind = draw.kind();
        let lens = [n_users * n, n_items * n, n * n_cues].map(|len| draw.about(len));
        let mut users = logits(draw, lens[0], kind);
        let mut items = logits(draw, lens[1], kind);
        if kind == Kind::Whole && n > 0 {
            // Far apart: products of powers underflow.
            let factor = draw.one_of(&[1.0, 20.0, 1e4]);
            users.iter_mut().chain(&mut items).for_each(|logit| *logit *= factor);
        }
        let role_kind = if draw.once_in(8) { Kind::Any } else { Kind::Unit };
        let roles = draw.numbers(lens[2], role_kind);
        let weight = if draw.once_in(16) { draw.any() } else { draw.number(Kind::Unit) };
        let fit = lens == [n_users * n, n_items * n, n * n_cues];
        Self { users, items, roles, n, weight, top: draw.count(n + 1), fit }
    }

    fn gate<'a>(&'a self, users: &'a [f32], items: &'a [f32]) -> Gate<'a> {
        let Self { ref roles, n, weight, top, .. } = *self;
        Gate { user_logits: users, item_logits: items, roles, n, weight, top }
    }

    fn is_right(&self, n_cues: usize) -> bool {
        let logit = |logit: &f32| !logit.is_nan() && *logit <= f32::MAX / 4.0;
        self.fit
            && n_cues <= MAX_CUES
            && self.n <= 64
            && (self.top > 0 || self.n == 0)
            && self.weight.is_finite()
            && self.roles.iter().all(|role| role.is_finite())
            && self.users.iter().chain(&self.items).all(logit)
    }

    /// The weight of each cue in a pair, in `f64`.
    fn weights(&self, user: usize, item: usize, n_cues: usize) -> Vec<f64> {
        let logit = |expert: usize| self.users[user * self.n + expert] + self.items[item * self.n + expert];
        let mut on: Vec<usize> = (0..self.n).filter(|&expert| logit(expert) > f32::NEG_INFINITY).collect();
        on.sort_by(|&a, &b| logit(b).total_cmp(&logit(a)).then(a.cmp(&b)));
        on.truncate(self.top);
        let highest = on.first().map_or(0.0, |&expert| f64::from(logit(expert)));
        let shares: Vec<f64> = on.iter().map(|&expert| (f64::from(logit(expert)) - highest).exp()).collect();
        let total: f64 = shares.iter().sum();
        let role = |cue| {
            let roles =
                on.iter().zip(&shares).map(|(&e, share)| share * f64::from(self.roles[e * n_cues + cue]));
            roles.sum::<f64>()
        };
        (0..n_cues)
            .map(|cue| if on.is_empty() { 0.0 } else { f64::from(self.weight) * role(cue) / total })
            .collect()
    }
}

fn logits(draw: &mut Draw<'_>, n: usize, kind: Kind) -> Vec<f32> {
    let off = draw.flags(n);
    draw.numbers(n, kind).into_iter().zip(off).map(|(x, on)| if on { x } else { f32::NEG_INFINITY }).collect()
}

fn few_cues(draw: &mut Draw<'_>) -> usize {
    if draw.once_in(32) { draw.upto(MAX_CUES + 1) } else { draw.upto(4) }
}

/// What a row is less its mean, over its deviation, in `f64`; nothing where all are alike.
fn standardised(row: &[f32]) -> Vec<f64> {
    let n = row.len() as f64;
    let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let deviation = (row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n).sqrt();
    row.iter().map(|&x| if deviation > 0.0 { (f64::from(x) - mean) / deviation } else { 0.0 }).collect()
}

pub fn scores(data: &[u8]) {
    let draw = &mut Draw::new(data);
    let kind = draw.kind();
    let n_items = if draw.once_in(8) { draw.upto(400) } else { draw.upto(40) };
    let (n_rows, n_cues, compress) = (draw.upto(4), few_cues(draw), draw.any());
    let (base_len, cues_len) = (draw.about(n_rows * n_items), draw.about(n_cues * n_rows * n_items));
    let (base, cues) = (draw.numbers(base_len, kind), draw.numbers(cues_len, kind));
    let doors = Doors::new(draw, n_rows, n_items, n_cues);
    let n_out = draw.about(n_rows * n_items);
    let signals = Signals { base: &base, cues: &cues, n_rows, n_items, n_cues, compress };
    let found = on_paths(|path| {
        let mut out = vec![7.0; n_out];
        blend_scores(signals, doors.gate(&doors.users, &doors.items), &mut out, path, &Cancel::new())?;
        Ok(out)
    });
    let lens = base_len == n_rows * n_items && cues_len == n_cues * n_rows * n_items && n_out == base_len;
    let finite = base.iter().chain(&cues).all(|x| x.is_finite());
    refused(&found, !lens || !doors.is_right(n_cues) || !finite);
    let Ok(found) = found else { return };
    // One row and the logits of one of its pairs alone.
    for row in 0..n_rows {
        let own_base = &base[row * n_items..][..n_items];
        let cue = |cue: usize| &cues[(cue * n_rows + row) * n_items..][..n_items];
        let own_cues: Vec<f32> = (0..n_cues).flat_map(|at| cue(at).to_vec()).collect();
        let own = Signals { base: own_base, cues: &own_cues, n_rows: 1, n_items, n_cues, compress };
        let user = &doors.users[row * doors.n..][..doors.n];
        let item = draw.count(n_items);
        let logits = &doors.items[if item < n_items { item * doors.n } else { 0 }..];
        let logits = logits.get(..doors.n).unwrap_or(&[]);
        let pair = on_paths(|path| {
            let parts = blend_pair(own, doors.gate(user, logits), item, path, &Cancel::new())?;
            let shares = (parts.dense, (parts.shares, parts.weights));
            Ok((vec![parts.score, parts.base], (parts.cues, shares)))
        });
        refused(&pair.as_ref().map(drop).map_err(Clone::clone), item >= n_items);
        let Ok((score, (cues, (_, (shares, weights))))) = pair else { continue };
        check(&score[0], &found[row * n_items + item]);
        check(&weights.iter().zip(&cues).fold(score[1], |sum, (w, x)| w.mul_add(*x, sum)), &score[0]);
        let total: f32 = shares.iter().sum();
        assert!(total == 0.0 || (total - 1.0).abs() < 1e-4, "shares add up to {total}");
        // The definition, where numbers are of a size that no rounding spoils.
        if matches!(kind, Kind::Whole | Kind::Unit) && n_items < 100 {
            let expected = doors.weights(row, item, n_cues);
            let close = |a: f32, b: f64, size: f64| (f64::from(a) - b).abs() <= 1e-4 * (size + b.abs());
            let size = f64::from(doors.weight.abs())
                * f64::from(doors.roles.iter().fold(0.0f32, |a, x| a.max(x.abs())));
            if size < 1e30 {
                assert!(
                    weights.iter().zip(&expected).all(|(&a, &b)| close(a, b, size)),
                    "{weights:?}, not {expected:?}"
                );
            }
            assert!(close(score[1], standardised(own_base)[item], 1.0), "the base {}", score[1]);
            for (at, &x) in cues.iter().enumerate() {
                let plain = standardised(cue(at))[item];
                let wanted = if compress { plain.signum() * plain.abs().ln_1p() } else { plain };
                assert!(close(x, wanted, 1.0), "cue {at} is {x}, not {wanted}");
            }
        }
    }
}

pub fn rank(data: &[u8]) {
    let draw = &mut Draw::new(data);
    let kind = draw.one_of(&[Kind::Whole, Kind::Unit, Kind::Unit, Kind::Finite]);
    let n_items = if draw.once_in(8) { draw.upto(300) } else { draw.upto(24) };
    let (n_users, width) = (draw.upto(5), draw.upto(4));
    let (user_numbers, item_numbers) =
        (draw.numbers(n_users * width, kind), draw.numbers(n_items * width, kind));
    let vectors = Vectors { users: &user_numbers, items: &item_numbers, width };
    let (n_users, n_items) = if width == 0 { (0, 0) } else { (n_users, n_items) };
    let n = draw.upto(7);
    let users = draw.indices(n, n_users);
    let (rows, cols) = (draw.about(n_users), draw.about(n_items));
    let histories = Arrays::sound(draw, rows, cols, kind);
    let mut right = width > 0 && (rows, cols) == (n_users, n_items);
    let n_cues = few_cues(draw).min(if n_items > 100 { 3 } else { MAX_CUES + 1 });
    let operators: Vec<Operator> = (0..n_cues).map(|_| Operator::new(draw, n, n_items, kind)).collect();
    right &= operators.iter().all(|operator| operator.fits(n, n_items));
    let doors = Doors::new(draw, n_users, n_items, n_cues);
    let compress = draw.any();
    let seen = draw.any::<bool>().then(|| Arrays::sound(draw, n_users, n_items, kind));
    let k = draw.count(9);
    let n_places = draw.about(n.saturating_mul(k).min(200));
    right &= k > 0 && n.checked_mul(k) == Some(n_places);
    right &= doors.is_right(n_cues) && users.iter().all(|&user| user >= 0 && (user as usize) < n_users);
    let found = on_paths(|path| {
        let cues = operators.iter().map(Operator::cue).collect::<Result<Vec<_>, _>>()?;
        let gate = doors.gate(&doors.users, &doors.items);
        let blend = Blend { vectors, histories: histories.matrix()?, cues: &cues, gate, compress };
        let (mut items, mut scores) = (vec![7; n_places], vec![7.0; n_places]);
        let places = Places { items: &mut items, scores: &mut scores, k };
        let seen = seen.as_ref().map(Arrays::pattern).transpose()?;
        rank_blend(blend, &users, seen, places, path, &Cancel::new())?;
        Ok((items, scores))
    });
    if !right {
        return refused(&found, true);
    }
    // The same by one kernel after the other.
    let cancel = Cancel::new();
    let mut base = vec![0.0; n * n_items];
    dot_rows(&vectors, &users, &mut base, Path::Portable, &cancel).expect("dot products");
    let cues: Vec<f32> =
        operators.iter().flat_map(|operator| operator.rows(&histories, &users, n_items)).collect();
    let user_logits: Vec<f32> =
        users.iter().flat_map(|&user| &doors.users[user as usize * doors.n..][..doors.n]).copied().collect();
    let signals = Signals { base: &base, cues: &cues, n_rows: n, n_items, n_cues, compress };
    let mut scores = vec![0.0; n * n_items];
    let gate = doors.gate(&user_logits, &doors.items);
    let scored = blend_scores(signals, gate, &mut scores, Path::Portable, &cancel);
    refused(&found, scored.is_err());
    if let Ok(found) = found {
        check(&found, &sorted(&scores, n_items, &users, seen.as_ref(), k));
    }
}

/// Where a cue comes from.
enum Operator {
    Sparse(Arrays),
    Dense(Vec<f32>),
    Rows(Vec<f32>),
}

impl Operator {
    fn new(draw: &mut Draw<'_>, n: usize, n_items: usize, kind: Kind) -> Self {
        match draw.upto(2) {
            0 => {
                let (rows, cols) = (draw.about(n_items), draw.about(n_items));
                Self::Sparse(Arrays::sound(draw, rows, cols, kind))
            }
            1 => {
                let len = draw.about(n_items * n_items);
                Self::Dense(draw.numbers(len, kind))
            }
            _ => {
                let len = draw.about(n * n_items);
                Self::Rows(draw.numbers(len, kind))
            }
        }
    }

    fn fits(&self, n: usize, n_items: usize) -> bool {
        match self {
            Self::Sparse(arrays) => arrays.rows().len() == n_items && arrays.n_cols == n_items,
            Self::Dense(numbers) => numbers.len() == n_items * n_items,
            Self::Rows(numbers) => numbers.len() == n * n_items,
        }
    }

    fn cue(&self) -> Result<Cue<'_>, crate::kernels::error::Error> {
        Ok(match self {
            Self::Sparse(arrays) => Cue::Sparse(arrays.matrix()?),
            Self::Dense(numbers) => Cue::Dense(numbers),
            Self::Rows(numbers) => Cue::Rows(numbers),
        })
    }

    /// The raw scores of `users`, `(B, I)`.
    fn rows(&self, histories: &Arrays, users: &[i32], n_items: usize) -> Vec<f32> {
        let (own, cancel) = (histories.matrix().expect("a matrix"), Cancel::new());
        let mut out = vec![0.0; own.n_rows() * n_items];
        match self {
            Self::Sparse(arrays) => sparse_rows(own, arrays.matrix().expect("a matrix"), &mut out, &cancel),
            Self::Dense(numbers) => multiply(own, numbers, n_items, &mut out, Path::Portable, &cancel),
            Self::Rows(numbers) => return numbers.clone(),
        }
        .expect("a product");
        users.iter().flat_map(|&user| out[user as usize * n_items..][..n_items].to_vec()).collect()
    }
}
