//! How many threads the kernels use.

use pyo3::prelude::*;

use super::gate::to_python;
use crate::pool;

#[pyfunction]
fn set_num_threads(py: Python<'_>, threads: usize) -> PyResult<()> {
    pool::set_num_threads(threads).map_err(|error| to_python(py, error))
}

#[pyfunction]
fn num_threads() -> usize {
    pool::num_threads()
}

pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(set_num_threads, module)?)?;
    module.add_function(wrap_pyfunction!(num_threads, module)?)
}
