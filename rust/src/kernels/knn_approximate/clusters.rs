//! Overlapping clusters by spherical k-means: rows of one cluster point in much the same direction.

use rayon::prelude::*;

use super::source::Source;
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::rank::{Places, Vectors, rank_dots};
use crate::kernels::rng::Stream;
use crate::kernels::simd::Path;

/// Rows of the sample for each centroid.
const SAMPLE: usize = 64;
const ROUNDS: usize = 6;
/// Rows that are scaled and assigned together: their copy is the only memory that assigning takes.
const BLOCK: usize = 1 << 14;
/// Keeps the draw of the sample apart from other uses of a seed.
const PURPOSE: u64 = 0x6b6d_6561;

/// Which clusters each of some rows is in.
#[derive(Debug)]
pub(super) struct Assignment {
    /// `(rows, overlap)`: the clusters of each row, nearest first.
    pub(super) of: Vec<i32>,
    pub(super) overlap: usize,
    /// The rows of each cluster, by their place among the given rows, ascending.
    pub(super) members: Vec<Vec<i32>>,
}

/// Puts each of `rows` into its `overlap` nearest of `count` clusters.
///
/// The products that decide are float32 chains of fixed order and the sums over a cluster run in float64 over ascending
/// rows, so nothing depends on threads or instruction path; ties go to the lower cluster.
pub(super) fn assign(
    source: &Source<'_>,
    rows: &[i32],
    count: usize,
    overlap: usize,
    seed: u64,
    path: Path,
    cancel: &Cancel,
) -> Result<Assignment, Error> {
    let centroids = learn(source, rows, count, seed, path, cancel)?;
    // There may be fewer rows than wanted clusters.
    let overlap = overlap.min(centroids.len() / source.width);
    let mut of = vec![0; rows.len() * overlap];
    for (rows, of) in rows.chunks(BLOCK).zip(of.chunks_mut(BLOCK * overlap)) {
        nearest(&source.gather_unit(rows), &centroids, source.width, of, overlap, path, cancel)?;
    }
    let mut members = vec![Vec::new(); centroids.len() / source.width];
    for (row, of) in of.chunks_exact(overlap).enumerate() {
        for &cluster in of {
            members[cluster as usize].push(row as i32);
        }
    }
    Ok(Assignment { of, overlap, members })
}

/// Centroids of length 1, `(count, width)`, from a sample of the rows.
fn learn(
    source: &Source<'_>,
    rows: &[i32],
    count: usize,
    seed: u64,
    path: Path,
    cancel: &Cancel,
) -> Result<Vec<f32>, Error> {
    let sample = sample(rows, SAMPLE.saturating_mul(count), Stream::new(seed, PURPOSE));
    let count = count.min(sample.len());
    let width = source.width;
    let points = source.gather_unit(&sample);
    let mut centroids = points[..count * width].to_vec();
    let mut of = vec![0; sample.len()];
    for _ in 0..ROUNDS {
        nearest(&points, &centroids, width, &mut of, 1, path, cancel)?;
        let mut members = vec![Vec::new(); count];
        for (point, &cluster) in of.iter().enumerate() {
            members[cluster as usize].push(point);
        }
        centroids.par_chunks_mut(width).zip(&members).try_for_each(|(centroid, members)| {
            cancel.check()?;
            let mut sum = vec![0.0f64; width];
            for &point in members {
                for (sum, &value) in sum.iter_mut().zip(&points[point * width..][..width]) {
                    *sum += f64::from(value);
                }
            }
            let length = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
            // The centroid of a cluster without points, or whose points cancel, stays where it was.
            if length > 0.0 {
                for (value, sum) in centroid.iter_mut().zip(sum) {
                    *value = (sum / length) as f32;
                }
            }
            Ok(())
        })?;
    }
    Ok(centroids)
}

/// At most `n` distinct rows, drawn at random and in random order.
pub(super) fn sample(rows: &[i32], n: usize, stream: Stream) -> Vec<i32> {
    let mut keyed: Vec<(u64, i32)> = rows.iter().map(|&row| (stream.bits64(row as u64), row)).collect();
    if n < keyed.len() {
        keyed.select_nth_unstable(n);
        keyed.truncate(n);
    }
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, row)| row).collect()
}

/// Writes the `k` centroids of largest product with each point.
fn nearest(
    points: &[f32],
    centroids: &[f32],
    width: usize,
    of: &mut [i32],
    k: usize,
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    let vectors = Vectors { users: points, items: centroids, width };
    let rows: Vec<i32> = (0..(points.len() / width) as i32).collect();
    let mut scores = vec![0.0; of.len()];
    rank_dots(&vectors, &rows, None, Places { items: of, scores: &mut scores, k }, path, cancel)
}
