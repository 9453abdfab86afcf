//! Products of the parts of two rows, and sums of parts.

use crate::kernels::lanes::{Lanes, WIDTH};

/// Rows of the right side that are multiplied at a time.
const TOGETHER: usize = 8;

/// Writes `⟨left_i, right_j⟩` of all rows of `width` numbers, `(K, K)`, into `out`.
///
/// Each is a sum of sixteen chains of fused multiply-adds, as [`Lanes::sums`] adds them, and one more chain over what is
/// left.
#[inline(always)]
pub(super) fn gram<L: Lanes>(lanes: L, left: &[f32], right: &[f32], width: usize, out: &mut [f32]) {
    let k = left.len() / width;
    for (left, out) in left.chunks_exact(width).zip(out.chunks_exact_mut(k)) {
        for (right, out) in right.chunks(TOGETHER * width).zip(out.chunks_mut(TOGETHER)) {
            match out.len() {
                8 => dots::<L, 8>(lanes, left, right, out),
                6 => dots::<L, 6>(lanes, left, right, out),
                4 => dots::<L, 4>(lanes, left, right, out),
                2 => dots::<L, 2>(lanes, left, right, out),
                _ => {
                    for (right, out) in right.chunks_exact(width).zip(out) {
                        dots::<L, 1>(lanes, left, right, std::slice::from_mut(out));
                    }
                }
            }
        }
    }
}

/// The products of one row with `N`.
#[inline(always)]
fn dots<L: Lanes, const N: usize>(lanes: L, left: &[f32], right: &[f32], out: &mut [f32]) {
    let width = left.len();
    let (chunks, rest) = left.as_chunks::<WIDTH>();
    let rows: [(&[[f32; WIDTH]], &[f32]); N] =
        std::array::from_fn(|n| right[n * width..][..width].as_chunks::<WIDTH>());
    let mut sums = [lanes.splat(0.0); TOGETHER];
    for (at, chunk) in chunks.iter().enumerate() {
        let chunk = lanes.load(chunk);
        for (sum, (row, _)) in sums.iter_mut().zip(&rows) {
            *sum = lanes.fma(chunk, lanes.load(&row[at]), *sum);
        }
    }
    for ((whole, (_, row)), out) in lanes.sums(sums).into_iter().zip(&rows).zip(out) {
        *out = rest.iter().zip(*row).fold(whole, |sum, (x, y)| x.mul_add(*y, sum));
    }
}

/// Adds `Σ_j factor_ij · row_j` to each row i of `out`; rows have `width` numbers.
#[inline(always)]
pub(super) fn add_sums<L: Lanes>(lanes: L, factors: &[f32], rows: &[f32], width: usize, out: &mut [f32]) {
    let k = rows.len() / width;
    for (factors, out) in factors.chunks_exact(k).zip(out.chunks_exact_mut(width)) {
        let whole = width / WIDTH * WIDTH;
        let (chunks, rest) = out.as_chunks_mut::<WIDTH>();
        for (at, out) in chunks.iter_mut().enumerate() {
            let mut sum = lanes.load(out);
            for (&factor, row) in factors.iter().zip(rows.chunks_exact(width)) {
                let (row, _) = row[at * WIDTH..].as_chunks::<WIDTH>();
                sum = lanes.fma(lanes.splat(factor), lanes.load(&row[0]), sum);
            }
            lanes.store(sum, out);
        }
        for (at, out) in rest.iter_mut().enumerate() {
            let column = rows.chunks_exact(width).map(|row| row[whole + at]);
            *out = factors.iter().zip(column).fold(*out, |sum, (factor, row)| factor.mul_add(row, sum));
        }
    }
}

/// A number for each part and expert with the experts side by side, their number filled up to whole vectors by zeros.
#[derive(Debug)]
pub(super) struct ByPart {
    pub(super) numbers: Vec<f32>,
    /// Numbers in the row of a part.
    pub(super) stride: usize,
}

impl ByPart {
    /// Zeros for so many parts and experts.
    pub(super) fn new(parts: usize, experts: usize) -> Self {
        let stride = experts.next_multiple_of(WIDTH);
        Self { numbers: vec![0.0; parts * stride], stride }
    }

    /// Takes over `(E, K)`.
    #[inline(always)]
    pub(super) fn take(&mut self, by_expert: &[f32], parts: usize) {
        for (expert, own) in by_expert.chunks_exact(parts).enumerate() {
            for (part, &number) in own.iter().enumerate() {
                self.numbers[part * self.stride + expert] = number;
            }
        }
    }

    /// Adds itself to `(E, K)`.
    #[inline(always)]
    pub(super) fn add_to(&self, by_expert: &mut [f32], parts: usize) {
        for (expert, own) in by_expert.chunks_exact_mut(parts).enumerate() {
            for (part, number) in own.iter_mut().enumerate() {
                *number += self.numbers[part * self.stride + expert];
            }
        }
    }

    /// Becomes `matrix · other`, of a `(K, K)` matrix.
    #[inline(always)]
    pub(super) fn set_product<L: Lanes>(&mut self, lanes: L, matrix: &[f32], other: &Self) {
        self.numbers.fill(0.0);
        add_sums(lanes, matrix, &other.numbers, self.stride, &mut self.numbers);
    }

    /// Becomes `other` with the numbers of every expert multiplied by the expert's factor.
    #[inline(always)]
    pub(super) fn set_scaled(&mut self, other: &Self, factors: &[f32]) {
        let rows = self.numbers.chunks_exact_mut(self.stride).zip(other.numbers.chunks_exact(self.stride));
        for (row, other) in rows {
            row.iter_mut().zip(other).zip(factors).for_each(|((own, other), factor)| *own = other * factor);
        }
    }

    /// Adds `other` with the numbers of every expert multiplied by the expert's factor.
    #[inline(always)]
    pub(super) fn add_scaled(&mut self, other: &Self, factors: &[f32]) {
        let rows = self.numbers.chunks_exact_mut(self.stride).zip(other.numbers.chunks_exact(self.stride));
        for (row, other) in rows {
            let numbers = row.iter_mut().zip(other).zip(factors);
            numbers.for_each(|((own, other), factor)| *own = other.mul_add(*factor, *own));
        }
    }

    /// Writes `Σ_k self_ke · other_ke` of every expert.
    #[inline(always)]
    pub(super) fn dots(&self, other: &Self, out: &mut [f32]) {
        out.fill(0.0);
        let rows = self.numbers.chunks_exact(self.stride).zip(other.numbers.chunks_exact(self.stride));
        for (own, other) in rows {
            let numbers = out.iter_mut().zip(own.iter().zip(other));
            numbers.for_each(|(sum, (own, other))| *sum = own.mul_add(*other, *sum));
        }
    }
}
