//! Bindings of the ranking kernels.

use numpy::{
    PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3, PyReadwriteArray1, PyReadwriteArray2,
    PyUntypedArrayMethods,
};

use pyo3::prelude::*;

use super::arrays::{IndptrArray, pattern, slice, slice_mut};
use super::gate::run;
use crate::kernels::csr::Pattern;
use crate::kernels::rank::{self, Experts, Places, Towers};
use crate::kernels::simd::Path;

/// Row pointers and columns of the seen items.
type Seen<'py> = (IndptrArray<'py>, PyReadonlyArray1<'py, i32>);

/// User towers, item towers, user keys, item keys, weight, number of experts that take part.
type Mixture<'py> = (
    PyReadonlyArray3<'py, f32>,
    PyReadonlyArray3<'py, f32>,
    PyReadonlyArray3<'py, f32>,
    PyReadonlyArray3<'py, f32>,
    f32,
    usize,
);

fn mask<'a>(py: Python<'_>, seen: Option<&'a Seen<'_>>, n_items: usize) -> PyResult<Option<Pattern<'a>>> {
    seen.map(|(pointers, indices)| pattern(py, pointers, indices, n_items)).transpose()
}

fn towers<'a>(
    py: Python<'_>,
    users: &'a PyReadonlyArray2<'_, f32>,
    items: &'a PyReadonlyArray2<'_, f32>,
    mixture: Option<&'a Mixture<'_>>,
) -> PyResult<Towers<'a>> {
    let experts = match mixture {
        None => None,
        Some((user_towers, item_towers, user_keys, item_keys, weight, top)) => Some(Experts {
            user_towers: slice(py, user_towers, "user_towers")?,
            item_towers: slice(py, item_towers, "item_towers")?,
            user_keys: slice(py, user_keys, "user_keys")?,
            item_keys: slice(py, item_keys, "item_keys")?,
            n: user_keys.shape()[1],
            rank: user_keys.shape()[2],
            weight: *weight,
            top: *top,
        }),
    };
    let width = users.shape()[1];
    Ok(Towers { users: slice(py, users, "users")?, items: slice(py, items, "items")?, width, experts })
}

#[pyfunction]
pub(crate) fn rank_towers(
    py: Python<'_>,
    users: PyReadonlyArray2<'_, f32>,
    items: PyReadonlyArray2<'_, f32>,
    mixture: Option<Mixture<'_>>,
    rows: PyReadonlyArray1<'_, i32>,
    seen: Option<Seen<'_>>,
    mut out_items: PyReadwriteArray2<'_, i32>,
    mut out_scores: PyReadwriteArray2<'_, f32>,
) -> PyResult<()> {
    let towers = towers(py, &users, &items, mixture.as_ref())?;
    let seen = mask(py, seen.as_ref(), items.shape()[0])?;
    let rows = slice(py, &rows, "rows")?;
    let k = out_items.shape()[1];
    let places = Places {
        items: slice_mut(py, &mut out_items, "out_items")?,
        scores: slice_mut(py, &mut out_scores, "out_scores")?,
        k,
    };
    run(py, |cancel| rank::rank_towers(&towers, rows, seen, places, Path::choose()?, cancel))
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
pub(crate) fn score_towers(
    py: Python<'_>,
    users: PyReadonlyArray2<'_, f32>,
    items: PyReadonlyArray2<'_, f32>,
    mixture: Option<Mixture<'_>>,
    user_rows: PyReadonlyArray1<'_, i32>,
    item_rows: PyReadonlyArray1<'_, i32>,
    mut out: PyReadwriteArray1<'_, f32>,
    mut wishes: PyReadwriteArray2<'_, f32>,
) -> PyResult<()> {
    let towers = towers(py, &users, &items, mixture.as_ref())?;
    let user_rows = slice(py, &user_rows, "user_rows")?;
    let item_rows = slice(py, &item_rows, "item_rows")?;
    let (out, logits) = (slice_mut(py, &mut out, "out")?, slice_mut(py, &mut wishes, "wishes")?);
    run(py, |cancel| rank::score_pairs(&towers, user_rows, item_rows, out, logits, Path::choose()?, cancel))
}
