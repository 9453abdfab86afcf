//! The score of one pair, taken apart.

use super::choice::{MAX_EXPERTS, Side, choose};
use super::experts::{lay_out_items, lay_out_user};
use super::moments::Moments;
use super::{Chooser, Gate, MAX_CUES, Scale, See, Signals};
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, WIDTH, Work};
use crate::kernels::simd::Path;

/// How the score of a pair comes about: to the bit, it is `base`, to which `weights[c] · cues[c]` are added in the order
/// of the cues, each by one fused multiply-add.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// The score.
    pub score: f32,
    /// The standardised base.
    pub base: f32,
    /// The standardised cues, compressed if that was wanted.
    pub cues: Vec<f32>,
    /// The softmax over all experts that are on; zeros if none is.
    pub dense: Vec<f32>,
    /// The softmax over those that take part.
    pub shares: Vec<f32>,
    /// The weight of each cue.
    pub weights: Vec<f32>,
}

/// Takes the score of `item` apart for the only user of `signals`; the gate has the logits of that user and that item
/// alone. The numbers are those of [`blend_scores`](super::blend_scores), to the bit. Cost: one pass over the rows.
///
/// # Errors
/// [`Error::Invalid`] as for [`blend_scores`](super::blend_scores), or if there is no such item; [`Error::Cancelled`].
pub fn blend_pair(
    signals: Signals<'_>,
    gate: Gate<'_>,
    item: usize,
    path: Path,
    cancel: &Cancel,
) -> Result<Parts, Error> {
    signals.check()?;
    gate.check(1, 1, signals.n_cues)?;
    if signals.n_rows != 1 || item >= signals.n_items {
        return Err(Error::invalid(format!("item {item} is outside 0..{}", signals.n_items)));
    }
    let items = lay_out_items(gate.item_logits, gate.n, path, cancel)?;
    let roles = gate.roles_by_cue(signals.n_cues);
    path.run(One { signals, gate, item, items: &items, roles: &roles })
}

struct One<'a> {
    signals: Signals<'a>,
    gate: Gate<'a>,
    item: usize,
    items: &'a [Side<[f32; WIDTH]>],
    roles: &'a [f32],
}

impl Work for One<'_> {
    type Output = Result<Parts, Error>;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Result<Parts, Error> {
        let Self { signals, gate, item, items, roles } = self;
        let mut moments = [Moments::default(); MAX_CUES + 1];
        // The pair is in the first of sixteen lanes; the others may hold anything.
        let mut padded = [[0.0; WIDTH]; MAX_CUES + 1];
        let mut rows: [&[f32]; MAX_CUES + 1] = [&[]; MAX_CUES + 1];
        let places = padded.iter_mut().zip(&mut rows).zip(&mut moments);
        for (((padded, own_row), own), row) in places.zip(signals.rows(0)) {
            *own = Moments::of(lanes, row).ok_or_else(|| signals.not_finite())?;
            padded[0] = row[item];
            *own_row = &*padded;
        }
        let mut logits = [Side::default(); MAX_EXPERTS];
        lay_out_user(lanes, gate.user_logits, &mut logits[..gate.n]);
        let chooser = Chooser {
            logits: &logits[..gate.n],
            roles,
            n_cues: signals.n_cues,
            weight: gate.weight,
            top: gate.top,
        };
        let scale = Scale { moments: &moments[..=signals.n_cues], compress: signals.compress };
        let (mut shares, mut weights) = ([[0.0; WIDTH]; MAX_EXPERTS], [[0.0; WIDTH]; MAX_CUES]);
        let total = first(lanes, choose(lanes, chooser.logits, items, gate.n, &mut shares));
        let dense = normalised(&shares[..gate.n], total);
        let total = first(lanes, chooser.weigh(lanes, items, &mut shares, &mut weights));
        let mut seen = Seen { base: 0.0, cues: vec![0.0; signals.n_cues] };
        let score = scale.sum(lanes, &rows[..=signals.n_cues], 0, &weights, &mut seen);
        Ok(Parts {
            score: first(lanes, score),
            base: seen.base,
            cues: seen.cues,
            dense,
            shares: normalised(&shares[..gate.n], total),
            weights: weights[..signals.n_cues].iter().map(|weight| weight[0]).collect(),
        })
    }
}

/// The standardised scores of the first of sixteen pairs.
struct Seen {
    base: f32,
    cues: Vec<f32>,
}

impl See for Seen {
    #[inline(always)]
    fn base<L: Lanes>(&mut self, lanes: L, x: L::V) {
        self.base = first(lanes, x);
    }

    #[inline(always)]
    fn cue<L: Lanes>(&mut self, lanes: L, cue: usize, x: L::V) {
        self.cues[cue] = first(lanes, x);
    }
}

#[inline(always)]
fn first<L: Lanes>(lanes: L, v: L::V) -> f32 {
    let mut all = [0.0; WIDTH];
    lanes.store(v, &mut all);
    all[0]
}

/// The shares of the first of sixteen pairs, divided by their sum.
fn normalised(shares: &[[f32; WIDTH]], total: f32) -> Vec<f32> {
    shares.iter().map(|share| if total > 0.0 { share[0] / total } else { 0.0 }).collect()
}
