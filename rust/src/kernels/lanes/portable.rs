//! Plain Rust, on any machine.

use super::{FROM_ROOT, Lanes, TABLE, WIDTH};

/// Sixteen numbers in an array; every other path must do the same to the bit.
#[derive(Debug, Clone, Copy)]
pub struct Portable;

impl Lanes for Portable {
    type V = [f32; WIDTH];
    type Sums = [f64; WIDTH];
    const TALL: bool = false;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        [x; WIDTH]
    }

    #[inline(always)]
    fn load(self, from: &[f32; WIDTH]) -> Self::V {
        *from
    }

    #[inline(always)]
    fn pick(self, table: &[f32; TABLE], _: usize, places: &[u8; WIDTH]) -> Self::V {
        places.map(|place| table[usize::from(place)])
    }

    #[inline(always)]
    fn store(self, v: Self::V, to: &mut [f32; WIDTH]) {
        *to = v;
    }

    #[inline(always)]
    fn stream(self, v: Self::V, to: &mut [f32; WIDTH]) {
        *to = v;
    }

    #[inline(always)]
    fn fence(self) {}

    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        std::array::from_fn(|j| a[j].mul_add(b[j], c[j]))
    }

    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|j| a[j] * b[j])
    }

    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|j| a[j] / b[j])
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|j| a[j] + b[j])
    }

    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|j| if a[j] > b[j] { a[j] } else { b[j] })
    }

    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|j| if a[j] < b[j] { a[j] } else { b[j] })
    }

    #[inline(always)]
    fn abs(self, a: Self::V) -> Self::V {
        a.map(f32::abs)
    }

    #[inline(always)]
    fn with_sign(self, a: Self::V, of: Self::V) -> Self::V {
        std::array::from_fn(|j| a[j].copysign(of[j]))
    }

    #[inline(always)]
    fn exponent(self, a: Self::V) -> Self::V {
        a.map(|a| (((a.to_bits() as i32).wrapping_add(FROM_ROOT) >> 23) - 127) as f32)
    }

    #[inline(always)]
    fn standard(self, a: Self::V, mean: f64, factor: f64) -> Self::V {
        a.map(|a| ((f64::from(a) - mean) * factor) as f32)
    }

    #[inline(always)]
    fn no_sums(self) -> Self::Sums {
        [0.0; WIDTH]
    }

    #[inline(always)]
    fn add_distances(self, a: Self::V, from: f64, sums: Self::Sums) -> Self::Sums {
        std::array::from_fn(|j| sums[j] + (f64::from(a[j]) - from))
    }

    #[inline(always)]
    fn add_squares(self, a: Self::V, from: f64, sums: Self::Sums) -> Self::Sums {
        std::array::from_fn(|j| {
            let distance = f64::from(a[j]) - from;
            distance.mul_add(distance, sums[j])
        })
    }

    #[inline(always)]
    fn each_sum(self, sums: Self::Sums) -> [f64; WIDTH] {
        sums
    }

    #[inline(always)]
    fn above(self, a: Self::V, b: Self::V) -> u32 {
        (0..WIDTH).fold(0, |bits, j| bits | u32::from(a[j] > b[j]) << j)
    }

    #[inline(always)]
    fn keep(self, a: Self::V, x: Self::V, y: Self::V) -> Self::V {
        std::array::from_fn(|j| if x[j] > y[j] { a[j] } else { 0.0 })
    }

    #[inline(always)]
    fn pow2(self, a: Self::V) -> Self::V {
        a.map(|a| f32::from_bits(((a as i32 + 127) as u32) << 23))
    }

    #[inline(always)]
    fn sums(self, vectors: [Self::V; 8]) -> [f32; 8] {
        vectors.map(|v| {
            let [a, b, c, d, e, f, g, h]: [f32; 8] = std::array::from_fn(|j| v[j] + v[j + 8]);
            ((a + b) + (c + d)) + ((e + f) + (g + h))
        })
    }

    #[inline(always)]
    fn prefetch<T>(self, _: &T) {}
}
