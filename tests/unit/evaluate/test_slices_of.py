"""Averages over groups of users and items, against a table of pairs in pandas."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import magnet
from magnet.errors import DataError
from magnet.evaluate import Rankings, evaluate
from magnet.evaluate.evaluation import slices_of
from magnet.evaluate.rank import rank


@pytest.fixture(scope="module")
def model(tiny):
    return magnet.EASE(regularization=20.0).fit(tiny.dataset, progress=False)


def test_slices_are_averages_of_their_members(tiny, model):
    data = tiny.dataset
    found = model.evaluate(data, ks=[5, 20], metrics=["ndcg", "coverage"], slices=True)
    plain = model.evaluate(data, ks=[5, 20], metrics=["ndcg", "coverage"])
    assert plain.slices == ()
    assert found.metrics == plain.metrics
    degree = np.bincount(data.users[data.parts == 0], minlength=data.n_users)
    users = pd.DataFrame({"degree": degree[found.users], **found.per_user})
    users["group"] = pd.cut(
        users.degree, [-1, 0, 4, 8, 12, np.inf], labels=["0", "1-4", "5-8", "9-12", "over 12"]
    )
    by_group = users.groupby("group", observed=True)
    assert [s.name for s in found.slices if s.of == "users"] == list(by_group.groups)
    for part in found.slices:
        if part.of == "users":
            rows = by_group.get_group(part.name)
            assert (part.n_users, part.n_items) == (len(rows), None)
            assert part.metrics == pytest.approx(rows[["ndcg@5", "ndcg@20"]].mean().to_dict())

    top = rank(model.contents.state, found.users, data.train_valid, 20).items
    pairs = pd.DataFrame({"user": data.users, "item": data.items})[data.parts == 2]
    place = {(u, i): p for u, row in zip(found.users, top, strict=True) for p, i in enumerate(row)}
    pairs["place"] = [place.get(pair, 99) for pair in zip(pairs.user, pairs.item, strict=True)]
    taken = np.bincount(data.items[data.parts == 0], minlength=data.n_items)
    order = sorted(range(data.n_items), key=lambda item: (-taken[item], item))
    members = {
        "head": set(order[:32]),
        "tail": set(order[32:]),
        "without image": set(np.flatnonzero(~data.modalities["image"].present)),
        "without text": set(np.flatnonzero(~data.modalities["text"].present)),
    }
    assert [s.name for s in found.slices if s.of == "items"] == list(members)
    for part in found.slices:
        if part.of == "items":
            theirs = pairs[pairs.item.isin(members[part.name])]
            assert (part.n_users, part.n_items) == (theirs.user.nunique(), len(members[part.name]))
            for k in (5, 20):
                recall = (theirs.place < k).groupby(theirs.user).mean().mean()
                assert part.metrics[f"recall@{k}"] == pytest.approx(recall)


def test_slices_are_printed_and_in_the_document(tiny, model):
    found = model.evaluate(tiny.dataset, ks=20, slices=True)
    document = json.loads(json.dumps(found.to_json("ease")))
    assert list(document) == ["model", "part", "protocol", "n_users", "metrics", "slices"]
    first = document["slices"][0]
    assert list(first) == ["of", "name", "n_users", "n_items", "metrics"]
    assert (first["of"], first["name"]) == ("users", "1-4")
    tail = next(s for s in found.slices if s.name == "tail")
    line = f"  items tail ({tail.n_users} users): recall@20 {tail.metrics['recall@20']:.4f}"
    assert line in repr(found).splitlines()


def test_rankings_without_data_have_no_slices(tiny, model):
    d = tiny.dataset
    users = evaluate(model.contents.state, d, "test").users
    bare = Rankings(np.zeros((len(users), 1), np.int32), d.test[users])
    with pytest.raises(DataError, match="came without data"):
        slices_of(bare, {}, [1])
