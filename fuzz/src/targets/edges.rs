//! `drop_edges`: against sorting all keys.

use crate::draw::Draw;
use crate::kernels::cancel::Cancel;
use crate::kernels::edge_dropout::{Weighting, drop_edges as drop_them};
use crate::kernels::rng::Stream;
use crate::matrix::{Arrays, rows_of};
use crate::same::{check, on_threads, refused};

pub fn drop_edges(data: &[u8]) {
    let draw = &mut Draw::new(data);
    let (n_rows, n_cols, kind) = (draw.upto(60), draw.upto(60), draw.kind());
    let edges = Arrays::sound(draw, n_rows, n_cols, kind);
    let n_kept = draw.count(edges.indices.len() + 1);
    let weighting = draw.one_of(&[Weighting::Uniform, Weighting::Degree]);
    let stream = Stream::new(draw.any(), draw.any());
    let found = on_threads(|| drop_them(edges.csr()?, n_kept, weighting, stream, &Cancel::new()));
    refused(&found, n_kept > edges.indices.len());
    let Ok(found) = found else { return };
    let mut rows = edges.rows();
    let mut degrees = vec![0u32; n_cols];
    edges.indices.iter().for_each(|&col| degrees[col as usize] += 1);
    let mut keys = Vec::new();
    for (row, entries) in rows.iter().enumerate() {
        for &col in entries.keys() {
            let root = (entries.len() as f64).sqrt() * f64::from(degrees[col]).sqrt();
            let factor = if weighting == Weighting::Degree { root } else { 1.0 };
            keys.push((-stream.open_unit(keys.len() as u64).ln() * factor, row, col));
        }
    }
    // Equal keys keep their order.
    keys.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (_, row, col) in &keys[n_kept..] {
        rows[*row].remove(col);
    }
    check(&rows_of(&found, n_cols), &rows);
}
