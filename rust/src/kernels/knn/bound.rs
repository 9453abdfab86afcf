//! How far the float32 filter can be from the canonical similarity.
//!
//! Let x, x' be two rows, n = |x| and n' = |x'|, and c = ⟨x, x'⟩ / (n n'). Write u = 2^-24 for float32 and v = 2^-53 for
//! float64 rounding. The filter sees y = fl32(x / n), so y = x/n + e with |e_p| ≤ u |x_p| / n + 2^-149, and computes f,
//! the float32 dot product of y and y'.
//!
//! 1. Normalising. |⟨y, y'⟩ − c| ≤ |e| + |e'| + |e||e'| ≤ 2u + u² (Cauchy–Schwarz; both true rows have length 1).
//! 2. Summing. Each product takes part in at most s roundings: its own (none with FMA), at most one for every step of its
//!    chunk, and one for every chunk, so s ≤ chunk + chunks + 1, and by the usual bound
//!    |f − ⟨y, y'⟩| ≤ γ Σ|y_p||y'_p| ≤ γ (1 + u)² with γ = s u / (1 − s u).
//! 3. The canonical value: its float64 dot product has at most d roundings, the two norms half as many each, root,
//!    product and division one each, and it is rounded to float32 at the end (values up to 1: at most u/2).
//!    Together, with the float64 division of step 1: at most u + 4 (d + 8) v.
//! 4. Underflow: every float32 operation may lose 2^-149 besides; fewer than 4 (d + chunks) of them.
//!
//! The sum of these is ε: **|f − s| ≤ ε** for the canonical similarity s.
//!
//! What follows for a row with candidates j: let F be its k-th largest f so far. At least k candidates have s ≥ F − ε,
//! so whatever ends among the k best, ties included, has s ≥ F − ε and therefore f ≥ F − 2ε. If S is the k-th largest
//! canonical value so far, it has f ≥ S − ε. Nothing else need be remembered.

/// ε for rows of `width` values, summed in `chunks` chunks of at most `chunk` values.
pub(super) fn filter_error(width: usize, chunk: usize, chunks: usize) -> f64 {
    let u = 2f64.powi(-24);
    let v = 2f64.powi(-53);
    let steps = (chunk + chunks + 1) as f64;
    let gamma = steps * u / (1.0 - steps * u);
    let normalising = 2.0 * u + u * u;
    let summing = gamma * (1.0 + u) * (1.0 + u);
    let canonical = u + 4.0 * (width as f64 + 8.0) * v;
    let underflow = 4.0 * (width + chunks) as f64 * 2f64.powi(-149);
    // The sum itself is rounded: a millionth more covers that many times over.
    (normalising + summing + canonical + underflow) * (1.0 + 1e-6)
}

/// The largest float32 that is surely not above `x`: for limits, which may be too low but never too high.
pub(super) fn round_down(x: f64) -> f32 {
    (x as f32).next_down()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_with_the_chunk_and_stays_small() {
        assert!(filter_error(64, 64, 1) < 6e-6);
        assert!(filter_error(4096, 256, 16) < 2e-5);
        assert!(filter_error(4096, 256, 16) > filter_error(4096, 64, 64));
    }

    #[test]
    fn limits_are_never_too_high() {
        for x in [0.1f64, -0.1, 1.0 / 3.0, 0.999_999_99, 0.0] {
            assert!(f64::from(round_down(x)) < x);
        }
    }
}
