//! Which instruction paths this machine can take.

use pyo3::prelude::*;

use crate::kernels::simd::Path;

/// Names for `MAGNET_SIMD`, each with whether this machine can take the path, from the plainest to the fastest.
#[pyfunction]
pub(crate) fn simd_paths() -> Vec<(&'static str, bool)> {
    Path::ALL.into_iter().map(|path| (path.name(), path.is_available())).collect()
}
