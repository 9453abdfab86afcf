//! The router: which experts take part in a pair, and the mix of their values.

use super::interleaved::GROUPS;
use crate::kernels::lanes::{Lanes, WIDTH, exp};

/// The most experts that a mixture can have.
pub const MAX_EXPERTS: usize = GROUPS * WIDTH;

/// Σ p_e s_e / Σ p_e over the `top` experts of the highest logit, lower experts first among equals, for sixteen pairs
/// at once; p is the softmax of the logits. Logits and values hold a vector of pairs for each expert.
///
/// An expert with a logit of -∞ (or NaN) is off; if all are, the result is 0. The value of an expert without weight does
/// not matter, even if it is NaN.
#[inline(always)]
pub(super) fn mix<L: Lanes>(
    lanes: L,
    logits: &[[f32; WIDTH]],
    values: &[[f32; WIDTH]],
    top: usize,
) -> [f32; WIDTH] {
    let (off, none) = (lanes.splat(f32::NEG_INFINITY), lanes.splat(0.0));
    // The expert of the highest logit always takes part.
    let mut highest = off;
    for logit in logits {
        highest = lanes.max(lanes.load(logit), highest);
    }
    let lowered = lanes.fma(highest, lanes.splat(-1.0), none);
    let (mut value, mut weight) = (none, none);
    let mut add = |p: L::V, own: &[f32; WIDTH]| {
        value = lanes.fma(p, lanes.keep(lanes.load(own), p, none), value);
        weight = lanes.add(weight, p);
    };
    let pairs = logits.iter().zip(values);
    if logits.len() > top {
        let mut before = [[0.0; WIDTH]; MAX_EXPERTS];
        count_before(lanes, logits, &mut before);
        let top = lanes.splat(top as f32);
        for ((logit, own), before) in pairs.zip(&before) {
            let p = exp(lanes, lanes.add(lanes.load(logit), lowered));
            add(lanes.keep(p, top, lanes.load(before)), own);
        }
    } else {
        for (logit, own) in pairs {
            add(exp(lanes, lanes.add(lanes.load(logit), lowered)), own);
        }
    }
    let mut out = [0.0; WIDTH];
    lanes.store(lanes.keep(lanes.div(value, weight), weight, none), &mut out);
    out
}

/// The number of experts that come before each one in the order of logits. It counts instead of sorting, so that no
/// branch depends on the logits.
#[inline(always)]
fn count_before<L: Lanes>(lanes: L, logits: &[[f32; WIDTH]], before: &mut [[f32; WIDTH]]) {
    let (off, one) = (lanes.splat(f32::NEG_INFINITY), lanes.splat(1.0));
    for (expert, logit) in logits.iter().enumerate() {
        let logit = lanes.max(lanes.load(logit), off);
        let mut count = lanes.splat(expert as f32);
        for (other, earlier) in logits[..expert].iter().enumerate() {
            // Of equal logits the earlier expert comes first.
            let won = lanes.keep(one, logit, lanes.max(lanes.load(earlier), off));
            count = lanes.fma(won, lanes.splat(-1.0), count);
            let lost = lanes.add(lanes.load(&before[other]), won);
            lanes.store(lost, &mut before[other]);
        }
        lanes.store(count, &mut before[expert]);
    }
}

/// The largest of sixteen numbers, none of them NaN.
#[inline(always)]
pub(super) fn largest<L: Lanes>(lanes: L, v: L::V) -> f32 {
    let mut out = [0.0; WIDTH];
    lanes.store(v, &mut out);
    let mut half = WIDTH / 2;
    while half > 0 {
        let (low, high) = out.split_at_mut(half);
        low.iter_mut().zip(high).for_each(|(a, &mut b)| *a = if b > *a { b } else { *a });
        half /= 2;
    }
    out[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::lanes::Portable;

    #[test]
    fn the_mix_takes_the_wanted_experts() {
        let off = f32::NEG_INFINITY;
        let mix = |logits: &[f32], top: usize| {
            // Pairs in the other lanes must not matter.
            let logits: Vec<[f32; WIDTH]> = logits
                .iter()
                .enumerate()
                .map(|(e, &w)| {
                    let eight = [e as f32, w, off, 0.0, 1.0, -w, f32::NAN, w];
                    std::array::from_fn(|pair| eight[pair % 8])
                })
                .collect();
            let values: Vec<[f32; WIDTH]> =
                (0..logits.len()).map(|expert| [[1.0, 10.0, 100.0][expert.min(2)]; WIDTH]).collect();
            let mixed = mix(Portable, &logits, &values, top);
            assert_eq!(mixed[2], 0.0);
            assert!([7, 9, 15].iter().all(|&pair| mixed[pair] == mixed[1]));
            mixed[1]
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
