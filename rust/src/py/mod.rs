//! The extension module: the only place that names Python. Bindings convert and call; they hold no algorithm.

mod arrays;
mod dense;
mod experts;
mod gate;
mod graphs;
mod knn;
mod propagate;
mod rank;
mod sampling;
mod simd;
mod threads;

use pyo3::prelude::*;

/// Adds every function to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    dense::register(module)?;
    experts::register(module)?;
    graphs::register(module)?;
    knn::register(module)?;
    propagate::register(module)?;
    rank::register(module)?;
    sampling::register(module)?;
    simd::register(module)?;
    threads::register(module)
}
