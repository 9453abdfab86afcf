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
    pub fn of(row: &[f32]) -> Option<Self> {
        let first = row.first().copied().map_or(0.0, f64::from);
        let (mut sums, mut squares) = ([0.0f64; WIDTH], [0.0f64; WIDTH]);
        let (groups, rest) = row.as_chunks::<WIDTH>();
        for group in groups {
            for j in 0..WIDTH {
                let distance = f64::from(group[j]) - first;
                sums[j] += distance;
                squares[j] += distance * distance;
            }
        }
        for (j, &score) in rest.iter().enumerate() {
            let distance = f64::from(score) - first;
            sums[j] += distance;
            squares[j] += distance * distance;
        }
        let add = |sums: [f64; WIDTH]| sums.into_iter().fold(0.0, |sum, own| sum + own);
        let n = row.len().max(1) as f64;
        let (sum, square) = (add(sums), add(squares));
        // Squares of finite f32 cannot overflow here, and whatever is not finite spreads.
        if !square.is_finite() {
            return None;
        }
        let distance = sum / n;
        let deviation = (square / n - distance * distance).max(0.0).sqrt();
        let factor = if deviation > 0.0 { 1.0 / deviation } else { 0.0 };
        Some(Self { mean: first + distance, factor })
    }

    /// Sixteen numbers of the row, standardised.
    #[inline(always)]
    pub fn standardise<L: Lanes>(&self, lanes: L, x: L::V) -> L::V {
        lanes.standard(x, self.mean, self.factor)
    }
}
