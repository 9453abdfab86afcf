//! Bindings of the propagation kernels; they read and write the caller's memory.

use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use super::arrays::{IndptrArray, indptr, slice, slice_mut};
use super::gate::{run, to_python};
use crate::kernels::propagate::{self, Matrix, Storage};
use crate::kernels::simd::Path;

#[pyfunction]
fn spmm(
    py: Python<'_>,
    pointers: IndptrArray<'_>,
    indices: PyReadonlyArray1<'_, i32>,
    values: PyReadonlyArray1<'_, f32>,
    dense: PyReadonlyArray2<'_, f32>,
    mut out: PyReadwriteArray2<'_, f32>,
) -> PyResult<()> {
    let [n_cols, width] = [dense.shape()[0], dense.shape()[1]];
    let matrix = matrix(py, &pointers, &indices, &values, n_cols)?;
    let (dense, out) = (slice(py, &dense, "dense")?, slice_mut(py, &mut out, "out")?);
    run(py, |cancel| propagate::multiply(matrix, dense, width, out, Path::choose()?, cancel))
}

#[pyfunction]
fn propagate_mean(
    py: Python<'_>,
    pointers: IndptrArray<'_>,
    indices: PyReadonlyArray1<'_, i32>,
    values: PyReadonlyArray1<'_, f32>,
    x: PyReadonlyArray2<'_, f32>,
    layers: usize,
    half: bool,
    mut out: PyReadwriteArray2<'_, f32>,
) -> PyResult<()> {
    let [n_cols, width] = [x.shape()[0], x.shape()[1]];
    let matrix = matrix(py, &pointers, &indices, &values, n_cols)?;
    let (x, out) = (slice(py, &x, "x")?, slice_mut(py, &mut out, "out")?);
    let storage = if half { Storage::Half } else { Storage::Whole };
    run(py, |cancel| {
        propagate::propagate_mean(matrix, x, layers, width, storage, out, Path::choose()?, cancel)
    })
}

fn matrix<'a>(
    py: Python<'_>,
    pointers: &'a IndptrArray<'_>,
    indices: &'a PyReadonlyArray1<'_, i32>,
    values: &'a PyReadonlyArray1<'_, f32>,
    n_cols: usize,
) -> PyResult<Matrix<'a>> {
    let (indices, values) = (slice(py, indices, "indices")?, slice(py, values, "values")?);
    Matrix::new(indptr(py, pointers)?, indices, values, n_cols).map_err(|error| to_python(py, error))
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(spmm, module)?)?;
    module.add_function(wrap_pyfunction!(propagate_mean, module)?)
}
