"""Runs and judgements in TREC's format, read back and judged by trec_eval."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import pytrec_eval
import torch

from magnet.errors import DataError
from magnet.evaluate import evaluate
from magnet.states import DotState, popularity_state
from support.evaluation_data import make_dataset


def shop(user_ids=("ann", 7, "üm"), item_ids=("a", "b", "c", "d", "e", "f")):
    d = make_dataset(
        train={0: {0}, 1: {1, 2}, 2: {0, 1}},
        valid={},
        test={0: {1, 4}, 1: {5}, 2: {2}},
        n_users=3,
        n_items=6,
    )
    return dataclasses.replace(d, user_ids=list(user_ids), item_ids=list(item_ids))


STATE = DotState(torch.ones(3, 1), torch.tensor([[0.5], [0.1], [0.1], [0.1], [-torch.inf], [3.0]]))


def test_a_run_is_the_list_by_raw_ids(tmp_path):
    found = evaluate(STATE, shop(), "test", ks=3)
    found.write_run(tmp_path / "run", shop(), tag="mine")
    below = str(np.nextafter(np.float32(0.1), np.float32(0)))
    assert (tmp_path / "run").read_text(encoding="utf-8").splitlines()[:6] == [
        "ann Q0 f 1 3.0 mine",
        "ann Q0 b 2 0.1 mine",
        f"ann Q0 c 3 {below} mine",
        "7 Q0 f 1 3.0 mine",
        "7 Q0 a 2 0.5 mine",
        "7 Q0 d 3 0.1 mine",
    ]
    found.write_qrels(tmp_path / "qrels", shop())
    lines = (tmp_path / "qrels").read_text(encoding="utf-8").splitlines()
    assert lines == ["ann 0 b 1", "ann 0 e 1", "7 0 f 1", "üm 0 c 1"]


def test_trec_eval_finds_what_magnet_finds_also_where_scores_are_equal(tiny, tmp_path):
    data = tiny.dataset
    # Hardly any score of popularity is the only one of its value, and ties go to lower items, not to later names.
    state = popularity_state(np.bincount(data.train.indices, minlength=data.n_items) // 4, data.n_users)
    found = evaluate(state, data, "test", ks=[5, 20], metrics=["recall", "ndcg"])
    found.write_run(tmp_path / "run", data)
    found.write_qrels(tmp_path / "qrels", data)
    with (tmp_path / "run").open() as run, (tmp_path / "qrels").open() as qrels:
        judge = pytrec_eval.RelevanceEvaluator(
            pytrec_eval.parse_qrel(qrels), {"recall.5,20", "ndcg_cut.5,20"}
        )
        values = judge.evaluate(pytrec_eval.parse_run(run))
    assert len(values) == found.n_users
    for ours, theirs in (("recall", "recall"), ("ndcg", "ndcg_cut")):
        for k in (5, 20):
            expected = [values[data.user_ids[user]][f"{theirs}_{k}"] for user in found.users]
            np.testing.assert_allclose(found.per_user[f"{ours}@{k}"], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        ({"user_ids": ["ann b", 7, 8]}, "the user id 'ann b': it holds a blank"),
        ({"item_ids": ["a", "b\tc", *"cdef"]}, r"the item id 'b\\tc': it holds a blank"),
        ({"item_ids": ["a", ("shop", 3), *"cdef"]}, "the item id .*: it holds a blank"),
        ({"item_ids": ["", *"bcdef"]}, "the item id '': it is empty"),
        ({"user_ids": ["\ud800", 7, 8]}, "half a character"),
        ({"user_ids": ["7", 7, 8]}, "the user ids '7' and 7 are both written 7"),
    ],
)
def test_ids_that_the_format_cannot_keep_are_refused_in_words(tmp_path, ids, text):
    data = shop(**ids)
    found = evaluate(STATE, data, "test", ks=3)
    for write in (found.write_run, found.write_qrels):
        with pytest.raises(DataError, match=text):
            write(tmp_path / "file", data)
    assert list(tmp_path.iterdir()) == []


def test_what_else_is_refused(tmp_path):
    found = evaluate(STATE, shop(), "test", ks=3)
    (tmp_path / "there").write_text("mine")
    with pytest.raises(DataError, match="exists already"):
        found.write_run(tmp_path / "there", shop())
    assert (tmp_path / "there").read_text() == "mine"
    found.write_run(tmp_path / "there", shop(), overwrite=True)
    assert (tmp_path / "there").read_text(encoding="utf-8").startswith("ann Q0 f 1")
    with pytest.raises(DataError, match="the tag: it holds a blank"):
        found.write_run(tmp_path / "run", shop(), tag="my run")
    with pytest.raises(DataError, match=r"the tag .* must be a text, got 7"):
        found.write_run(tmp_path / "run", shop(), tag=7)
    other = make_dataset(train={0: {0}}, valid={}, test={0: {1}}, n_users=1, n_items=2)
    with pytest.raises(DataError, match="is not the data of this evaluation: it was of 3 users"):
        found.write_qrels(tmp_path / "run", other)
    with pytest.raises(DataError, match="kept no lists"):
        dataclasses.replace(found, lists=None).write_run(tmp_path / "run", shop())
