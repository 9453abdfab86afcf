//! The score of one pair, taken apart.

use super::choice::{MAX_EXPERTS, Side, choose};
use super::experts::{lay_out_items, lay_out_user};
use super::moments::Moments;
use super::{Gate, MAX_CUES, See, Signals, User};
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
        let user = User {
            moments: &moments[..=signals.n_cues],
            logits: &logits[..gate.n],
            roles,
            weight: gate.weight,
            top: gate.top,
            compress: signals.compress,
        };
        let mut shares = [[0.0; WIDTH]; MAX_EXPERTS];
        let total = first(lanes, choose(lanes, user.logits, items, gate.n, &mut shares));
        let dense = normalised(&shares[..gate.n], total);
        let mut seen = Seen { cues: vec![0.0; signals.n_cues], weights: vec![0.0; signals.n_cues] };
        let blended = user.blend(lanes, items, &rows[..=signals.n_cues], 0, &mut shares, &mut seen);
        Ok(Parts {
            score: first(lanes, blended.score),
            base: first(lanes, blended.base),
            cues: seen.cues,
            dense,
            shares: normalised(&shares[..gate.n], first(lanes, blended.total)),
            weights: seen.weights,
        })
    }
}

/// The cues of the first of sixteen pairs.
struct Seen {
    cues: Vec<f32>,
    weights: Vec<f32>,
}

impl See for Seen {
    #[inline(always)]
    fn see<L: Lanes>(&mut self, lanes: L, cue: usize, weight: L::V, x: L::V) {
        self.weights[cue] = first(lanes, weight);
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
