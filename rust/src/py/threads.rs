//! How many threads the kernels use.

use pyo3::prelude::*;

use super::gate::to_python;
use crate::pool;

#[pyfunction]
pub(crate) fn set_num_threads(py: Python<'_>, threads: usize) -> PyResult<()> {
    pool::set_num_threads(threads).map_err(|error| to_python(py, error))
}

#[pyfunction]
pub(crate) fn num_threads() -> usize {
    pool::num_threads()
}
