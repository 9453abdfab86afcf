//! Binds [`crate::kernels::ridge`].

use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::arrays::give_csr;
use super::gate::{run, to_python};
use super::graphs::Matrix;
use crate::kernels::ridge::{self, Options};
use crate::kernels::simd::Path;

#[pyfunction]
pub(crate) fn local_ridge<'py>(
    py: Python<'py>,
    train: Matrix<'py>,
    content: Option<Matrix<'py>>,
    ridge: f64,
    content_weight: f64,
    support: usize,
) -> PyResult<Bound<'py, PyTuple>> {
    let train = train.view(py)?;
    let content = content.as_ref().map(|content| content.view(py)).transpose()?;
    let options = Options { ridge, content_weight, support };
    // The environment is read while this thread holds the interpreter, so that no other Python thread changes it.
    let path = Path::choose().map_err(|error| to_python(py, error))?;
    give_csr(py, run(py, |cancel| ridge::local_ridge(train, content, options, path, cancel))?)
}
