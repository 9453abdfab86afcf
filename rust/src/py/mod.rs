//! The extension module: the only place that names Python. Bindings convert and call; they hold no algorithm.

mod arrays;
mod gate;
mod threads;

mod graphs;
mod knn;

use pyo3::prelude::*;

/// Adds every function to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    graphs::register(module)?;
    knn::register(module)?;
    threads::register(module)
}
