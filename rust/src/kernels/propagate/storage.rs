//! How the operand of a product is stored: whole, or as bfloat16.

use crate::kernels::lanes::{Lanes, WIDTH};

/// A number as it lies in memory; sums are always `f32`.
pub(super) trait Stored: Copy + Send + Sync + Default + 'static {
    /// Sixteen numbers, widened.
    fn load<L: Lanes>(lanes: L, from: &[Self; WIDTH]) -> L::V;
    /// Sixteen numbers, rounded.
    fn store<L: Lanes>(lanes: L, v: L::V, to: &mut [Self; WIDTH]);
    /// Sixteen numbers, rounded, to memory that is not read soon: see [`Lanes::stream`].
    fn stream<L: Lanes>(lanes: L, v: L::V, to: &mut [Self; WIDTH]);
    /// One number, widened.
    fn widen(self) -> f32;
    /// One number, rounded.
    fn round(x: f32) -> Self;
}

impl Stored for f32 {
    #[inline(always)]
    fn load<L: Lanes>(lanes: L, from: &[Self; WIDTH]) -> L::V {
        lanes.load(from)
    }

    #[inline(always)]
    fn store<L: Lanes>(lanes: L, v: L::V, to: &mut [Self; WIDTH]) {
        lanes.store(v, to);
    }

    #[inline(always)]
    fn stream<L: Lanes>(lanes: L, v: L::V, to: &mut [Self; WIDTH]) {
        lanes.stream(v, to);
    }

    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }

    #[inline(always)]
    fn round(x: f32) -> Self {
        x
    }
}

/// A bfloat16: the upper half of an `f32`, rounded to the nearest, ties to even; off by at most 2⁻⁸ of its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Half(u16);

impl Stored for Half {
    #[inline(always)]
    fn load<L: Lanes>(lanes: L, from: &[Self; WIDTH]) -> L::V {
        // With vectors of integers it compiles to one widening and one shift.
        lanes.load(&from.map(Self::widen))
    }

    #[inline(always)]
    fn store<L: Lanes>(lanes: L, v: L::V, to: &mut [Self; WIDTH]) {
        let mut whole = [0.0; WIDTH];
        lanes.store(v, &mut whole);
        *to = whole.map(Self::round);
    }

    #[inline(always)]
    fn stream<L: Lanes>(lanes: L, v: L::V, to: &mut [Self; WIDTH]) {
        // It is half a cache line, which would reach memory in two parts.
        Self::store(lanes, v, to);
    }

    #[inline(always)]
    fn widen(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }

    #[inline(always)]
    fn round(x: f32) -> Self {
        let bits = x.to_bits();
        // Adds half of the last kept bit, less one where that bit is even. A NaN stays NaN and keeps its sign.
        let up = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
        Self(if x.is_nan() { (bits >> 16) as u16 | 0x40 } else { (up >> 16) as u16 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::Stream;

    #[test]
    fn a_half_is_the_nearest_bfloat16() {
        for (x, bits) in [
            (1.0, 0x3f80),
            (1.0 + 1.0 / 256.0, 0x3f80),
            (1.0 + 3.0 / 256.0, 0x3f82),
            (-0.0, 0x8000),
            (f32::MAX, 0x7f80),
            (f32::NEG_INFINITY, 0xff80),
        ] {
            assert_eq!(Half::round(x), Half(bits), "{x}");
        }
        assert!(Half::round(f32::NAN).widen().is_nan());
        assert!(Half::round(f32::from_bits(0xffff_ffff)).widen().is_nan());
        let stream = Stream::new(2, 0);
        for i in 0..if cfg!(miri) { 500 } else { 10_000 } {
            let x = f32::from_bits(stream.bits32(i));
            if x.is_normal() && x.abs() < 1e38 {
                let rounded = Half::round(x).widen();
                assert!((rounded - x).abs() <= x.abs() / 256.0, "{x} became {rounded}");
                assert_eq!(Half::round(rounded).widen(), rounded, "what fits stays");
            }
        }
    }
}
