//! Mean and standard deviation of a row.

use crate::kernels::lanes::{Lanes, WIDTH};

/// What standardises a row.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moments {
    mean: f64,
    /// 1 / standard deviation; 0 if the row is constant, so that it becomes zero.
    factor: f64,
}

impl Moments {
    /// Those of a row, over all its numbers; `None` if one of them is not finite. Cost: one pass.
    ///
    /// Number j goes to sum j mod 16, and the sixteen sums are added in order, so that the result is the same on every
    /// path. What is summed are distances to the row's first number: they are all zero in a constant row, and the mean
    /// is never farther from that number than √n standard deviations, so that the variance keeps its digits.
    #[inline(always)]
    pub fn of<L: Lanes>(lanes: L, row: &[f32]) -> Option<Self> {
        let first = row.first().copied().unwrap_or(0.0);
        let from = f64::from(first);
        let (mut sums, mut squares) = (lanes.no_sums(), lanes.no_sums());
        let (groups, rest) = row.as_chunks::<WIDTH>();
        for group in groups {
            let x = lanes.load(group);
            sums = lanes.add_distances(x, from, sums);
            squares = lanes.add_squares(x, from, squares);
        }
        // The places beyond the end have the distance 0.
        let mut padded = [first; WIDTH];
        padded[..rest.len()].copy_from_slice(rest);
        let x = lanes.load(&padded);
        let sums = lanes.each_sum(lanes.add_distances(x, from, sums));
        let squares = lanes.each_sum(lanes.add_squares(x, from, squares));
        let n = row.len().max(1) as f64;
        let sum = sums.into_iter().fold(0.0, |sum, own| sum + own);
        let square = squares.into_iter().fold(0.0, |sum, own| sum + own);
        // Squares of finite f32 cannot overflow here, and whatever is not finite spreads.
        if !square.is_finite() {
            return None;
        }
        let distance = sum / n;
        let deviation = (square / n - distance * distance).max(0.0).sqrt();
        let factor = if deviation > 0.0 { 1.0 / deviation } else { 0.0 };
        Some(Self { mean: from + distance, factor })
    }

    /// The same as a line: what a raw number is multiplied by, and what is added then.
    pub fn line(&self) -> (f64, f64) {
        (self.factor, -self.mean * self.factor)
    }

    /// Sixteen numbers of the row, standardised.
    #[inline(always)]
    pub fn standardise<L: Lanes>(&self, lanes: L, x: L::V) -> L::V {
        lanes.standard(x, self.mean, self.factor)
    }
}
