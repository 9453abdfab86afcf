"""People by their histories: as exact as a model allows, against models that knew them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy.sparse import csr_array

from magnet.answers.newcomers import folded_vectors, state_of_histories
from magnet.errors import DataError, MagnetError, UnknownIdError
from magnet.evaluate import evaluate
from magnet.run.contents import RunContents
from magnet.states import BlendState, DotState
from support.blend_data import blend
from support.shop import fitted, shop


def history_of(user):
    data = shop()
    row = data.train[[user]]
    return [data.item_ids[i] for i in row.indices]


@pytest.mark.parametrize("name", ["ease", "filter", "item-knn"])
def test_item_models_answer_a_history_as_they_answer_the_user_who_has_it(name):
    model = fitted(name)
    for user in (0, 7, 100):
        known = model.recommend(model.user_ids[user], 10)
        seen = [model.item_ids[i] for i in shop().valid[[user]].indices]
        new = model.recommend(history=history_of(user), k=10, exclude=seen)
        assert new["item_id"].to_list() == known["item_id"].to_list()
        assert new["score"].to_list() == known["score"].to_list()
        assert new["user_id"].null_count() == 10
        assert new.schema == known.schema


def test_votes_of_users_find_oneself_among_the_neighbours():
    model = fitted("user-knn")
    state = state_of_histories(model.contents, shop().train, model.config.resolved())
    near = model.contents.state.neighbours.toarray()
    found = state.neighbours.toarray()
    # Who asks from outside is not left out, and takes the last neighbour's place.
    both = (near > 0) & (found > 0)
    assert both.sum() > 0
    assert np.array_equal(near[both], found[both])
    counts = np.diff(shop().train.indptr)
    assert np.allclose(np.diag(found)[counts > 0], (counts / (counts + 10.0))[counts > 0], atol=1e-6)


def test_folding_in_finds_a_linear_map_exactly():
    rng = np.random.default_rng(0)
    items, mapping = rng.standard_normal((40, 6)), rng.standard_normal((6, 6))
    taken = csr_array((rng.random((90, 40)) < 0.2).astype(np.float32))
    means = (taken @ items) / np.maximum(np.diff(taken.indptr), 1)[:, None]
    users = torch.from_numpy((means @ mapping).astype(np.float32))
    found = folded_vectors(taken, users, torch.from_numpy(items.astype(np.float32)), taken)
    assert torch.allclose(found, users, atol=5e-3)
    nobody = folded_vectors(taken, users, torch.from_numpy(items.astype(np.float32)), csr_array((2, 40)))
    assert not nobody.any()


def test_folded_users_are_recommended_about_as_well_as_known_ones():
    model, data = fitted("lightgcn"), shop()
    state = state_of_histories(model.contents, data.train, {})
    own, new = (evaluate(s, data, "valid", ks=20).metrics["recall@20"] for s in (model.contents.state, state))
    assert new > 0.8 * own
    assert own > 0.1


def test_the_mixture_weighs_newcomers_by_the_same_inputs():
    model, data = fitted("magnet"), shop()
    state = model.contents.state
    assert isinstance(state, BlendState)
    new = state_of_histories(model.contents, data.train, model.config.resolved())
    on = torch.isfinite(state.user_logits)
    known = torch.from_numpy(np.diff(data.train.indptr) > 0)
    assert torch.equal(on[known], torch.isfinite(new.user_logits)[known])
    assert (state.user_logits - new.user_logits)[known][on[known]].abs().max() < 0.02
    assert state.user_logits[known][on[known]].std() > 0.02  # it was not told constants


def test_experts_of_cues_that_a_history_lacks_are_off():
    state = blend(n_users=30, off=0.0)
    train = state.history
    rng = np.random.default_rng(1)
    content = {
        name: torch.from_numpy(rng.standard_normal((17, 4))).half() for name in ("image", "text", "audio")
    }
    contents = RunContents(
        state, list(range(30)), list(range(17)), None, train, csr_array((30, 17)), content=content
    )
    # An item that no image operator speaks from, if there is one, and else an empty history.
    histories = csr_array(np.vstack([np.eye(17, dtype=np.float32), np.zeros((1, 17), np.float32)]))
    new = state_of_histories(contents, histories, {})
    on = torch.isfinite(new.user_logits).numpy()
    for expert, name in enumerate(state.experts):
        cues = [cue for cue in name.partition("/")[2].split("+") if cue]
        has = [histories @ state.cues[cue].sources.astype(float) > 0 for cue in cues]
        expected = np.all(has, axis=0) if has else np.ones(18, bool)
        assert np.array_equal(on[:, expert], expected), name


def test_histories_come_in_every_kind():
    model = fitted("ease")
    a, b, c = model.item_ids[:3]
    one = model.recommend(history=[a, b], k=4)
    named = model.recommend("new", history=[a, b], k=4)
    assert named["user_id"].to_list() == ["new"] * 4
    assert named.drop("user_id").equals(one.drop("user_id"))
    assert (
        model.recommend(history=a, k=2)["item_id"].to_list()
        == model.recommend(history=[a, a], k=2)["item_id"].to_list()
    )
    several = model.recommend(history={"x": [a, b], "y": c}, k=4)
    assert several.filter(pl.col("user_id") == "x").drop("user_id").equals(one.drop("user_id"))
    frame = pd.DataFrame({"user": ["x", "y", "x"], "item": [a, c, b]})
    from_frame = model.recommend(history=frame, k=4)
    assert isinstance(from_frame, pd.DataFrame)
    assert from_frame["item_id"].tolist() == several["item_id"].to_list()
    assert (
        model.recommend(history=pl.DataFrame({"item": [a, b]}), k=4)
        .drop("user_id")
        .equals(one.drop("user_id"))
    )
    seen = model.recommend(history=[a, b], k=160, exclude_seen=False)
    assert {a, b} <= set(seen["item_id"])
    assert not {a, b} & set(model.recommend(history=[a, b], k=160)["item_id"])


def test_a_history_without_a_known_item_gets_what_is_popular():
    model = fitted("ease")
    found = model.recommend(history=["zz"], k=3, unknown="popular")
    assert found["reason"].to_list() == ["popular"] * 3
    assert model.recommend(history=[], k=3)["reason"].to_list() == ["popular"] * 3
    known = model.recommend(history=["zz", "i003"], k=3, unknown="skip")
    assert known["item_id"].to_list() == model.recommend(history=["i003"], k=3)["item_id"].to_list()


@pytest.mark.parametrize(
    ("users", "history", "error", "text"),
    [
        (None, None, DataError, "expected users, or history="),
        (["a", "b"], ["i000"], DataError, "one history is of one person, and 2 users were named"),
        ("a", {"b": ["i000"]}, DataError, "history names its people itself"),
        (None, ["zz"], UnknownIdError, r"unknown item ids 'zz' \(history\); unknown='skip'"),
        (None, {"b": [None]}, DataError, "history of 'b': the id in row 0 is missing"),
        (
            None,
            pl.DataFrame({"user": [None], "item": ["i000"]}),
            DataError,
            "history: users: the id in row 0",
        ),
        (None, pl.DataFrame({"a": [1], "b": [2]}), DataError, "history: expected a column of user ids"),
    ],
)
def test_wrong_histories_are_refused_in_words(users, history, error, text):
    with pytest.raises(error, match=text):
        fitted("ease").recommend(users, 3, history=history)


class Fixed:
    """A state from outside."""

    shape = (3, 4)

    def scores(self, users):
        return np.tile(np.arange(4, dtype=np.float32), (len(users), 1))


class Open(Fixed):
    def newcomers(self, histories):
        made = Fixed()
        made.shape = histories.shape
        return made


def test_models_from_outside_may_score_histories():
    train = csr_array(np.eye(3, 4, dtype=np.float32))

    def contents(state):
        return RunContents(state, [0, 1, 2], [0, 1, 2, 3], None, train, csr_array((3, 4)))

    assert state_of_histories(contents(Open()), train, {}).shape == (3, 4)
    with pytest.raises(MagnetError, match=r"has no method newcomers\(histories\)"):
        state_of_histories(contents(Fixed()), train, {})


def test_a_list_for_everyone_stays_one():
    model = fitted("popularity")
    found = model.recommend(history=["i003"], k=3, exclude_seen=False)
    assert found["score"].to_list() == model.recommend("u000", 3, exclude_seen=False)["score"].to_list()
    assert isinstance(state_of_histories(model.contents, shop().train, {}), DotState)
