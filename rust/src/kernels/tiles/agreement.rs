//! The test of every instruction path: its tile operations must equal those of plain Rust.

use super::choose;
use super::dot::canonical_dot;
use super::format::Format;
use super::plain::Plain;
use super::{COLS, Filter, Kernel, Line, Operands, Shape};
use crate::kernels::rng::Stream;
use crate::kernels::simd::Path;

/// Small integers, whose sums are exact in every format: then all orders of summing agree to the bit.
fn integers(n: usize, seed: u64) -> Vec<f32> {
    let stream = Stream::new(seed, 6);
    (0..n as u64).map(|p| (stream.bits32(p) % 9) as f32 - 4.0).collect()
}

/// The micro-tile's state after each of three chunks, the last of them filtered.
fn run<K: Kernel>(kernel: K, steps: usize, stride: usize, limit: f32) -> (Vec<u32>, Vec<u64>, bool) {
    let (rows, wide) = (K::Shape::ROWS, K::Shape::WIDE);
    let width = steps * <K::Shape as Shape>::Format::PER_CELL;
    let mut tile = vec![0; rows * wide];
    let mut found = vec![0; rows];
    let mut session = kernel.session();
    let mut any = false;
    for chunk in 0..3u64 {
        let mut cells = vec![0; steps];
        let mut left = vec![0; rows * steps];
        for row in 0..rows {
            kernel.encode(&integers(width, chunk << 16 | row as u64), 1.0, &mut cells);
            for (step, &cell) in cells.iter().enumerate() {
                left[K::Shape::place(row, step, steps)] = cell;
            }
        }
        let mut right = vec![Line([0; COLS]); (K::Shape::PANELS - 1) * stride + steps];
        for column in 0..wide {
            kernel.encode(&integers(width, chunk << 16 | 1 << 8 | column as u64), 1.0, &mut cells);
            for (step, &cell) in cells.iter().enumerate() {
                right[column / COLS * stride + step].0[column % COLS] = cell;
            }
        }
        // Every row and column has its own limit, some of them out of reach.
        let limits = |n: usize, salt: usize| -> Vec<f32> {
            (0..n)
                .map(|i| if (i + salt).is_multiple_of(3) { f32::INFINITY } else { limit + i as f32 })
                .collect()
        };
        let (row_limits, column_limits) = (limits(rows, 0), limits(wide, 1));
        let filter = Filter { rows: &row_limits, columns: &column_limits, found: &mut found };
        any = kernel.multiply(
            &mut session,
            Operands { left: &left, right: &right, stride, steps, ahead: &right },
            chunk == 0,
            &mut tile,
            (chunk == 2).then_some(filter),
        );
    }
    // Where nothing is found, the content after the last chunk is undefined.
    (if any { tile } else { Vec::new() }, if any { found } else { Vec::new() }, any)
}

/// Panics unless `kernel` does what plain Rust does.
pub(super) fn check<K: Kernel>(kernel: K) {
    let plain = Plain::<K::Shape>::new();
    let unit = K::Shape::STEPS;
    for steps in [0, 1, 2, 3, 4, 5, 8, 23, 64].into_iter().take(if cfg!(miri) { 3 } else { 9 }) {
        for gap in [0, 5] {
            for limit in [f32::NEG_INFINITY, 0.0, 60.0, 1e9] {
                let steps = steps * unit;
                let expected = run(plain, steps, steps + gap, limit);
                assert_eq!(run(kernel, steps, steps + gap, limit), expected, "{steps} steps, limit {limit}");
            }
        }
    }
    let stream = Stream::new(8, 8);
    let dots = [choose::dot(Path::Avx2), choose::dot(Path::Avx512)];
    for width in [0usize, 1, 2, 7, 8, 15, 16, 17, 31, 64, 257] {
        let row = |seed: u64| -> Vec<f32> {
            (0..width as u64).map(|p| (stream.open_unit(seed << 20 | p) * 2.0 - 1.0) as f32).collect()
        };
        let (x, y) = (row(1), row(2));
        for dot in dots {
            assert_eq!(dot(&x, &y).to_bits(), canonical_dot(&x, &y).to_bits());
        }
        let cells = width.div_ceil(<K::Shape as Shape>::Format::PER_CELL) + 1;
        let (mut fast, mut slow) = (vec![1; cells], vec![2; cells]);
        let errors = [kernel.encode(&x, 0.7, &mut fast), plain.encode(&x, 0.7, &mut slow)];
        assert_eq!(fast, slow);
        assert!((errors[0] - errors[1]).abs() <= 1e-12 * errors[1]);
    }
}

/// Says on standard error that a path could not be tested here.
pub(super) fn skipped(path: &str) {
    eprintln!("skipped: this machine has no {path}");
}
