"""New items by their content: each is the mean of those it is like, in every kind of state."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy.sparse import csr_array

import magnet
from magnet.answers.new_items import grown_contents
from magnet.data.about import about_items
from magnet.errors import ConfigError, DataError, MagnetError
from magnet.operators import operator_from_tensors, operator_to_tensors
from magnet.operators.grown import GrownOperator
from magnet.run.contents import RunContents
from support.blend_data import blend
from support.shop import fitted, shop

KINDS = ["ease", "lightgcn", "user-knn", "filter", "magnet"]


def features(rows):
    return {name: modality.features[rows] for name, modality in shop().modalities.items()}


def means_of(model, rows, k=20):
    """What new items with the features of these rows are made of, by plain loops."""
    data = shop()
    taken = np.asarray(data.train.sum(0)) > 0
    sums, known = np.zeros((len(rows), data.n_items)), np.zeros((len(rows), 1))
    for modality in data.modalities.values():
        x = modality.features.astype(np.float64)
        unit = x / np.where(np.linalg.norm(x, axis=1) > 0, np.linalg.norm(x, axis=1), 1)[:, None]
        sums += unit[rows] @ unit.T
        known += unit[rows].any(1, keepdims=True)
    sums = np.where(taken, sums / np.maximum(known, 1), 0)
    out = np.zeros_like(sums)
    for row, cosines in enumerate(sums):
        best = np.argsort(-cosines, kind="stable")[:k]
        out[row, best] = np.maximum(cosines[best], 0)
    return out / out.sum(1, keepdims=True)


@pytest.mark.parametrize("name", KINDS)
def test_a_new_item_scores_what_those_it_is_like_score_on_average(name):
    model = fitted(name)
    rows = np.flatnonzero(np.all([m.present for m in shop().modalities.values()], axis=0))[:2]
    grown = model.add_items(["new", "newer"], features=features(rows), titles=["N", None])
    assert model.item_ids == shop().item_ids  # the old one stays as it is
    assert grown.item_ids == [*shop().item_ids, "new", "newer"]
    users = model.user_ids[:12]
    old = model.score(users, model.item_ids).astype(np.float64)
    found = grown.score(users, ["new", "newer"])
    assert found.shape == (12, 2)
    assert np.isfinite(found).all()
    if name != "magnet":  # its scores are standardised over the catalogue, which has grown
        assert np.allclose(found, old @ means_of(model, rows).T, atol=5e-3 * np.abs(old).max())
        assert np.allclose(grown.score(users, model.item_ids), old, atol=1e-5 * np.abs(old).max())
    first = grown.recommend(users, 162)
    assert {"new", "newer"} <= set(first["item_id"])
    assert first.filter(pl.col("item_id") == "new")["title"].unique().to_list() == ["N"]


@pytest.mark.parametrize("name", KINDS)
def test_a_grown_model_is_kept_as_it_is(name, tmp_path):
    grown = fitted(name).add_items(
        ["new"], features=features([3]), item_table=pl.DataFrame({"item": ["new"], "price": [2]})
    )
    grown.save(tmp_path / "run")
    again = magnet.load(tmp_path / "run")
    users = grown.user_ids[:5]
    assert np.array_equal(again.score(users, again.item_ids), grown.score(users, grown.item_ids))
    assert again.contents.item_table.equals(grown.contents.item_table)
    assert again.contents.item_table["price"][-1] == 2.0
    assert again.contents.item_table["category"][-1] is None
    assert again.recommend(users, 1, candidates=["new"])["item_id"].to_list() == ["new"] * 5
    assert again.explain(users[0], "new").score == pytest.approx(
        float(again.score(users[0], "new")[0, 0]), rel=1e-4
    )
    # Histories may hold it, and more may be added.
    assert len(again.recommend(history=["new"], k=3)) == 3
    assert len(again.add_items("newest", features=features([4])).item_ids) == 162


def test_items_come_as_a_frame_with_everything_about_them():
    model = fitted("ease")
    x = features([3, 9])
    frame = pd.DataFrame(
        {
            "item": ["a", "b"],
            "title": ["A", "B"],
            "price": [1, 2],
            "image": list(x["image"]),
            "text": list(x["text"]),
        }
    )
    grown = model.add_items(frame)
    same = model.add_items(["a", "b"], features=x)
    assert np.array_equal(grown.score("u000", ["a", "b"]), same.score("u000", ["a", "b"]))
    assert grown.contents.titles[-2:] == ["A", "B"]
    assert grown.contents.item_table["price"].to_list()[-2:] == [1.0, 2.0]
    by_id = {name: {"b": rows[1], "a": rows[0]} for name, rows in x.items()}
    keyed = model.add_items(["a", "b"], features=by_id)
    assert np.array_equal(keyed.score("u000", ["a", "b"]), same.score("u000", ["a", "b"]))


def test_items_that_nobody_took_hand_nothing_on():
    frame = pl.DataFrame({"user": [1, 1, 2, 2, 3], "item": ["a", "b", "a", "c", "b"]})
    looks = {"a": [1.0, 0.0, 0.1], "b": [0.0, 1.0, 0.1], "c": [0.1, 0.1, 1.0], "untaken": [1.0, 0.1, 0.0]}
    data = magnet.Dataset.from_frame(frame, features={"look": looks}, items=list(looks))
    model = magnet.EASE().fit(data, progress=False)
    grown = model.add_items(["new"], features={"look": {"new": looks["untaken"]}}, neighbours=1)
    assert np.allclose(grown.score([1, 2, 3], ["new"]), model.score([1, 2, 3], ["a"]), atol=1e-6)


def test_one_modality_is_enough_and_the_other_is_missing():
    grown = fitted("ease").add_items(["a"], features={"text": features([3])["text"]})
    assert not grown.contents.content["image"][-1].any()
    assert grown.contents.content["text"][-1].any()


def test_wide_features_are_narrowed_as_those_of_the_training_were(tmp_path):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"user": np.repeat(np.arange(30), 4), "item": rng.integers(0, 40, 120)}).unique(
        maintain_order=True
    )
    wide = rng.standard_normal((40, 300)).astype(np.float32)
    data = magnet.Dataset.from_frame(frame, features={"text": wide}, items=list(range(40)))
    model = magnet.EASE().fit(data, progress=False)
    assert model.contents.axes["text"].shape == (300, 256)
    grown = model.add_items([100], features={"text": wide[5:6]}, neighbours=1)
    assert torch.allclose(grown.contents.content["text"][-1], model.contents.content["text"][5], atol=1e-3)
    assert np.allclose(grown.score([0], [100]), model.score([0], [5]), rtol=1e-4)
    model.save(tmp_path / "run")
    assert torch.equal(magnet.load(tmp_path / "run").contents.axes["text"], model.contents.axes["text"])
    with pytest.raises(DataError, match="text has 256 features, and the items of the training 300"):
        model.add_items([100], features={"text": wide[5:6, :256]})


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda m: m.add_items(["i003"], features=features([3])),
            DataError,
            "'i003' is there in the model already",
        ),
        (
            lambda m: m.add_items(["a", "a"], features=features([3, 4])),
            DataError,
            "'a' is there more than once",
        ),
        (lambda m: m.add_items([], features=features([])), DataError, "expected at least one new item id"),
        (lambda m: m.add_items(["a"]), DataError, "give features by modality; the model has image, text"),
        (
            lambda m: m.add_items(["a"], features={"imag": [[1.0]]}),
            ConfigError,
            "no modality 'imag'; did you mean",
        ),
        (
            lambda m: m.add_items(["a"], features=features([3, 4])),
            DataError,
            "2 feature rows are more than the 1",
        ),
        (
            lambda m: m.add_items(["a", "b"], features={"text": {"a": features([3])["text"][0]}}),
            DataError,
            "'b' is like no item of the training",
        ),
        (lambda m: m.add_items(["a"], features=features([3]), neighbours=0), DataError, "neighbours must be"),
        (
            lambda m: m.add_items(
                ["a"], features=features([3]), item_table=pl.DataFrame({"item": ["a"], "price": ["x"]})
            ),
            DataError,
            "'price' holds String, and that of the training Float64",
        ),
    ],
)
def test_what_cannot_be_added_is_refused_in_words(call, error, text):
    with pytest.raises(error, match=text):
        call(fitted("ease"))


def test_models_that_do_not_look_at_items_take_none():
    with pytest.raises(ConfigError, match="does not look at items"):
        fitted("popularity").add_items(["a"], features=features([3]))


def test_a_grown_operator_is_the_product_of_three_matrices():
    state = blend()
    rng = np.random.default_rng(2)
    dense = rng.random((3, 17)).astype(np.float32) * (rng.random((3, 17)) < 0.3)
    dense[2] = 0
    means = csr_array(dense)
    up = np.vstack([np.eye(17), dense])
    histories = csr_array((rng.random((5, 20)) < 0.4).astype(np.float32))
    for operator in state.cues.values():
        whole = np.stack([operator.column(i) for i in range(17)], axis=1).astype(np.float64)
        expected = up @ whole @ up.T
        grown = GrownOperator(operator, means)
        assert grown.n_items == 20
        assert np.allclose(grown.apply(histories), histories.toarray() @ expected, atol=1e-4)
        assert np.allclose(np.stack([grown.column(i) for i in range(20)], axis=1), expected, atol=1e-4)
        assert not grown.sources[-1]
        assert not grown.targets[-1]
        tensors, meta = operator_to_tensors(grown)
        again = operator_from_tensors(
            tensors, meta, csr_array((12, 20)) if meta["inner"]["kind"] != "filter" else wide(state.history)
        )
        assert np.array_equal(again.apply(histories), grown.apply(histories))
    with pytest.raises(DataError, match=r"means must be \(…, 17\)"):
        GrownOperator(state.cues["text"], csr_array((3, 16)))


def wide(history):
    return csr_array(np.hstack([history.toarray(), np.zeros((history.shape[0], 3), np.float32)]))


class Fixed:
    shape = (2, 3)

    def scores(self, users):
        return np.zeros((len(users), 3), np.float32)


class Growing(Fixed):
    def grown(self, means):
        made = Fixed()
        made.shape = (2, 3 + means.shape[0])
        return made


def test_models_from_outside_may_grow():
    content = {"text": torch.eye(3).half()}
    train = csr_array(np.ones((2, 3), np.float32))

    def contents(state):
        return RunContents(state, [0, 1], [0, 1, 2], None, train, csr_array((2, 3)), content=content)

    new = about_items(
        [9], features={"text": [[1.0, 0.0, 0.0]]}, titles=None, item_table=None, name="new items"
    )
    assert grown_contents(contents(Growing()), new, 2).state.shape == (2, 4)
    with pytest.raises(MagnetError, match=r"has no method grown\(means\)"):
        grown_contents(contents(Fixed()), new, 2)
