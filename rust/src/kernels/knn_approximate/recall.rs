//! The recall of an approximate graph: some rows are searched exactly and the results compared.

use rayon::prelude::*;

use super::Plan;
use super::clusters::sample;
use super::source::Source;
use super::table::Table;
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::rank::{Places, Vectors, rank_dots};
use crate::kernels::rng::Stream;
use crate::kernels::simd::Path;
use crate::kernels::topk::Scored;

/// Rows of the matrix that the sample is compared with at a time.
const BLOCK: usize = 1 << 15;
/// Neighbours that are taken from a block beyond k: the row itself, and some that float32 may have put in the wrong
/// order.
const SPARE: usize = 8;
const PURPOSE: u64 = 0x7265_636c;

/// The share of true neighbours found, over the plan's sample of rows: 1 if no row of the sample has a neighbour.
///
/// A neighbour counts if its score is at least that of the k-th true one: among equal scores any will do.
/// Cost: the products of the sample with all rows. Memory: one block of rows.
pub(super) fn recall(
    source: &Source<'_>,
    rows: &[i32],
    table: &Table,
    k: usize,
    plan: Plan,
    path: Path,
    cancel: &Cancel,
) -> Result<f64, Error> {
    let queries = sample(rows, plan.sample, Stream::new(plan.seed, PURPOSE));
    let points = source.gather_unit(&queries);
    let exact = Table::new(queries.len(), k);
    let numbers: Vec<i32> = (0..queries.len() as i32).collect();
    for block in rows.chunks(BLOCK) {
        let others = source.gather_unit(block);
        let vectors = Vectors { users: &points, items: &others, width: source.width };
        let depth = (k + SPARE).min(block.len());
        let mut items = vec![0; queries.len() * depth];
        let mut scores = vec![0.0; items.len()];
        let places = Places { items: &mut items, scores: &mut scores, k: depth };
        rank_dots(&vectors, &numbers, None, places, path, cancel)?;
        items.par_chunks(depth).zip(&queries).enumerate().try_for_each(|(query, (items, &row))| {
            cancel.check()?;
            let (mut values, mut space) = (vec![0.0; source.width], vec![0.0; source.width]);
            source.read(row as usize, &mut values);
            let found = items.iter().map(|&item| block[item as usize]).filter(|&id| id != row);
            exact.merge(
                query,
                found.map(|id| Scored {
                    score: source.similarity(row as usize, &values, id as usize, &mut space),
                    id,
                }),
            );
            Ok(())
        })?;
    }
    let (mut hits, mut total) = (0, 0);
    for (query, &row) in queries.iter().enumerate() {
        let truth = exact.list(query);
        let Some(last) = truth.last() else { continue };
        let found = table.list(row as usize);
        hits += found.iter().filter(|found| found.score >= last.score).count();
        total += truth.len();
    }
    Ok(if total == 0 { 1.0 } else { hits as f64 / total as f64 })
}
