//! How far the filter can be from the canonical similarity.
//!
//! Let x, x' be two rows, n = |x| and n' = |x'|, and c = ⟨x, x'⟩ / (n n'). Write u = 2^-24 for float32 and v = 2^-53 for
//! float64 rounding. The filter sees z = x/n + e in one of the formats, with |e| ≤ r for every row: r is measured while
//! the rows are written. It computes f, the sum of the products of z and z'.
//!
//! 1. Writing. |⟨z, z'⟩ − c| ≤ |e| + |e'| + |e||e'| ≤ 2r + r² (Cauchy–Schwarz; x/n has length 1). This holds for every r,
//!    also for rows written so coarsely that most of their value is lost.
//! 2. Summing. |f − ⟨z, z'⟩| ≤ ρ |z||z'| ≤ ρ (1 + r)², with ρ the format's [`Format::rounding`].
//! 3. The canonical value. Its float64 dot product has at most d roundings; each of the two norms has d/2; root, product
//!    and division have one each; at the end it is rounded to float32 (values up to 1: at most u/2). The measured r is
//!    computed with the same norms. Together at most u + 8 (d + 8) v.
//! 4. Underflow. Where the machine rounds the smallest numbers to zero, every float32 operation may lose another 2^-126;
//!    a product has fewer than 8 (d + 8) operations.
//!
//! The sum of these is ε: **|f − s| ≤ ε** for the canonical similarity s.
//!
//! What follows for a row with candidates j: let F be its k-th largest f so far. At least k candidates have s ≥ F − ε,
//! so whatever ends among the k best, ties included, has s ≥ F − ε and therefore f ≥ F − 2ε. If S is the k-th largest
//! canonical value so far, it has f ≥ S − ε. No other candidate need be kept.
//!
//! The products are kept in units of q², where q is the format's scale; so are limits, and ε with them.
//!
//! [`Format::rounding`]: crate::kernels::tiles::format::Format::rounding

/// ε for rows of `width` values, written with an error of at most `residual`, their sums rounded by `rounding`.
pub(super) fn filter_error(width: usize, residual: f64, rounding: f64) -> f64 {
    let u = 2f64.powi(-24);
    let v = 2f64.powi(-53);
    let terms = (width + 8) as f64;
    // The residual is itself a rounded sum. A millionth more is far above that rounding, here and at the end.
    let residual = residual * (1.0 + 1e-6);
    let writing = 2.0 * residual + residual * residual;
    let summing = rounding * (1.0 + residual) * (1.0 + residual);
    let canonical = u + 8.0 * terms * v;
    let underflow = 8.0 * terms * 2f64.powi(-126);
    (writing + summing + canonical + underflow) * (1.0 + 1e-6)
}

/// The largest float32 that is surely not above `x`: for limits, which may be too low but never too high.
pub(super) fn round_down(x: f64) -> f32 {
    (x as f32).next_down()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_with_what_is_lost() {
        let float32 = filter_error(64, 2f64.powi(-25), 66.0 * 2f64.powi(-24));
        assert!(float32 < 6e-6);
        assert!(filter_error(64, 1e-4, 1e-7) > 2e-4);
        // Where both rows lose more than 1/√2 of their length, the filter tells nothing.
        assert!(filter_error(64, 0.72, 1e-7) > 1.9);
    }

    #[test]
    fn limits_are_never_too_high() {
        for x in [0.1f64, -0.1, 1.0 / 3.0, 0.999_999_99, 0.0, 2.1e9] {
            assert!(f64::from(round_down(x)) < x);
        }
    }
}
