//! Coarse scores: products of rows written as bfloat16, and how far they can be from the true scores.
//!
//! Let a and b be the rows of a user and an item, a + e and b + f the same as written; |e| and |f| are measured while
//! they are written. Let u = 2^-24, d the width.
//!
//! 1. Writing. |⟨a + e, b + f⟩ − ⟨a, b⟩| ≤ |e| (|b| + |f|) + |a| |f| (Cauchy–Schwarz).
//! 2. Summing. The tile's sum of 2c products, which are exact in float32, has at most 2c + c/2 + 8 roundings for each.
//!    The true score has d ≤ 2c. All that is added to either before they are compared has fewer than 16 more. Together
//!    at most ρ (|a| + |e|) (|b| + |f|), where ρ is the usual bound for a chain of all these roundings.
//! 3. Underflow. Every operation may lose another 2^-126: far less than 10^-30 in all.
//!
//! The sum is **A B + C R** with A = |e| + ρ (|a| + |e|) and C = |a| of the user, B = |b| + |f| and R = |f| of the item,
//! each no smaller than 10^-15. For many rows at once the largest of each is used.

use rayon::prelude::*;

use super::order::Order;
use super::vectors::Vectors;
use crate::kernels::tiles::buffer::Buffer;
use crate::kernels::tiles::shapes::Tiles;
use crate::kernels::tiles::{COLS, Kernel, Line, Operands, Shape};

/// Users and items of a micro-tile.
pub(super) const SIDE: usize = Tiles::WIDE;
const _: () = assert!(Tiles::ROWS == SIDE);

/// The coarse scores of 32 users, two vectors of items each.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct CoarseTile {
    pub rows: [[f32; COLS]; 2 * SIDE],
    /// Without the gap the same pair of several tiles would compete for one set of the first-level cache.
    _gap: [f32; COLS],
}

impl CoarseTile {
    pub(super) const EMPTY: Self = Self { rows: [[0.0; COLS]; 2 * SIDE], _gap: [0.0; COLS] };
}

/// Longer rows, and rows with NaN, have no coarse scores.
const LONGEST: f32 = 1e15;

/// What the error of a score depends on: A and C of a user or B and R of items.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Error {
    first: f32,
    second: f32,
}

impl Error {
    /// A B + C R.
    #[inline(always)]
    pub(super) fn bound(self, other: Self) -> f32 {
        self.first * other.first + self.second * other.second
    }

    fn new(first: f64, second: f64) -> Self {
        // A millionth more is far above the roundings of the measured lengths and of `bound`.
        let up = |x: f64| ((x * (1.0 + 1e-6)) as f32).next_up().max(1e-15);
        Self { first: up(first), second: up(second) }
    }

    fn of_user(steps: usize, (length, error): (f64, f64)) -> Self {
        let roundings = (5 * steps + 32) as f64 * 2f64.powi(-24);
        let rounding = roundings / (1.0 - roundings);
        Self::new(error + rounding * (length + error), length)
    }

    fn of_item((length, error): (f64, f64)) -> Self {
        Self::new(length + error, error)
    }

    fn widen(&mut self, other: Self) {
        self.first = self.first.max(other.first);
        self.second = self.second.max(other.second);
    }
}

/// Cells of a row: pairs of numbers, in whole tiles.
fn steps(width: usize) -> usize {
    width.div_ceil(2).next_multiple_of(Tiles::STEPS)
}

/// Writes a row; returns the length of the row and the length of its error.
fn write<K: Kernel>(kernel: K, row: &[f32], cells: &mut [u32]) -> (f64, f64) {
    let squares: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    (squares.sqrt(), kernel.encode(row, 1.0, cells).sqrt())
}

/// Whether coarse scores exist: no number is so large that a product of rows could leave the range.
pub(super) fn fits(vectors: &Vectors<'_>) -> bool {
    let limit = LONGEST / (vectors.width as f32).sqrt();
    let fit = |values: &[f32]| {
        values.par_chunks(1 << 16).all(|values| {
            // Without an early exit the loop is vectorised.
            values.iter().fold(true, |fit, x| fit & (x.abs() <= limit))
        })
    };
    vectors.width <= 1 << 16 && fit(vectors.users) && fit(vectors.items)
}

/// All items, in the order of the walk.
pub(super) struct CoarseItems {
    /// Two panels for each stretch of 32 items.
    lines: Buffer,
    /// Stretch by stretch.
    pub errors: Vec<Error>,
    /// The largest of them.
    pub largest: Error,
    steps: usize,
}

impl CoarseItems {
    pub(super) fn new<K: Kernel<Shape = Tiles>>(kernel: K, vectors: &Vectors<'_>, order: &Order) -> Self {
        let steps = steps(vectors.width);
        let mut lines = Buffer::new(order.items.len().div_ceil(SIDE) * 2 * steps);
        let errors: Vec<Error> = lines
            .par_chunks_mut(2 * steps)
            .zip(order.items.par_chunks(SIDE))
            .map(|(lines, items)| {
                let mut error = Error::default();
                let mut cells = vec![0; steps];
                for (at, &item) in items.iter().enumerate() {
                    error.widen(Error::of_item(write(kernel, vectors.item(item), &mut cells)));
                    let panel = &mut lines[at / COLS * steps..][..steps];
                    for (line, &cell) in panel.iter_mut().zip(&cells) {
                        line.0[at % COLS] = cell;
                    }
                }
                error
            })
            .collect();
        let mut largest = Error::default();
        errors.iter().for_each(|&error| largest.widen(error));
        Self { lines, errors, largest, steps }
    }

    /// The lines of a stretch, and those that are read next.
    fn lines(&self, stretch: usize) -> (&[Line], &[Line]) {
        self.lines[stretch * 2 * self.steps..].split_at(2 * self.steps)
    }
}

/// Some users.
pub(super) struct CoarseUsers {
    /// Group after group of 32 users.
    cells: Buffer,
    pub errors: Vec<Error>,
    steps: usize,
}

impl CoarseUsers {
    pub(super) fn new<K: Kernel<Shape = Tiles>>(kernel: K, vectors: &Vectors<'_>, users: &[i32]) -> Self {
        let steps = steps(vectors.width);
        let size = SIDE * steps;
        let mut buffer = Buffer::new(users.len().div_ceil(SIDE) * size / COLS);
        let mut cells = vec![0; steps];
        let mut errors = Vec::with_capacity(users.len());
        for (at, &user) in users.iter().enumerate() {
            errors.push(Error::of_user(steps, write(kernel, vectors.user(user), &mut cells)));
            let group = &mut buffer.cells_mut()[at / SIDE * size..][..size];
            for (step, &cell) in cells.iter().enumerate() {
                group[Tiles::place(at % SIDE, step, steps)] = cell;
            }
        }
        Self { cells: buffer, errors, steps }
    }

    /// The coarse scores of a group and a stretch.
    #[inline(always)]
    pub(super) fn multiply<K: Kernel<Shape = Tiles>>(
        &self,
        kernel: K,
        session: &mut K::Session,
        group: usize,
        (items, stretch): (&CoarseItems, usize),
        tile: &mut CoarseTile,
    ) {
        let steps = self.steps;
        let left = &self.cells.cells()[group * SIDE * steps..][..SIDE * steps];
        let (right, ahead) = items.lines(stretch);
        let operands = Operands { left, right, stride: steps, steps, ahead };
        kernel.multiply(session, operands, true, bits(tile), None);
    }
}

/// The same memory as bits.
fn bits(tile: &mut CoarseTile) -> &mut [u32] {
    let values = tile.rows.as_flattened_mut();
    // SAFETY: both types have one size and alignment, and any bits are a value of either.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), values.len()) }
}
