//! The approximate graph, for so large a number of rows that all pairs would take too long: the rows are divided into
//! overlapping clusters, and the search is exact inside each.
//!
//! Every score is the canonical one of the exact search; only the choice of pairs is approximate. The result depends on
//! the seed, but not on threads or instruction path.

mod clusters;
mod polish;
mod recall;
mod source;
mod table;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

pub use self::source::Features;
use self::source::Source;
use self::table::Table;
use crate::kernels::cancel::Cancel;
use crate::kernels::csr::OwnedCsr;
use crate::kernels::error::Error;
use crate::kernels::knn::{check_sizes, knn};
use crate::kernels::memory::room_for;
use crate::kernels::simd::Path;
use crate::kernels::topk::Scored;

/// A cluster this many times larger than the average is divided again.
const CROWDED: usize = 8;
/// How often a cluster may be divided again before all its pairs are compared.
const DEPTH: usize = 3;

/// How the rows are divided.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Number of clusters, at least 1.
    pub clusters: usize,
    /// Clusters that each row is in, at least 1.
    pub overlap: usize,
    /// Rounds over neighbours of neighbours.
    pub rounds: usize,
    /// Rows on which the recall is measured.
    pub sample: usize,
    /// Seed of the clustering and of the sample.
    pub seed: u64,
}

/// The graph and the share of true neighbours in it, measured on a sample of rows.
#[derive(Debug)]
pub struct Approximate {
    /// As [`knn`] gives it.
    pub graph: OwnedCsr,
    /// Between 0 and 1.
    pub recall: f64,
}

/// Approximately the k rows of largest cosine for every row: what [`knn`] finds, but for a few neighbours in other
/// clusters.
///
/// Cost: `N · clusters` products to assign, `(overlap · N)² / (2 · clusters)` inside the clusters, `sample · N` for the
/// recall. Memory: the graph twice, and the rows of one cluster for each thread.
///
/// # Errors
/// As [`knn`]; also if the plan has no cluster or no overlap.
pub fn knn_approximate(
    features: Features<'_>,
    width: usize,
    present: &[bool],
    k: usize,
    plan: Plan,
    path: Path,
    cancel: &Cancel,
) -> Result<Approximate, Error> {
    check_sizes(features.len(), width, present.len(), k)?;
    if plan.clusters == 0 || plan.overlap == 0 {
        return Err(Error::invalid(format!(
            "clusters and overlap must be at least 1, got {} and {}",
            plan.clusters, plan.overlap
        )));
    }
    // No rows at all may be of any width, also of one that has no room in memory.
    if present.is_empty() {
        let graph = OwnedCsr { indptr: vec![0], ..OwnedCsr::default() };
        return Ok(Approximate { graph, recall: 1.0 });
    }
    let source = Source::new(features, width, present, path, cancel)?;
    let rows: Vec<i32> =
        (0..present.len() as i32).filter(|&row| source.lengths[row as usize] > 0.0).collect();
    let k = k.min(present.len());
    // The lists, and twice their ids.
    room_for::<[u64; 2]>(present.len().saturating_mul(k))?;
    let table = Table::new(present.len(), k);
    let mut recall = 1.0;
    // Without features there are no rows, and blocks of width 0 cannot be cut.
    if !rows.is_empty() {
        let search = Search { source: &source, table: &table, k, plan, path, cancel };
        search.divide(&rows, plan.clusters, 0)?;
        recall = recall::recall(&source, &rows, &table, k, plan, path, cancel)?;
    }
    Ok(Approximate { graph: table.into_graph(), recall })
}

struct Search<'a> {
    source: &'a Source<'a>,
    table: &'a Table,
    k: usize,
    plan: Plan,
    path: Path,
    cancel: &'a Cancel,
}

impl Search<'_> {
    /// Divides the rows into `count` clusters, compares all pairs of each, and then pairs of different clusters.
    fn divide(&self, rows: &[i32], count: usize, depth: usize) -> Result<(), Error> {
        let Self { source, table, k, plan, path, cancel } = *self;
        let seed = plan.seed.wrapping_add(depth as u64);
        let assignment = clusters::assign(source, rows, count, plan.overlap, seed, path, cancel)?;
        let average = (rows.len() * assignment.overlap).div_ceil(assignment.members.len());
        assignment.members.par_iter().try_for_each(|members| {
            let members: Vec<i32> = members.iter().map(|&place| rows[place as usize]).collect();
            let crowded = members.len() > CROWDED * average.max(k) && members.len() < rows.len();
            if crowded && depth < DEPTH {
                let count = members.len().saturating_mul(plan.overlap).div_ceil(average);
                self.divide(&members, count, depth + 1)
            } else {
                self.pairs(&members)
            }
        })?;
        let mut before = Vec::new();
        for _ in 0..plan.rounds {
            let ids = table.ids();
            // What the same neighbours lead to has been offered already: this round and all others change nothing.
            if ids == before {
                break;
            }
            polish::polish(source, rows, &ids, &assignment, table, k, path, cancel)?;
            before = ids;
        }
        Ok(())
    }

    /// Compares all pairs of these rows, which ascend.
    fn pairs(&self, rows: &[i32]) -> Result<(), Error> {
        self.cancel.check()?;
        let features = self.source.gather(rows);
        let present = vec![true; rows.len()];
        let found = knn(&features, self.source.width, &present, self.k, self.path, self.cancel)?;
        for (&row, range) in rows.iter().zip(found.indptr.windows(2)) {
            let range = range[0] as usize..range[1] as usize;
            let new = found.indices[range.clone()].iter().zip(&found.values[range]);
            self.table
                .merge(row as usize, new.map(|(&place, &score)| Scored { score, id: rows[place as usize] }));
        }
        Ok(())
    }
}
