//! Pairs of a support's items, counted in the histories of some users.

use super::cholesky::Chunk;
use super::ranked::Ranked;
use crate::kernels::lanes::{Lanes, Work};

/// A user with more than this many items for one of the support is searched, not read.
const LONG: usize = 16;
/// Histories lie anywhere in memory: where they begin is fetched this many users ahead, and what they hold half as many.
const AHEAD: usize = 16;
/// Ranks of a history that are fetched ahead, two cache lines.
const FETCHED: usize = 32;

/// Subtracts one for each pair of items of a user, the less popular of them not among the `n_popular` first of the
/// support.
pub(super) struct Count<'a> {
    pub(super) ranked: &'a Ranked,
    pub(super) users: &'a [i32],
    /// Ranks of the support, ascending.
    pub(super) support: &'a [u32],
    /// One bit for each rank: whether it is in the support. It fits a cache that places do not.
    pub(super) member: &'a [u64],
    /// Places in the support by rank; what stands at other ranks does not matter.
    pub(super) places: &'a [u16],
    pub(super) n_popular: usize,
    /// Room for one rank more than the support has.
    pub(super) found: &'a mut [u32],
    pub(super) matrix: &'a mut [Chunk],
    /// Chunks of a column.
    pub(super) stride: usize,
}

impl Work for Count<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { ranked, users, support, member, places, n_popular, found, matrix, stride } = self;
        for (at, &user) in users.iter().enumerate() {
            if let Some(&soon) = users.get(at + AHEAD) {
                lanes.prefetch(ranked.start_of(soon as usize));
            }
            if let Some(&next) = users.get(at + AHEAD / 2) {
                for line in ranked.ranks_of(next as usize).chunks(FETCHED / 2).take(2) {
                    lanes.prefetch(&line[0]);
                }
            }
            let ranks = ranked.ranks_of(user as usize);
            let n_found = if ranks.len() > LONG * support.len() {
                search(ranks, support, found)
            } else {
                let mut n_found = 0;
                for &rank in ranks {
                    // Written in any case, and kept if it is one: there is no branch to be mispredicted.
                    found[n_found] = rank as u32;
                    n_found += (member[rank as usize / 64] >> (rank % 64) & 1) as usize;
                }
                n_found
            };
            let found = &mut found[..n_found];
            for found in &mut *found {
                *found = places[*found as usize].into();
            }
            let popular = found.iter().take_while(|&&place| (place as usize) < n_popular).count();
            for (at, &place) in found.iter().enumerate() {
                let column = matrix[place as usize * stride..][..stride].as_flattened_mut();
                for &below in &found[popular.max(at + 1)..] {
                    column[below as usize] -= 1.0;
                }
            }
        }
    }
}

/// Looks for each item of the support in a long history; says how many there are.
fn search(ranks: &[i32], support: &[u32], found: &mut [u32]) -> usize {
    let (mut rest, mut n_found) = (ranks, 0);
    for &rank in support {
        rest = &rest[rest.partition_point(|&other| (other as u32) < rank)..];
        if rest.first() == Some(&(rank as i32)) {
            found[n_found] = rank;
            n_found += 1;
        }
    }
    n_found
}
