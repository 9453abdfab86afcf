//! Binds [`crate::kernels::knn`].

use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::arrays::{give_csr, slice};
use super::gate::{run, to_python};
use crate::kernels::error::Error;
use crate::kernels::knn;
use crate::kernels::simd::Path;

#[pyfunction]
#[pyo3(name = "knn")]
fn nearest<'py>(
    py: Python<'py>,
    features: PyReadonlyArray2<'py, f32>,
    present: PyReadonlyArray1<'py, bool>,
    k: usize,
) -> PyResult<Bound<'py, PyTuple>> {
    let width = features.shape()[1];
    let values = features.as_slice().map_err(|_| {
        to_python(py, Error::invalid(format!("features must be C-contiguous; shape {:?}", features.shape())))
    })?;
    let present = slice(py, &present, "present")?;
    // The environment is read while Python is held, so that no other thread can be changing it.
    let path = Path::choose().map_err(|error| to_python(py, error))?;
    let graph = run(py, |cancel| knn::knn(values, width, present, k, path, cancel))?;
    give_csr(py, graph)
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(nearest, module)?)
}
