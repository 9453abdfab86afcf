//! Which experts a pair gets, and what they make of it together.

use crate::kernels::lanes::{Lanes, WIDTH};

/// The most experts that a mixture can have.
pub const MAX_EXPERTS: usize = GROUPS * WIDTH;
/// Vectors that hold a number for each of so many experts.
pub(super) const GROUPS: usize = 8;

/// The router's wish for every expert of a pair, lanes over experts, from keys laid out by `pack_keys`; -∞ in the
/// places beyond the `n` experts.
#[inline(always)]
pub(super) fn wishes<L: Lanes>(
    lanes: L,
    user: &[f32],
    item: &[f32],
    n: usize,
    rank: usize,
    out: &mut [[f32; WIDTH]],
) {
    for (group, out) in out.iter_mut().enumerate() {
        let mut sum = lanes.splat(0.0);
        let mut at = group * WIDTH;
        for _ in 0..rank {
            // Beyond the last expert this reads into the next row: what comes of it is overwritten below.
            let (Some(user), Some(item)) = (user[at..].first_chunk(), item[at..].first_chunk()) else {
                break;
            };
            sum = lanes.fma(lanes.load(user), lanes.load(item), sum);
            at += n;
        }
        lanes.store(sum, out);
    }
    out.as_flattened_mut()[n..].fill(f32::NEG_INFINITY);
}

/// Σ p_e s_e / Σ p_e over the `top` experts of the highest wish, lower experts first among equals; p is the softmax
/// of the wishes. An expert with a wish of -∞ (or NaN) is off; if all are, the result is 0.
#[inline(always)]
pub(super) fn mix<L: Lanes>(
    lanes: L,
    wishes: &[[f32; WIDTH]],
    n: usize,
    values: impl Fn(usize) -> f32,
    top: usize,
) -> f32 {
    let wish = |expert: usize| wishes[expert / WIDTH][expert % WIDTH];
    let mut on = 0u64;
    for (group, wishes) in wishes.iter().enumerate() {
        let above = lanes.above(lanes.load(wishes), lanes.splat(f32::NEG_INFINITY));
        on |= u64::from(above) << (group * WIDTH);
    }
    let mut chosen = on;
    if on.count_ones() as usize > top {
        // Counting who stands before whom, instead of sorting: no branch depends on the wishes.
        chosen = 0;
        for expert in 0..n {
            let own = lanes.splat(wish(expert));
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
    }
    let mut highest = f32::NEG_INFINITY;
    let (mut value, mut weight) = (0.0f32, 0.0f32);
    let mut rest = chosen;
    while rest != 0 {
        highest = highest.max(wish(rest.trailing_zeros() as usize));
        rest &= rest - 1;
    }
    while chosen != 0 {
        let expert = chosen.trailing_zeros() as usize;
        chosen &= chosen - 1;
        let p = exp(wish(expert) - highest);
        value = p.mul_add(values(expert), value);
        weight += p;
    }
    if weight > 0.0 { value / weight } else { 0.0 }
}

/// e^x for x ≤ 0, to about one unit in the last place; 0 below -87. The same bits everywhere, unlike libm's.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // 1.5 · 2^23: adding it rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, the first with few enough bits that its products are exact.
    const LN2_HIGH: f32 = 355.0 / 512.0;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    if x < -87.0 {
        return 0.0;
    }
    let n = x.mul_add(std::f32::consts::LOG2_E, ROUND) - ROUND;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, x));
    let mut sum = 1.0 / 5040.0;
    for factor in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = r.mul_add(sum, factor);
    }
    sum * f32::from_bits(((n as i32 + 127) << 23) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::lanes::Portable;

    #[test]
    fn exp_is_accurate() {
        for step in 0..=87_000 {
            let x = -(step as f32) / 1000.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 1.5e-7, "{x}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-88.0), 0.0);
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
            mix(Portable, &lay_out(wishes), wishes.len(), |expert| [1.0, 10.0, 100.0][expert.min(2)], top)
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
