//! The scores of whole rows.

use rayon::prelude::*;

use super::choice::{MAX_EXPERTS, Side};
use super::experts::{lay_out_items, lay_out_user};
use super::moments::Moments;
use super::{Gate, MAX_CUES, Signals, User};
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, WIDTH, Work};
use crate::kernels::simd::Path;

/// Groups of items between two checks of the cancel flag.
const LOOK_EVERY: usize = 1024;

/// Writes the final scores, `(B, I)`, into `out`. Cost: O(B · I · (E · top + E · C)), two passes over the signals.
///
/// Memory: O(I · E) beside the arguments.
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
    let items = lay_out_items(gate.item_logits, gate.n, path, cancel)?;
    let roles = gate.roles_by_cue(signals.n_cues);
    out.par_chunks_mut(signals.n_items).enumerate().try_for_each(|(row, out)| {
        cancel.check()?;
        path.run(Row { signals, gate, row, items: &items, roles: &roles, out, cancel })
    })
}

struct Row<'a> {
    signals: Signals<'a>,
    gate: Gate<'a>,
    row: usize,
    items: &'a [Side<[f32; WIDTH]>],
    roles: &'a [f32],
    out: &'a mut [f32],
    cancel: &'a Cancel,
}

impl Work for Row<'_> {
    type Output = Result<(), Error>;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Result<(), Error> {
        let Self { signals, gate, row, items, roles, out, cancel } = self;
        let mut moments = [Moments::default(); MAX_CUES + 1];
        let mut rows: [&[f32]; MAX_CUES + 1] = [&[]; MAX_CUES + 1];
        for ((signal, own), raw) in rows.iter_mut().zip(&mut moments).zip(signals.rows(row)) {
            cancel.check()?;
            *own = Moments::of(lanes, raw).ok_or_else(|| signals.not_finite())?;
            *signal = raw;
        }
        let mut logits = [Side::default(); MAX_EXPERTS];
        lay_out_user(lanes, &gate.user_logits[row * gate.n..][..gate.n], &mut logits[..gate.n]);
        let user = User {
            moments: &moments[..=signals.n_cues],
            logits: &logits[..gate.n],
            roles,
            weight: gate.weight,
            top: gate.top,
            compress: signals.compress,
        };
        let rows = &rows[..=signals.n_cues];
        let mut shares = [[0.0; WIDTH]; MAX_EXPERTS];
        let (groups, rest) = out.as_chunks_mut::<WIDTH>();
        let end = groups.len() * WIDTH;
        for (group, out) in groups.iter_mut().enumerate() {
            if group % LOOK_EVERY == 0 {
                cancel.check()?;
            }
            let items = &items[group * gate.n..][..gate.n];
            let blended = user.blend(lanes, items, rows, group * WIDTH, &mut shares, &mut ());
            lanes.store(blended.score, out);
        }
        if !rest.is_empty() {
            // The places beyond the last item may hold anything.
            let mut padded = [[0.0; WIDTH]; MAX_CUES + 1];
            let mut ends: [&[f32]; MAX_CUES + 1] = [&[]; MAX_CUES + 1];
            for ((end_of, padded), row) in ends.iter_mut().zip(&mut padded).zip(rows) {
                padded[..rest.len()].copy_from_slice(&row[end..]);
                *end_of = &*padded;
            }
            let items = &items[end / WIDTH * gate.n..][..gate.n];
            let blended = user.blend(lanes, items, &ends[..rows.len()], 0, &mut shares, &mut ());
            let mut scores = [0.0; WIDTH];
            lanes.store(blended.score, &mut scores);
            rest.copy_from_slice(&scores[..rest.len()]);
        }
        Ok(())
    }
}
