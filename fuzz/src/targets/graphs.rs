//! `bipartite` and `similarity`: normalised graphs, symmetric to the bit.

use std::collections::BTreeMap;

use crate::draw::Draw;
use crate::kernels::adjacency::{bipartite, similarity};
use crate::kernels::cancel::Cancel;
use crate::matrix::{Arrays, rows_of};
use crate::same::{check, on_threads, refused};

type Rows = Vec<BTreeMap<usize, f32>>;

pub fn graphs(data: &[u8]) {
    let draw = &mut Draw::new(data);
    let (n_rows, n_cols, kind) = (draw.upto(40), draw.upto(40), draw.kind());
    let mut weights = Arrays::sound(draw, n_rows, n_cols, kind);
    if draw.any() {
        weights.values.iter_mut().for_each(|value| *value = value.abs());
    }
    let found = on_threads(|| bipartite(weights.csr()?, &Cancel::new()));
    refused(&found, !weights.values.iter().all(|value| (0.0..f32::INFINITY).contains(value)));
    if let Ok(found) = found {
        let mut nodes = vec![BTreeMap::new(); n_rows + n_cols];
        for (user, row) in weights.rows().iter().enumerate() {
            for (&item, &weight) in row {
                nodes[user].insert(n_rows + item, weight);
                nodes[n_rows + item].insert(user, weight);
            }
        }
        check(&rows_of(&found, n_rows + n_cols), &normalised(nodes));
    }
    let n = draw.about(n_cols);
    let neighbours = Arrays::sound(draw, n, n_cols, kind);
    let found = on_threads(|| similarity(neighbours.csr()?, &Cancel::new()));
    refused(&found, n != n_cols || !neighbours.values.iter().all(|value| value.is_finite()));
    if let Ok(found) = found {
        let mut both = vec![BTreeMap::new(); n];
        for (row, entries) in neighbours.rows().iter().enumerate() {
            for (&col, &value) in entries.iter().filter(|entry| *entry.1 > 0.0) {
                for (a, b) in [(row, col), (col, row)] {
                    let own: &mut f32 = both[a].entry(b).or_insert(value);
                    *own = own.max(value);
                }
            }
        }
        check(&rows_of(&found, n), &normalised(both));
    }
}

/// `D^-1/2 A D^-1/2` of a symmetric matrix, degrees in `f64`.
fn normalised(mut rows: Rows) -> Rows {
    let scale = |row: &BTreeMap<usize, f32>| {
        let degree: f64 = row.values().map(|&value| f64::from(value)).sum();
        if degree > 0.0 { 1.0 / degree.sqrt() } else { 0.0 }
    };
    let scales: Vec<f64> = rows.iter().map(scale).collect();
    for (row, own) in rows.iter_mut().zip(&scales) {
        row.iter_mut().for_each(|(&col, value)| *value = (f64::from(*value) * (own * scales[col])) as f32);
    }
    rows
}
