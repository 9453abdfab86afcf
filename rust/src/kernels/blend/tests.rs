use super::*;
use crate::kernels::cancel::Cancel;
use crate::kernels::rng::Stream;
use crate::kernels::simd::Path;

/// Signals, logits and roles of a call.
#[derive(Clone)]
struct Case {
    rows: usize,
    items: usize,
    cues: usize,
    experts: usize,
    numbers: [Vec<f32>; 5],
    top: usize,
    compress: bool,
}

impl Case {
    fn new([rows, items, cues, experts]: [usize; 4], top: usize) -> Self {
        let sizes = [rows * items, cues * rows * items, rows * experts, items * experts, experts * cues];
        let stream = Stream::new(3, 0);
        let mut at = 0;
        let numbers = sizes.map(|size| {
            let own = at..at + size as u64;
            at = own.end;
            own.map(|i| 4.0 * stream.open_unit(i) as f32 - 2.0).collect()
        });
        Self { rows, items, cues, experts, numbers, top, compress: true }
    }

    /// Logits of quarters, many of them equal or off, and others too far apart for products.
    fn hostile(mut self) -> Self {
        for (side, logits) in self.numbers[2..4].iter_mut().enumerate() {
            for (at, logit) in logits.iter_mut().enumerate() {
                *logit = match (at * 7 + side) % 11 {
                    0 => f32::NEG_INFINITY,
                    1..6 => (*logit * 4.0).round() / 4.0,
                    6 => *logit * 40.0,
                    _ => 0.0,
                };
            }
        }
        self
    }

    /// Items that repeat the logits of the first ones, so that the gate sees three kinds.
    fn of_few_kinds(mut self) -> Self {
        let (n, logits) = (self.experts, &mut self.numbers[3]);
        for at in 3 * n..logits.len() {
            logits[at] = logits[at - 3 * n];
        }
        self
    }

    /// More kinds of items than a byte can tell apart.
    fn of_many_kinds(mut self) -> Self {
        assert!(self.items > 300 && self.experts > 0);
        for (item, logits) in self.numbers[3].chunks_exact_mut(self.experts).enumerate() {
            logits[0] = item as f32 / 64.0;
        }
        self
    }

    fn signals(&self) -> Signals<'_> {
        let [base, cues, ..] = &self.numbers;
        let (n_rows, n_items, n_cues) = (self.rows, self.items, self.cues);
        Signals { base, cues, n_rows, n_items, n_cues, compress: self.compress }
    }

    fn gate(&self) -> Gate<'_> {
        let [.., user_logits, item_logits, roles] = &self.numbers;
        Gate { user_logits, item_logits, roles, n: self.experts, weight: 0.7, top: self.top }
    }

    fn scores(&self, path: Path) -> Result<Vec<f32>, Error> {
        let mut out = vec![f32::NAN; self.rows * self.items];
        blend_scores(self.signals(), self.gate(), &mut out, path, &Cancel::new())?;
        Ok(out)
    }

    /// One pair taken apart.
    fn pair(&self, row: usize, item: usize, path: Path) -> Parts {
        let mut one = self.clone();
        one.rows = 1;
        let part = |from: &[f32], row: usize, width: usize| from[row * width..][..width].to_vec();
        one.numbers[0] = part(&self.numbers[0], row, self.items);
        one.numbers[1] = (0..self.cues)
            .flat_map(|cue| part(&self.numbers[1], cue * self.rows + row, self.items))
            .collect();
        one.numbers[2] = part(&self.numbers[2], row, self.experts);
        one.numbers[3] = part(&self.numbers[3], item, self.experts);
        blend_pair(one.signals(), one.gate(), item, path, &Cancel::new()).unwrap()
    }
}

fn bits(scores: &[f32]) -> Vec<u32> {
    scores.iter().map(|score| score.to_bits()).collect()
}

#[test]
fn paths_threads_and_pairs_alone_agree_to_the_bit() {
    for (sizes, top) in
        [([3, 35, 3, 10], 3), ([2, 16, 0, 4], 2), ([2, 50, 5, 64], 9), ([2, 33, 2, 3], 3), ([2, 5, 2, 0], 1)]
    {
        let few = |case: Case| case.of_few_kinds();
        for case in [
            Case::new(sizes, top),
            Case::new(sizes, top).hostile(),
            few(Case::new(sizes, top)),
            few(Case::new(sizes, top).hostile()),
        ] {
            let plain = case.scores(Path::Portable).unwrap();
            for path in Path::available() {
                assert_eq!(bits(&case.scores(path).unwrap()), bits(&plain), "{path:?}");
                let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
                assert_eq!(bits(&pool.install(|| case.scores(path)).unwrap()), bits(&plain));
                for (at, score) in plain.iter().enumerate() {
                    let parts = case.pair(at / case.items, at % case.items, path);
                    assert_eq!(parts.score.to_bits(), score.to_bits());
                    let chain = parts.weights.iter().zip(&parts.cues);
                    let chain = chain.fold(parts.base, |sum, (weight, cue)| weight.mul_add(*cue, sum));
                    assert_eq!(chain.to_bits(), score.to_bits());
                }
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long for an interpreter")]
fn items_of_any_number_of_kinds_score_as_pairs_alone() {
    for case in [Case::new([2, 333, 3, 7], 3).of_many_kinds(), Case::new([2, 333, 3, 7], 3)] {
        for path in Path::available() {
            let scores = case.scores(path).unwrap();
            for (at, score) in scores.iter().enumerate().step_by(7) {
                let parts = case.pair(at / case.items, at % case.items, path);
                assert_eq!(parts.score.to_bits(), score.to_bits());
            }
        }
    }
}

/// Shares before and after the cut for one pair.
fn shares(user: &[f32], item: &[f32], top: usize) -> [Vec<f32>; 2] {
    let mut case = Case::new([1, 1, 1, user.len()], top);
    case.numbers[2] = user.to_vec();
    case.numbers[3] = item.to_vec();
    let parts = case.pair(0, 0, Path::Portable);
    [parts.dense, parts.shares]
}

#[test]
fn the_highest_logits_take_part_and_the_lower_expert_among_equals() {
    let off = f32::NEG_INFINITY;
    let kept = |user: &[f32], item: &[f32], top: usize| shares(user, item, top)[1].clone();
    assert_eq!(kept(&[1.0, 2.0, 0.5], &[1.0, 0.0, 1.5], 1), [1.0, 0.0, 0.0], "sums tie though sides differ");
    assert_eq!(kept(&[0.0; 4], &[0.0; 4], 2), [0.5, 0.5, 0.0, 0.0]);
    assert_eq!(kept(&[0.0, 0.0, 0.0, 50.0], &[0.0; 4], 2)[1..], [0.0, 0.0, 1.0]);
    assert_eq!(kept(&[off, 5.0, 5.0], &[0.0, off, 5.0], 2), [0.0, 0.0, 1.0]);
    assert_eq!(kept(&[off, off], &[0.0, 0.0], 2), [0.0, 0.0]);
    assert_eq!(kept(&[off, 0.0], &[0.0, off], 1), [0.0, 0.0]);
    assert_eq!(kept(&[0.0; 64], &[0.0; 64], 33)[32..34], [1.0 / 33.0, 0.0]);
    let [dense, kept] = shares(&[0.0, 3f32.ln(), 0.0], &[0.0; 3], 2);
    assert!(dense.iter().zip([0.2, 0.6, 0.2]).all(|(a, b)| (a - b).abs() < 1e-6), "{dense:?}");
    assert!(kept.iter().zip([0.25, 0.75, 0.0]).all(|(a, b)| (a - b).abs() < 1e-6), "{kept:?}");
}

#[test]
fn shares_are_right_where_the_products_underflow() {
    // Each side's best expert is off at the other: what is left is e^-120 of their product.
    let off = f32::NEG_INFINITY;
    for top in [2, 3, 4] {
        let [dense, kept] = shares(&[60.0, off, 0.0, 1.0], &[off, 60.0, 0.0, -1.0], top);
        assert_eq!((dense, kept), (vec![0.0, 0.0, 0.5, 0.5], vec![0.0, 0.0, 0.5, 0.5]));
    }
}

#[test]
fn constant_rows_are_zero_and_others_have_mean_zero_and_deviation_one() {
    let mut case = Case::new([3, 100, 1, 2], 1);
    case.compress = false;
    case.numbers[0][..100].fill(0.1);
    case.numbers[0][100..200].iter_mut().for_each(|x| *x = (*x).mul_add(1e-3, 1e4));
    case.numbers[0][200..].iter_mut().for_each(|x| *x *= 1e38);
    case.numbers[1].fill(-7.0);
    let scores = case.scores(Path::Portable).unwrap();
    assert!(scores[..100].iter().all(|&score| score == 0.0));
    for row in scores[100..].chunks(100) {
        let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / 100.0;
        let square = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / 100.0;
        assert!(mean.abs() < 1e-6 && (square - 1.0).abs() < 1e-6, "{mean} {square}");
    }
}

#[test]
fn the_first_score_that_is_not_finite_is_named_on_every_path() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for first in [0, 16, 34] {
            let mut case = Case::new([4, 35, 2, 2], 1);
            // Cue 1 of user 2, and the base of user 3.
            case.numbers[1][(4 + 2) * 35 + first] = value;
            case.numbers[0][3 * 35] = value;
            for path in Path::available() {
                let error = case.scores(path).unwrap_err().to_string();
                assert!(error.contains(&format!("row 2 of cue 1 has {value} for item {first}")), "{error}");
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_and_a_raised_flag_stops() {
    let case = Case::new([2, 5, 2, 3], 2);
    for part in 0..5 {
        let mut short = case.clone();
        short.numbers[part].pop();
        assert!(short.scores(Path::Portable).is_err());
    }
    let cancel = Cancel::new();
    cancel.raise();
    let stopped = blend_scores(case.signals(), case.gate(), &mut [0.0; 10], Path::Portable, &cancel);
    assert_eq!(stopped, Err(Error::Cancelled));
    let short = blend_scores(case.signals(), case.gate(), &mut [0.0; 9], Path::Portable, &Cancel::new());
    assert!(short.is_err());
}
