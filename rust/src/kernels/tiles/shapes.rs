//! The shapes of micro-tiles, each as large as the registers of an instruction path allow.

use super::Shape;
use super::format::{Bf16, Format};

/// Six rows by sixteen columns: twelve accumulators of eight, as sixteen registers allow.
#[derive(Debug, Clone, Copy)]
pub(in crate::kernels) struct Small<F>(std::marker::PhantomData<F>);

impl<F: Format> Shape for Small<F> {
    type Format = F;
    const ROWS: usize = 6;
    const PANELS: usize = 1;
    const CHUNK: usize = 256;
}

/// Eight rows by forty-eight columns: twenty-four accumulators of sixteen, as thirty-two registers allow.
#[derive(Debug, Clone, Copy)]
pub(in crate::kernels) struct Wide<F>(std::marker::PhantomData<F>);

impl<F: Format> Shape for Wide<F> {
    type Format = F;
    const ROWS: usize = 8;
    const PANELS: usize = 3;
    const CHUNK: usize = 192;
}

/// Two by two tiles of sixteen rows and sixteen columns, sixteen cells deep.
#[derive(Debug, Clone, Copy)]
pub(in crate::kernels) struct Tiles;

impl Shape for Tiles {
    type Format = Bf16;
    const ROWS: usize = 32;
    const PANELS: usize = 2;
    const STEPS: usize = 16;
    const SIDE: usize = 384;
    const CHUNK: usize = 192;

    /// Tile by tile, each of sixteen rows of sixteen cells.
    #[inline(always)]
    fn place(row: usize, step: usize, steps: usize) -> usize {
        row / 16 * 16 * steps + step / 16 * 256 + row % 16 * 16 + step % 16
    }
}
