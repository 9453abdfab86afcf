//! Bindings of the sampling kernels.

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyReadwriteArray2};
use pyo3::prelude::*;

use super::arrays::{IndptrArray, pattern, slice, slice_mut};
use super::gate::run;
use crate::kernels::memory::{countable, zeros};
use crate::kernels::rng::Stream;
use crate::kernels::sampling::{self, Source};
use crate::kernels::simd::Path;

/// These keep the streams of negatives and of shared draws apart from all others of the same seed.
const NEGATIVES: u64 = 0x6e65;
const SHARED: u64 = 0x7368;

#[pyfunction]
#[pyo3(signature = (pointers, indices, n_items, users, seed, first, pool=None, weights=None))]
pub(crate) fn sample_negatives<'py>(
    py: Python<'py>,
    pointers: IndptrArray<'py>,
    indices: PyReadonlyArray1<'py, i32>,
    n_items: usize,
    users: PyReadonlyArray1<'py, i32>,
    seed: u64,
    first: u64,
    pool: Option<PyReadonlyArray1<'py, i32>>,
    weights: Option<PyReadonlyArray1<'py, f64>>,
) -> PyResult<Bound<'py, PyArray1<i32>>> {
    let seen = pattern(py, &pointers, &indices, n_items)?;
    let users = slice(py, &users, "users")?;
    let pool = pool.as_ref().map(|pool| slice(py, pool, "pool")).transpose()?;
    let weights = weights.as_ref().map(|weights| slice(py, weights, "weights")).transpose()?;
    let drawn = run(py, |cancel| {
        let source = Source::new(n_items, pool, weights)?;
        let mut out = vec![0; users.len()];
        let stream = Stream::new(seed, NEGATIVES);
        sampling::sample(seen, users, &source, stream, first, &mut out, Path::choose()?, cancel)?;
        Ok(out)
    })?;
    Ok(drawn.into_pyarray(py))
}

#[pyfunction]
#[pyo3(signature = (n_draws, n_items, seed, first, pool=None, weights=None))]
pub(crate) fn sample_shared<'py>(
    py: Python<'py>,
    n_draws: usize,
    n_items: usize,
    seed: u64,
    first: u64,
    pool: Option<PyReadonlyArray1<'py, i32>>,
    weights: Option<PyReadonlyArray1<'py, f64>>,
) -> PyResult<Bound<'py, PyArray1<i32>>> {
    let pool = pool.as_ref().map(|pool| slice(py, pool, "pool")).transpose()?;
    let weights = weights.as_ref().map(|weights| slice(py, weights, "weights")).transpose()?;
    let drawn = run(py, |cancel| {
        countable(n_items, "items")?;
        let source = Source::new(n_items, pool, weights)?;
        let mut out = zeros(n_draws)?;
        sampling::sample_shared(&source, Stream::new(seed, SHARED), first, &mut out, cancel)?;
        Ok(out)
    })?;
    Ok(drawn.into_pyarray(py))
}

#[pyfunction]
pub(crate) fn membership(
    py: Python<'_>,
    pointers: IndptrArray<'_>,
    indices: PyReadonlyArray1<'_, i32>,
    n_items: usize,
    users: PyReadonlyArray1<'_, i32>,
    items: PyReadonlyArray1<'_, i32>,
    mut out: PyReadwriteArray2<'_, bool>,
) -> PyResult<()> {
    let seen = pattern(py, &pointers, &indices, n_items)?;
    let (users, items) = (slice(py, &users, "users")?, slice(py, &items, "items")?);
    let out = slice_mut(py, &mut out, "out")?;
    run(py, |cancel| sampling::membership(seen, users, items, out, cancel))
}
