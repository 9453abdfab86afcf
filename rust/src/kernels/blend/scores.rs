//! The scores of whole rows.

use rayon::prelude::*;

use super::mix::{Mix, Room, Take};
use super::moments::Moments;
use super::{Gate, MAX_CUES, Signals};
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, WIDTH, Work};
use crate::kernels::simd::Path;

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
    let mix = &Mix::new(gate, signals.n_cues, signals.compress, path, cancel)?;
    out.par_chunks_mut(signals.n_items).enumerate().try_for_each_init(Room::new, |room, (row, out)| {
        cancel.check()?;
        path.run(Row { signals, mix, row, room, out, cancel })
    })
}

struct Row<'a> {
    signals: Signals<'a>,
    mix: &'a Mix<'a>,
    row: usize,
    room: &'a mut Room,
    out: &'a mut [f32],
    cancel: &'a Cancel,
}

impl Work for Row<'_> {
    type Output = Result<(), Error>;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Result<(), Error> {
        let Self { signals, mix, row, room, out, cancel } = self;
        let mut moments = [Moments::default(); MAX_CUES + 1];
        let mut rows: [&[f32]; MAX_CUES + 1] = [&[]; MAX_CUES + 1];
        for ((signal, own), raw) in rows.iter_mut().zip(&mut moments).zip(signals.rows(row)) {
            cancel.check()?;
            *own = Moments::of(lanes, raw).ok_or_else(|| signals.not_finite())?;
            *signal = raw;
        }
        let n = 1 + signals.n_cues;
        mix.row(lanes, row, &rows[..n], &moments[..n], room, &mut Whole(out), cancel)
    }
}

/// A whole row of scores.
struct Whole<'a>(&'a mut [f32]);

impl Take for Whole<'_> {
    #[inline(always)]
    fn take<L: Lanes>(&mut self, lanes: L, scores: L::V, at: usize, n: usize) {
        if let Some(out) = self.0[at..].as_chunks_mut::<WIDTH>().0.first_mut() {
            return lanes.store(scores, out);
        }
        let mut last = [0.0; WIDTH];
        lanes.store(scores, &mut last);
        self.0[at..].copy_from_slice(&last[..n]);
    }
}
