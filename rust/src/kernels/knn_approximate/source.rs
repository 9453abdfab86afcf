//! Feature rows in float32 or float16, read one at a time: the whole is never converted.

use rayon::prelude::*;

use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, Work};
use crate::kernels::simd::Path;
use crate::kernels::tiles::dot::canonical_dot;

/// Rows handled between two checks of the cancel flag.
const STEP: usize = 64;
/// Rows named in an error.
const NAMED: usize = 10;

/// The numbers of a feature matrix, row after row.
#[derive(Debug, Clone, Copy)]
pub enum Features<'a> {
    /// As the kernels compute with them.
    Single(&'a [f32]),
    /// The bits of IEEE half precision.
    Half(&'a [u16]),
}

impl Features<'_> {
    /// How many numbers there are.
    pub fn len(self) -> usize {
        match self {
            Self::Single(values) => values.len(),
            Self::Half(bits) => bits.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    #[inline(always)]
    fn read(self, from: usize, into: &mut [f32]) {
        match self {
            Self::Single(values) => into.copy_from_slice(&values[from..][..into.len()]),
            Self::Half(bits) => {
                for (value, &bits) in into.iter_mut().zip(&bits[from..]) {
                    *value = widen(bits);
                }
            }
        }
    }
}

/// The value of half-precision bits, exactly: every one of them is a float32.
#[inline(always)]
fn widen(bits: u16) -> f32 {
    let magnitude = u32::from(bits & 0x7FFF) << 13;
    // The exponent's bias grows from 15 to 127; multiplying by a power of two also sets subnormal numbers right.
    let finite = f32::from_bits(magnitude) * f32::from_bits((127 + 112) << 23);
    let special = f32::from_bits(magnitude | 0x7F80_0000);
    let value = if bits & 0x7C00 == 0x7C00 { special } else { finite };
    f32::from_bits(value.to_bits() | u32::from(bits & 0x8000) << 16)
}

/// Features with the length of every row; zero stands for rows that take no part.
#[derive(Debug)]
pub(super) struct Source<'a> {
    features: Features<'a>,
    pub(super) width: usize,
    pub(super) lengths: Vec<f64>,
}

impl<'a> Source<'a> {
    /// Measures the rows that are `present`. Cost: one pass over them.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the present rows that hold NaN or infinity.
    pub(super) fn new(
        features: Features<'a>,
        width: usize,
        present: &[bool],
        path: Path,
        cancel: &Cancel,
    ) -> Result<Self, Error> {
        let mut source = Self { features, width, lengths: Vec::new() };
        let mut lengths = vec![0.0; present.len()];
        lengths.par_chunks_mut(STEP).enumerate().try_for_each_init(
            || vec![0.0; width],
            |row, (step, lengths)| {
                cancel.check()?;
                for (index, length) in (step * STEP..).zip(lengths) {
                    if present[index] {
                        source.read(index, row);
                        *length = path.run(Dot(row, row)).sqrt();
                    }
                }
                Ok(())
            },
        )?;
        let bad: Vec<usize> =
            lengths.iter().enumerate().filter(|(_, l)| !l.is_finite()).map(|(index, _)| index).collect();
        if !bad.is_empty() {
            return Err(Error::invalid(format!(
                "features must be finite; found NaN or infinity in {} of {} rows, first in rows {:?}; repair them, or \
                 mark these rows as missing",
                bad.len(),
                lengths.len(),
                &bad[..bad.len().min(NAMED)]
            )));
        }
        source.lengths = lengths;
        Ok(source)
    }

    /// Copies a row.
    #[inline(always)]
    pub(super) fn read(&self, row: usize, into: &mut [f32]) {
        self.features.read(row * self.width, into);
    }

    /// The rows as they are, one after another.
    pub(super) fn gather(&self, rows: &[i32]) -> Vec<f32> {
        let mut out = vec![0.0; rows.len() * self.width];
        out.par_chunks_mut(self.width)
            .zip(rows)
            .with_min_len(STEP)
            .for_each(|(out, &row)| self.read(row as usize, out));
        out
    }

    /// The rows, each scaled to length 1.
    pub(super) fn gather_unit(&self, rows: &[i32]) -> Vec<f32> {
        let mut out = vec![0.0; rows.len() * self.width];
        out.par_chunks_mut(self.width).zip(rows).with_min_len(STEP).for_each(|(out, &row)| {
            self.read(row as usize, out);
            let scale = 1.0 / self.lengths[row as usize];
            for value in out {
                *value = (f64::from(*value) * scale) as f32;
            }
        });
        out
    }

    /// The canonical cosine of a row, given with its values, and another; `space` holds the other's values.
    #[inline(always)]
    pub(super) fn similarity(&self, row: usize, values: &[f32], other: usize, space: &mut [f32]) -> f32 {
        let dot = match self.features {
            Features::Single(all) => canonical_dot(values, &all[other * self.width..][..self.width]),
            Features::Half(_) => {
                self.read(other, space);
                canonical_dot(values, space)
            }
        };
        (dot / (self.lengths[row] * self.lengths[other])) as f32
    }
}

/// [`canonical_dot`], compiled for a path.
struct Dot<'a>(&'a [f32], &'a [f32]);

impl Work for Dot<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) -> f64 {
        canonical_dot(self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_widened_exactly() {
        for (bits, value) in [
            (0x0000u16, 0.0f32),
            (0x3C00, 1.0),
            (0xC000, -2.0),
            (0x7BFF, 65504.0),
            (0x0400, 2f32.powi(-14)),
            (0x0001, 2f32.powi(-24)),
            (0x83FF, -1023.0 * 2f32.powi(-24)),
            (0x3555, 0.333_251_95),
            (0xFC00, f32::NEG_INFINITY),
        ] {
            assert_eq!(widen(bits), value, "{bits:#x}");
        }
        assert!(widen(0x8000).is_sign_negative());
        assert!(widen(0x7E00).is_nan() && widen(0xFC01).is_nan());
    }
}
