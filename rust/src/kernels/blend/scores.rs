//! The scores of whole rows.

use rayon::prelude::*;

use super::choice::{MAX_EXPERTS, Side};
use super::experts::{lay_out_items, lay_out_user};
use super::kinds::{Kinds, MAX_KINDS};
use super::moments::Moments;
use super::{Chooser, Gate, MAX_CUES, Scale, Signals};
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, WIDTH, Work};
use crate::kernels::simd::Path;

/// Groups of items between two checks of the cancel flag.
const LOOK_EVERY: usize = 1024;

/// Writes the final scores, `(B, I)`, into `out`, in two passes over the signals. Cost: O(B · I · C), and O(E · top + E · C)
/// for each user and kind of item; for each pair where items are of more than 256 kinds.
///
/// Memory: O(I) beside the arguments; O(I · E) where there are more kinds.
///
/// # Errors
/// [`Error::Invalid`] if a shape does not fit, a raw score is not finite, or a logit is NaN or too great;
/// [`Error::Cancelled`].
pub fn blend_scores(
    signals: Signals<'_>,
    gate: Gate<'_>,
    out: &mut [f32],
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    signals.check()?;
    gate.check(signals.n_rows, signals.n_items, signals.n_cues)?;
    if out.len() != signals.base.len() {
        return Err(Error::invalid(format!(
            "out must have {} numbers, as base has, got {}",
            signals.base.len(),
            out.len()
        )));
    }
    if out.is_empty() {
        return Ok(());
    }
    let roles = gate.roles_by_cue(signals.n_cues);
    let kinds = Kinds::find(gate.item_logits, gate.n);
    let logits = kinds.as_ref().map_or(gate.item_logits, |kinds| &kinds.logits);
    let items = lay_out_items(logits, gate.n, path, cancel)?;
    let kinds = kinds.as_ref().map(|kinds| &kinds.of[..]);
    out.par_chunks_mut(signals.n_items).enumerate().try_for_each(|(row, out)| {
        cancel.check()?;
        path.run(Row { signals, gate, row, items: &items, kinds, roles: &roles, out, cancel })
    })
}

struct Row<'a> {
    signals: Signals<'a>,
    gate: Gate<'a>,
    row: usize,
    /// Of every item, or of every kind of item.
    items: &'a [Side<[f32; WIDTH]>],
    kinds: Option<&'a [u8]>,
    roles: &'a [f32],
    out: &'a mut [f32],
    cancel: &'a Cancel,
}

impl Work for Row<'_> {
    type Output = Result<(), Error>;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Result<(), Error> {
        let Self { signals, gate, row, items, kinds, roles, out, cancel } = self;
        let n_cues = signals.n_cues;
        let mut moments = [Moments::default(); MAX_CUES + 1];
        let mut rows: [&[f32]; MAX_CUES + 1] = [&[]; MAX_CUES + 1];
        for ((signal, own), raw) in rows.iter_mut().zip(&mut moments).zip(signals.rows(row)) {
            cancel.check()?;
            *own = Moments::of(lanes, raw).ok_or_else(|| signals.not_finite())?;
            *signal = raw;
        }
        let mut logits = [Side::default(); MAX_EXPERTS];
        lay_out_user(lanes, &gate.user_logits[row * gate.n..][..gate.n], &mut logits[..gate.n]);
        let chooser =
            Chooser { logits: &logits[..gate.n], roles, n_cues, weight: gate.weight, top: gate.top };
        let scale = Scale { moments: &moments[..=n_cues], compress: signals.compress };
        let rows = &rows[..=n_cues];
        let (mut shares, mut weights) = ([[0.0; WIDTH]; MAX_EXPERTS], [[0.0; WIDTH]; MAX_CUES]);
        // Of each kind of item, the weight of each cue.
        let mut table = [[0.0; MAX_KINDS]; MAX_CUES];
        if kinds.is_some() {
            for (group, items) in items.chunks_exact(gate.n).enumerate() {
                chooser.weigh(lanes, items, &mut shares, &mut weights);
                for (table, weights) in table[..n_cues].iter_mut().zip(&weights) {
                    table[group * WIDTH..][..WIDTH].copy_from_slice(weights);
                }
            }
        }
        let (groups, rest) = out.as_chunks_mut::<WIDTH>();
        let end = groups.len() * WIDTH;
        for (group, out) in groups.iter_mut().enumerate() {
            if group % LOOK_EVERY == 0 {
                cancel.check()?;
            }
            let at = group * WIDTH;
            match kinds {
                Some(kinds) => look_up(&table[..n_cues], &kinds[at..at + WIDTH], &mut weights),
                None => {
                    chooser.weigh(lanes, &items[group * gate.n..][..gate.n], &mut shares, &mut weights);
                }
            }
            lanes.store(scale.sum(lanes, rows, at, &weights, &mut ()), out);
        }
        if !rest.is_empty() {
            // The places beyond the last item may hold anything.
            let mut padded = [[0.0; WIDTH]; MAX_CUES + 1];
            let mut ends: [&[f32]; MAX_CUES + 1] = [&[]; MAX_CUES + 1];
            for ((end_of, padded), row) in ends.iter_mut().zip(&mut padded).zip(rows) {
                padded[..rest.len()].copy_from_slice(&row[end..]);
                *end_of = &*padded;
            }
            match kinds {
                Some(kinds) => look_up(&table[..n_cues], &kinds[end..], &mut weights),
                None => {
                    chooser.weigh(lanes, &items[end / WIDTH * gate.n..][..gate.n], &mut shares, &mut weights);
                }
            }
            let mut scores = [0.0; WIDTH];
            lanes.store(scale.sum(lanes, &ends[..rows.len()], 0, &weights, &mut ()), &mut scores);
            rest.copy_from_slice(&scores[..rest.len()]);
        }
        Ok(())
    }
}

/// The weights of the cues in up to sixteen pairs, by the kinds of their items.
#[inline(always)]
fn look_up(table: &[[f32; MAX_KINDS]], kinds: &[u8], weights: &mut [[f32; WIDTH]; MAX_CUES]) {
    for (table, weights) in table.iter().zip(weights) {
        for (weight, &kind) in weights.iter_mut().zip(kinds) {
            *weight = table[usize::from(kind)];
        }
    }
}
