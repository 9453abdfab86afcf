//! Binds [`crate::kernels::knn`] and [`crate::kernels::knn_approximate`].

use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::arrays::{give_csr, slice};
use super::gate::{run, to_python};
use crate::kernels::error::Error;
use crate::kernels::knn::knn;
use crate::kernels::knn_approximate::{self as approximate, Features, Plan};
use crate::kernels::simd::Path;

#[pyfunction]
#[pyo3(name = "knn")]
pub(crate) fn nearest<'py>(
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
    // The environment is read while this thread holds the interpreter, so that no other Python thread changes it.
    let path = Path::choose().map_err(|error| to_python(py, error))?;
    let graph = run(py, |cancel| knn(values, width, present, k, path, cancel))?;
    give_csr(py, graph)
}

/// A matrix of float32, or of float16 as its bits: the stable interface has no type for NumPy's float16.
#[derive(FromPyObject)]
pub(crate) enum FeatureArray<'py> {
    Single(PyReadonlyArray2<'py, f32>),
    Half(PyReadonlyArray2<'py, u16>),
}

impl FeatureArray<'_> {
    fn features(&self, py: Python<'_>) -> PyResult<(Features<'_>, usize)> {
        Ok(match self {
            Self::Single(array) => (Features::Single(slice(py, array, "features")?), array.shape()[1]),
            Self::Half(array) => (Features::Half(slice(py, array, "features")?), array.shape()[1]),
        })
    }
}

#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub(crate) fn knn_approximate<'py>(
    py: Python<'py>,
    features: FeatureArray<'py>,
    present: PyReadonlyArray1<'py, bool>,
    k: usize,
    clusters: usize,
    overlap: usize,
    rounds: usize,
    sample: usize,
    seed: u64,
) -> PyResult<(Bound<'py, PyTuple>, f64)> {
    let (features, width) = features.features(py)?;
    let present = slice(py, &present, "present")?;
    let path = Path::choose().map_err(|error| to_python(py, error))?;
    let plan = Plan { clusters, overlap, rounds, sample, seed };
    let found =
        run(py, |cancel| approximate::knn_approximate(features, width, present, k, plan, path, cancel))?;
    Ok((give_csr(py, found.graph)?, found.recall))
}
