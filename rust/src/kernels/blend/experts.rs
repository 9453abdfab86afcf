//! The two sides of the pairs' logits, laid out for [`choose`](super::choice::choose).

use rayon::prelude::*;

use super::choice::{FAR, Side};
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, WIDTH, Work, exp};
use crate::kernels::simd::Path;

/// The greatest logit allowed: sums of two are finite.
const GREATEST: f32 = f32::MAX / 4.0;
/// Groups of items of one parallel step.
const STEP: usize = 256;

/// Fails on logits that are neither numbers nor -∞.
pub(super) fn check_logits(logits: &[f32], n: usize, side: &str) -> Result<(), Error> {
    match logits.iter().position(|&logit| logit.is_nan() || logit > GREATEST) {
        Some(at) => Err(Error::invalid(format!(
            "{side} logits must be below {GREATEST:e} or -inf; expert {} of {side} {} has {}",
            at % n,
            at / n,
            logits[at]
        ))),
        None => Ok(()),
    }
}

/// The items' logits in groups of sixteen, experts one after the other. Beyond the last item everything is off.
pub(super) fn lay_out_items(
    logits: &[f32],
    n: usize,
    path: Path,
    cancel: &Cancel,
) -> Result<Vec<Side<[f32; WIDTH]>>, Error> {
    let mut out = Vec::new();
    if n == 0 {
        return Ok(out);
    }
    let size = (logits.len() / n).div_ceil(WIDTH) * n;
    out.try_reserve_exact(size)
        .map_err(|_| Error::invalid(format!("no memory for {} logits of items", size * WIDTH)))?;
    out.resize(size, Side { logit: [f32::NEG_INFINITY; WIDTH], power: [0.0; WIDTH] });
    out.par_chunks_mut(STEP * n).zip(logits.par_chunks(STEP * n * WIDTH)).try_for_each(|(out, logits)| {
        cancel.check()?;
        path.run(LayOut { logits, n, out });
        Ok(())
    })?;
    Ok(out)
}

struct LayOut<'a> {
    /// `(items, n)`.
    logits: &'a [f32],
    n: usize,
    out: &'a mut [Side<[f32; WIDTH]>],
}

impl Work for LayOut<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let groups = self.out.chunks_exact_mut(self.n).zip(self.logits.chunks(self.n * WIDTH));
        for (out, logits) in groups {
            for (lane, logits) in logits.chunks_exact(self.n).enumerate() {
                for (out, &logit) in out.iter_mut().zip(logits) {
                    out.logit[lane] = logit;
                }
            }
            // -∞ less -∞ is no number: where all are off, the greatest is some number.
            let mut greatest = lanes.splat(f32::MIN);
            for side in &*out {
                greatest = lanes.max(lanes.load(&side.logit), greatest);
            }
            for side in out {
                lanes.store(power(lanes, lanes.load(&side.logit), greatest), &mut side.power);
            }
        }
    }
}

/// The logits of one user, one after the other; `out` has room for each.
#[inline(always)]
pub(super) fn lay_out_user<L: Lanes>(lanes: L, logits: &[f32], out: &mut [Side<f32>]) {
    let greatest = logits.iter().fold(f32::MIN, |greatest, &logit| greatest.max(logit));
    for (out, logits) in out.chunks_mut(WIDTH).zip(logits.chunks(WIDTH)) {
        let (mut group, mut powers) = ([f32::NEG_INFINITY; WIDTH], [0.0; WIDTH]);
        group[..logits.len()].copy_from_slice(logits);
        lanes.store(power(lanes, lanes.load(&group), lanes.splat(greatest)), &mut powers);
        for (out, (&logit, &power)) in out.iter_mut().zip(logits.iter().zip(&powers)) {
            *out = Side { logit, power };
        }
    }
}

/// e^(logit - greatest), or 0 if that is far below 1.
#[inline(always)]
fn power<L: Lanes>(lanes: L, logit: L::V, greatest: L::V) -> L::V {
    let distance = lanes.fma(greatest, lanes.splat(-1.0), logit);
    lanes.keep(exp(lanes, distance), distance, lanes.splat(FAR))
}
