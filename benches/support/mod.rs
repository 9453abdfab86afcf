//! What the benches share: data, and running a kernel as the Python gate does.
#![allow(dead_code, missing_docs)] // each bench uses its part

use criterion::Criterion;
use magnet_core::kernels::cancel::Cancel;
use magnet_core::kernels::csr::OwnedCsr;
use magnet_core::kernels::error::Error;
use magnet_core::kernels::interactions::interactions;
use magnet_core::kernels::rng::Stream;
use magnet_core::kernels::simd::Path;
use magnet_core::pool;

/// Users, items and pairs of the two sizes that are timed.
pub const SIZES: [(usize, usize, usize); 2] = [(20_000, 7_000, 160_000), (190_000, 63_000, 1_600_000)];

/// Few samples, since a kernel takes milliseconds to seconds.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(2))
        .configure_from_args()
}

/// Runs a kernel on the process's own threads.
pub fn run<T: Send>(work: impl FnOnce(&Cancel) -> Result<T, Error> + Send) -> T {
    done(pool::current().and_then(|pool| pool.install(|| work(&Cancel::new()))))
}

pub fn done<T>(result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

pub fn path() -> Path {
    done(Path::choose())
}

/// Rows scattered around a hundred centres.
pub fn features(n: usize, width: usize) -> Vec<f32> {
    let stream = Stream::new(1, 0);
    let draw = |row: usize, column: usize| stream.open_unit((row * width + column) as u64) - 0.5;
    let centre = |row: usize| n + stream.bits32((row as u64) << 32) as usize % 100;
    (0..n)
        .flat_map(|row| (0..width).map(move |column| (row, column)))
        .map(|(row, column)| (draw(centre(row), column) + draw(row, column)) as f32)
        .collect()
}

/// Pairs with popular users and popular items.
pub fn pairs(n_users: usize, n_items: usize, n: usize) -> (Vec<i32>, Vec<i32>) {
    let stream = Stream::new(2, 0);
    let draw = |counter: usize, of: usize| (stream.open_unit(counter as u64).powi(2) * of as f64) as i32;
    (0..n).map(|pair| (draw(2 * pair, n_users), draw(2 * pair + 1, n_items))).unzip()
}

/// The same pairs as a matrix.
pub fn taken(n_users: usize, n_items: usize, n: usize) -> OwnedCsr {
    let (users, items) = pairs(n_users, n_items, n);
    run(|cancel| interactions(&users, &items, n_users, n_items, cancel))
}
