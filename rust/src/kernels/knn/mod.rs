//! The exact cosine k-nearest-neighbour graph.
//!
//! A blocked product over the upper triangle, in the narrow numbers that the machine multiplies fastest, is only a
//! filter: every candidate within the filter's error ([`bound`]) of a row's k best is kept. A canonical dot product,
//! summed in float64 in a fixed order, then decides. So no bit of the graph depends on the machine, the instruction
//! path, the number of threads or the order of the tiles.

mod bound;
mod candidates;
mod diagonal;
mod dispatch;
mod panels;
mod rows;
mod search;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

use self::rows::Rows;
use super::cancel::Cancel;
use super::csr::{OwnedCsr, indptr_from_counts};
use super::error::Error;
use super::simd::Path;
use super::tiles::choose;
use super::topk::Scored;

/// The k rows of largest cosine for every row of `features`, which has `present.len()` rows of `width` values.
///
/// A row is never its own neighbour. Rows that are absent or all zero have no neighbours and are neighbours of no row.
/// Where fewer than k others exist, all of them are neighbours. Cosines are rounded to float32 and ranked as such: the
/// higher first, then the lower row. Columns ascend within a row of the result.
///
/// Cost: N² width / 2 multiplications and additions in the filter's numbers (half of the products), memory one packed
/// copy of the features in them and `O(N k)`. Rows that no filter can tell apart cost one float64 dot product for each
/// pair.
///
/// # Errors
/// [`Error::Invalid`] if the sizes disagree, `k` is zero, there are 2^31 rows or more, or a present row is not finite;
/// [`Error::Cancelled`] if the caller stops it.
pub fn knn(
    features: &[f32],
    width: usize,
    present: &[bool],
    k: usize,
    path: Path,
    cancel: &Cancel,
) -> Result<OwnedCsr, Error> {
    check_sizes(features.len(), width, present.len(), k)?;
    // No rows at all may be of any width, also of one that is never packed.
    if present.is_empty() {
        return Ok(OwnedCsr { indptr: vec![0], ..OwnedCsr::default() });
    }
    let k = k.min(present.len());
    let rows = Rows::new(choose::dot(path.check()?), features, width, present, cancel)?;
    let nearest = dispatch::nearest(path, &rows, k, cancel)?;
    Ok(spell_out(&rows, nearest, k))
}

/// What both searches expect of `n_rows` rows of `width` values.
pub(super) fn check_sizes(values: usize, width: usize, n_rows: usize, k: usize) -> Result<(), Error> {
    // An array of no rows may say that they are of any width.
    if n_rows.checked_mul(width) != Some(values) {
        return Err(Error::invalid(format!("{n_rows} rows of {width} values do not have {values} values")));
    }
    if k == 0 {
        return Err(Error::invalid("the number of neighbours k must be at least 1, got 0"));
    }
    if i32::try_from(n_rows).is_err() {
        return Err(Error::invalid(format!("at most 2^31 - 1 rows fit the index type, got {n_rows}")));
    }
    Ok(())
}

/// Classes of identical rows that are expanded to rows at a time.
const SPELT: usize = 64;

/// The neighbours of the members of some classes.
#[derive(Default)]
struct Spelt {
    /// Each member, and how many neighbours it has.
    members: Vec<(i32, usize)>,
    /// All of them, one member's after the other's.
    neighbours: Vec<Scored<f32>>,
}

/// The graph of all rows from the k nearest distinct rows of each distinct row.
fn spell_out(rows: &Rows<'_>, nearest: Vec<Vec<Scored<f32>>>, k: usize) -> OwnedCsr {
    let spelt: Vec<Spelt> = nearest
        .par_chunks(SPELT)
        .enumerate()
        .map(|(chunk, nearest)| {
            let Spelt { mut members, mut neighbours } = Spelt::default();
            for (class, nearest) in (chunk * SPELT..).zip(nearest) {
                let best = expand(rows, class, nearest, rows.similarity(class, class), k);
                for &member in rows.members(class) {
                    let from = neighbours.len();
                    neighbours.extend(best.iter().filter(|found| found.id != member).take(k).copied());
                    neighbours[from..].sort_unstable_by_key(|found| found.id);
                    members.push((member, neighbours.len() - from));
                }
            }
            Spelt { members, neighbours }
        })
        .collect();
    let mut counts = vec![0; rows.total()];
    spelt.iter().flat_map(|spelt| &spelt.members).for_each(|&(member, n)| counts[member as usize] = n);
    let indptr = indptr_from_counts(counts.into_iter());
    let n_entries: usize = spelt.iter().map(|spelt| spelt.neighbours.len()).sum();
    let (mut indices, mut values) = (vec![0; n_entries], vec![0.0; n_entries]);
    for Spelt { members, neighbours } in &spelt {
        let mut rest = &neighbours[..];
        for &(member, n) in members {
            let own;
            (own, rest) = rest.split_at(n);
            let places = indptr[member as usize] as usize..;
            let places = indices[places.clone()].iter_mut().zip(&mut values[places]);
            places.zip(own).for_each(|((index, value), found)| (*index, *value) = (found.id, found.score));
        }
    }
    OwnedCsr { indptr, indices, values }
}

/// The k + 1 best rows of the matrix for a class, itself included where it has twins, from its k best classes.
///
/// The k best classes suffice, ordered by score and then by first row: every class before another puts its first row
/// before all rows of the other.
fn expand(rows: &Rows<'_>, class: usize, nearest: &[Scored<f32>], own: f32, k: usize) -> Vec<Scored<f32>> {
    let twins =
        if rows.members(class).len() > 1 { Some(Scored { score: own, id: class as i32 }) } else { None };
    let mut best: Vec<Scored<f32>> = nearest
        .iter()
        .copied()
        .chain(twins)
        .flat_map(|found| {
            let members = rows.members(found.id as usize).iter().take(k + 1);
            members.map(move |&id| Scored { score: found.score, id })
        })
        .collect();
    best.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    best.truncate(k + 1);
    best
}
