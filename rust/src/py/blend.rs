//! Bindings of the blend of signals; it reads and writes the caller's memory.

use numpy::{
    IntoPyArray, PyArray1, PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3, PyReadwriteArray2,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;

use super::arrays::{fits, slice, slice_mut};
use super::gate::run;
use crate::kernels::blend::{self, Gate, Signals};
use crate::kernels::simd::Path;

/// Score, base, cues, shares of all experts, shares after the cut, weights of the cues.
type Parts<'py> = (f32, f32, Vector<'py>, Vector<'py>, Vector<'py>, Vector<'py>);
type Vector<'py> = Bound<'py, PyArray1<f32>>;

#[pyfunction]
pub(crate) fn blend_scores(
    py: Python<'_>,
    base: PyReadonlyArray2<'_, f32>,
    cues: PyReadonlyArray3<'_, f32>,
    user_logits: PyReadonlyArray2<'_, f32>,
    item_logits: PyReadonlyArray2<'_, f32>,
    roles: PyReadonlyArray2<'_, f32>,
    weight: f32,
    top_experts: usize,
    compress: bool,
    mut out: PyReadwriteArray2<'_, f32>,
) -> PyResult<()> {
    let [n_rows, n_items] = [base.shape()[0], base.shape()[1]];
    let [n_cues, n] = [cues.shape()[0], user_logits.shape()[1]];
    fits(py, cues.shape(), &[n_cues, n_rows, n_items], "cues")?;
    fits(py, user_logits.shape(), &[n_rows, n], "user_logits")?;
    fits(py, item_logits.shape(), &[n_items, n], "item_logits")?;
    fits(py, roles.shape(), &[n, n_cues], "roles")?;
    fits(py, out.shape(), &[n_rows, n_items], "out")?;
    let (base, cues) = (slice(py, &base, "base")?, slice(py, &cues, "cues")?);
    let signals = Signals { base, cues, n_rows, n_items, n_cues, compress };
    let gate = Gate {
        user_logits: slice(py, &user_logits, "user_logits")?,
        item_logits: slice(py, &item_logits, "item_logits")?,
        roles: slice(py, &roles, "roles")?,
        n,
        weight,
        top: top_experts,
    };
    let out = slice_mut(py, &mut out, "out")?;
    run(py, |cancel| blend::blend_scores(signals, gate, out, Path::choose()?, cancel))
}

#[pyfunction]
pub(crate) fn blend_pair<'py>(
    py: Python<'py>,
    base: PyReadonlyArray1<'_, f32>,
    cues: PyReadonlyArray2<'_, f32>,
    user_logits: PyReadonlyArray1<'_, f32>,
    item_logits: PyReadonlyArray1<'_, f32>,
    roles: PyReadonlyArray2<'_, f32>,
    weight: f32,
    top_experts: usize,
    compress: bool,
    item: usize,
) -> PyResult<Parts<'py>> {
    let [n_items, n_cues, n] = [base.len(), cues.shape()[0], user_logits.len()];
    fits(py, cues.shape(), &[n_cues, n_items], "cues")?;
    fits(py, item_logits.shape(), &[n], "item_logits")?;
    fits(py, roles.shape(), &[n, n_cues], "roles")?;
    let (base, cues) = (slice(py, &base, "base")?, slice(py, &cues, "cues")?);
    let signals = Signals { base, cues, n_rows: 1, n_items, n_cues, compress };
    let gate = Gate {
        user_logits: slice(py, &user_logits, "user_logits")?,
        item_logits: slice(py, &item_logits, "item_logits")?,
        roles: slice(py, &roles, "roles")?,
        n,
        weight,
        top: top_experts,
    };
    let parts = run(py, |cancel| blend::blend_pair(signals, gate, item, Path::choose()?, cancel))?;
    let [cues, dense, shares, weights] =
        [parts.cues, parts.dense, parts.shares, parts.weights].map(|part| part.into_pyarray(py));
    Ok((parts.score, parts.base, cues, dense, shares, weights))
}
