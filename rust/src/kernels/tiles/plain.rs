//! The tile operations in plain Rust, for every format and shape: the path of machines without a better one, and the
//! reference that the instruction paths are tested against.

use std::marker::PhantomData;

use super::format::Format;
use super::{COLS, Filter, Kernel, Line, Operands, Shape, check_sizes};

/// Rows multiplied at a time: their sums fit the sixteen 128-bit registers that every x86-64 and AArch64 has.
const PAIR: usize = 2;

/// Plain Rust.
#[derive(Debug)]
pub(in crate::kernels) struct Plain<S>(PhantomData<S>);

impl<S> Plain<S> {
    pub(in crate::kernels) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<S> Clone for Plain<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Plain<S> {}

impl<S: Shape> Kernel for Plain<S> {
    type Shape = S;
    type Session = ();

    fn session(self) {}

    fn multiply(
        self,
        (): &mut (),
        operands: Operands<'_>,
        first: bool,
        tile: &mut [u32],
        filter: Option<Filter<'_>>,
    ) -> bool {
        check_sizes::<S>(operands, tile, filter.as_ref());
        let mut sums = vec![0; tile.len()];
        for row in (0..S::ROWS).step_by(PAIR) {
            for panel in 0..S::PANELS {
                let lines = &operands.right[panel * operands.stride..][..operands.steps];
                let pair = product::<S>(operands, row, lines);
                for (row, pair) in (row..).zip(pair) {
                    sums[row * S::WIDE + panel * COLS..][..COLS].copy_from_slice(&pair);
                }
            }
        }
        if !first {
            for (sum, &stored) in sums.iter_mut().zip(&*tile) {
                *sum = S::Format::join(*sum, stored);
            }
        }
        let Some(filter) = filter else {
            tile.copy_from_slice(&sums);
            return false;
        };
        let mut any = false;
        for ((found, row), sums) in
            filter.found.iter_mut().zip(filter.rows).zip(sums.chunks_exact_mut(S::WIDE))
        {
            *found = 0;
            for (column, (sum, limit)) in sums.iter_mut().zip(filter.columns).enumerate() {
                let value = S::Format::value(*sum);
                *sum = value.to_bits();
                *found |= u64::from(value >= row.min(*limit)) << column;
            }
            any |= *found != 0;
        }
        if any {
            tile.copy_from_slice(&sums);
        }
        any
    }

    fn encode(self, row: &[f32], scale: f64, cells: &mut [u32]) -> f64 {
        S::Format::encode(row, scale, cells)
    }
}

fn product<S: Shape>(operands: Operands<'_>, row: usize, lines: &[Line]) -> [[u32; COLS]; PAIR] {
    let mut sums = [[0; COLS]; PAIR];
    for (step, line) in lines.iter().enumerate() {
        for (row, sums) in (row..).zip(&mut sums) {
            let left = operands.left[S::place(row, step, operands.steps)];
            for (sum, right) in sums.iter_mut().zip(line.0) {
                *sum = S::Format::add(*sum, left, right);
            }
        }
    }
    sums
}
