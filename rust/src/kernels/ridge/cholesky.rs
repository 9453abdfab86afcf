//! A small system of equations that is symmetric and positive definite, solved in `f32` by Cholesky's factors.
//!
//! Rows lie in vector lanes. A panel of columns is finished before the next one begins, and each of its elements is one
//! chain of fused multiply-adds over the columns before it, in their order: whatever the width of panels and the height
//! of tiles, the bits are the same.

use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, WIDTH, Work};

/// Numbers of sixteen rows.
pub(super) type Chunk = [f32; WIDTH];

/// Columns are allocated in multiples of this: the widest panel.
const PANEL: usize = 8;
/// A pivot that is less than this share of its diagonal element has lost so many digits that it is not used.
const LEAST_SHARE: f32 = 1.0 / 1024.0;

/// A system A x = b of `n` equations, in an array that the solver overwrites.
///
/// Column after column, it holds −A (only the lower triangle is read) and, as a row below, −b: what the factorisation
/// makes of this row is the solution with the lower triangular factor. Rows and columns that fill up are zero.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) n: usize,
}

impl Shape {
    /// Chunks of a column.
    pub(super) fn stride(self) -> usize {
        (self.n + 1).div_ceil(WIDTH)
    }

    /// Chunks of the array; `None` where no array is that long.
    pub(super) fn len(self) -> Option<usize> {
        self.n.next_multiple_of(PANEL).checked_mul(self.stride())
    }
}

/// Solves one system.
pub(super) struct Solve<'a> {
    pub(super) shape: Shape,
    pub(super) matrix: &'a mut [Chunk],
    /// Room for one number for each column of the array.
    pub(super) inverses: &'a mut [f32],
    /// Gets the solution in its first `n` places; of the length of a column.
    pub(super) solution: &'a mut [Chunk],
    /// No pivot can be less than this but by rounding.
    pub(super) least_pivot: f32,
    pub(super) cancel: &'a Cancel,
}

impl Work for Solve<'_> {
    /// Whether the pivots are sound; if not, there is no solution in `f32`.
    type Output = Result<bool, Error>;

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) -> Self::Output {
        let sound = if L::TALL {
            factorize::<L, PANEL, 3>(lanes, &mut self)
        } else {
            factorize::<L, { PANEL / 2 }, 1>(lanes, &mut self)
        };
        if sound? {
            substitute(lanes, &mut self);
            return Ok(true);
        }
        Ok(false)
    }
}

/// Room for the rows of a panel's diagonal block, which may straddle two chunks.
type Block<const N: usize> = [[Chunk; 2]; N];

/// Replaces the lower triangle by the factor and the row below by the solution with it, in panels of `N` columns and
/// tiles of `M` chunks.
#[inline(always)]
fn factorize<L: Lanes, const N: usize, const M: usize>(
    lanes: L,
    work: &mut Solve<'_>,
) -> Result<bool, Error> {
    let (n, stride) = (work.shape.n, work.shape.stride());
    for first in (0..n).step_by(N) {
        work.cancel.check()?;
        let (done, rest) = work.matrix.split_at_mut(first * stride);
        let panel = &mut rest[..N * stride];
        let top = first / WIDTH;
        let mut least = [work.least_pivot; N];
        for (at, column) in panel.chunks_exact(stride).take(n - first).enumerate() {
            least[at] = least[at].max(-LEAST_SHARE * column.as_flattened()[first + at]);
        }
        // The diagonal block comes first: all rows are divided by what it gives.
        let mut block: Block<N> = [[[0.0; WIDTH]; 2]; N];
        for at in 0..(stride - top).min(2) {
            let sums = sums::<L, N, 1>(lanes, done, panel, stride, top + at, first);
            for (column, [sum]) in block.iter_mut().zip(sums) {
                lanes.store(sum, &mut column[at]);
            }
        }
        let (low, inverses, sound) = diagonal(&mut block, first % WIDTH, &least[..N.min(n - first)]);
        if !sound {
            return Ok(false);
        }
        work.inverses[first..first + N].copy_from_slice(&inverses);
        let mut row = top;
        while stride - row >= M {
            tile::<L, N, M>(lanes, done, panel, stride, row, first, &low, &inverses);
            row += M;
        }
        while row < stride {
            tile::<L, N, 1>(lanes, done, panel, stride, row, first, &low, &inverses);
            row += 1;
        }
    }
    Ok(true)
}

/// `M` chunks of a panel's columns after all columns before the panel.
#[inline(always)]
fn sums<L: Lanes, const N: usize, const M: usize>(
    lanes: L,
    done: &[Chunk],
    panel: &[Chunk],
    stride: usize,
    row: usize,
    first: usize,
) -> [[L::V; M]; N] {
    let mut sums = [[lanes.splat(0.0); M]; N];
    for (sums, column) in sums.iter_mut().zip(panel.chunks_exact(stride)) {
        for (sum, chunk) in sums.iter_mut().zip(&column[row..row + M]) {
            *sum = lanes.load(chunk);
        }
    }
    for column in done.chunks_exact(stride) {
        let mut rows = [lanes.splat(0.0); M];
        for (to, chunk) in rows.iter_mut().zip(&column[row..row + M]) {
            *to = lanes.load(chunk);
        }
        for (sums, &factor) in sums.iter_mut().zip(&column.as_flattened()[first..first + N]) {
            let factor = lanes.splat(factor);
            for (sum, &row) in sums.iter_mut().zip(&rows) {
                *sum = lanes.fma(row, factor, *sum);
            }
        }
    }
    sums
}

/// The factor of a diagonal block whose first row is row `shift` of its chunks: what lies below the diagonal, minus the
/// inverses of the diagonal, and whether each pivot is as large as it must be. Columns beyond `least` fill up; they
/// become zero.
#[inline(always)]
fn diagonal<const N: usize>(
    block: &mut Block<N>,
    shift: usize,
    least: &[f32],
) -> ([[f32; N]; N], [f32; N], bool) {
    let (mut low, mut inverses, mut sound) = ([[0.0; N]; N], [0.0; N], true);
    for (column, &least) in least.iter().enumerate() {
        let pivot = -block[column].as_flattened()[shift + column];
        // NaN is not sound either.
        sound &= pivot >= least;
        inverses[column] = -1.0 / pivot.sqrt();
        for (row, low) in low.iter_mut().enumerate().skip(column + 1) {
            low[column] = block[column].as_flattened()[shift + row] * inverses[column];
        }
        for other in column + 1..N {
            for row in other..N {
                let sum = &mut block[other].as_flattened_mut()[shift + row];
                *sum = low[row][column].mul_add(low[other][column], *sum);
            }
        }
    }
    (low, inverses, sound)
}

/// Finishes `M` chunks of a panel. Elements above the diagonal become numbers that nothing reads.
#[inline(always)]
fn tile<L: Lanes, const N: usize, const M: usize>(
    lanes: L,
    done: &[Chunk],
    panel: &mut [Chunk],
    stride: usize,
    row: usize,
    first: usize,
    low: &[[f32; N]; N],
    inverses: &[f32; N],
) {
    let mut sums = sums::<L, N, M>(lanes, done, panel, stride, row, first);
    for column in 0..N {
        let (finished, later) = sums.split_at_mut(column + 1);
        let finished = &mut finished[column];
        let inverse = lanes.splat(inverses[column]);
        for sum in &mut *finished {
            *sum = lanes.mul(*sum, inverse);
        }
        for (sums, low) in later.iter_mut().zip(&low[column + 1..]) {
            let factor = lanes.splat(low[column]);
            for (sum, &finished) in sums.iter_mut().zip(&*finished) {
                *sum = lanes.fma(finished, factor, *sum);
            }
        }
    }
    for (sums, column) in sums.iter().zip(panel.chunks_exact_mut(stride)) {
        for (&sum, chunk) in sums.iter().zip(&mut column[row..row + M]) {
            lanes.store(sum, chunk);
        }
    }
}

/// Solves with the transpose of the factor, from the last column to the first, sixteen at a time.
#[inline(always)]
fn substitute<L: Lanes>(lanes: L, work: &mut Solve<'_>) {
    let (n, stride) = (work.shape.n, work.shape.stride());
    work.solution.fill([0.0; WIDTH]);
    for block in (0..n.div_ceil(WIDTH)).rev() {
        let first = block * WIDTH;
        let mut known = [0.0; WIDTH];
        for half in [0, WIDTH / 2] {
            let mut sums = [lanes.splat(0.0); WIDTH / 2];
            let columns =
                work.matrix[(first + half).min(n.next_multiple_of(PANEL)) * stride..].chunks_exact(stride);
            for (sum, column) in sums.iter_mut().zip(columns) {
                for (chunk, solved) in column.iter().zip(&*work.solution).skip(block + 1) {
                    *sum = lanes.fma(lanes.load(chunk), lanes.load(solved), *sum);
                }
            }
            known[half..half + WIDTH / 2].copy_from_slice(&lanes.sums(sums));
        }
        let solved = work.solution.as_flattened_mut();
        for column in (first..n.min(first + WIDTH)).rev() {
            let numbers = work.matrix[column * stride..][..stride].as_flattened();
            let mut sum = known[column - first] - numbers[n];
            for row in column + 1..n.min(first + WIDTH) {
                sum = numbers[row].mul_add(solved[row], sum);
            }
            solved[column] = sum * work.inverses[column];
        }
    }
}
