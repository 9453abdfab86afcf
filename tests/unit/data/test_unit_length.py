from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from magnet.data import Dataset
from magnet.data.unit_length import unit_length, unit_tensor
from magnet.errors import DataError

ROWS = np.random.default_rng(0).standard_normal((30, 7)).astype(np.float32)
KINDS = [unit_length, unit_tensor]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_have_length_one_and_their_direction(kind):
    unit = np.asarray(kind(ROWS))
    exact = ROWS.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    np.testing.assert_allclose(unit, exact, rtol=3e-7)
    assert unit.dtype == np.float32


@pytest.mark.parametrize("power", [-100, -63, -50, -1, 1, 10, 64, 70, 120])
@pytest.mark.parametrize("kind", KINDS)
def test_powers_of_two_change_no_bit(kind, power):
    scaled = np.ldexp(ROWS, power)
    assert np.isfinite(scaled).all()
    assert (np.asarray(kind(scaled)) == np.asarray(kind(ROWS))).all()


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_has_a_scale_of_its_own(kind):
    powers = np.linspace(-90, 120, len(ROWS)).astype(np.int32)[:, None]
    assert (np.asarray(kind(np.ldexp(ROWS, powers))) == np.asarray(kind(ROWS))).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_ends_of_the_range_and_zero(kind):
    least, most = np.finfo(np.float32).smallest_subnormal, np.finfo(np.float32).max
    rows = np.array([[least, 0], [most, most], [0, 0], [-most, least]], dtype=np.float32)
    half = np.float32(0.5**0.5)
    np.testing.assert_allclose(np.asarray(kind(rows)), [[1, 0], [half, half], [0, 0], [-1, 0]], rtol=2e-7)


def test_half_precision_is_measured_in_single():
    rows = np.array([[6e4, 6e4], [6e-8, 0]], dtype=np.float16)
    np.testing.assert_allclose(unit_length(rows), [[0.5**0.5] * 2, [1, 0]], rtol=2e-7)


@pytest.mark.parametrize(("factor", "shown"), [(1e39, r"3e\+39"), (1e-39, "3e-39"), (1e-200, "3e-200")])
def test_features_beyond_the_range_of_float32_are_refused_with_what_to_do(factor, shown):
    looks = np.array([[1.0, -1.0], [2.0, 3.0], [0.0, 0.0]])
    looks[1] *= factor
    with pytest.raises(
        DataError,
        match=rf"largest number of row 1 is {shown}, which float32 cannot hold \(1 such rows\); divide",
    ):
        Dataset.from_frame(pl.DataFrame({"user": [0, 1, 2], "item": [0, 1, 2]}), features={"looks": looks})
