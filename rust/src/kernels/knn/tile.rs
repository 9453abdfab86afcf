//! The few operations that an instruction path provides, and the plain-Rust version of them.

/// Rows of a micro-tile.
pub(super) const ROWS: usize = 6;
/// Columns of a micro-tile: two vectors of eight.
pub(super) const COLS: usize = 16;

/// One value of each of sixteen columns, on a cache line of its own.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [f32; COLS]);

impl Line {
    pub(super) const ZERO: Self = Self([0.0; COLS]);
}

/// A micro-tile of approximate similarities: `tile[row].0[column]`.
pub(super) type Tile = [Line; ROWS];

/// What the search needs from an instruction path. A further path implements these and nothing else.
pub(super) trait TileOps: Copy + Send + Sync {
    /// Adds `Σ_p a[p][row] · b[p][column]` to `tile`. Each sum starts from zero and is added to the tile once, so that
    /// the longest chain of roundings is `a.len() + 2` (product, sums, addition).
    fn accumulate(self, a: &[[f32; ROWS]], b: &[Line], tile: &mut Tile);

    /// Whether any entry is at least the limit of its row or the limit of its column.
    fn reaches(self, tile: &Tile, rows: &[f32; ROWS], columns: &Line) -> bool;

    /// [`canonical_dot`], bit for bit.
    fn dot(self, x: &[f32], y: &[f32]) -> f64;
}

/// The dot product that decides: summed in float64 in one fixed order.
///
/// A product of two float32 is exact in float64, so it makes no difference whether multiplication and addition are
/// fused: sixteen lanes, added up in halves, give the same bits on every machine.
#[inline(always)]
pub(super) fn canonical_dot(x: &[f32], y: &[f32]) -> f64 {
    let mut lanes = [0.0f64; 16];
    let (x_full, x_rest) = x.as_chunks::<16>();
    let (y_full, y_rest) = y.as_chunks::<16>();
    for (a, b) in x_full.iter().zip(y_full) {
        for lane in 0..16 {
            lanes[lane] += f64::from(a[lane]) * f64::from(b[lane]);
        }
    }
    for (lane, (&a, &b)) in lanes.iter_mut().zip(x_rest.iter().zip(y_rest)) {
        *lane += f64::from(a) * f64::from(b);
    }
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
    }
    lanes[0]
}

/// Plain Rust.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portable;

impl TileOps for Portable {
    fn accumulate(self, a: &[[f32; ROWS]], b: &[Line], tile: &mut Tile) {
        // Two rows at a time: their sums fit the sixteen 128-bit registers that every x86-64 and AArch64 has.
        for pair in 0..ROWS / 2 {
            let mut sums = [[0.0f32; COLS]; 2];
            for (a, b) in a.iter().zip(b) {
                for (sums, left) in sums.iter_mut().zip(&a[2 * pair..]) {
                    for (sum, right) in sums.iter_mut().zip(b.0) {
                        *sum += left * right;
                    }
                }
            }
            for (line, sums) in tile[2 * pair..].iter_mut().zip(sums) {
                for (entry, sum) in line.0.iter_mut().zip(sums) {
                    *entry += sum;
                }
            }
        }
    }

    fn reaches(self, tile: &Tile, rows: &[f32; ROWS], columns: &Line) -> bool {
        tile.iter()
            .zip(rows)
            .any(|(line, &row)| line.0.iter().zip(columns.0).any(|(&entry, column)| entry >= row.min(column)))
    }

    fn dot(self, x: &[f32], y: &[f32]) -> f64 {
        canonical_dot(x, y)
    }
}
