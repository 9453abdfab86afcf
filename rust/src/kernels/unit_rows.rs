//! Rows scaled to unit length, and the gradient of that: each is one pass over the numbers.

use rayon::prelude::*;

use super::cancel::Cancel;
use super::error::Error;
use super::lanes::{Lanes, WIDTH, Work};
use super::simd::Path;

/// Numbers of one parallel step, approximately.
const STEP: usize = 1 << 15;
/// Rows whose products are summed at a time.
pub(super) const TOGETHER: usize = 8;
/// Rows shorter than this have no direction and become zero.
const SHORTEST: f32 = 1e-12;

/// Writes each row of `x` divided by its length into `out`, and the factor into `scales`.
///
/// Rows that are absent, or shorter than 1e-12, become zero and have the factor 0. The squares of a row are summed in
/// sixteen chains, so that the result is the same on every instruction path.
///
/// # Errors
/// [`Error::Invalid`] if the shapes do not fit; [`Error::Cancelled`].
pub fn unit_rows(
    x: &[f32],
    width: usize,
    present: Option<&[bool]>,
    out: &mut [f32],
    scales: &mut [f32],
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    let n = scales.len();
    if x.len() != n * width || out.len() != x.len() || present.is_some_and(|present| present.len() != n) {
        return Err(Error::invalid(format!(
            "{n} rows of {width} need {} numbers in and out and a flag each, got {}, {} and {:?}",
            n * width,
            x.len(),
            out.len(),
            present.map(<[bool]>::len)
        )));
    }
    if width == 0 {
        return Ok(());
    }
    let rows = (STEP / width).max(1);
    let steps =
        x.par_chunks(rows * width).zip(out.par_chunks_mut(rows * width)).zip(scales.par_chunks_mut(rows));
    steps.enumerate().try_for_each(|(step, ((x, out), scales))| {
        cancel.check()?;
        let present = present.map(|present| &present[step * rows..][..scales.len()]);
        path.run(Forward { x, width, present, out, scales });
        Ok(())
    })
}

/// Writes the gradient of the rows' own numbers: `scale · (g − y ⟨y, g⟩)` for a row `y` of [`unit_rows`] with the
/// gradient `g`.
///
/// # Errors
/// [`Error::Invalid`] if the shapes do not fit; [`Error::Cancelled`].
pub fn unit_rows_gradient(
    gradient: &[f32],
    y: &[f32],
    scales: &[f32],
    width: usize,
    out: &mut [f32],
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    if [y.len(), gradient.len(), out.len()] != [scales.len() * width; 3] {
        return Err(Error::invalid(format!(
            "{} rows of {width} do not have {}, {} and {} numbers",
            scales.len(),
            gradient.len(),
            y.len(),
            out.len()
        )));
    }
    if width == 0 {
        return Ok(());
    }
    let rows = (STEP / width).max(1);
    let inputs =
        gradient.par_chunks(rows * width).zip(y.par_chunks(rows * width)).zip(scales.par_chunks(rows));
    inputs.zip(out.par_chunks_mut(rows * width)).try_for_each(|(((gradient, y), scales), out)| {
        cancel.check()?;
        path.run(Backward { gradient, y, scales, width, out });
        Ok(())
    })
}

struct Forward<'a> {
    x: &'a [f32],
    width: usize,
    present: Option<&'a [bool]>,
    out: &'a mut [f32],
    scales: &'a mut [f32],
}

impl Work for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { width, .. } = self;
        let eights = self.x.chunks(TOGETHER * width).zip(self.out.chunks_mut(TOGETHER * width));
        for (block, ((x, out), scales)) in eights.zip(self.scales.chunks_mut(TOGETHER)).enumerate() {
            let squares = dots(lanes, x, x, width);
            for (row, (scale, square)) in scales.iter_mut().zip(squares).enumerate() {
                let there = self.present.is_none_or(|present| present[block * TOGETHER + row]);
                let length = square.sqrt();
                *scale = if there && length > SHORTEST { 1.0 / length } else { 0.0 };
            }
            let rows = x.chunks_exact(width).zip(out.chunks_exact_mut(width));
            for ((x, out), &scale) in rows.zip(&*scales) {
                if scale == 0.0 {
                    out.fill(0.0);
                } else {
                    out.iter_mut().zip(x).for_each(|(out, x)| *out = x * scale);
                }
            }
        }
    }
}

struct Backward<'a> {
    gradient: &'a [f32],
    y: &'a [f32],
    scales: &'a [f32],
    width: usize,
    out: &'a mut [f32],
}

impl Work for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { width, .. } = self;
        let inputs = self.gradient.chunks(TOGETHER * width).zip(self.y.chunks(TOGETHER * width));
        let eights = inputs.zip(self.out.chunks_mut(TOGETHER * width)).zip(self.scales.chunks(TOGETHER));
        for (((gradient, y), out), scales) in eights {
            let along = dots(lanes, y, gradient, width);
            let inputs = gradient.chunks_exact(width).zip(y.chunks_exact(width));
            let rows = inputs.zip(out.chunks_exact_mut(width)).zip(scales.iter().zip(along));
            for (((gradient, y), out), (&scale, along)) in rows {
                if scale == 0.0 {
                    out.fill(0.0);
                    continue;
                }
                for (out, (g, y)) in out.iter_mut().zip(gradient.iter().zip(y)) {
                    *out = scale * (-along).mul_add(*y, *g);
                }
            }
        }
    }
}

/// ⟨a, b⟩ of up to eight rows: sixteen chains of fused multiply-adds, in the order of [`Lanes::sums`], and one more
/// chain over the rest.
#[inline(always)]
pub(super) fn dots<L: Lanes>(lanes: L, a: &[f32], b: &[f32], width: usize) -> [f32; TOGETHER] {
    let mut sums = [lanes.splat(0.0); TOGETHER];
    let rows = || a.chunks_exact(width).zip(b.chunks_exact(width));
    for (sum, (a, b)) in sums.iter_mut().zip(rows()) {
        for (a, b) in a.as_chunks::<WIDTH>().0.iter().zip(b.as_chunks::<WIDTH>().0) {
            *sum = lanes.fma(lanes.load(a), lanes.load(b), *sum);
        }
    }
    let mut found = lanes.sums(sums);
    if !width.is_multiple_of(WIDTH) {
        for (sum, (a, b)) in found.iter_mut().zip(rows()) {
            let rest = a.as_chunks::<WIDTH>().1.iter().zip(b.as_chunks::<WIDTH>().1);
            *sum = rest.fold(*sum, |sum, (a, b)| a.mul_add(*b, sum));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::rng::Stream;
    use super::*;

    fn random(n: usize, seed: u64) -> Vec<f32> {
        let stream = Stream::new(seed, 0);
        (0..n as u64).map(|i| stream.open_unit(i) as f32 - 0.5).collect()
    }

    #[test]
    fn rows_and_gradients_are_what_they_say_on_every_path() {
        for width in [1, 7, 8, 33, 64] {
            let n = 2 * STEP / width + 3;
            let mut x = random(n * width, 1);
            x[..width].fill(0.0);
            let (g, present) = (random(n * width, 2), (0..n).map(|row| row != 5).collect::<Vec<_>>());
            let mut found = Vec::new();
            for path in Path::available() {
                let (mut y, mut scales) = (vec![f32::NAN; n * width], vec![f32::NAN; n]);
                unit_rows(&x, width, Some(&present), &mut y, &mut scales, path, &Cancel::new()).unwrap();
                let mut back = vec![f32::NAN; n * width];
                unit_rows_gradient(&g, &y, &scales, width, &mut back, path, &Cancel::new()).unwrap();
                found.push((y, scales, back));
            }
            assert!(found.iter().all(|other| *other == found[0]), "the paths differ");
            let (y, _, back) = &found[0];
            for row in 0..n {
                let of = |v: &[f32]| -> Vec<f64> {
                    v[row * width..][..width].iter().map(|&v| f64::from(v)).collect()
                };
                let (x, g) = (of(&x), of(&g));
                let length = x.iter().map(|v| v * v).sum::<f64>().sqrt();
                let there = row != 5 && length > 0.0;
                let unit: Vec<f64> = x.iter().map(|v| if there { v / length } else { 0.0 }).collect();
                let along: f64 = unit.iter().zip(&g).map(|(u, g)| u * g).sum();
                for (at, unit) in unit.iter().enumerate() {
                    assert!((of(y)[at] - unit).abs() < 1e-6);
                    let slope = if there { (g[at] - unit * along) / length } else { 0.0 };
                    assert!((of(back)[at] - slope).abs() < 1e-5 * (1.0 + 1.0 / length.max(1e-3)));
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (path, cancel) = (Path::Portable, Cancel::new());
        let run = |x: usize, out: usize, flags: usize| {
            let (x, mut out, mut scales) = (vec![1.0; x], vec![0.0; out], [0.0; 2]);
            unit_rows(&x, 3, Some(&vec![true; flags]), &mut out, &mut scales, path, &cancel).is_ok()
        };
        assert!(run(6, 6, 2) && !run(5, 6, 2) && !run(6, 5, 2) && !run(6, 6, 1));
        let gradient = |n: usize| {
            unit_rows_gradient(&vec![1.0; n], &[1.0; 6], &[1.0; 2], 3, &mut [0.0; 6], path, &cancel)
        };
        assert!(gradient(6).is_ok() && gradient(5).is_err());
    }
}
