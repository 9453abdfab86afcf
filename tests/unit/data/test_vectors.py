"""Feature vectors in every form that holds them are the same features."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from scipy.sparse import csr_array

from magnet.data import Dataset
from magnet.errors import DataError

VALUES = np.arange(1, 13, dtype=np.float32).reshape(6, 2)
KEYS = ["f", "e", "d", "c", "b", "a"]
TAKEN = pl.DataFrame({"user": [1, 2, 3], "item": ["a", "c", "f"]})


def features(given, items=KEYS):
    return Dataset.from_frame(TAKEN, items=items, features={"x": given}).modalities["x"]


def fixed(values):
    """An Arrow column of lists of one length."""
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


ALIGNED = {
    "array": VALUES,
    "Fortran's order": np.asfortranarray(VALUES),
    "every second row": np.repeat(VALUES, 2, axis=0)[::2],
    "double": VALUES.astype(float),
    "integers": VALUES.astype(np.int16),
    "objects": VALUES.astype(object),
    "array of arrays": np.array([*VALUES, None], dtype=object)[:6],
    "tensor": torch.from_numpy(VALUES),
    "tensor with a gradient": torch.from_numpy(VALUES).clone().requires_grad_(),
    "tensor of half precision": torch.from_numpy(VALUES).half(),
    "tensor of brain floats": torch.from_numpy(VALUES).bfloat16(),
    "sparse tensor": torch.from_numpy(VALUES).to_sparse(),
    "sparse matrix": csr_array(VALUES),
    "lists": VALUES.tolist(),
    "tuples": tuple(map(tuple, VALUES.tolist())),
    "list of arrays": list(VALUES),
    "list of tensors": list(torch.from_numpy(VALUES)),
    "masked, nothing hidden": np.ma.MaskedArray(VALUES),
    "pandas column": pd.Series(list(VALUES)),
    "polars lists": pl.Series(VALUES.tolist()),
    "polars arrays": pl.Series(VALUES),
    "Arrow lists": pa.chunked_array([VALUES[:2].tolist(), VALUES[2:].tolist()]),
    "Arrow arrays": pa.chunked_array([fixed(VALUES)]),
}


@pytest.mark.parametrize("what", ALIGNED)
def test_features_in_the_order_of_the_items(what):
    found = features(ALIGNED[what])
    assert (found.features == VALUES).all()
    assert found.present.all()


BY_ID = VALUES[::-1]  # of the items a to f
KEYED = {
    "mapping to arrays": dict(zip(KEYS, VALUES, strict=True)),
    "mapping to tensors": dict(zip(KEYS, torch.from_numpy(VALUES), strict=True)),
    "polars, lists": pl.DataFrame({"item": KEYS, "vector": VALUES.tolist()}),
    "polars, arrays": pl.DataFrame({"item": KEYS, "vector": VALUES}),
    "pandas, objects": pd.DataFrame({"item": KEYS, "vector": list(VALUES)}),
    "pandas, lists": pd.DataFrame({"vector": VALUES.tolist(), "item": KEYS}),
    "pandas, tensors": pd.DataFrame({"item": KEYS, "vector": list(torch.from_numpy(VALUES))}),
    "pandas over Arrow": pd.DataFrame(
        {"item": KEYS, "vector": pd.Series(VALUES.tolist(), dtype=pd.ArrowDtype(pa.list_(pa.float32())))}
    ),
    "Arrow, lists": pa.table({"item": KEYS, "vector": VALUES.tolist()}),
    "Arrow, lists of fixed size": pa.table({"item": KEYS, "vector": fixed(VALUES)}),
    "list and number": pl.DataFrame({"item": KEYS, "one": VALUES[:, :1].tolist(), "two": VALUES[:, 1]}),
    "number and list": pd.DataFrame({"item": KEYS, "one": VALUES[:, 0], "two": list(VALUES[:, 1:])}),
    "pandas column by its index": pd.Series(list(VALUES), index=KEYS),
    "pandas frame by its index": pd.DataFrame(VALUES, columns=["p", "q"], index=KEYS),
    "pandas frame by a named index": pd.DataFrame(VALUES, index=pd.Index(KEYS, name="item")),
}


@pytest.mark.parametrize("what", KEYED)
def test_features_by_item_id(what):
    found = features(KEYED[what], items=None)
    assert (found.features == BY_ID).all()
    assert found.present.all()


@pytest.mark.parametrize(
    "given",
    [
        VALUES > 3,
        torch.from_numpy(VALUES > 3),
        (VALUES > 3).tolist(),
        pl.DataFrame({"item": KEYS, "p": VALUES[:, 0] > 3, "q": VALUES[:, 1] > 3}),
        pd.DataFrame({"item": KEYS, "p": VALUES[:, 0] > 3, "q": VALUES[:, 1] > 3}),
        pl.DataFrame({"item": KEYS, "tags": (VALUES > 3).tolist()}),
    ],
)
def test_truth_values_are_zeros_and_ones(given):
    found = features(given)
    assert (found.features == (VALUES > 3)).all()
    assert found.features.dtype == np.float32
    assert found.n_missing == 1


HOLES = VALUES.copy()
HOLES[[1, 4]] = 0


@pytest.mark.parametrize(
    "given",
    [
        [None if not row.any() else row for row in HOLES],
        pd.Series([np.nan if not row.any() else row for row in HOLES], index=KEYS),
        {key: None if not row.any() else row for key, row in zip(KEYS, HOLES, strict=True)},
        pl.DataFrame({"item": KEYS, "v": [None if not row.any() else row.tolist() for row in HOLES]}),
        pl.DataFrame(
            {"item": KEYS, "v": [None if not row.any() else row.tolist() for row in HOLES]},
            schema_overrides={"v": pl.Array(pl.Float32, 2)},
        ),
        pa.table({"item": KEYS, "v": [None if not row.any() else row.tolist() for row in HOLES]}),
        pd.DataFrame({"item": KEYS, "v": [None if not row.any() else row for row in HOLES]}),
        np.ma.MaskedArray(VALUES, mask=HOLES == 0),
        pd.DataFrame(HOLES, index=KEYS).replace(0, np.nan).convert_dtypes(),
    ],
)
def test_a_vector_that_is_not_there_is_a_missing_modality(given):
    found = features(given)
    assert (found.features == HOLES).all()
    assert found.present.tolist() == HOLES.any(1).tolist()


def test_rows_of_a_large_mapped_file_stay_on_the_disk(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", VALUES)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert not np.shares_memory(features(mapped).features, mapped)
    monkeypatch.setattr("magnet.data.features.MAPPED_FROM", VALUES.nbytes)
    found = features(mapped).features
    assert np.shares_memory(found, mapped)
    assert (found == VALUES).all()
    assert not np.shares_memory(features(mapped[::-1]).features, mapped)
    np.save(tmp_path / "y.npy", VALUES.astype(float))
    assert features(np.load(tmp_path / "y.npy", mmap_mode="r")).features.dtype == np.float32
    bad = VALUES.copy()
    bad[3, 1] = np.nan
    np.save(tmp_path / "z.npy", bad)
    fails("NaN or infinity in row 3", np.load(tmp_path / "z.npy", mmap_mode="r"))


def test_a_model_is_trained_on_mapped_features(tmp_path, monkeypatch):
    import magnet

    monkeypatch.setenv("MAGNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("magnet.data.features.MAPPED_FROM", 0)
    data = magnet.synthetic.generate("tiny").dataset
    magnet.synthetic.write_folder(magnet.synthetic.generate("tiny"), tmp_path / "data")
    mapped = Dataset.from_folder(tmp_path / "data")
    image = mapped.modalities["image"].features
    assert not image.flags.writeable
    short = {"epochs": 1, "batch_size": 512}
    for model in (magnet.Recommender("vbpr", train=short), magnet.Recommender("l3ae", modality="image")):
        fitted = model.fit(mapped, progress=False)
        assert np.isfinite(fitted.score(mapped.user_ids[:2], mapped.item_ids)).all()
    assert (image == data.modalities["image"].features).all()


def fails(text, given, items=KEYS):
    with pytest.raises(DataError, match=text):
        features(given, items)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (VALUES.astype(complex), "expected numbers .* got complex"),
        (torch.from_numpy(VALUES).to(torch.complex64), "tensor of real numbers, got torch.complex64"),
        (VALUES.astype(str), "expected numbers .* got <U"),
        (VALUES[0], r"expected a matrix \(items, features\), got an array of shape \(2,\)"),
        (torch.ones(6, 2, 2), r"shape \(6, 2, 2\)"),
        ([[1.0, 2.0]] * 5 + [[1.0]], r"expected a matrix .* 2 as the first, got shape \(1,\) for row 5"),
        (np.ma.MaskedArray(VALUES, mask=VALUES == 4), r"row 1 is masked in part \(1 such rows\)"),
        (np.array([["a", 1]] * 6, dtype=object), "expected a matrix of numbers: could not convert"),
        (3.5, "got float; features may be a matrix .* a mapping from item id to vector, a frame"),
        (pl.Series(["a"] * 6), "expected numbers in column 'vectors', found String"),
        (pl.DataFrame({"item": KEYS, "v": [str([1.0])] * 6}), "written as text have to be parsed"),
        (
            pl.DataFrame({"item": KEYS, "v": [[1.0, 2.0]] * 4 + [[1.0]] * 2}),
            r"column 'v': expected lists of one length, 2 as the first, found 1 numbers in row 4 \(2 such rows\)",
        ),
        (
            pl.DataFrame({"item": KEYS, "v": [[1.0, 2.0]] * 5 + [[1.0, None]]}),
            r"column 'v': a number is missing in the list of row 5 \(1 such rows\)",
        ),
        (
            pl.DataFrame({"item": KEYS, "v": [[1.0, 2.0]] * 5 + [[1.0, float("nan")]]}),
            "NaN or infinity in row 5",
        ),
        (
            pl.DataFrame({"item": KEYS, "v": [["red"]] * 6}),
            r"expected lists of numbers, found List\(String\)",
        ),
        (
            pl.DataFrame({"item": KEYS, "v": np.ones((6, 2, 2))}),
            "expected one vector for each row, found Array",
        ),
        (
            pd.DataFrame({"item": KEYS, "v": [np.ones(2)] * 5 + [np.ones(3)]}),
            r"column 'v': expected a matrix .* got shape \(3,\) for row 5",
        ),
        (pd.Series(list(VALUES), index=[*KEYS[:5], "f"]), "1 rows repeat the id of an earlier one"),
        (pd.DataFrame({"p": [1.0], "q": [2.0]}), "expected a column of item ids"),
        ({"a": 3.0}, r"expected vectors of one length, 1 as the first, got shape \(\) for item 'a'"),
        ({"a": "red"}, r"got shape \(\) for item 'a'"),
        ({"a": None}, r"expected a matrix"),
    ],
)
def test_what_is_refused(given, text):
    fails(text, given)


def test_a_sparse_matrix_that_is_too_large_is_refused_before_it_is_written_out():
    wide = csr_array((np.ones(1, np.float32), ([0], [0])), shape=(6, 400_000_000))
    fails(r"sparse matrix of shape \(6, 400000000\) takes 9 GiB .*TruncatedSVD", wide)


def test_truth_values_with_holes_are_refused_in_words():
    tags = pd.DataFrame(
        {"item": KEYS, "p": pd.array([True, None, False] * 2, dtype="boolean"), "q": [1.0, 2.0] * 3}
    )
    fails("NaN or infinity in row 1, 4", tags)
