//! One round over neighbours of neighbours: it finds neighbours that lie in different clusters.

use rayon::prelude::*;

use super::clusters::Assignment;
use super::source::Source;
use super::table::Table;
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, Work};
use crate::kernels::simd::Path;
use crate::kernels::topk::Scored;

/// Rows handled between two checks of the cancel flag.
const STEP: usize = 256;

/// Compares each row with its neighbours' neighbours and offers each of the two rows to the other's list.
///
/// Two rows of one cluster have been compared already, which spares nearly all products. `rows` are those of the
/// assignment, `ids` the neighbours that the table has of all rows, `(n, k)`.
pub(super) fn polish(
    source: &Source<'_>,
    rows: &[i32],
    ids: &[i32],
    assignment: &Assignment,
    table: &Table,
    k: usize,
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    // Clusters by row of the matrix, so that they are found without a search.
    let overlap = assignment.overlap;
    let mut clusters = vec![-1; source.lengths.len() * overlap];
    for (&row, of) in rows.iter().zip(assignment.of.chunks_exact(overlap)) {
        clusters[row as usize * overlap..][..overlap].copy_from_slice(of);
    }
    let round = Round { source, ids, clusters: &clusters, overlap, k, table };
    rows.par_chunks(STEP).try_for_each(|rows| {
        cancel.check()?;
        path.run(Chunk { round: &round, rows });
        Ok(())
    })
}

struct Round<'a> {
    source: &'a Source<'a>,
    /// The neighbours before the round, `(n, k)`.
    ids: &'a [i32],
    clusters: &'a [i32],
    overlap: usize,
    k: usize,
    table: &'a Table,
}

impl Round<'_> {
    fn neighbours(&self, row: i32) -> impl Iterator<Item = i32> + '_ {
        self.ids[row as usize * self.k..][..self.k].iter().copied().filter(|&id| id >= 0)
    }

    fn have_met(&self, a: i32, b: i32) -> bool {
        let of = |row: i32| &self.clusters[row as usize * self.overlap..][..self.overlap];
        of(a).iter().any(|cluster| of(b).contains(cluster))
    }
}

struct Chunk<'a> {
    round: &'a Round<'a>,
    rows: &'a [i32],
}

impl Work for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let Self { round, rows } = self;
        let width = round.source.width;
        let (mut values, mut space) = (vec![0.0; width], vec![0.0; width]);
        let mut candidates = Vec::new();
        let mut found = Vec::new();
        for &row in rows {
            candidates.clear();
            for near in round.neighbours(row) {
                candidates.extend(
                    round.neighbours(near).filter(|&other| other != row && !round.have_met(row, other)),
                );
            }
            candidates.sort_unstable();
            candidates.dedup();
            if candidates.is_empty() {
                continue;
            }
            round.source.read(row as usize, &mut values);
            found.clear();
            for &id in &candidates {
                let score = round.source.similarity(row as usize, &values, id as usize, &mut space);
                found.push(Scored { score, id });
            }
            round.table.merge(row as usize, found.iter().copied());
            for found in &found {
                round.table.merge(found.id as usize, std::iter::once(Scored { score: found.score, id: row }));
            }
        }
    }
}
