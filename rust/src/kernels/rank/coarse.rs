//! Coarse scores: products of rows written as bfloat16, and how far they can be from the true scores.
//!
//! Let a and b be the rows of a user and an item, a + e and b + f the same as written; |e| and |f| are measured while
//! they are written. Let u = 2^-24, d the width.
//!
//! 1. Writing. |⟨a + e, b + f⟩ − ⟨a, b⟩| ≤ |e| (|b| + |f|) + |a| |f| (Cauchy–Schwarz).
//! 2. Summing. The tile's sum of 2c products, which are exact in float32, has at most 2c + c/2 + 8 roundings for each.
//!    The true score has d ≤ 2c. All operations on either before they are compared, such as a mix of up to 64 experts,
//!    have fewer than 500 more. Together at most ρ (|a| + |e|) (|b| + |f|), where ρ is the usual bound for a chain of all
//!    these roundings.
//! 3. Underflow. Every operation may lose another 2^-126: far less than 10^-30 in all.
//!
//! The sum is **A B + C R** with A = |e| + ρ (|a| + |e|) and C = |a| of the user, B = |b| + |f| and R = |f| of the item,
//! each no smaller than 10^-15. For many rows at once the largest of each is used.

use rayon::prelude::*;

use super::order::Order;
use super::pack::{row, weighted};
use super::towers::Towers;
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
        let roundings = (5 * steps + 512) as f64 * 2f64.powi(-24);
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
pub(super) fn fits(towers: &Towers<'_>) -> bool {
    let limit = LONGEST / (towers.width as f32).sqrt();
    let fit = |values: &[f32], factor: f32| {
        values.par_chunks(1 << 16).all(|values| {
            // Without an early exit the loop is vectorised.
            values.iter().fold(true, |fit, &x| fit & ((factor * x).abs() <= limit))
        })
    };
    let experts = towers
        .active()
        .is_none_or(|experts| fit(experts.user_towers, experts.weight) && fit(experts.item_towers, 1.0));
    towers.width <= 1 << 16 && experts && fit(towers.users, 1.0) && fit(towers.items, 1.0)
}

/// All items, in the order of the walk.
pub(super) struct CoarseItems {
    /// Stretch after stretch of 32 items: two panels of their vectors, then two of each expert's.
    lines: Buffer,
    /// Of the vectors and of the experts' towers, stretch by stretch.
    pub errors: Vec<[Error; 2]>,
    /// The largest of them.
    pub largest: [Error; 2],
    kinds: usize,
    steps: usize,
}

impl CoarseItems {
    pub(super) fn new<K: Kernel<Shape = Tiles>>(kernel: K, towers: &Towers<'_>, order: &Order) -> Self {
        let (width, steps) = (towers.width, steps(towers.width));
        let experts = towers.active();
        let kinds = 1 + experts.map_or(0, |experts| experts.n);
        let mut lines = Buffer::new(order.items.len().div_ceil(SIDE) * kinds * 2 * steps);
        let errors: Vec<[Error; 2]> = lines
            .par_chunks_mut(kinds * 2 * steps)
            .zip(order.items.par_chunks(SIDE))
            .map(|(lines, items)| {
                let mut errors = [Error::default(); 2];
                let mut cells = vec![0; steps];
                for (at, &item) in items.iter().enumerate() {
                    let own = experts.map_or(&[][..], |e| row(e.item_towers, item, e.n * width));
                    let rows =
                        row(towers.items, item, width).chunks_exact(width).chain(own.chunks_exact(width));
                    for (kind, row) in rows.enumerate() {
                        errors[kind.min(1)].widen(Error::of_item(write(kernel, row, &mut cells)));
                        let lines = &mut lines[(2 * kind + at / COLS) * steps..][..steps];
                        for (line, &cell) in lines.iter_mut().zip(&cells) {
                            line.0[at % COLS] = cell;
                        }
                    }
                }
                errors
            })
            .collect();
        let mut largest = [Error::default(); 2];
        for errors in &errors {
            largest.iter_mut().zip(errors).for_each(|(largest, &error)| largest.widen(error));
        }
        Self { lines, errors, largest, kinds, steps }
    }

    /// One kind of rows of a stretch, and what is read next.
    fn lines(&self, stretch: usize, kind: usize) -> (&[Line], &[Line]) {
        self.lines[(stretch * self.kinds + kind) * 2 * self.steps..].split_at(2 * self.steps)
    }
}

/// Some users.
pub(super) struct CoarseUsers {
    /// Group after group of 32 users: their vectors, then those of each expert, the weight multiplied in.
    cells: Buffer,
    /// Of the vectors and of the experts' towers.
    pub errors: Vec<[Error; 2]>,
    kinds: usize,
    steps: usize,
}

impl CoarseUsers {
    pub(super) fn new<K: Kernel<Shape = Tiles>>(kernel: K, towers: &Towers<'_>, users: &[i32]) -> Self {
        let (width, steps) = (towers.width, steps(towers.width));
        let experts = towers.active();
        let kinds = 1 + experts.map_or(0, |experts| experts.n);
        let size = SIDE * steps;
        let mut buffer = Buffer::new(users.len().div_ceil(SIDE) * kinds * size / COLS);
        let mut cells = vec![0; steps];
        let mut errors = vec![[Error::default(); 2]; users.len()];
        for (at, (&user, errors)) in users.iter().zip(&mut errors).enumerate() {
            let own = experts.map_or(Vec::new(), |experts| weighted(&experts, width, user));
            let rows = row(towers.users, user, width).chunks_exact(width).chain(own.chunks_exact(width));
            for (kind, row) in rows.enumerate() {
                errors[kind.min(1)].widen(Error::of_user(steps, write(kernel, row, &mut cells)));
                let group = &mut buffer.cells_mut()[(at / SIDE * kinds + kind) * size..][..size];
                for (step, &cell) in cells.iter().enumerate() {
                    group[Tiles::place(at % SIDE, step, steps)] = cell;
                }
            }
        }
        Self { cells: buffer, errors, kinds, steps }
    }

    /// The coarse products of one kind of rows of a group and a stretch.
    #[inline(always)]
    pub(super) fn multiply<K: Kernel<Shape = Tiles>>(
        &self,
        kernel: K,
        session: &mut K::Session,
        group: usize,
        (items, stretch): (&CoarseItems, usize),
        kind: usize,
        tile: &mut CoarseTile,
    ) {
        let steps = self.steps;
        let left = &self.cells.cells()[(group * self.kinds + kind) * SIDE * steps..][..SIDE * steps];
        let (right, ahead) = items.lines(stretch, kind);
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
