"""Slices: who belongs where, and the recall of a part of the items, against counting by hand."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from magnet.data.records import Modality
from magnet.errors import DataError
from magnet.evaluate import evaluate
from magnet.evaluate.groups import group_recall, item_groups, user_groups
from magnet.evaluate.rank import rank
from magnet.states import DotState
from magnet.study.scoring import score_states
from support.evaluation_data import make_dataset


@pytest.fixture(scope="module")
def data(tiny):
    """Generated data in which the ten last items were never taken in training."""
    d = tiny.dataset
    parts = d.parts.copy()
    parts[(d.items >= d.n_items - 10) & (parts == 0)] = 2
    return dataclasses.replace(d, parts=parts)


@pytest.fixture(scope="module")
def state(data):
    random = torch.Generator().manual_seed(0)
    return DotState(
        torch.randn(data.n_users, 4, generator=random), torch.randn(data.n_items, 4, generator=random)
    )


def test_items_are_grouped_by_degree_and_by_what_they_lack(data):
    groups = item_groups(data)
    degree = np.zeros(data.n_items, int)
    for item in data.items[data.parts == 0]:
        degree[item] += 1
    order = sorted(range(data.n_items), key=lambda item: (-degree[item], item))
    assert set(np.flatnonzero(groups["head"])) == set(order[:32])
    assert (groups["tail"] == ~groups["head"]).all()
    assert set(np.flatnonzero(groups["cold"])) >= set(range(data.n_items - 10, data.n_items))
    assert (degree[groups["cold"]] == 0).all()
    assert (groups["without image"] == ~data.modalities["image"].present).all()
    assert list(groups) == ["head", "tail", "cold", "without image", "without text"]


def test_users_are_grouped_by_their_training_items():
    train = {user: set(range(degree)) for user, degree in enumerate([0, 1, 4, 5, 8, 9, 12, 13])}
    data = make_dataset(train=train, valid={0: {0}}, test={1: {14}}, n_users=8, n_items=20)
    groups = {
        name: np.flatnonzero(users).tolist()
        for name, users in user_groups(np.diff(data.train.indptr)).items()
    }
    assert groups == {"0": [0], "1-4": [1, 2], "5-8": [3, 4], "9-12": [5, 6], "over 12": [7]}
    full = make_dataset(train={0: {0}}, valid={0: {1}}, test={}, n_users=1, n_items=2)
    assert list(user_groups(np.diff(full.train.indptr))) == ["1-4"]


def test_a_modality_that_no_item_lacks_makes_no_group():
    data = make_dataset(train={0: {0, 1}}, valid={}, test={}, n_users=1, n_items=2)
    whole = Modality("image", np.ones((2, 3), np.float32), np.ones(2, bool))
    groups = item_groups(dataclasses.replace(data, modalities={"image": whole}))
    # A fifth of two items is none.
    assert list(groups) == ["tail"]


@pytest.mark.parametrize(("part", "protocol"), [("test", "strict"), ("test", "mmrec"), ("valid", "strict")])
def test_the_recall_of_a_group_is_counted_over_its_items_alone(data, state, part, protocol):
    groups = item_groups(data)
    found = evaluate(state, data, part, protocol=protocol, ks=[20], metrics=group_recall(groups))
    seen = data.train_valid if (part, protocol) == ("test", "strict") else data.train
    held = {}
    for user, item, which in zip(data.users, data.items, data.parts, strict=True):
        if which == {"valid": 1, "test": 2}[part]:
            held.setdefault(int(user), set()).add(int(item))
    some = 0
    for row, user in enumerate(found.users):
        if not np.diff(data.train.indptr)[user]:
            continue
        top = set(rank(state, [user], seen, 20).items[0].tolist())
        for name, members in groups.items():
            wanted = {item for item in held[int(user)] if members[item]}
            value = found.per_user[f"{name} recall@20"][row]
            if wanted:
                some += 1
                assert value == pytest.approx(len(wanted & top) / len(wanted))
            else:
                assert math.isnan(value)
    assert some > 100


def test_states_are_scored_on_every_part_and_each_user_keeps_a_row(data, state):
    made = []

    def make():
        made.append(1)
        return state

    means, frame = score_states(
        [("one", make), ("two", make)], data, protocol="strict", parts=("valid", "test")
    )
    assert len(made) == 2
    for part in ("valid", "test"):
        found = evaluate(state, data, part, ks=[20])
        rows = frame.filter(state="one", part=part)
        assert rows["user"].to_list() == found.users.tolist()
        for metric in ("recall@20", "ndcg@20"):
            assert means["one"][part][metric] == found.metrics[metric]
            np.testing.assert_array_equal(rows[metric].to_numpy(), found.per_user[metric])
        assert means["one"][part]["n_users"] == found.n_users
        # Tail and head together hold every item, cold items are in the tail.
        assert (rows["tail recall@20"].is_not_null() | rows["head recall@20"].is_not_null()).all()
        assert not rows["tail recall@20"].is_nan().any()
    assert frame.filter(state="two").drop("state").equals(frame.filter(state="one").drop("state"))


def test_a_part_without_interactions_cannot_be_scored(data, state):
    bare = dataclasses.replace(data, parts=np.where(data.parts == 2, 0, data.parts).astype(np.int8))
    with pytest.raises(DataError, match="part 'test' has no interactions"):
        score_states([("one", lambda: state)], bare, protocol="strict", parts=("test",))
