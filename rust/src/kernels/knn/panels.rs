//! The normalised rows, laid out as the micro-kernel reads them.

use rayon::prelude::*;

use super::rows::Rows;
use super::tile::{COLS, Line, ROWS};
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;

/// Rows of a block, a multiple of both sides of a micro-tile: the block's rows of one chunk stay in the second cache.
pub(super) const SIDE: usize = 192;
/// Micro-tiles along a block's rows.
pub(super) const ROW_STEPS: usize = SIDE / ROWS;
/// Micro-tiles along a block's columns.
pub(super) const COLUMN_STEPS: usize = SIDE / COLS;
/// Most values of a row that are summed at a time: sixteen columns of them fill half of the first cache.
const CHUNK: usize = 256;

const _: () = assert!(SIDE.is_multiple_of(ROWS) && SIDE.is_multiple_of(COLS));

/// How the width is cut into chunks of nearly equal size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunks {
    width: usize,
    count: usize,
}

impl Chunks {
    pub(super) fn new(width: usize) -> Self {
        Self { width, count: width.div_ceil(CHUNK).max(1) }
    }

    pub(super) fn count(self) -> usize {
        self.count
    }

    /// The longest chunk.
    pub(super) fn longest(self) -> usize {
        self.width.div_ceil(self.count)
    }

    pub(super) fn range(self, chunk: usize) -> std::ops::Range<usize> {
        let longest = self.longest();
        (chunk * longest).min(self.width)..((chunk + 1) * longest).min(self.width)
    }
}

/// All rows, sixteen side by side: the right-hand operand. As large as the features, and the only copy of them.
#[derive(Debug)]
pub(super) struct Panels {
    lines: Vec<Line>,
    width: usize,
}

impl Panels {
    /// Normalises and packs. Absent rows of the last panel are zero.
    pub(super) fn new(rows: &Rows<'_>, cancel: &Cancel) -> Result<Self, Error> {
        let width = rows.width();
        let mut lines = vec![Line::ZERO; rows.len().div_ceil(COLS) * width];
        // Without features there are no rows either, but a chunk must not be empty.
        lines.par_chunks_mut(width.max(1)).enumerate().try_for_each(|(panel, lines)| {
            cancel.check()?;
            for (column, class) in (panel * COLS..rows.len().min((panel + 1) * COLS)).enumerate() {
                let scale = 1.0 / rows.norm(class);
                for (line, &value) in lines.iter_mut().zip(rows.row(class)) {
                    line.0[column] = (f64::from(value) * scale) as f32;
                }
            }
            Ok(())
        })?;
        Ok(Self { lines, width })
    }

    /// Number of panels.
    pub(super) fn len(&self) -> usize {
        self.lines.len() / self.width.max(1)
    }

    /// A range of the values of panel `panel`.
    pub(super) fn lines(&self, panel: usize, range: std::ops::Range<usize>) -> &[Line] {
        &self.lines[panel * self.width..(panel + 1) * self.width][range]
    }
}

/// One block of rows, six side by side and chunk by chunk: the left-hand operand.
#[derive(Debug)]
pub(super) struct Block {
    values: Vec<[f32; ROWS]>,
    chunks: Chunks,
}

impl Block {
    pub(super) fn new(chunks: Chunks) -> Self {
        Self { values: vec![[0.0; ROWS]; chunks.width * ROW_STEPS], chunks }
    }

    /// Copies block `block` of the rows; those behind the last row become zero.
    pub(super) fn fill(&mut self, panels: &Panels, block: usize) {
        for chunk in 0..self.chunks.count() {
            for step in 0..ROW_STEPS {
                let place = self.place(chunk, step);
                for row in 0..ROWS {
                    let source = block * SIDE + step * ROWS + row;
                    let (panel, column) = (source / COLS, source % COLS);
                    if panel < panels.len() {
                        let lines = panels.lines(panel, self.chunks.range(chunk));
                        for (value, line) in self.values[place.clone()].iter_mut().zip(lines) {
                            value[row] = line.0[column];
                        }
                    } else {
                        self.values[place.clone()].iter_mut().for_each(|value| value[row] = 0.0);
                    }
                }
            }
        }
    }

    /// The values of six rows in one chunk.
    pub(super) fn values(&self, chunk: usize, step: usize) -> &[[f32; ROWS]] {
        &self.values[self.place(chunk, step)]
    }

    fn place(&self, chunk: usize, step: usize) -> std::ops::Range<usize> {
        let range = self.chunks.range(chunk);
        let from = range.start * ROW_STEPS + step * range.len();
        from..from + range.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_the_width_once() {
        for width in [0usize, 1, 255, 256, 257, 384, 1000, 4096, 4097] {
            let chunks = Chunks::new(width);
            let mut next = 0;
            for chunk in 0..chunks.count() {
                let range = chunks.range(chunk);
                assert_eq!(range.start, next);
                assert!(range.len() <= CHUNK);
                next = range.end;
            }
            assert_eq!(next, width);
        }
    }
}
