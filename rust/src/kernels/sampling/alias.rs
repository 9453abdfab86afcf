//! Drawing with given weights in constant time (Walker's alias method, built by Vose's algorithm).

use crate::kernels::error::Error;
use crate::kernels::lanes::Lanes;

/// A table from which index i is drawn with probability `weights[i] / Σ weights`.
#[derive(Debug, Clone)]
pub struct Alias(Vec<Column>);

#[derive(Debug, Clone, Copy)]
struct Column {
    /// The index itself where the coin is below this.
    keep: u32,
    /// Otherwise.
    other: i32,
}

impl Alias {
    /// Builds the table in O(n). Probabilities are exact to about 2^-32 / n.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a weight is negative or not finite, or all are zero.
    pub fn new(weights: &[f64]) -> Result<Self, Error> {
        if let Some(at) = weights.iter().position(|w| !w.is_finite() || *w < 0.0) {
            return Err(Error::invalid(format!(
                "weights must be finite and not negative; weight {at} is {}",
                weights[at]
            )));
        }
        let n = weights.len();
        let total: f64 = weights.iter().sum();
        if total <= 0.0 || !total.is_finite() {
            return Err(Error::invalid(format!("{n} weights sum to {total}: nothing can be drawn")));
        }
        let mut share: Vec<f64> = weights.iter().map(|w| w / total * n as f64).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..n).partition(|&i| share[i] < 1.0);
        let mut columns: Vec<Column> =
            (0..n as i32).map(|own| Column { keep: u32::MAX, other: own }).collect();
        while let (Some(poor), Some(&rich)) = (small.pop(), large.last()) {
            columns[poor] = Column { keep: (share[poor] * (1u64 << 32) as f64) as u32, other: rich as i32 };
            share[rich] -= 1.0 - share[poor];
            if share[rich] < 1.0 {
                large.pop();
                small.push(rich);
            }
        }
        // Indices that rounding left over get a share of one, unless their weight is zero.
        let heaviest = (0..n).fold(0, |best, i| if weights[i] > weights[best] { i } else { best });
        for i in small {
            if weights[i] == 0.0 {
                columns[i] = Column { keep: 0, other: heaviest as i32 };
            }
        }
        Ok(Self(columns))
    }

    /// Prefetches the memory that [`Self::draw`] will read.
    #[inline(always)]
    pub(super) fn prefetch<L: Lanes>(&self, lanes: L, bits: u64) {
        lanes.prefetch(&self.0[((u128::from(bits) * self.0.len() as u128) >> 64) as usize]);
    }

    /// The index that these 64 random bits stand for.
    #[inline]
    pub fn draw(&self, bits: u64) -> i32 {
        let scaled = u128::from(bits) * self.0.len() as u128;
        let own = (scaled >> 64) as usize;
        let coin = (scaled >> 32) as u32;
        let Column { keep, other } = self.0[own];
        // A branch on a fair coin would be mispredicted half of the time.
        std::hint::select_unpredictable(coin < keep, own as i32, other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::Stream;

    /// The probability that the table gives to each index.
    fn mass(table: &Alias) -> Vec<f64> {
        let n = table.0.len();
        let mut mass = vec![0.0; n];
        for (own, column) in table.0.iter().enumerate() {
            let kept = f64::from(column.keep) / (1u64 << 32) as f64;
            mass[own] += kept / n as f64;
            mass[column.other as usize] += (1.0 - kept) / n as f64;
        }
        mass
    }

    #[test]
    fn the_table_holds_the_probabilities() {
        let stream = Stream::new(2, 0);
        let random = |n: u64, power| (0..n).map(|i| stream.open_unit(i).powi(power)).collect::<Vec<f64>>();
        // One index that all the poor ones borrow of; many, of which each lends until it is poor itself; all alike.
        let one = vec![0.0, 1.0, 2.5, 0.0, 1e-3, 40.0, 7.0];
        for weights in [one, vec![5.0, 4.0, 0.5, 0.25], random(50, 1), random(300, 6), vec![0.3; 9]] {
            let total: f64 = weights.iter().sum();
            let found = mass(&Alias::new(&weights).unwrap());
            for (at, (mass, weight)) in found.into_iter().zip(&weights).enumerate() {
                assert!(
                    (mass - weight / total).abs() < 1e-9,
                    "{mass} for {weight} at {at} of {}",
                    weights.len()
                );
            }
        }
    }

    #[test]
    fn what_has_no_weight_is_never_drawn() {
        let table = Alias::new(&[0.0, 1.0, 2.5, 0.0, 1e-3, 40.0, 7.0]).unwrap();
        let stream = Stream::new(4, 0);
        let n = if cfg!(miri) { 1000 } else { 100_000 };
        assert!((0..n).all(|i| ![0, 3].contains(&table.draw(stream.bits64(i)))));
    }

    #[test]
    fn weights_are_checked() {
        for bad in [&[][..], &[0.0, 0.0], &[1.0, -1.0], &[f64::NAN], &[f64::INFINITY]] {
            assert!(Alias::new(bad).is_err(), "{bad:?}");
        }
    }
}
