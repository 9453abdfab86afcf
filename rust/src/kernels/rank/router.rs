//! Which experts a pair gets, and what they make of it together.

use super::beside::GROUPS;
use crate::kernels::lanes::{Lanes, WIDTH};

/// The most experts that a mixture can have.
pub const MAX_EXPERTS: usize = GROUPS * WIDTH;

/// Σ p_e s_e / Σ p_e over the `top` experts of the highest wish, lower experts first among equals; p is the softmax
/// of the wishes. An expert with a wish of -∞ (or NaN) is off; if all are, the result is 0.
#[inline(always)]
pub(super) fn mix<L: Lanes>(
    lanes: L,
    wishes: &[[f32; WIDTH]],
    values: &[[f32; WIDTH]],
    n: usize,
    top: usize,
) -> f32 {
    let mut on = 0u64;
    let mut highest = lanes.splat(f32::NEG_INFINITY);
    for (group, wishes) in wishes.iter().enumerate() {
        let wishes = lanes.load(wishes);
        on |= u64::from(lanes.above(wishes, lanes.splat(f32::NEG_INFINITY))) << (group * WIDTH);
        highest = lanes.max(wishes, highest);
    }
    if on == 0 {
        return 0.0;
    }
    let mut chosen = if on.count_ones() as usize > top { most_wanted(lanes, wishes, n, on, top) } else { on };
    // The highest wish of all is always among the chosen.
    let highest = lanes.splat(-largest(lanes, highest));
    let mut p = [[0.0; WIDTH]; GROUPS];
    for (p, wishes) in p.iter_mut().zip(wishes) {
        lanes.store(exp(lanes, lanes.add(lanes.load(wishes), highest)), p);
    }
    let (p, values) = (p.as_flattened(), values.as_flattened());
    let (mut value, mut weight) = (0.0f32, 0.0f32);
    while chosen != 0 {
        let expert = chosen.trailing_zeros() as usize;
        chosen &= chosen - 1;
        value = p[expert].mul_add(values[expert], value);
        weight += p[expert];
    }
    value / weight
}

/// Bits of the `top` highest of the wishes that are on.
#[inline(always)]
fn most_wanted<L: Lanes>(lanes: L, wishes: &[[f32; WIDTH]], n: usize, on: u64, top: usize) -> u64 {
    // Counting who stands before whom, instead of sorting: no branch depends on the wishes.
    let mut chosen = 0;
    for expert in 0..n {
        let own = lanes.splat(wishes[expert / WIDTH][expert % WIDTH]);
        let (mut higher, mut lower) = (0u64, 0u64);
        for (group, wishes) in wishes.iter().enumerate() {
            let others = lanes.load(wishes);
            higher |= u64::from(lanes.above(others, own)) << (group * WIDTH);
            lower |= u64::from(lanes.above(own, others)) << (group * WIDTH);
        }
        let equal_and_earlier = !(higher | lower) & ((1 << expert) - 1);
        let before = (on & (higher | equal_and_earlier)).count_ones() as usize;
        chosen |= (on >> expert & u64::from(before < top)) << expert;
    }
    chosen
}

/// The largest of eight numbers.
#[inline(always)]
pub(super) fn largest<L: Lanes>(lanes: L, v: L::V) -> f32 {
    let mut out = [0.0; WIDTH];
    lanes.store(v, &mut out);
    let [a, b, c, d, e, f, g, h] = out;
    ((a.max(b)).max(c.max(d))).max((e.max(f)).max(g.max(h)))
}

/// e^x for x ≤ 0, to about one unit in the last place; 0 below -87 and for NaN. The same bits everywhere, unlike
/// libm's.
#[inline(always)]
pub(super) fn exp<L: Lanes>(lanes: L, x: L::V) -> L::V {
    const LOWEST: f32 = -87.0;
    // 1.5 · 2^23: adding it rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, the first with few enough bits that its products are exact.
    const LN2_HIGH: f32 = 355.0 / 512.0;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let clamped = lanes.max(x, lanes.splat(LOWEST));
    let n = lanes.fma(clamped, lanes.splat(std::f32::consts::LOG2_E), lanes.splat(ROUND));
    let n = lanes.add(n, lanes.splat(-ROUND));
    let r = lanes.fma(n, lanes.splat(-LN2_HIGH), clamped);
    let r = lanes.fma(n, lanes.splat(-LN2_LOW), r);
    let mut sum = lanes.splat(1.0 / 5040.0);
    for factor in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = lanes.fma(r, sum, lanes.splat(factor));
    }
    lanes.keep(lanes.mul(sum, lanes.pow2(n)), x, lanes.splat(LOWEST.next_down()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::lanes::Portable;

    #[test]
    fn exp_is_accurate() {
        let exp = |x: f32| exp(Portable, [x; WIDTH])[0];
        for step in 0..=87_000 {
            let x = -(step as f32) / 1000.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 1.5e-7, "{x}");
        }
        assert_eq!(exp(0.0), 1.0);
        for nothing in [-88.0, f32::NEG_INFINITY, f32::NAN] {
            assert_eq!(exp(nothing), 0.0);
        }
    }

    /// Wishes as `wishes` leaves them.
    fn lay_out(wishes: &[f32]) -> Vec<[f32; WIDTH]> {
        let mut out = vec![[f32::NEG_INFINITY; WIDTH]; wishes.len().div_ceil(WIDTH)];
        out.as_flattened_mut()[..wishes.len()].copy_from_slice(wishes);
        out
    }

    #[test]
    fn the_mix_takes_the_wanted_experts() {
        let off = f32::NEG_INFINITY;
        let mix = |wishes: &[f32], top: usize| {
            let values: Vec<f32> =
                (0..wishes.len()).map(|expert| [1.0, 10.0, 100.0][expert.min(2)]).collect();
            mix(Portable, &lay_out(wishes), &lay_out(&values), wishes.len(), top)
        };
        assert_eq!(mix(&[off, off, off], 3), 0.0);
        assert_eq!(mix(&[off, 5.0, off], 3), 10.0);
        assert_eq!(mix(&[2.0, 2.0, 2.0], 1), 1.0, "ties: lower expert first");
        assert_eq!(mix(&[2.0, 2.0, 2.0], 2), 5.5);
        assert_eq!(mix(&[2.0, 2.0, 2.0], 3), 37.0);
        assert_eq!(mix(&[f32::NAN, 2.0, 2.0], 3), 55.0);
        assert_eq!(mix(&[f32::NAN, 2.0, 3.0], 1), 100.0);
        assert_eq!(
            mix(&[[1.0; 63].as_slice(), &[2.0]].concat(), 1),
            100.0,
            "the last of all that there can be"
        );
        let two = mix(&[0.0, 3f32.ln(), -50.0], 2);
        assert!((two - 7.75).abs() < 1e-5, "{two}");
    }
}
