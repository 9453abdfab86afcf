//! Arrays across the boundary: inputs are borrowed, outputs are handed over, and neither is copied.

use numpy::ndarray::Dimension;
use numpy::{
    Element, IntoPyArray, PyArray1, PyReadonlyArray, PyReadonlyArray1, PyReadwriteArray,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::gate::to_python;
use crate::kernels::csr::{Csr, Indptr, OwnedCsr, Pattern};
use crate::kernels::error::Error;

/// Row pointers as Python passes them: int32 or int64.
#[derive(FromPyObject)]
pub(crate) enum IndptrArray<'py> {
    Narrow(PyReadonlyArray1<'py, i32>),
    Wide(PyReadonlyArray1<'py, i64>),
}

/// The values of a contiguous array, without a copy.
pub(super) fn slice<'a, T: Element, D: Dimension>(
    py: Python<'_>,
    array: &'a PyReadonlyArray<'_, T, D>,
    name: &str,
) -> PyResult<&'a [T]> {
    array.as_slice().map_err(|_| {
        to_python(py, Error::invalid(format!("{name} must be contiguous; it has {} entries", array.len())))
    })
}

/// The values of a contiguous array, to be written, without a copy.
pub(super) fn slice_mut<'a, T: Element, D: Dimension>(
    py: Python<'_>,
    array: &'a mut PyReadwriteArray<'_, T, D>,
    name: &str,
) -> PyResult<&'a mut [T]> {
    let len = array.len();
    array.as_slice_mut().map_err(|_| {
        to_python(py, Error::invalid(format!("{name} must be contiguous; it has {len} entries")))
    })
}

/// Fails unless the shape of an array is the one that the others ask for.
pub(super) fn fits(py: Python<'_>, found: &[usize], wanted: &[usize], name: &str) -> PyResult<()> {
    if found == wanted {
        return Ok(());
    }
    Err(to_python(py, Error::invalid(format!("{name} must have the shape {wanted:?}, got {found:?}"))))
}

/// Row pointers of either width, not checked yet.
pub(super) fn indptr<'a>(py: Python<'_>, array: &'a IndptrArray<'_>) -> PyResult<Indptr<'a>> {
    Ok(match array {
        IndptrArray::Narrow(array) => Indptr::Narrow(slice(py, array, "indptr")?),
        IndptrArray::Wide(array) => Indptr::Wide(slice(py, array, "indptr")?),
    })
}

/// A checked pattern over Python's arrays.
pub(super) fn pattern<'a>(
    py: Python<'_>,
    indptr: &'a IndptrArray<'_>,
    indices: &'a PyReadonlyArray1<'_, i32>,
    n_cols: usize,
) -> PyResult<Pattern<'a>> {
    Pattern::new(self::indptr(py, indptr)?, slice(py, indices, "indices")?, n_cols)
        .map_err(|error| to_python(py, error))
}

/// A checked sparse matrix over Python's arrays.
pub(super) fn csr<'a>(
    py: Python<'_>,
    indptr: &'a IndptrArray<'_>,
    indices: &'a PyReadonlyArray1<'_, i32>,
    values: &'a PyReadonlyArray1<'_, f32>,
    n_cols: usize,
) -> PyResult<Csr<'a>> {
    Csr::new(pattern(py, indptr, indices, n_cols)?, slice(py, values, "values")?)
        .map_err(|error| to_python(py, error))
}

/// `(indptr, indices, values)`; the pointers become int32 where that suffices, since SciPy and torch want one width.
pub(super) fn give_csr(py: Python<'_>, matrix: OwnedCsr) -> PyResult<Bound<'_, PyTuple>> {
    let indices = matrix.indices.into_pyarray(py);
    let values = matrix.values.into_pyarray(py);
    if matrix.indptr.last().is_none_or(|&n| n <= i64::from(i32::MAX)) {
        let narrow: Vec<i32> = matrix.indptr.iter().map(|&p| p as i32).collect();
        (narrow.into_pyarray(py), indices, values).into_pyobject(py)
    } else {
        let wide: Bound<'_, PyArray1<i64>> = matrix.indptr.into_pyarray(py);
        (wide, indices, values).into_pyobject(py)
    }
}
