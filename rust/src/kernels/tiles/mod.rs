//! Blocked products of rows in the narrow number formats that a machine multiplies fastest: the few operations that an
//! instruction path provides, and one implementation of them for each path.
//!
//! The sums are a filter: they are close to the true products, with a known bound of the error ([`Format::rounding`]).
//! What the filter leaves is decided by [`dot`] or by the caller's own arithmetic.

pub(super) mod buffer;
pub(super) mod choose;
pub(super) mod chunks;
pub(super) mod dot;
pub(super) mod format;
pub(super) mod plain;
pub(super) mod shapes;
mod writing;

#[cfg(test)]
mod agreement;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(super) mod amx;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx2_product;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;

use self::format::Format;

/// Columns of a panel.
pub(in crate::kernels) const COLS: usize = 16;

/// One cell of each of sixteen columns, on a cache line of its own.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(in crate::kernels) struct Line(pub(in crate::kernels) [u32; COLS]);

/// Format and geometry of a filter: micro-tiles of `ROWS` rows and `PANELS` panels.
pub(in crate::kernels) trait Shape: Copy + Send + Sync + 'static {
    type Format: Format;
    const ROWS: usize;
    const PANELS: usize;
    /// Columns of a micro-tile.
    const WIDE: usize = Self::PANELS * COLS;
    /// Cells of a row come in multiples of this.
    const STEPS: usize = 1;
    /// Rows and columns of a block, a multiple of both sides of a micro-tile: a block's rows of one chunk stay in the
    /// second-level cache.
    const SIDE: usize = 192;
    /// The most cells of a row that are summed at a time: the columns of a micro-tile stay in the first-level cache.
    const CHUNK: usize;

    /// Where a cell lies among the left-hand cells of a micro-tile that has `steps` of them in a row.
    #[inline(always)]
    fn place(row: usize, step: usize, _steps: usize) -> usize {
        step * Self::ROWS + row
    }
}

/// The two operands of a micro-tile in one chunk.
#[derive(Debug, Clone, Copy)]
pub(in crate::kernels) struct Operands<'a> {
    /// The rows' cells, at the shape's places.
    pub(in crate::kernels) left: &'a [u32],
    /// The columns' cells: `steps` lines of the first panel, and further panels `stride` lines on.
    pub(in crate::kernels) right: &'a [Line],
    pub(in crate::kernels) stride: usize,
    pub(in crate::kernels) steps: usize,
    /// Columns that will be read next: a path may fetch some of them while it multiplies.
    pub(in crate::kernels) ahead: &'a [Line],
}

impl Operands<'_> {
    /// No steps: for a tile that is finished and only has to be filtered.
    pub(in crate::kernels) const NOTHING: Self =
        Self { left: &[], right: &[], stride: 0, steps: 0, ahead: &[] };
}

/// What to do with a finished micro-tile.
#[derive(Debug)]
pub(in crate::kernels) struct Filter<'a> {
    /// A limit for every row and one for every column; an entry is found if it reaches the smaller of its two.
    pub(in crate::kernels) rows: &'a [f32],
    pub(in crate::kernels) columns: &'a [f32],
    /// For every row, bit j says whether the entry in column j was found.
    pub(in crate::kernels) found: &'a mut [u64],
}

/// The operations that an instruction path provides. A new path implements this trait and nothing else.
pub(in crate::kernels) trait Kernel: Copy + Send + Sync {
    type Shape: Shape;
    /// The state of the processor that a thread must hold while it multiplies.
    type Session;
    /// Whether a column of micro-tiles is first multiplied as a whole and then filtered. The processor cannot predict
    /// what a filter finds, and every misprediction empties the pipeline of long multiplications.
    const APART: bool = false;

    fn session(self) -> Self::Session;

    /// Computes the products of a micro-tile's rows and columns over one chunk, and adds `tile` to them unless this is
    /// the `first` chunk. Without a filter the sums replace `tile`. With a filter that finds an entry, the *values* of
    /// the sums replace `tile` (as bits), `found` is set and the result is true; with a filter that finds none, the
    /// content of `tile` is undefined.
    fn multiply(
        self,
        session: &mut Self::Session,
        operands: Operands<'_>,
        first: bool,
        tile: &mut [u32],
        filter: Option<Filter<'_>>,
    ) -> bool;

    /// The format's `encode`.
    fn encode(self, row: &[f32], scale: f64, cells: &mut [u32]) -> f64;
}

/// Panics if a micro-tile's slices do not have the sizes of `S`: the unsafe code of instruction paths relies on them.
#[inline(always)]
pub(in crate::kernels) fn check_sizes<S: Shape>(
    operands: Operands<'_>,
    tile: &[u32],
    filter: Option<&Filter<'_>>,
) {
    let Operands { left, right, stride, steps, .. } = operands;
    assert!(left.len() == S::ROWS * steps && steps.is_multiple_of(S::STEPS));
    assert!(right.len() == (S::PANELS - 1) * stride + steps);
    assert!(tile.len() == S::ROWS * S::WIDE);
    if let Some(filter) = filter {
        assert!(
            filter.rows.len() == S::ROWS && filter.columns.len() == S::WIDE && filter.found.len() == S::ROWS
        );
    }
}
