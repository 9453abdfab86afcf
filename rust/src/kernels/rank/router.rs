//! Which experts a pair gets, and what they make of it together.

use crate::kernels::lanes::{Lanes, WIDTH};

/// The most experts that a mixture can have.
pub const MAX_EXPERTS: usize = 64;

/// The router's wish for every expert of a pair, lanes over experts, from keys laid out by `pack_keys`.
#[inline(always)]
pub(super) fn wishes<L: Lanes>(
    lanes: L,
    user: &[[f32; WIDTH]],
    item: &[[f32; WIDTH]],
    groups: usize,
    out: &mut [f32; MAX_EXPERTS],
) {
    let (out, _) = out.as_chunks_mut::<WIDTH>();
    for (group, out) in out.iter_mut().enumerate().take(groups) {
        let mut sum = lanes.splat(0.0);
        let keys = user.iter().zip(item).skip(group).step_by(groups);
        for (user, item) in keys {
            sum = lanes.fma(lanes.load(user), lanes.load(item), sum);
        }
        lanes.store(sum, out);
    }
}

/// Σ p_e s_e / Σ p_e over the `top` experts of the highest wish, lower experts first among equals; p is the softmax
/// of the wishes. An expert with a wish of -∞ (or NaN) is off; if all are, the result is 0.
#[inline(always)]
pub(super) fn mix(wishes: &[f32], values: impl Fn(usize) -> f32, top: usize) -> f32 {
    let mut chosen = 0u64;
    let mut highest = f32::NEG_INFINITY;
    for place in 0..top {
        let mut best = None;
        let mut best_wish = f32::NEG_INFINITY;
        for (expert, &wish) in wishes.iter().enumerate() {
            if wish > best_wish && chosen >> expert & 1 == 0 {
                (best, best_wish) = (Some(expert), wish);
            }
        }
        let Some(best) = best else { break };
        if place == 0 {
            highest = best_wish;
        }
        chosen |= 1 << best;
    }
    if chosen == 0 {
        return 0.0;
    }
    let (mut value, mut weight) = (0.0f32, 0.0f32);
    while chosen != 0 {
        let expert = chosen.trailing_zeros() as usize;
        chosen &= chosen - 1;
        let p = exp(wishes[expert] - highest);
        value = p.mul_add(values(expert), value);
        weight += p;
    }
    value / weight
}

/// e^x for x ≤ 0, to about one unit in the last place; 0 below -87. The same bits everywhere, unlike libm's.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // 1.5 · 2^23: adding it rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, the first with few enough bits that its products are exact.
    const LN2_HIGH: f32 = 0.693_359_375;
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

    #[test]
    fn the_mix_takes_the_wanted_experts() {
        let off = f32::NEG_INFINITY;
        let value = |expert: usize| [1.0, 10.0, 100.0][expert];
        assert_eq!(mix(&[off, off, off], value, 3), 0.0);
        assert_eq!(mix(&[off, 5.0, off], value, 3), 10.0);
        assert_eq!(mix(&[2.0, 2.0, 2.0], value, 1), 1.0, "ties: lower expert first");
        assert_eq!(mix(&[2.0, 2.0, 2.0], value, 2), 5.5);
        assert_eq!(mix(&[2.0, 2.0, 2.0], value, 3), 37.0);
        assert_eq!(mix(&[f32::NAN, 2.0, 2.0], value, 3), 55.0);
        let two = mix(&[0.0, 3f32.ln(), -50.0], value, 2);
        assert!((two - 7.75).abs() < 1e-5, "{two}");
    }
}
