//! The normalised rows, laid out as the micro-kernel reads them.

use rayon::prelude::*;

use super::rows::Rows;
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::tiles::buffer::Buffer;
use crate::kernels::tiles::chunks::Chunks;
use crate::kernels::tiles::format::Format;
use crate::kernels::tiles::{COLS, Kernel, Line, Shape};

/// All rows, sixteen side by side: the right-hand operand, and the only copy of the features.
#[derive(Debug)]
pub(super) struct Panels {
    /// Chunk by chunk, panel by panel.
    lines: Buffer,
    count: usize,
    chunks: Chunks,
    residual: f64,
}

impl Panels {
    /// Normalises, scales and packs. Absent rows of the last panels are zero.
    pub(super) fn new<K: Kernel>(
        kernel: K,
        rows: &Rows<'_>,
        chunks: Chunks,
        scale: f64,
        cancel: &Cancel,
    ) -> Result<Self, Error> {
        let count = rows.len().div_ceil(COLS).next_multiple_of(K::Shape::PANELS);
        let mut lines = Buffer::new(count * chunks.steps());
        let mut squares = vec![[0.0f64; COLS]; count];
        let mut rest = &mut *lines;
        for chunk in 0..chunks.count() {
            let cells = chunks.range(chunk);
            let part;
            (part, rest) = rest.split_at_mut(count * cells.len());
            // Without features there are no rows either, but a piece must not be empty.
            let panels = part.par_chunks_mut(cells.len().max(1)).zip(&mut squares).enumerate();
            panels.try_for_each_init(
                || vec![0; COLS * cells.len()],
                |scratch, (panel, (lines, squares))| {
                    cancel.check()?;
                    let classes = panel * COLS..rows.len().min((panel + 1) * COLS);
                    scratch.fill(0);
                    for ((class, to), square) in
                        classes.zip(scratch.chunks_exact_mut(cells.len())).zip(squares)
                    {
                        let per_cell = <K::Shape as Shape>::Format::PER_CELL;
                        let width = rows.width();
                        let values = (cells.start * per_cell).min(width)..(cells.end * per_cell).min(width);
                        *square += kernel.encode(&rows.row(class)[values], scale / rows.norm(class), to);
                    }
                    for (step, line) in lines.iter_mut().enumerate() {
                        for (column, cell) in line.0.iter_mut().enumerate() {
                            *cell = scratch[column * cells.len() + step];
                        }
                    }
                    Ok(())
                },
            )?;
        }
        let worst = squares.iter().flatten().copied().fold(0.0, f64::max);
        Ok(Self { lines, count, chunks, residual: worst.sqrt() / scale })
    }

    /// The longest error of a row as it is written, against the true row of length 1.
    pub(super) fn residual(&self) -> f64 {
        self.residual
    }

    /// Number of panels, a multiple of those of a micro-tile.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The lines of `panels` neighbouring panels in one chunk, one panel after the other.
    pub(super) fn lines(&self, chunk: usize, panel: usize, panels: usize) -> &[Line] {
        let range = self.chunks.range(chunk);
        &self.lines[range.start * self.count + panel * range.len()..][..panels * range.len()]
    }
}

/// One block of rows, micro-tile by micro-tile and chunk by chunk: the left-hand operand.
#[derive(Debug)]
pub(super) struct Block<S> {
    cells: Buffer,
    chunks: Chunks,
    shape: std::marker::PhantomData<S>,
}

impl<S: Shape> Block<S> {
    pub(super) fn new(chunks: Chunks) -> Self {
        let cells = Buffer::new((chunks.steps() * S::SIDE).div_ceil(COLS));
        Self { cells, chunks, shape: std::marker::PhantomData }
    }

    /// Copies block `block` of the rows; those behind the last panel become zero.
    pub(super) fn fill(&mut self, panels: &Panels, block: usize) {
        for chunk in 0..self.chunks.count() {
            let steps = self.chunks.range(chunk).len();
            for group in 0..S::SIDE / S::ROWS {
                let place = self.place(chunk, group);
                let cells = &mut self.cells.cells_mut()[place];
                for row in 0..S::ROWS {
                    let source = block * S::SIDE + group * S::ROWS + row;
                    if source / COLS < panels.count() {
                        let lines = panels.lines(chunk, source / COLS, 1);
                        for (step, line) in lines.iter().enumerate() {
                            cells[S::place(row, step, steps)] = line.0[source % COLS];
                        }
                    } else {
                        (0..steps).for_each(|step| cells[S::place(row, step, steps)] = 0);
                    }
                }
            }
        }
    }

    /// The cells of a micro-tile's rows in one chunk.
    pub(super) fn cells(&self, chunk: usize, group: usize) -> &[u32] {
        &self.cells.cells()[self.place(chunk, group)]
    }

    fn place(&self, chunk: usize, group: usize) -> std::ops::Range<usize> {
        let range = self.chunks.range(chunk);
        let from = range.start * S::SIDE + group * S::ROWS * range.len();
        from..from + S::ROWS * range.len()
    }
}
