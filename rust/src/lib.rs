//! Magnet's Rust core: the sparse and the brute-force parts of the recommender.
//!
//! `kernels` knows nothing of Python; `py` binds each kernel to the extension module `magnet._core`.

pub mod kernels;
pub mod pool;
mod py;

use pyo3::prelude::*;

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    py::register(module)
}
