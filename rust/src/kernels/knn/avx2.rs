//! The tile operations with AVX2 and FMA: twelve accumulators of eight, two loads and six broadcasts a step.

use std::arch::x86_64::{
    __m256, _CMP_GE_OQ, _mm256_add_ps, _mm256_broadcast_ss, _mm256_cmp_ps, _mm256_fmadd_ps, _mm256_load_ps,
    _mm256_min_ps, _mm256_movemask_ps, _mm256_or_ps, _mm256_setzero_ps, _mm256_store_ps,
};

use super::tile::{COLS, Line, ROWS, Tile, TileOps, canonical_dot};
use crate::kernels::simd::has_avx2;

/// Proof that the machine has AVX2 and FMA: made by [`Avx2::detect`] alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Option<Self> {
        has_avx2().then_some(Self(()))
    }
}

impl TileOps for Avx2 {
    fn accumulate(self, a: &[[f32; ROWS]], b: &[Line], tile: &mut Tile) {
        // SAFETY: an `Avx2` exists only where the instructions do.
        unsafe { accumulate(a, b, tile) }
    }

    fn reaches(self, tile: &Tile, rows: &[f32; ROWS], columns: &Line) -> bool {
        // SAFETY: an `Avx2` exists only where the instructions do.
        unsafe { reaches(tile, rows, columns) }
    }

    fn dot(self, x: &[f32], y: &[f32]) -> f64 {
        // SAFETY: an `Avx2` exists only where the instructions do.
        unsafe { dot(x, y) }
    }
}

/// The two vectors of a line.
#[target_feature(enable = "avx2,fma")]
fn load(line: &Line) -> [__m256; 2] {
    let from = line.0.as_ptr();
    // SAFETY: a line holds sixteen floats and is aligned to 64 bytes.
    unsafe { [_mm256_load_ps(from), _mm256_load_ps(from.add(COLS / 2))] }
}

#[target_feature(enable = "avx2,fma")]
fn accumulate(a: &[[f32; ROWS]], b: &[Line], tile: &mut Tile) {
    let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
    for (a, b) in a.iter().zip(b) {
        let [low, high] = load(b);
        for (sum, left) in sums.iter_mut().zip(a) {
            let left = _mm256_broadcast_ss(left);
            sum[0] = _mm256_fmadd_ps(left, low, sum[0]);
            sum[1] = _mm256_fmadd_ps(left, high, sum[1]);
        }
    }
    for (line, sum) in tile.iter_mut().zip(sums) {
        let [low, high] = load(line);
        let to = line.0.as_mut_ptr();
        // SAFETY: a line holds sixteen floats and is aligned to 64 bytes.
        unsafe {
            _mm256_store_ps(to, _mm256_add_ps(low, sum[0]));
            _mm256_store_ps(to.add(COLS / 2), _mm256_add_ps(high, sum[1]));
        }
    }
}

#[target_feature(enable = "avx2,fma")]
fn reaches(tile: &Tile, rows: &[f32; ROWS], columns: &Line) -> bool {
    let limits = load(columns);
    let mut any = _mm256_setzero_ps();
    for (line, row) in tile.iter().zip(rows) {
        let row = _mm256_broadcast_ss(row);
        for (entries, limit) in load(line).into_iter().zip(limits) {
            any = _mm256_or_ps(any, _mm256_cmp_ps::<_CMP_GE_OQ>(entries, _mm256_min_ps(row, limit)));
        }
    }
    _mm256_movemask_ps(any) != 0
}

/// The canonical order of sums, compiled for wider vectors.
#[target_feature(enable = "avx2,fma")]
fn dot(x: &[f32], y: &[f32]) -> f64 {
    canonical_dot(x, y)
}

#[cfg(test)]
mod tests {
    use super::super::tile::Portable;
    use super::*;
    use crate::kernels::rng::Stream;

    #[test]
    fn does_what_the_portable_path_does() {
        let Some(avx2) = Avx2::detect() else {
            eprintln!("skipped: this machine has no AVX2 with FMA");
            return;
        };
        let stream = Stream::new(5, 0);
        let draw = |n: u64| (stream.open_unit(n) * 2.0 - 1.0) as f32;
        for depth in [0usize, 1, 7, 64, 257] {
            let a: Vec<[f32; ROWS]> =
                (0..depth as u64).map(|p| std::array::from_fn(|r| draw(p * 64 + r as u64))).collect();
            let b: Vec<Line> = (0..depth as u64)
                .map(|p| Line(std::array::from_fn(|c| draw(p * 64 + 16 + c as u64))))
                .collect();
            let (mut fast, mut plain) = ([Line([0.25; COLS]); ROWS], [Line([0.25; COLS]); ROWS]);
            avx2.accumulate(&a, &b, &mut fast);
            Portable.accumulate(&a, &b, &mut plain);
            for (fast, plain) in fast.iter().zip(&plain).flat_map(|(f, p)| f.0.into_iter().zip(p.0)) {
                assert!((fast - plain).abs() <= 1e-6 * (depth as f32 + 1.0), "{fast} {plain}");
            }
            let (x, y): (Vec<f32>, Vec<f32>) = (0..depth as u64).map(|p| (draw(p), draw(p + 1000))).unzip();
            assert_eq!(avx2.dot(&x, &y).to_bits(), Portable.dot(&x, &y).to_bits());
        }
    }

    #[test]
    fn an_entry_reaches_the_limit_of_its_row_or_of_its_column() {
        let Some(avx2) = Avx2::detect() else {
            eprintln!("skipped: this machine has no AVX2 with FMA");
            return;
        };
        let far = f32::INFINITY;
        for row in 0..ROWS {
            for column in 0..COLS {
                let mut tile = [Line::ZERO; ROWS];
                tile[row].0[column] = 0.5;
                for (limit, expected) in [(0.5f32, true), (0.5f32.next_up(), false)] {
                    let mut rows = [far; ROWS];
                    rows[row] = limit;
                    assert_eq!(avx2.reaches(&tile, &rows, &Line([far; COLS])), expected);
                    assert_eq!(Portable.reaches(&tile, &rows, &Line([far; COLS])), expected);
                    let mut columns = Line([far; COLS]);
                    columns.0[column] = limit;
                    assert_eq!(avx2.reaches(&tile, &[far; ROWS], &columns), expected);
                    assert_eq!(Portable.reaches(&tile, &[far; ROWS], &columns), expected);
                }
            }
        }
    }
}
