//! Binds the kernels that make and change sparse matrices. A matrix comes as its three arrays and its width.

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::arrays::{IndptrArray, csr, give_csr, pattern, slice};
use super::gate::{run, to_python};
use crate::kernels::csr::Csr;
use crate::kernels::edge_dropout::{self, Weighting};
use crate::kernels::error::Error;
use crate::kernels::rng::Stream;
use crate::kernels::{
    adjacency, interactions as pairs, k_core as core, pseudo_edges as pseudo, shared_users as shared, sparse,
};

type Indices<'py> = PyReadonlyArray1<'py, i32>;
type Values<'py> = PyReadonlyArray1<'py, f32>;

/// Keeps the draws of edge dropout apart from all others of the same seed.
const EDGE_DROPOUT: u64 = 0x6564_6765;

/// A sparse matrix as Python passes it: `(indptr, indices, values, n_cols)`.
#[derive(FromPyObject)]
pub(crate) struct Matrix<'py>(IndptrArray<'py>, Indices<'py>, Values<'py>, usize);

impl Matrix<'_> {
    pub(super) fn view(&self, py: Python<'_>) -> PyResult<Csr<'_>> {
        csr(py, &self.0, &self.1, &self.2, self.3)
    }
}

type Flags<'py> = Bound<'py, PyArray1<bool>>;
type Triple<'py> = PyResult<Bound<'py, PyTuple>>;

/// Indices of either width.
#[derive(FromPyObject)]
pub(crate) enum Numbers<'py> {
    Narrow(PyReadonlyArray1<'py, i32>),
    Wide(PyReadonlyArray1<'py, i64>),
}

#[pyfunction]
pub(crate) fn interactions<'py>(
    py: Python<'py>,
    users: Numbers<'py>,
    items: Numbers<'py>,
    n_users: usize,
    n_items: usize,
) -> Triple<'py> {
    let matrix = match (&users, &items) {
        (Numbers::Narrow(users), Numbers::Narrow(items)) => {
            let (users, items) = (slice(py, users, "users")?, slice(py, items, "items")?);
            run(py, |cancel| pairs::interactions(users, items, n_users, n_items, cancel))?
        }
        (Numbers::Wide(users), Numbers::Wide(items)) => {
            let (users, items) = (slice(py, users, "users")?, slice(py, items, "items")?);
            run(py, |cancel| pairs::interactions(users, items, n_users, n_items, cancel))?
        }
        _ => return Err(to_python(py, Error::invalid("users and items must be of one index type"))),
    };
    give_csr(py, matrix)
}

#[pyfunction]
pub(crate) fn bipartite<'py>(py: Python<'py>, weights: Matrix<'py>) -> Triple<'py> {
    let weights = weights.view(py)?;
    give_csr(py, run(py, |cancel| adjacency::bipartite(weights, cancel))?)
}

#[pyfunction]
pub(crate) fn similarity<'py>(py: Python<'py>, neighbours: Matrix<'py>) -> Triple<'py> {
    let neighbours = neighbours.view(py)?;
    give_csr(py, run(py, |cancel| adjacency::similarity(neighbours, cancel))?)
}

#[pyfunction]
pub(crate) fn union_max<'py>(py: Python<'py>, a: Matrix<'py>, b: Matrix<'py>) -> Triple<'py> {
    let (a, b) = (a.view(py)?, b.view(py)?);
    give_csr(py, run(py, |cancel| sparse::union_max(a, b, cancel))?)
}

#[pyfunction]
pub(crate) fn pseudo_edges<'py>(
    py: Python<'py>,
    taken: Matrix<'py>,
    similarity: Matrix<'py>,
    per_user: usize,
    per_item: usize,
    strength: f64,
) -> Triple<'py> {
    let (taken, similarity) = (taken.view(py)?, similarity.view(py)?);
    let options = pseudo::Options { per_user, per_item, strength };
    give_csr(py, run(py, |cancel| pseudo::pseudo_edges(taken, similarity, options, cancel))?)
}

#[pyfunction]
pub(crate) fn drop_edges<'py>(
    py: Python<'py>,
    edges: Matrix<'py>,
    n_kept: usize,
    by_degree: bool,
    seed: u64,
) -> Triple<'py> {
    let edges = edges.view(py)?;
    let weighting = if by_degree { Weighting::Degree } else { Weighting::Uniform };
    let stream = Stream::new(seed, EDGE_DROPOUT);
    give_csr(py, run(py, |cancel| edge_dropout::drop_edges(edges, n_kept, weighting, stream, cancel))?)
}

#[pyfunction]
pub(crate) fn k_core<'py>(
    py: Python<'py>,
    taken: Matrix<'py>,
    per_user: usize,
    per_item: usize,
) -> PyResult<(Flags<'py>, Flags<'py>)> {
    let taken = taken.view(py)?;
    let (users, items) = run(py, |cancel| core::k_core(taken, per_user, per_item, cancel))?;
    Ok((users.into_pyarray(py), items.into_pyarray(py)))
}

#[pyfunction]
pub(crate) fn shared_users<'py>(py: Python<'py>, taken: Matrix<'py>, edges: Matrix<'py>) -> PyResult<u64> {
    let taken = taken.view(py)?;
    let edges = pattern(py, &edges.0, &edges.1, edges.3)?;
    run(py, |cancel| shared::shared_users(taken, edges, cancel))
}
