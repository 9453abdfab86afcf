//! Counter-based random numbers: draw `n` of a stream is a function of the seed and `n` alone.
//!
//! Squares (Widynski, arXiv 2004.06278), four rounds for 32 bits and five for 64. The key is made from the seed by
//! SplitMix64 and forced odd, which keeps the published requirement that keys are irregular.

/// A stream of random numbers that can be entered anywhere.
#[derive(Debug, Clone, Copy)]
pub struct Stream {
    key: u64,
}

fn split_mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Stream {
    /// The stream of `seed` for one purpose; `purpose` keeps streams apart that share a seed.
    pub fn new(seed: u64, purpose: u64) -> Self {
        Self { key: split_mix(split_mix(seed) ^ purpose.rotate_left(32)) | 1 }
    }

    /// 32 random bits at `counter`.
    #[inline]
    pub fn bits32(self, counter: u64) -> u32 {
        let y = counter.wrapping_mul(self.key);
        let z = y.wrapping_add(self.key);
        let mut x = y.wrapping_mul(y).wrapping_add(y).rotate_left(32);
        x = x.wrapping_mul(x).wrapping_add(z).rotate_left(32);
        x = x.wrapping_mul(x).wrapping_add(y).rotate_left(32);
        (x.wrapping_mul(x).wrapping_add(z) >> 32) as u32
    }

    /// 64 random bits at `counter`.
    #[inline]
    pub fn bits64(self, counter: u64) -> u64 {
        let y = counter.wrapping_mul(self.key);
        let z = y.wrapping_add(self.key);
        let mut x = y.wrapping_mul(y).wrapping_add(y).rotate_left(32);
        x = x.wrapping_mul(x).wrapping_add(z).rotate_left(32);
        x = x.wrapping_mul(x).wrapping_add(y).rotate_left(32);
        let t = x.wrapping_mul(x).wrapping_add(z);
        t ^ (t.rotate_left(32).wrapping_mul(t.rotate_left(32)).wrapping_add(y) >> 32)
    }

    /// A number in the open interval (0, 1) at `counter`.
    #[inline]
    pub fn open_unit(self, counter: u64) -> f64 {
        ((self.bits64(counter) >> 12) as f64 + 0.5) * (1.0 / (1u64 << 52) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_depend_on_seed_purpose_and_counter() {
        let a = Stream::new(1, 0);
        assert_eq!(a.bits32(5), Stream::new(1, 0).bits32(5));
        assert_ne!(a.bits64(5), a.bits64(6));
        assert_ne!(a.bits64(5), Stream::new(2, 0).bits64(5));
        assert_ne!(a.bits64(5), Stream::new(1, 1).bits64(5));
    }

    #[test]
    fn the_mean_and_every_bit_are_fair() {
        let stream = Stream::new(7, 3);
        let n = if cfg!(miri) { 2000 } else { 200_000u64 };
        let mean = (0..n).map(|i| stream.open_unit(i)).sum::<f64>() / n as f64;
        assert!((mean - 0.5).abs() < 4.0 * (1.0f64 / 12.0 / n as f64).sqrt(), "{mean}");
        for bit in 0..64 {
            let ones = (0..n).filter(|&i| stream.bits64(i) >> bit & 1 == 1).count() as f64;
            assert!((ones - n as f64 / 2.0).abs() < 5.0 * (n as f64 / 4.0).sqrt(), "bit {bit}: {ones}");
        }
    }
}
