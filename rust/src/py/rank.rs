//! Bindings of the ranking kernels.

use numpy::{
    PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray1, PyReadwriteArray2, PyUntypedArrayMethods,
};

use pyo3::prelude::*;

use super::arrays::{IndptrArray, fits, pattern, slice, slice_mut};
use super::gate::run;
use crate::kernels::csr::Pattern;
use crate::kernels::rank::{self, Places, Vectors};
use crate::kernels::simd::Path;

/// Row pointers and columns of the seen items.
pub(crate) type Seen<'py> = (IndptrArray<'py>, PyReadonlyArray1<'py, i32>);

pub(super) fn mask<'a>(
    py: Python<'_>,
    seen: Option<&'a Seen<'_>>,
    n_items: usize,
) -> PyResult<Option<Pattern<'a>>> {
    seen.map(|(pointers, indices)| pattern(py, pointers, indices, n_items)).transpose()
}

pub(super) fn vectors<'a>(
    py: Python<'_>,
    users: &'a PyReadonlyArray2<'_, f32>,
    items: &'a PyReadonlyArray2<'_, f32>,
) -> PyResult<Vectors<'a>> {
    let width = users.shape()[1];
    fits(py, items.shape(), &[items.shape()[0], width], "items")?;
    Ok(Vectors { users: slice(py, users, "users")?, items: slice(py, items, "items")?, width })
}

#[pyfunction]
pub(crate) fn rank_dots(
    py: Python<'_>,
    users: PyReadonlyArray2<'_, f32>,
    items: PyReadonlyArray2<'_, f32>,
    rows: PyReadonlyArray1<'_, i32>,
    seen: Option<Seen<'_>>,
    mut out_items: PyReadwriteArray2<'_, i32>,
    mut out_scores: PyReadwriteArray2<'_, f32>,
) -> PyResult<()> {
    let vectors = vectors(py, &users, &items)?;
    let seen = mask(py, seen.as_ref(), items.shape()[0])?;
    let rows = slice(py, &rows, "rows")?;
    let k = out_items.shape()[1];
    let places = Places {
        items: slice_mut(py, &mut out_items, "out_items")?,
        scores: slice_mut(py, &mut out_scores, "out_scores")?,
        k,
    };
    run(py, |cancel| rank::rank_dots(&vectors, rows, seen, places, Path::choose()?, cancel))
}

#[pyfunction]
pub(crate) fn rank_scores(
    py: Python<'_>,
    scores: PyReadonlyArray2<'_, f32>,
    rows: PyReadonlyArray1<'_, i32>,
    seen: Option<Seen<'_>>,
    mut out_items: PyReadwriteArray2<'_, i32>,
    mut out_scores: PyReadwriteArray2<'_, f32>,
) -> PyResult<()> {
    let n_items = scores.shape()[1];
    let seen = mask(py, seen.as_ref(), n_items)?;
    let (scores, rows) = (slice(py, &scores, "scores")?, slice(py, &rows, "rows")?);
    let k = out_items.shape()[1];
    let places = Places {
        items: slice_mut(py, &mut out_items, "out_items")?,
        scores: slice_mut(py, &mut out_scores, "out_scores")?,
        k,
    };
    run(py, |cancel| rank::rank_scores(scores, n_items, rows, seen, places, Path::choose()?, cancel))
}

#[pyfunction]
pub(crate) fn score_dots(
    py: Python<'_>,
    users: PyReadonlyArray2<'_, f32>,
    items: PyReadonlyArray2<'_, f32>,
    user_rows: PyReadonlyArray1<'_, i32>,
    item_rows: PyReadonlyArray1<'_, i32>,
    mut out: PyReadwriteArray1<'_, f32>,
) -> PyResult<()> {
    let vectors = vectors(py, &users, &items)?;
    let user_rows = slice(py, &user_rows, "user_rows")?;
    let item_rows = slice(py, &item_rows, "item_rows")?;
    let out = slice_mut(py, &mut out, "out")?;
    run(py, |cancel| rank::score_dots(&vectors, user_rows, item_rows, out, Path::choose()?, cancel))
}

#[pyfunction]
pub(crate) fn dot_rows(
    py: Python<'_>,
    users: PyReadonlyArray2<'_, f32>,
    items: PyReadonlyArray2<'_, f32>,
    rows: PyReadonlyArray1<'_, i32>,
    mut out: PyReadwriteArray2<'_, f32>,
) -> PyResult<()> {
    fits(py, out.shape(), &[rows.len(), items.shape()[0]], "out")?;
    let vectors = vectors(py, &users, &items)?;
    let (rows, out) = (slice(py, &rows, "rows")?, slice_mut(py, &mut out, "out")?);
    run(py, |cancel| rank::dot_rows(&vectors, rows, out, Path::choose()?, cancel))
}
