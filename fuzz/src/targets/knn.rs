//! `knn`, against all pairs in `f64`, and `knn_approximate`, of which less is promised.

use crate::draw::{Draw, Kind};
use crate::kernels::cancel::Cancel;
use crate::kernels::csr::OwnedCsr;
use crate::kernels::knn::knn;
use crate::kernels::knn_approximate::{Features, Plan, knn_approximate};
use crate::kernels::simd::Path;
use crate::matrix::rows_of;
use crate::same::{check, on_paths, refused};

/// What a cosine in `f64` may be off by, once it is rounded to `f32`.
const CLOSE: f64 = 1e-6;

struct Rows {
    features: Vec<f32>,
    width: usize,
    present: Vec<bool>,
    k: usize,
}

impl Rows {
    fn new(draw: &mut Draw<'_>, kind: Kind) -> Self {
        let (n, width) =
            if draw.once_in(8) { (draw.upto(300), draw.upto(70)) } else { (draw.upto(24), draw.upto(9)) };
        let mut features = draw.numbers(n * width, kind);
        if width > 0 && draw.once_in(4) {
            // Rows that are alike.
            let to = draw.upto(n);
            features.chunks_mut(width).take(to).for_each(|row| row.fill(1.5));
        }
        let mut present = draw.flags(n);
        let mut width = width;
        match draw.any::<u8>() {
            253 => present.push(true),
            254 => drop(features.pop()),
            // No such array has a number, but its shape may say so.
            255 if features.is_empty() => width = 1 << draw.upto(63),
            _ => {}
        }
        Self { features, width, present, k: draw.count(12) }
    }

    fn row(&self, at: usize) -> impl Iterator<Item = f64> {
        self.features[at * self.width..][..self.width].iter().map(|&x| f64::from(x))
    }

    fn length(&self, at: usize) -> f64 {
        self.row(at).map(|x| x * x).sum::<f64>().sqrt()
    }

    /// Whether sizes fit, there is something to look for, and all rows that are there are finite.
    fn are_right(&self) -> bool {
        self.present.len().checked_mul(self.width) == Some(self.features.len())
            && self.k > 0
            && (0..self.present.len()).all(|at| !self.present[at] || self.row(at).all(f64::is_finite))
    }

    /// Checks what both searches promise, and of the exact one that nothing better was left out.
    fn check(&self, found: &OwnedCsr, exact: bool) {
        let n = self.present.len();
        let rows = rows_of(found, n);
        assert_eq!(rows.len(), n);
        let lengths: Vec<f64> =
            (0..n).map(|at| if self.present[at] { self.length(at) } else { 0.0 }).collect();
        let alive = lengths.iter().filter(|&&length| length > 0.0).count();
        let cosine = |a: usize, b: usize| {
            self.row(a).zip(self.row(b)).map(|(x, y)| x * y).sum::<f64>() / (lengths[a] * lengths[b])
        };
        for (at, row) in rows.iter().enumerate() {
            if lengths[at] == 0.0 {
                assert!(row.is_empty(), "row {at} takes no part");
                continue;
            }
            let k = self.k.min(alive - 1);
            assert!(
                row.len() == k || !exact && row.len() < k,
                "row {at} has {} of {k} neighbours",
                row.len()
            );
            for (&other, &score) in row {
                assert!(other != at && lengths[other] > 0.0, "row {at} has row {other}");
                assert!((cosine(at, other) - f64::from(score)).abs() <= CLOSE, "({at}, {other}) has {score}");
            }
            if let Some(worst) = row.values().copied().min_by(f32::total_cmp)
                && exact
            {
                let better = |other: &usize| cosine(at, *other) > f64::from(worst) + CLOSE;
                let missed =
                    (0..n).filter(|other| lengths[*other] > 0.0 && *other != at && !row.contains_key(other));
                assert_eq!(missed.clone().find(better), None, "a better one than {worst} for row {at}");
            }
        }
    }
}

pub fn exact(data: &[u8]) {
    let draw = &mut Draw::new(data);
    let kind = draw.kind();
    let rows = Rows::new(draw, kind);
    let found = on_paths(|path| knn(&rows.features, rows.width, &rows.present, rows.k, path, &Cancel::new()));
    refused(&found, !rows.are_right());
    if let Ok(found) = found {
        rows.check(&found, true);
    }
}

pub fn approximate(data: &[u8]) {
    let draw = &mut Draw::new(data);
    let kind = draw.kind();
    let mut rows = Rows::new(draw, kind);
    let plan = Plan {
        clusters: draw.count(12),
        overlap: draw.count(4),
        rounds: draw.count(3),
        sample: draw.count(20),
        seed: draw.any(),
    };
    // Half precision: the upper half of each number's bits is as good as any.
    let halves: Option<Vec<u16>> =
        draw.any::<bool>().then(|| rows.features.iter().map(|x| (x.to_bits() >> 16) as u16).collect());
    if let Some(halves) = &halves {
        rows.features = halves.iter().map(|&bits| widened(bits)).collect();
    }
    let features = halves.as_ref().map_or(Features::Single(&rows.features), |halves| Features::Half(halves));
    let found = on_paths(|path| {
        let found = knn_approximate(features, rows.width, &rows.present, rows.k, plan, path, &Cancel::new())?;
        Ok((found.graph, found.recall))
    });
    refused(&found, !rows.are_right() || plan.clusters == 0 || plan.overlap == 0);
    let Ok((graph, recall)) = found else { return };
    rows.check(&graph, false);
    assert!((0.0..=1.0).contains(&recall), "a recall of {recall}");
    if plan.clusters == 1 {
        let exact = knn(&rows.features, rows.width, &rows.present, rows.k, Path::Portable, &Cancel::new());
        check(&graph, &exact.expect("a graph"));
        assert_eq!(recall, 1.0);
    }
}

/// The number that half-precision bits stand for, by the definition.
fn widened(bits: u16) -> f32 {
    let (sign, exponent, fraction) =
        (bits >> 15, i32::from(bits >> 10 & 31), f32::from(bits & 1023) / 1024.0);
    let magnitude = match exponent {
        0 => fraction * 2f32.powi(-14),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction) * 2f32.powi(exponent - 15),
    };
    if sign == 1 { -magnitude } else { magnitude }
}
