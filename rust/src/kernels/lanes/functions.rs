//! Functions of sixteen numbers, made of the operations of [`Lanes`]: unlike libm's they give the same bits on every
//! machine and path.

use super::Lanes;

/// e^x for x ≤ 0, to about one unit in the last place; 0 below -87 and for NaN. Unlike libm's it gives the same bits on
/// every machine.
#[inline(always)]
pub fn exp<L: Lanes>(lanes: L, x: L::V) -> L::V {
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

/// sign(x) · ln(1 + |x|), to 2e-7 of its value, for |x| below 2^126.
#[inline(always)]
pub fn signed_log1p<L: Lanes>(lanes: L, x: L::V) -> L::V {
    // ln(1 + f) / f for f between √½ - 1 and √2 - 1, highest power first: fitted to 2.7e-8 of its value.
    const SERIES: [f32; 8] = [
        -0.143_668_6,
        0.149_522_7,
        -0.165_623_9,
        0.199_568_33,
        -0.250_020_74,
        0.333_341_87,
        -0.499_999_88,
        1.0,
    ];
    let one = lanes.splat(1.0);
    let size = lanes.abs(x);
    let n = lanes.exponent(lanes.add(size, one));
    // f = (1 + |x|) / 2^n - 1 in one rounding: the sum 1 + |x|, which loses the digits of a small |x|, only chose n.
    let scale = lanes.pow2(lanes.mul(n, lanes.splat(-1.0)));
    let f = lanes.fma(size, scale, lanes.add(scale, lanes.splat(-1.0)));
    let mut sum = lanes.splat(0.087_223_67);
    for factor in SERIES {
        sum = lanes.fma(f, sum, lanes.splat(factor));
    }
    lanes.with_sign(lanes.fma(n, lanes.splat(std::f32::consts::LN_2), lanes.mul(f, sum)), x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::lanes::{Portable, WIDTH};

    #[test]
    fn exp_is_accurate() {
        let exp = |x: f32| exp(Portable, [x; WIDTH])[0];
        for step in (0..=87_000).step_by(if cfg!(miri) { 500 } else { 1 }) {
            let x = -(step as f32) / 1000.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 1.5e-7, "{x}");
        }
        assert_eq!(exp(0.0), 1.0);
        for nothing in [-88.0, f32::NEG_INFINITY, f32::NAN] {
            assert_eq!(exp(nothing), 0.0);
        }
    }

    #[test]
    fn signed_log1p_is_accurate() {
        let log1p = |x: f32| signed_log1p(Portable, [x; WIDTH])[0];
        for step in (0..200_000).step_by(if cfg!(miri) { 1000 } else { 1 }) {
            // From 1e-30 to 1e30.
            let x = 10f64.powf(f64::from(step) * 3e-4 - 30.0) as f32;
            let exact = f64::from(x).ln_1p();
            assert!((f64::from(log1p(x)) / exact - 1.0).abs() < 2e-7, "{x}");
            assert_eq!(log1p(-x), -log1p(x));
        }
        assert_eq!(log1p(0.0), 0.0);
    }
}
