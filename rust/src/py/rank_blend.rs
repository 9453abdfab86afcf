//! Binding of the ranking of blends; it reads and writes the caller's memory.

use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3, PyReadwriteArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use super::arrays::{IndptrArray, fits, slice, slice_mut};
use super::gate::run;
use super::propagate::parts;
use super::rank::{Seen, mask, vectors};
use crate::kernels::blend::{self, Blend, Cue, Gate};
use crate::kernels::propagate::Matrix;
use crate::kernels::rank::Places;
use crate::kernels::simd::Path;

type Table<'py> = PyReadonlyArray2<'py, f32>;
/// A sparse matrix as Python passes it: `(indptr, indices, values)`.
type Sparse<'py> = (IndptrArray<'py>, PyReadonlyArray1<'py, i32>, PyReadonlyArray1<'py, f32>);
/// Roles, weight, experts that take part, and whether cues are compressed.
type Mixing<'py> = (Table<'py>, f32, usize, bool);

/// An item–item matrix as Python passes it.
#[derive(FromPyObject)]
pub(crate) enum Operator<'py> {
    Sparse(Sparse<'py>),
    Dense(Table<'py>),
}

#[pyfunction]
pub(crate) fn rank_blend(
    py: Python<'_>,
    tables: (Table<'_>, Table<'_>),
    history: Sparse<'_>,
    operators: Vec<Option<Operator<'_>>>,
    rows: PyReadonlyArray3<'_, f32>,
    logits: (Table<'_>, Table<'_>),
    mixing: Mixing<'_>,
    users: PyReadonlyArray1<'_, i32>,
    seen: Option<Seen<'_>>,
    mut out_items: PyReadwriteArray2<'_, i32>,
    mut out_scores: PyReadwriteArray2<'_, f32>,
) -> PyResult<()> {
    let vectors = vectors(py, &tables.0, &tables.1)?;
    let [n_items, n, k] = [tables.1.shape()[0], logits.0.shape()[1], out_items.shape()[1]];
    fits(py, logits.1.shape(), &[n_items, n], "item logits")?;
    fits(py, mixing.0.shape(), &[n, operators.len()], "roles")?;
    let given = operators.iter().filter(|operator| operator.is_none()).count();
    fits(py, rows.shape(), &[given, users.len(), n_items], "rows")?;
    let gate = Gate {
        user_logits: slice(py, &logits.0, "user logits")?,
        item_logits: slice(py, &logits.1, "item logits")?,
        roles: slice(py, &mixing.0, "roles")?,
        n,
        weight: mixing.1,
        top: mixing.2,
    };
    let seen = mask(py, seen.as_ref(), n_items)?;
    let history = parts(py, &history.0, &history.1, &history.2)?;
    let mut given = slice(py, &rows, "rows")?.chunks((users.len() * n_items).max(1));
    let mut arrays = Vec::with_capacity(operators.len());
    for operator in &operators {
        arrays.push(match operator {
            None => Array::Rows(given.next().unwrap_or(&[])),
            Some(Operator::Dense(matrix)) => {
                fits(py, matrix.shape(), &[n_items, n_items], "a whole operator")?;
                Array::Dense(slice(py, matrix, "a whole operator")?)
            }
            Some(Operator::Sparse(matrix)) => Array::Sparse(parts(py, &matrix.0, &matrix.1, &matrix.2)?),
        });
    }
    let users = slice(py, &users, "users")?;
    let places = Places {
        items: slice_mut(py, &mut out_items, "out_items")?,
        scores: slice_mut(py, &mut out_scores, "out_scores")?,
        k,
    };
    run(py, |cancel| {
        let mut cues = Vec::with_capacity(arrays.len());
        for array in arrays {
            cues.push(match array {
                Array::Rows(rows) => Cue::Rows(rows),
                Array::Dense(matrix) => Cue::Dense(matrix),
                Array::Sparse((pointers, indices, values)) => {
                    Cue::Sparse(Matrix::new(pointers, indices, values, n_items)?)
                }
            });
        }
        let histories = Matrix::new(history.0, history.1, history.2, n_items)?;
        let blend = Blend { vectors, histories, cues: &cues, gate, compress: mixing.3 };
        blend::rank_blend(blend, users, seen, places, Path::choose()?, cancel)
    })
}

/// The memory of a cue; a matrix is checked on Magnet's threads.
enum Array<'a> {
    Sparse(super::propagate::Parts<'a>),
    Dense(&'a [f32]),
    Rows(&'a [f32]),
}
