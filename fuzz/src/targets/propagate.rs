//! `spmm`, `propagate_mean` and `sparse_rows`: against the same chains of operations, one number at a time.

use crate::draw::Draw;
use crate::kernels::cancel::Cancel;
use crate::kernels::propagate::{Matrix, Storage, multiply, propagate_mean};
use crate::kernels::sparse_rows::sparse_rows;
use crate::matrix::Arrays;
use crate::same::{check, on_paths, on_threads, refused};

pub fn propagate(data: &[u8]) {
    let draw = &mut Draw::new(data);
    let kind = draw.kind();
    let (n_rows, n_cols) =
        if draw.once_in(8) { (draw.upto(90), draw.upto(90)) } else { (draw.upto(9), draw.upto(9)) };
    // Widths around those of one and of four vectors.
    let mut width = draw.upto(70);
    let arrays = Arrays::any(draw, n_rows, n_cols, kind);
    let Ok(matrix) = arrays.matrix() else { return };
    let (n_rows, n_cols) = (matrix.n_rows(), matrix.n_cols());
    if n_cols > 1000 {
        return;
    }
    let len = draw.about(n_cols * width);
    let dense = draw.numbers(len, kind);
    let mut n_out = draw.about(n_rows * width);
    if n_cols == 0 && draw.any() {
        // An array of no rows may have any width.
        (width, n_out) = (1 << draw.upto(63), draw.upto(3));
    }
    let fits = |rows: usize, len: usize| rows.checked_mul(width) == Some(len);
    let product = on_paths(|path| {
        let mut out = vec![f32::NAN; n_out];
        multiply(matrix, &dense, width, &mut out, path, &Cancel::new())?;
        Ok(out)
    });
    refused(&product, !fits(n_cols, dense.len()) || !fits(n_rows, n_out));
    if let Ok(product) = product {
        check(&product, &chains(matrix, &dense, None, width, 1.0));
    }
    let layers = if draw.once_in(16) { draw.count(10_001) } else { draw.upto(4) };
    // What takes long is not tried.
    let layers = if layers > 10_000 || layers * n_out < 100_000 { layers } else { 2 };
    let half = draw.any();
    let storage = if half { Storage::Half } else { Storage::Whole };
    let mean = on_paths(|path| {
        let mut out = vec![f32::NAN; n_out];
        propagate_mean(matrix, &dense, layers, width, storage, &mut out, path, &Cancel::new())?;
        Ok(out)
    });
    let square = n_rows == n_cols && layers <= 10_000;
    refused(&mean, !square || !fits(n_rows, dense.len()) || n_out != dense.len());
    if let Ok(mean) = mean
        && (!half || layers == 0)
    {
        let last = |layer| if layer == layers { 1.0 / (layers + 1) as f32 } else { 1.0 };
        let layer = |x: Vec<f32>, layer| chains(matrix, &x, Some(&dense), width, last(layer));
        check(&mean, &(1..=layers).fold(dense.clone(), layer));
    }
    let between = draw.about(n_rows);
    let histories = Arrays::sound(draw, 5, between, kind);
    let n_out = draw.about(5 * n_cols);
    let sums = on_threads(|| {
        let mut out = vec![f32::NAN; n_out];
        sparse_rows(histories.matrix()?, matrix, &mut out, &Cancel::new())?;
        Ok(out)
    });
    refused(&sums, between != n_rows || n_out != 5 * n_cols);
    if let Ok(sums) = sums {
        let left = histories.matrix().expect("a matrix");
        let mut expected = vec![0.0; 5 * n_cols];
        for row in 0..5 {
            for (between, own) in left.row(row) {
                matrix.row(between).for_each(|(col, other)| expected[row * n_cols + col] += own * other);
            }
        }
        check(&sums, &expected);
    }
}

/// `scale · (plus + matrix · dense)`, each number by one chain of fused multiply-adds.
fn chains(matrix: Matrix<'_>, dense: &[f32], plus: Option<&[f32]>, width: usize, scale: f32) -> Vec<f32> {
    let number = |row: usize, column: usize| {
        let start = plus.map_or(0.0, |plus| plus[row * width + column]);
        let chain = |sum, (col, value): (usize, f32)| value.mul_add(dense[col * width + column], sum);
        matrix.row(row).fold(start, chain) * scale
    };
    (0..matrix.n_rows()).flat_map(|row| (0..width).map(move |column| number(row, column))).collect()
}
