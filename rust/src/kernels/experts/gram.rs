//! Products of the components of two rows, and sums of components.

use crate::kernels::lanes::{Lanes, WIDTH};

/// Rows of the right side that are multiplied at a time.
const TOGETHER: usize = 8;
/// Vectors of a sum that are held in registers at a time.
const HELD: usize = 4;

/// A number for each of sixteen experts.
pub(super) type Chunk = [f32; WIDTH];

/// K rows of `width` numbers, each `stride` after the one before it.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) numbers: &'a [f32],
    pub(super) stride: usize,
    pub(super) n: usize,
    pub(super) width: usize,
}

impl<'a> Rows<'a> {
    /// The experts' shares of each component, as rows.
    #[inline(always)]
    pub(super) fn of_chunks(chunks: &'a [Chunk], n: usize, blocks: usize) -> Self {
        let width = blocks * WIDTH;
        Self { numbers: chunks.as_flattened(), stride: width, n, width }
    }

    #[inline(always)]
    fn row(self, at: usize) -> &'a [f32] {
        &self.numbers[at * self.stride..][..self.width]
    }

    /// Prefetches all of them.
    #[inline(always)]
    pub(super) fn prefetch<L: Lanes>(self, lanes: L) {
        for at in 0..self.n {
            self.row(at).chunks(WIDTH).for_each(|line| lanes.prefetch(&line[0]));
        }
    }
}

/// Writes `⟨left_i, right_j⟩` of all rows, `(K, K)`, into `out`.
///
/// Each is a sum of sixteen chains of fused multiply-adds, in the order of [`Lanes::sums`], and one more chain over the
/// rest.
#[inline(always)]
pub(super) fn products_of<L: Lanes>(lanes: L, left: Rows<'_>, right: Rows<'_>, out: &mut [f32]) {
    for first in (0..right.n).step_by(TOGETHER) {
        match right.n - first {
            4 => dots::<L, 4>(lanes, left, right, first, out),
            6 => dots::<L, 6>(lanes, left, right, first, out),
            8.. => dots::<L, 8>(lanes, left, right, first, out),
            more => (first..first + more).for_each(|first| dots::<L, 1>(lanes, left, right, first, out)),
        }
    }
}

/// The products with `N` rows of the right side.
#[inline(always)]
fn dots<L: Lanes, const N: usize>(lanes: L, left: Rows<'_>, right: Rows<'_>, first: usize, out: &mut [f32]) {
    let rows: [(&[Chunk], &[f32]); N] = std::array::from_fn(|n| right.row(first + n).as_chunks::<WIDTH>());
    for (i, out) in out.chunks_exact_mut(right.n).enumerate() {
        let (chunks, rest) = left.row(i).as_chunks::<WIDTH>();
        let mut sums = [lanes.splat(0.0); TOGETHER];
        for (at, chunk) in chunks.iter().enumerate() {
            let chunk = lanes.load(chunk);
            for (sum, (row, _)) in sums.iter_mut().zip(&rows) {
                *sum = lanes.fma(chunk, lanes.load(&row[at]), *sum);
            }
        }
        let wholes = lanes.sums(sums);
        for ((whole, (_, row)), out) in wholes.into_iter().zip(&rows).zip(&mut out[first..first + N]) {
            *out = rest.iter().zip(*row).fold(whole, |sum, (x, y)| x.mul_add(*y, sum));
        }
    }
}

/// A `(K, K)` matrix, or its transpose.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) numbers: &'a [f32],
    pub(super) mirrored: bool,
}

impl Matrix<'_> {
    #[inline(always)]
    fn at(self, i: usize, j: usize, k: usize) -> f32 {
        if self.mirrored { self.numbers[j * k + i] } else { self.numbers[i * k + j] }
    }
}

/// Adds `Σ_j matrix_ij · row_j` to the row that begins at `at` in the i-th of `out`.
#[inline(always)]
pub(super) fn add_sums<L: Lanes>(
    lanes: L,
    matrix: Matrix<'_>,
    rows: Rows<'_>,
    out: &mut [&mut [f32]],
    at: usize,
) {
    for (i, out) in out.iter_mut().enumerate() {
        let out = &mut out[at..][..rows.width];
        let (chunks, _) = out.as_chunks_mut::<WIDTH>();
        let mut column = 0;
        let (fours, ones) = chunks.as_chunks_mut::<HELD>();
        for chunks in fours {
            add_columns(lanes, matrix, i, rows, column, chunks);
            column += HELD * WIDTH;
        }
        for chunk in ones {
            add_columns(lanes, matrix, i, rows, column, std::array::from_mut(chunk));
            column += WIDTH;
        }
        for (column, out) in out.iter_mut().enumerate().skip(column) {
            for j in 0..rows.n {
                *out = matrix.at(i, j, rows.n).mul_add(rows.row(j)[column], *out);
            }
        }
    }
}

/// The same for `N` vectors of one row.
#[inline(always)]
fn add_columns<L: Lanes, const N: usize>(
    lanes: L,
    matrix: Matrix<'_>,
    i: usize,
    rows: Rows<'_>,
    column: usize,
    out: &mut [Chunk; N],
) {
    let mut sums = [lanes.splat(0.0); N];
    for (sum, out) in sums.iter_mut().zip(out.iter()) {
        *sum = lanes.load(out);
    }
    for j in 0..rows.n {
        let factor = lanes.splat(matrix.at(i, j, rows.n));
        let (row, _) = rows.row(j)[column..][..N * WIDTH].as_chunks::<WIDTH>();
        for (sum, row) in sums.iter_mut().zip(row) {
            *sum = lanes.fma(factor, lanes.load(row), *sum);
        }
    }
    for (sum, out) in sums.into_iter().zip(out) {
        lanes.store(sum, out);
    }
}

/// The product of a matrix and the shares `taken`: writes `Σ_l matrix_kl · taken_l` for each of `components` components.
#[inline(always)]
pub(super) fn mix<L: Lanes>(
    lanes: L,
    matrix: Matrix<'_>,
    taken: &[Chunk],
    out: &mut [Chunk],
    components: usize,
    blocks: usize,
) {
    for k in 0..components {
        for block in 0..blocks {
            let mut sum = lanes.splat(0.0);
            for l in 0..components {
                let factor = lanes.splat(matrix.at(k, l, components));
                sum = lanes.fma(factor, lanes.load(&taken[l * blocks + block]), sum);
            }
            lanes.store(sum, &mut out[k * blocks + block]);
        }
    }
}

/// Writes `Σ_k a_ke · b_ke` of every expert.
#[inline(always)]
pub(super) fn dot_by_expert<L: Lanes>(lanes: L, a: &[Chunk], b: &[Chunk], out: &mut [Chunk]) {
    let blocks = out.len();
    for (block, out) in out.iter_mut().enumerate() {
        let mut sum = lanes.splat(0.0);
        for (a, b) in a[block..].iter().step_by(blocks).zip(b[block..].iter().step_by(blocks)) {
            sum = lanes.fma(lanes.load(a), lanes.load(b), sum);
        }
        lanes.store(sum, out);
    }
}

/// Writes `factor_e · own_ke` for each component.
#[inline(always)]
pub(super) fn scale<L: Lanes>(lanes: L, own: &[Chunk], factors: &[Chunk], out: &mut [Chunk]) {
    for (out, (own, factor)) in out.iter_mut().zip(own.iter().zip(factors.iter().cycle())) {
        lanes.store(lanes.mul(lanes.load(own), lanes.load(factor)), out);
    }
}

/// Adds `factor_e · own_ke` to each component.
#[inline(always)]
pub(super) fn add_scaled<L: Lanes>(lanes: L, own: &[Chunk], factors: &[Chunk], out: &mut [Chunk]) {
    for (out, (own, factor)) in out.iter_mut().zip(own.iter().zip(factors.iter().cycle())) {
        lanes.store(lanes.fma(lanes.load(own), lanes.load(factor), lanes.load(out)), out);
    }
}
