//! The bindings: besides the list of the extension module in `lib.rs`, the only place that names Python. They convert
//! and call; they hold no algorithm.

mod arrays;
pub(crate) mod blend;
mod gate;
pub(crate) mod graphs;
pub(crate) mod knn;
pub(crate) mod propagate;
pub(crate) mod rank;
pub(crate) mod rank_blend;
pub(crate) mod ridge;
pub(crate) mod sampling;
pub(crate) mod simd;
pub(crate) mod threads;
