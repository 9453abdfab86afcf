//! How rows that are too long for the first-level cache are cut.

use super::Shape;
use super::format::Format;

/// How a row's cells are cut into chunks of nearly equal size.
#[derive(Debug, Clone, Copy)]
pub(in crate::kernels) struct Chunks {
    steps: usize,
    longest: usize,
}

impl Chunks {
    pub(in crate::kernels) fn new<S: Shape>(width: usize) -> Self {
        let steps = width.div_ceil(S::Format::PER_CELL).next_multiple_of(S::STEPS);
        let count = steps.div_ceil(S::CHUNK).max(1);
        Self { steps, longest: steps.div_ceil(count).next_multiple_of(S::STEPS).max(1) }
    }

    /// Cells of a row.
    pub(in crate::kernels) fn steps(self) -> usize {
        self.steps
    }

    pub(in crate::kernels) fn count(self) -> usize {
        self.steps.div_ceil(self.longest).max(1)
    }

    /// Cells in the longest chunk.
    pub(in crate::kernels) fn longest(self) -> usize {
        self.longest
    }

    pub(in crate::kernels) fn range(self, chunk: usize) -> std::ops::Range<usize> {
        (chunk * self.longest).min(self.steps)..((chunk + 1) * self.longest).min(self.steps)
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::{F32, I16};
    use super::super::shapes::{Small, Tiles};
    use super::*;

    fn check<S: Shape>() {
        for width in [0usize, 1, 255, 256, 257, 384, 511, 512, 513, 1000, 4096, 4097] {
            let chunks = Chunks::new::<S>(width);
            let mut next = 0;
            for chunk in 0..chunks.count() {
                let range = chunks.range(chunk);
                assert_eq!(range.start, next);
                assert!(range.len() <= S::CHUNK && range.len().is_multiple_of(S::STEPS));
                next = range.end;
            }
            assert_eq!(next, chunks.steps());
            assert!(next * S::Format::PER_CELL >= width);
        }
    }

    #[test]
    fn chunks_cover_the_width_once() {
        check::<Small<F32>>();
        check::<Small<I16>>();
        check::<Tiles>();
    }
}
