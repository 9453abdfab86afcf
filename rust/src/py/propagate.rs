//! Bindings of the propagation kernels; they read and write the caller's memory.

use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use super::arrays::{IndptrArray, indptr, slice, slice_mut};
use super::gate::run;
use crate::kernels::csr::Indptr;
use crate::kernels::propagate::{self, Matrix, Storage};
use crate::kernels::simd::Path;
use crate::kernels::sparse_rows as sparse;

#[pyfunction]
pub(crate) fn spmm(
    py: Python<'_>,
    pointers: IndptrArray<'_>,
    indices: PyReadonlyArray1<'_, i32>,
    values: PyReadonlyArray1<'_, f32>,
    dense: PyReadonlyArray2<'_, f32>,
    mut out: PyReadwriteArray2<'_, f32>,
) -> PyResult<()> {
    let [n_cols, width] = [dense.shape()[0], dense.shape()[1]];
    let (pointers, indices, values) = parts(py, &pointers, &indices, &values)?;
    let (dense, out) = (slice(py, &dense, "dense")?, slice_mut(py, &mut out, "out")?);
    run(py, |cancel| {
        let matrix = Matrix::new(pointers, indices, values, n_cols)?;
        propagate::multiply(matrix, dense, width, out, Path::choose()?, cancel)
    })
}

#[pyfunction]
pub(crate) fn propagate_mean(
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
    let (pointers, indices, values) = parts(py, &pointers, &indices, &values)?;
    let (x, out) = (slice(py, &x, "x")?, slice_mut(py, &mut out, "out")?);
    let storage = if half { Storage::Half } else { Storage::Whole };
    run(py, |cancel| {
        let matrix = Matrix::new(pointers, indices, values, n_cols)?;
        propagate::propagate_mean(matrix, x, layers, width, storage, out, Path::choose()?, cancel)
    })
}

#[pyfunction]
pub(crate) fn sparse_rows(
    py: Python<'_>,
    left_pointers: IndptrArray<'_>,
    left_indices: PyReadonlyArray1<'_, i32>,
    left_values: PyReadonlyArray1<'_, f32>,
    pointers: IndptrArray<'_>,
    indices: PyReadonlyArray1<'_, i32>,
    values: PyReadonlyArray1<'_, f32>,
    mut out: PyReadwriteArray2<'_, f32>,
) -> PyResult<()> {
    let n_cols = out.shape()[1];
    let left = parts(py, &left_pointers, &left_indices, &left_values)?;
    let right = parts(py, &pointers, &indices, &values)?;
    let out = slice_mut(py, &mut out, "out")?;
    run(py, |cancel| {
        let right = Matrix::new(right.0, right.1, right.2, n_cols)?;
        let left = Matrix::new(left.0, left.1, left.2, right.n_rows())?;
        sparse::sparse_rows(left, right, out, cancel)
    })
}

/// Row pointers, columns and values.
pub(super) type Parts<'a> = (Indptr<'a>, &'a [i32], &'a [f32]);

pub(super) fn parts<'a>(
    py: Python<'_>,
    pointers: &'a IndptrArray<'_>,
    indices: &'a PyReadonlyArray1<'_, i32>,
    values: &'a PyReadonlyArray1<'_, f32>,
) -> PyResult<Parts<'a>> {
    Ok((indptr(py, pointers)?, slice(py, indices, "indices")?, slice(py, values, "values")?))
}
