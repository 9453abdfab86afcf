//! What scores cannot exceed, at a third of the cost of the scores: most items are ruled out by it.
//!
//! A standardised score is a line over the raw one. sign(x) · ln(1 + |x|) lies below its tangents where x is positive; where
//! it is negative, below its chord from (-1, -ln 2) to the origin, and below -ln 2 left of that. The size of a standardised
//! number is at most √n. With u = 2^-24:
//!
//! 1. The line. Factor, shift and the fused multiply-add are rounded, and so is the standardised score itself: together at
//!    most 4 u (√n + |shift|).
//! 2. The sum. At most C roundings in the score and as many here, two for each tangent, and the error of the logarithm,
//!    2e-7: far less than 1e-5 of the largest size of each summand.

use super::MAX_CUES;
use super::moments::Moments;
use crate::kernels::lanes::{Lanes, WIDTH};

/// Tangents of ln(1 + x), beside that at 0, which is x: slope and height at 0. They touch it at 1, 5 and 20.
const TANGENTS: [(f32, f32); 3] = [(0.5, 0.193_148), (1.0 / 6.0, 0.958_427), (1.0 / 21.0, 2.092_142_6)];

/// The factors of a line that are neither so small nor so large that digits are lost.
const FACTORS: std::ops::Range<f64> = 1e-30..1e30;

/// A standardised row as a line over the raw scores.
#[derive(Debug, Clone, Copy, Default)]
struct Line {
    factor: f32,
    shift: f32,
    /// How far the line may be from the standardised score.
    error: f32,
    /// How much all roundings may add to the summand.
    more: f32,
}

/// The bounds of one user's scores.
pub(super) struct Bounds {
    /// Of the base, then of the cues.
    lines: [Line; MAX_CUES + 1],
    compress: bool,
}

impl Bounds {
    pub(super) fn new(moments: &[Moments], n_items: usize, compress: bool) -> Self {
        let largest = (n_items as f64).sqrt() * 1.01;
        let mut lines = [Line::default(); MAX_CUES + 1];
        for (signal, (line, moments)) in lines.iter_mut().zip(moments).enumerate() {
            let (factor, shift) = moments.line();
            let size = if compress && signal > 0 { largest.ln_1p() } else { largest };
            line.more = (1e-5 * (1.0 + size)) as f32;
            if factor == 0.0 || (FACTORS.contains(&factor) && shift.abs() < FACTORS.end) {
                line.error = ((largest + shift.abs()) * 2f64.powi(-22)) as f32;
                (line.factor, line.shift) = (factor as f32, shift as f32);
            } else {
                // Without limits nothing is ruled out.
                line.error = f32::INFINITY;
            }
        }
        Self { lines, compress }
    }

    /// What the scores of sixteen pairs do not exceed; where it is NaN, nothing is known. The arguments are those of
    /// [`Scale::sum`](super::Scale::sum).
    #[inline(always)]
    pub(super) fn of<L: Lanes>(
        &self,
        lanes: L,
        rows: &[&[f32]],
        at: usize,
        weights: &[[f32; WIDTH]; MAX_CUES],
    ) -> L::V {
        let base = &self.lines[0];
        let mut bound = lanes.add(base.at(lanes, rows[0], at), lanes.splat(base.error + base.more));
        for (cue, row) in rows[1..].iter().enumerate() {
            let (line, weight) = (&self.lines[1 + cue], lanes.load(&weights[cue]));
            let sign = lanes.with_sign(lanes.splat(1.0), weight);
            let x = lanes.fma(line.at(lanes, row, at), sign, lanes.splat(line.error));
            let most = if self.compress { compressed(lanes, x) } else { x };
            bound = lanes.fma(lanes.abs(weight), lanes.add(most, lanes.splat(line.more)), bound);
        }
        bound
    }
}

impl Line {
    #[inline(always)]
    fn at<L: Lanes>(&self, lanes: L, row: &[f32], at: usize) -> L::V {
        lanes.fma(super::load(lanes, row, at), lanes.splat(self.factor), lanes.splat(self.shift))
    }
}

/// What sign(x) · ln(1 + |x|) does not exceed, but for roundings.
#[inline(always)]
fn compressed<L: Lanes>(lanes: L, x: L::V) -> L::V {
    const LN_2: f32 = std::f32::consts::LN_2;
    let mut above = x;
    for (slope, height) in TANGENTS {
        above = lanes.min(lanes.fma(x, lanes.splat(slope), lanes.splat(height)), above);
    }
    // All tangents exceed this where x is positive, and none where it is negative.
    let below = lanes.max(lanes.mul(x, lanes.splat(LN_2)), lanes.splat(-LN_2));
    lanes.max(above, lanes.min(below, lanes.splat(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::lanes::{Portable, signed_log1p};

    #[test]
    fn the_bound_of_the_logarithm_is_above_it_and_near() {
        for step in (0..200_000).step_by(if cfg!(miri) { 1000 } else { 1 }) {
            let size = 10f32.powf(step as f32 * 4e-5 - 5.0);
            for x in [size, -size, 0.0] {
                let bound = f64::from(compressed(Portable, [x; WIDTH])[0]);
                let exact = f64::from(x).abs().ln_1p().copysign(f64::from(x));
                assert!(bound >= exact - 1e-6 * (1.0 + exact.abs()), "{x}: {bound} {exact}");
                let near = if x < -1.0 { exact.abs() } else { 0.25 + 0.05 * f64::from(size) };
                assert!(bound <= exact + near, "{x}: {bound} {exact}");
                assert!(
                    f64::from(signed_log1p(Portable, [x; WIDTH])[0]) <= bound + 1e-5 * (1.0 + exact.abs())
                );
            }
        }
    }

    #[test]
    fn nan_and_infinite_scores_are_not_ruled_out() {
        let bound = |x: f32| compressed(Portable, [x; WIDTH])[0];
        assert_eq!(bound(f32::INFINITY), f32::INFINITY);
        let moments = Moments::of(Portable, &[0.0, 1e-40, -1e-40]).unwrap();
        let bounds = Bounds::new(&[moments], 3, true);
        let above = bounds.of(Portable, &[&[1e-40; WIDTH]], 0, &[[0.0; WIDTH]; MAX_CUES]);
        assert!(above.iter().all(|above| above.is_nan() || *above == f32::INFINITY), "{above:?}");
    }
}
