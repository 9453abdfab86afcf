//! Binds the operations of a training step on whole arrays; they read and write the caller's memory.

use numpy::{
    PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray1, PyReadwriteArray2, PyUntypedArrayMethods,
};
use pyo3::prelude::*;

use super::arrays::{slice, slice_mut};
use super::gate::run;
use crate::kernels::rng::Stream;
use crate::kernels::simd::Path;
use crate::kernels::{dropout as drop, unit_rows as unit};

/// Keeps the draws of dropout apart from all others of the same seed.
const DROPOUT: u64 = 0x6472_6f70;

#[pyfunction]
pub(crate) fn dropout(
    py: Python<'_>,
    x: PyReadonlyArray1<'_, f32>,
    keep: f64,
    seed: u64,
    mut out: PyReadwriteArray1<'_, f32>,
) -> PyResult<()> {
    let (x, out) = (slice(py, &x, "x")?, slice_mut(py, &mut out, "out")?);
    run(py, |cancel| drop::dropout(x, keep, Stream::new(seed, DROPOUT), out, Path::choose()?, cancel))
}

#[pyfunction]
pub(crate) fn unit_rows(
    py: Python<'_>,
    x: PyReadonlyArray2<'_, f32>,
    present: Option<PyReadonlyArray1<'_, bool>>,
    mut out: PyReadwriteArray2<'_, f32>,
    mut scales: PyReadwriteArray1<'_, f32>,
) -> PyResult<()> {
    let width = x.shape()[1];
    let present = present.as_ref().map(|present| slice(py, present, "present")).transpose()?;
    let (x, out) = (slice(py, &x, "x")?, slice_mut(py, &mut out, "out")?);
    let scales = slice_mut(py, &mut scales, "scales")?;
    run(py, |cancel| unit::unit_rows(x, width, present, out, scales, Path::choose()?, cancel))
}

#[pyfunction]
pub(crate) fn unit_rows_gradient(
    py: Python<'_>,
    gradient: PyReadonlyArray2<'_, f32>,
    y: PyReadonlyArray2<'_, f32>,
    scales: PyReadonlyArray1<'_, f32>,
    mut out: PyReadwriteArray2<'_, f32>,
) -> PyResult<()> {
    let width = y.shape()[1];
    let (gradient, y) = (slice(py, &gradient, "gradient")?, slice(py, &y, "y")?);
    let (scales, out) = (slice(py, &scales, "scales")?, slice_mut(py, &mut out, "out")?);
    run(py, |cancel| unit::unit_rows_gradient(gradient, y, scales, width, out, Path::choose()?, cancel))
}
