from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from magnet.errors import DataError
from magnet.evaluate.rank import score
from magnet.explain import explain_pair, reason
from magnet.operators import SparseOperator
from magnet.states import DotState, ItemItemState
from oracles import explain as oracle
from support.explain_data import EXPERTS, interactions, make_run, mixture

RUN = make_run()


@given(user=st.integers(0, 119), item=st.integers(0, 79))
def test_parts_sum_to_the_score(user, item):
    pair = explain_pair(RUN, user, item, model="magnet")
    total = pair.backbone + sum(part.contribution for part in pair.experts)
    assert total == pytest.approx(pair.score, abs=1e-5)
    assert pair.score == score(RUN.state, [user], [item])[0]
    backbone, parts = oracle.mixture_score(RUN.state, user, item)
    assert pair.backbone == pytest.approx(backbone, abs=1e-5)
    assert {p.name: p.contribution for p in pair.experts} == pytest.approx(parts, abs=1e-5)
    dense, used, _ = oracle.route(RUN.state, user, item)
    assert {p.name: p.dense for p in pair.experts} == pytest.approx(dense, abs=1e-5)
    assert {p.name: p.weight for p in pair.experts} == pytest.approx(used, abs=1e-5)


@given(user=st.integers(0, 119), item=st.integers(0, 79))
def test_nearest_items_equal_a_loop(user, item):
    found = explain_pair(RUN, user, item, model="magnet").nearest
    history = [int(i) for i in RUN.train[[user]].indices]
    for name, rows in RUN.content.items():
        wanted = oracle.nearest(rows.tolist(), history, item, 3)
        assert [near.item for near in found[name]] == [i for i, _ in wanted]
        assert [near.cosine for near in found[name]] == pytest.approx([c for _, c in wanted], abs=1e-12)
        assert all(near.item_id == f"i{near.item}" for near in found[name])


def hand_made(**changes):
    """Two users, four items; user 0 has items 0 and 1 in training and 2 in validation, user 1 nothing."""
    text = torch.tensor([[1.0, 0], [0.6, 0.8], [0, 1], [0, 0]])
    values = {
        "state": mixture(2, 4, history=interactions({0: [0, 1]}, (2, 4)), off=0),
        "user_ids": ["a", "b"],
        "item_ids": [("shop", 0), 1, "x", "y"],
        "titles": ["Groove Armada", "Two\x1b[31m\nlines", None, "[bold]$x^$ 日本"],
        "train": interactions({0: [0, 1]}, (2, 4)),
        "valid": interactions({0: [2]}, (2, 4)),
        "content": {"text": text.half()},
    }
    return make_run(2, 4, **values | changes)


def test_by_hand():
    run = hand_made()
    pair = explain_pair(run, 0, 2, model="magnet")
    assert [(near.item, round(near.cosine, 2)) for near in pair.nearest["text"]] == [(1, 0.8), (0, 0.0)]
    assert (pair.has_it, pair.n_history, pair.n_users) == ("valid", 2, 0)
    assert explain_pair(run, 0, 0, model="magnet").has_it == "train"
    assert explain_pair(run, 0, 3, model="magnet").has_it is None
    assert explain_pair(run, 0, 3, model="magnet").nearest == {"text": []}
    assert "validation part" in pair.text()
    weights = {part.name: part.cue_weights for part in pair.experts}
    assert weights["balanced/behaviour+text"] == {"behaviour": 0.5, "image": 0.0, "text": 0.5}


def voting(votes, weight=0.3):
    """A run in which item 0 and 1 of the history vote by behaviour as told, and nothing else says anything."""
    taken = interactions({0: [0, 1]}, (2, 4))
    silent = SparseOperator(csr_array((4, 4), dtype=np.float32))
    cues = {
        "behaviour": SparseOperator(csr_array(np.array(votes, np.float32))),
        "image": silent,
        "text": silent,
    }
    state = replace(mixture(2, 4, history=taken, off=0), cues=cues, weight=weight)
    state.user_logits[:] = torch.tensor([50.0 * (name == "dominant/behaviour") for name in EXPERTS])
    return hand_made(state=state)


def test_reason_names_the_items_that_said_so_and_the_shares_of_cues():
    run = voting([[0, 0, 0, 2], [0, 0, 0, 1], [0] * 4, [0] * 4])
    pair = explain_pair(run, 0, 3, model="magnet")
    added = sum(cue.contribution for cue in pair.cues)
    assert added > 0
    assert pair.reason == (
        "because of 'Groove Armada' and 'Two [31m lines'; 100% behaviour, "
        f"{added:+.2f} beside the backbone's {pair.backbone:+.2f}"
    )
    (behaviour, *_) = pair.cues
    assert [part.item for part in behaviour.history] == [0, 1]
    assert behaviour.history[0].contribution == pytest.approx(2 * behaviour.history[1].contribution)
    against = voting([[0, 0, 0, -2], [0] * 4, [0] * 4, [0] * 4])
    taken = explain_pair(against, 0, 3, model="magnet")
    net = sum(cue.contribution for cue in taken.cues)
    assert net < 0
    assert taken.reason == f"the backbone gives {pair.backbone:+.2f}, the cues together {net:+.2f}"
    assert reason(run, 1, 0) == "popular: 1 user has it; this user has no history"
    assert reason(run, 0, 1) == explain_pair(run, 0, 1, model="magnet").reason


@pytest.mark.parametrize("user", [0, 1])
@pytest.mark.parametrize("item", range(4))
def test_text_is_plain_and_json_is_json(user, item):
    pair = explain_pair(hand_made(), user, item, model="magnet")
    text = pair.text()
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.splitlines())
    assert pair.reason in text
    told = json.loads(json.dumps(pair.to_json(), allow_nan=False))
    parts = sum(part["contribution"] for part in told["experts"])
    assert told["backbone"] + parts == pytest.approx(told["score"], abs=1e-5)
    assert [part["name"] for part in told["experts"]] == EXPERTS
    if user == 1:
        assert "no training interactions" in text
    if item == 3:
        assert "[bold]$x^$ 日本" in text  # neither markup nor mathematics


def test_table_is_aligned():
    lines = explain_pair(RUN, 5, 5, model="magnet").text().splitlines()
    table = [line for line in lines if re.search(r"[+-]\d\.\d{4}$", line)]
    assert len({len(line) for line in table if not line.startswith("score")}) == 1


def test_item_item_parts_are_the_history():
    history = interactions({0: [0, 1, 3]}, (2, 4))
    weights = np.array([[0, 0, 0.5, 0], [0, 0, -0.7, 0], [0] * 4, [0] * 4], dtype=np.float32)
    run = hand_made(state=ItemItemState(history, weights), facts={}, events=[])
    pair = explain_pair(run, 0, 2, model="ease")
    assert [(part.item, round(part.contribution, 4)) for part in pair.history] == [(1, -0.7), (0, 0.5)]
    assert pair.backbone + sum(part.contribution for part in pair.history) == pytest.approx(pair.score)
    assert pair.experts == []
    assert pair.reason.startswith("because of 'Groove Armada' (+0.50)")
    assert "item of the history" in pair.text()
    assert json.dumps(pair.to_json())
    assert explain_pair(run, 1, 2, model="ease").score == 0


def test_a_dot_product_has_just_a_score_and_neighbours():
    state = mixture(2, 4)
    run = hand_made(state=DotState(state.users, state.items), facts={}, events=[], content={})
    pair = explain_pair(run, 0, 2, model="popularity")
    assert (pair.backbone, pair.mixture_weight, pair.nearest) == (pair.score, None, {})
    assert pair.reason == "0 users have it"
    liked = hand_made(state=run.state, facts={}, events=[])
    assert reason(liked, 0, 1) == "1 user has it; closest in text to 'Groove Armada' (0.60)"
    assert "score" in pair.text()


@pytest.mark.parametrize(("user", "item"), [(2, 0), (0, 4), (-1, 0), (0, -1)])
def test_an_index_out_of_range_is_refused(user, item):
    with pytest.raises(DataError, match=r"must lie inside 0\.\."):
        explain_pair(hand_made(), user, item, model="magnet")
