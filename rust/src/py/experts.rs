//! Binds the experts' products; they read and write the caller's memory.

use numpy::{
    PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3, PyReadwriteArray2, PyReadwriteArray3,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;

use super::arrays::{slice, slice_mut};
use super::gate::run;
use crate::kernels::experts::{self, Mixing, Pairs, Shape};
use crate::kernels::pair_logits::{self as logits, Sides};
use crate::kernels::simd::Path;

type Array3<'py> = PyReadonlyArray3<'py, f32>;
type Out3<'py> = PyReadwriteArray3<'py, f32>;

fn shape(components: &Array3<'_>, experts: usize) -> Shape {
    let [n_components, rows, width] = [0, 1, 2].map(|axis| components.shape()[axis]);
    Shape { rows, components: n_components, width, experts }
}

#[pyfunction]
pub(crate) fn unit_shares(
    py: Python<'_>,
    parts: Array3<'_>,
    coefficients: Array3<'_>,
    which: PyReadonlyArray1<'_, i64>,
    shortest: f32,
    mut shares: Out3<'_>,
    mut grams: Out3<'_>,
) -> PyResult<()> {
    let mixing = mixing(py, &parts, &coefficients, &which, shortest)?;
    let (shares, grams) = (slice_mut(py, &mut shares, "shares")?, slice_mut(py, &mut grams, "grams")?);
    run(py, |cancel| experts::unit_shares(mixing, shares, grams, Path::choose()?, cancel))
}

#[pyfunction]
pub(crate) fn unit_shares_gradient(
    py: Python<'_>,
    parts: Array3<'_>,
    coefficients: Array3<'_>,
    which: PyReadonlyArray1<'_, i64>,
    shortest: f32,
    grams: Array3<'_>,
    gradient: Array3<'_>,
    mut of_parts: Out3<'_>,
    mut of_coefficients: Out3<'_>,
) -> PyResult<()> {
    let mixing = mixing(py, &parts, &coefficients, &which, shortest)?;
    let (grams, gradient) = (slice(py, &grams, "grams")?, slice(py, &gradient, "gradient")?);
    let grad_components = slice_mut(py, &mut of_parts, "of_parts")?;
    let grad_coefficients = slice_mut(py, &mut of_coefficients, "of_coefficients")?;
    run(py, |cancel| {
        let path = Path::choose()?;
        experts::unit_shares_gradient(
            mixing,
            grams,
            gradient,
            grad_components,
            grad_coefficients,
            path,
            cancel,
        )
    })
}

#[pyfunction]
pub(crate) fn expert_products(
    py: Python<'_>,
    parts: Array3<'_>,
    shares: Array3<'_>,
    items: PyReadonlyArray2<'_, i64>,
    mut out: PyReadwriteArray2<'_, f32>,
    mut grams: Out3<'_>,
) -> PyResult<()> {
    let pairs = pairs(py, &parts, &shares, &items, out.shape()[1])?;
    let (out, grams) = (slice_mut(py, &mut out, "out")?, slice_mut(py, &mut grams, "grams")?);
    run(py, |cancel| experts::products(pairs, out, grams, Path::choose()?, cancel))
}

#[pyfunction]
pub(crate) fn expert_products_gradient(
    py: Python<'_>,
    parts: Array3<'_>,
    shares: Array3<'_>,
    items: PyReadonlyArray2<'_, i64>,
    grams: Array3<'_>,
    gradient: PyReadonlyArray2<'_, f32>,
    mut of_parts: Out3<'_>,
    mut of_shares: Out3<'_>,
) -> PyResult<()> {
    let pairs = pairs(py, &parts, &shares, &items, gradient.shape()[1])?;
    let (grams, gradient) = (slice(py, &grams, "grams")?, slice(py, &gradient, "gradient")?);
    let grad_components = slice_mut(py, &mut of_parts, "of_parts")?;
    let grad_shares = slice_mut(py, &mut of_shares, "of_shares")?;
    run(py, |cancel| {
        experts::products_gradient(
            pairs,
            grams,
            gradient,
            grad_components,
            grad_shares,
            Path::choose()?,
            cancel,
        )
    })
}

#[pyfunction]
pub(crate) fn pair_logits(
    py: Python<'_>,
    users: PyReadonlyArray2<'_, f32>,
    items: PyReadonlyArray2<'_, f32>,
    pairs: PyReadonlyArray2<'_, i64>,
    mut out: PyReadwriteArray2<'_, f32>,
) -> PyResult<()> {
    let sides = sides(py, &users, &items, &pairs, out.shape()[1])?;
    let out = slice_mut(py, &mut out, "out")?;
    run(py, |cancel| logits::pair_logits(sides, out, Path::choose()?, cancel))
}

#[pyfunction]
pub(crate) fn pair_logits_gradient(
    py: Python<'_>,
    users: PyReadonlyArray2<'_, f32>,
    items: PyReadonlyArray2<'_, f32>,
    pairs: PyReadonlyArray2<'_, i64>,
    gradient: PyReadonlyArray2<'_, f32>,
    mut of_users: PyReadwriteArray2<'_, f32>,
    mut of_items: PyReadwriteArray2<'_, f32>,
) -> PyResult<()> {
    let sides = sides(py, &users, &items, &pairs, gradient.shape()[1])?;
    let gradient = slice(py, &gradient, "gradient")?;
    let grad_users = slice_mut(py, &mut of_users, "of_users")?;
    let grad_items = slice_mut(py, &mut of_items, "of_items")?;
    run(py, |cancel| {
        logits::pair_logits_gradient(sides, gradient, grad_users, grad_items, Path::choose()?, cancel)
    })
}

fn sides<'a>(
    py: Python<'_>,
    users: &'a PyReadonlyArray2<'_, f32>,
    items: &'a PyReadonlyArray2<'_, f32>,
    pairs: &'a PyReadonlyArray2<'_, i64>,
    experts: usize,
) -> PyResult<Sides<'a>> {
    Ok(Sides {
        users: slice(py, users, "users")?,
        items: slice(py, items, "items")?,
        experts,
        rank: (users.shape()[1] / experts.max(1)).saturating_sub(1),
        pairs: slice(py, pairs, "pairs")?,
        per_user: pairs.shape()[1],
    })
}

fn mixing<'a>(
    py: Python<'_>,
    components: &'a Array3<'_>,
    coefficients: &'a Array3<'_>,
    pattern: &'a PyReadonlyArray1<'_, i64>,
    shortest: f32,
) -> PyResult<Mixing<'a>> {
    Ok(Mixing {
        shape: shape(components, coefficients.shape()[2]),
        components: slice(py, components, "parts")?,
        coefficients: slice(py, coefficients, "coefficients")?,
        pattern: slice(py, pattern, "which")?,
        shortest,
    })
}

fn pairs<'a>(
    py: Python<'_>,
    components: &'a Array3<'_>,
    shares: &'a Array3<'_>,
    items: &'a PyReadonlyArray2<'_, i64>,
    experts: usize,
) -> PyResult<Pairs<'a>> {
    Ok(Pairs {
        shape: shape(components, experts),
        components: slice(py, components, "parts")?,
        shares: slice(py, shares, "shares")?,
        items: slice(py, items, "items")?,
        per_user: items.shape()[1],
    })
}
