//! Magnet's Rust core: the sparse and the brute-force parts of the recommender.
//!
//! `kernels` knows nothing of Python; `py` binds each kernel, and the extension module `magnet._core` below lists the
//! bindings.

pub mod kernels;
pub mod pool;
mod py;

// The extension module `magnet._core`: all that Python sees of this crate.
#[pyo3::pymodule]
mod _core {
    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_export]
    use crate::py::blend::{blend_pair, blend_scores};
    #[pymodule_export]
    use crate::py::graphs::{
        bipartite, drop_edges, interactions, k_core, pseudo_edges, shared_users, similarity, union_max,
    };
    #[pymodule_export]
    use crate::py::knn::{knn_approximate, nearest};
    #[pymodule_export]
    use crate::py::propagate::{propagate_mean, sparse_rows, spmm};
    #[pymodule_export]
    use crate::py::rank::{dot_rows, rank_dots, rank_scores, score_dots};
    #[pymodule_export]
    use crate::py::rank_blend::rank_blend;
    #[pymodule_export]
    use crate::py::ridge::local_ridge;
    #[pymodule_export]
    use crate::py::sampling::{membership, sample_negatives, sample_shared};
    #[pymodule_export]
    use crate::py::simd::simd_paths;
    #[pymodule_export]
    use crate::py::threads::{num_threads, set_num_threads};
}
