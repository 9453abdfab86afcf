//! The kernels. Each is a plain function over slices: no Python, no global state, the result independent of the
//! number of threads.

pub mod adjacency;
pub mod blend;
mod buckets;
pub mod cancel;
pub mod csr;
pub mod edge_dropout;
pub mod error;
pub mod interactions;
pub mod k_core;
pub mod knn;
pub mod knn_approximate;
pub mod lanes;
pub mod memory;
mod pages;
pub mod propagate;
pub mod pseudo_edges;
pub mod rank;
pub mod ridge;
pub mod rng;
pub mod sampling;
pub mod shared_users;
pub mod simd;
pub mod sparse;
pub mod sparse_rows;
mod tiles;
pub mod topk;
pub mod transpose;
