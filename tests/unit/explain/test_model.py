from __future__ import annotations

import builtins
import json
import math

import numpy as np
import pytest

from magnet.errors import DataError, MagnetError, MissingExtraError
from magnet.explain import explain_model, explain_pair
from magnet.explain.experts import experts_of
from magnet.explain.figures import expert_colours
from magnet.explain.groups import item_groups, user_groups
from magnet.states import DotState, ItemItemState
from oracles import explain as oracle
from support.explain_data import EXPERTS, events, facts, interactions, make_run, mixture

RUN = make_run()


def said(run):
    return " ".join(explain_model(run, model="magnet").findings)


def test_use_by_group_equals_pair_by_pair():
    explained = explain_model(RUN, model="magnet")
    degree = dict.fromkeys(range(120), 0) | dict(enumerate(np.diff(RUN.train.indptr).tolist()))
    popularity = [int((RUN.train.indices == item).sum()) for item in range(80)]
    users, items = RUN.valid.nonzero()
    pairs = [(u, i) for u, i in zip(users.tolist(), items.tolist(), strict=True) if degree[u] > 0]
    assert explained.n_cold == len(users) - len(pairs) == 2
    spans = {"1-4": (1, 4), "5-8": (5, 8), "9-12": (9, 12), "13+": (13, math.inf)}
    names = [(use.kind, use.name) for use in explained.use]
    assert names[:5] == [("all", "all"), *(("users", name) for name in spans)]
    for use in explained.use:
        if use.kind == "users":
            low, high = spans[use.name]
            group = [(u, i) for u, i in pairs if low <= degree[u] <= high]
        elif use.kind == "items":
            low, high = map(int, (use.name.split("-") * 2)[:2])
            group = [(u, i) for u, i in pairs if low <= popularity[i] <= high]
        else:
            group = pairs
        wanted = oracle.routing_statistics(RUN.state, group)
        for name, value in wanted.items():
            np.testing.assert_allclose(getattr(use.routing, name), value, atol=1e-12, err_msg=name)
        for role in ("dominant", "balanced", "complementary"):
            share = sum(w for n, w in zip(EXPERTS, wanted["weights"], strict=True) if n.startswith(role))
            assert use.roles[role] == pytest.approx(share)
    assert sum(use.routing.n_pairs for use in explained.use if use.kind == "items") == len(pairs)
    assert explained.mutual_information == explained.use[0].routing.mutual_information > 0.1


def test_the_trigger_of_an_older_run_is_read_from_its_records():
    """Facts of older runs have the epochs of coverage under ``fired_at``."""
    old = make_run(facts=facts() | {"fired_at": 14})
    assert explain_model(old, model="magnet").training.fired_at == 43
    assert "after epoch 43" in said(old)
    bare = explain_model(make_run(facts=facts() | {"fired_at": 14}, events=[]), model="magnet").training
    assert (bare.fired_by, bare.fired_at) == ("criterion", None)


def test_groups():
    groups = user_groups(np.array([0, 1, 4, 5, 8, 9, 12, 13, 500]))
    assert [np.flatnonzero(g.members).tolist() for g in groups] == [[1, 2], [3, 4], [5, 6], [7, 8]]
    quarters = item_groups(np.array([9, 1, 5, 7, 2, 3, 8, 4]))
    assert [(g.name, np.flatnonzero(g.members).tolist()) for g in quarters] == [
        ("1-2", [1, 4]),
        ("3-4", [5, 7]),
        ("5-7", [2, 3]),
        ("8-9", [0, 6]),
    ]
    assert [g.name for g in item_groups(np.array([3, 3, 3]))] == ["3"]
    skewed = item_groups(np.array([0] * 9 + [4]))
    assert [(g.name, int(g.members.sum())) for g in skewed] == [("0", 9), ("4", 1)]
    assert item_groups(np.array([], dtype=np.int64)) == []


def test_course_of_the_training():
    training = explain_model(RUN, model="magnet").training
    assert [(s.name, s.first, s.last) for s in training.stages] == [
        ("backbone", 0, 29),
        ("coverage", 30, 43),
        ("specialisation", 44, 69),
    ]
    assert (training.delivered, training.fired_by, training.fired_at) == (
        "specialisation",
        "criterion",
        43,
    )
    text = said(RUN)
    assert "Delivered: specialisation, whose best validation Recall@20 is 0.1090, in epoch 64" in text
    assert "the mixture adds +7.9 %" in text
    assert "fired by its criterion, after epoch 43" in text


def test_the_trigger_is_told_even_if_an_earlier_stage_is_delivered():
    # With the weights of coverage its controller is restored, which has not fired yet.
    run = make_run(facts=facts() | {"fired_by": None, "fired_at": None, "delivered": "coverage"})
    assert "fired by its criterion, after epoch 43" in said(run)
    assert "Delivered: coverage" in said(run)


def test_unwelcome_findings():
    best = facts()["best"] | {"backbone": {"recall@20": 0.12, "epoch": 3}}
    assert "the mixture does not pay" in said(make_run(facts=facts() | {"best": best}))
    unfired = [record | {"fired_by": None} for record in events(5, 1, 0)]
    assert "did not fire: training ended in coverage" in said(make_run(events=unfired, facts={"best": {}}))
    assert "This run is a control: its router sees the inputs of other users and items" in said(
        make_run(facts=facts() | {"router": "shuffled"})
    )
    no_valid = make_run(valid=interactions({}, (120, 80)))
    assert "There are no held-out pairs" in said(no_valid)
    assert "pairs" in explain_model(no_valid, model="magnet").text()


def constant_run(logits):
    even = np.zeros((120, 9)), np.tile(np.asarray(logits, dtype=np.float32), (80, 1))
    return make_run(state=mixture(120, 80, logits=even, off=0))


def test_a_constant_router_is_called_so():
    explained = explain_model(constant_run(np.linspace(0, 0.5, 9)), model="magnet")
    assert explained.mutual_information == pytest.approx(0, abs=1e-9)
    assert "Routing is nearly constant" in " ".join(explained.findings)
    assert "On training pairs it was" in " ".join(explained.findings)
    assert "Routing depends on the pair" in said(RUN)


def test_dead_experts():
    assert explain_model(RUN, model="magnet").dead == []
    # The same three experts for every pair.
    explained = explain_model(constant_run([0, 0, 0, 9, 9, 9, 0, 0, 0]), model="magnet")
    assert explained.dead == EXPERTS[:3] + EXPERTS[6:]
    assert f"Dead experts (under a tenth of an even load): {EXPERTS[0]}, " in " ".join(explained.findings)


def test_text_and_json():
    explained = explain_model(RUN, model="magnet")
    text = explained.text()
    assert "\x1b" not in text
    rows = [line for line in text.splitlines() if line.startswith(tuple(EXPERTS))]
    assert len(rows) == 9
    assert len({len(row) for row in rows}) == 1
    assert "best of specialisation" in text
    assert "trigger: criterion" in text
    told = json.loads(json.dumps(explained.to_json(), allow_nan=False))
    assert [expert["name"] for expert in told["experts"]] == EXPERTS
    assert len(told["training"]["epochs"]) == 70
    assert told["held_out"]["mutual_information"] == explained.mutual_information
    assert told["graph_weights"] == {"image": 0.13, "text": 0.87}


def baseline(kind):
    if kind == "dot":
        state = DotState(RUN.state.users, RUN.state.items)
        told = [{"epoch": 0, "stage": "lightgcn", "terms": {"loss": 1.0}, "valid": {"recall@20": 0.1}}]
        best = {"best": {"lightgcn": {"recall@20": 0.1, "epoch": 0}}, "delivered": "lightgcn"}
        return make_run(state=state, events=told, facts=best)
    state = ItemItemState(RUN.train, np.ones((80, 80), dtype=np.float32))
    return make_run(state=state, events=[], facts={"best": {}, "delivered": ""})


@pytest.mark.parametrize("kind", ["dot", "item_item"])
def test_models_without_a_mixture(kind):
    explained = explain_model(baseline(kind), model=kind)
    assert (explained.use, explained.experts, explained.mutual_information) == ([], [], None)
    assert json.dumps(explained.to_json())
    text = explained.text()
    assert ("best of lightgcn" in text) == (kind == "dot")
    assert ("closed form" in text) == (kind == "item_item")
    assert "expert" not in text


def test_plots(tmp_path):
    explained = explain_model(RUN, model="magnet")
    explained.plot(tmp_path / "run.png")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["run-experts.png", "run.png"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in tmp_path.iterdir())


def test_plots_of_what_there_is(tmp_path):
    explain_model(baseline("dot"), model="lightgcn").plot(tmp_path / "dot.png")
    assert [file.name for file in tmp_path.iterdir()] == ["dot.png"]
    with pytest.raises(MagnetError, match="nothing to draw of ease"):
        explain_model(baseline("item_item"), model="ease").plot(tmp_path / "ease.png")
    # A backbone so long that most of it is cut, one epoch of the mixture, statistics that are missing.
    short = events(20, 1, 0)
    short[-1] |= {"smoothed_load_entropy": None, "pair_entropy": math.nan}
    explain_model(make_run(events=short), model="magnet").plot_training(tmp_path / "short.svg")
    no_pairs = make_run(valid=interactions({}, (120, 80)), titles=["a $x^$ 日本"] * 80)
    explain_model(no_pairs, model="magnet").plot_experts(tmp_path / "none.pdf")
    explain_pair(no_pairs, 1, 1, model="magnet").plot(tmp_path / "pair.png")
    explain_pair(baseline("item_item"), 1, 1, model="ease").plot(tmp_path / "history.png")
    assert len(list(tmp_path.iterdir())) == 5


def test_plots_that_cannot_be_written(tmp_path, monkeypatch):
    explained, pair = explain_model(RUN, model="magnet"), explain_pair(RUN, 1, 1, model="magnet")
    with pytest.raises(DataError, match=r"must end in \.png, \.svg, \.pdf, not in '\.gif'"):
        pair.plot(tmp_path / "plot.gif")
    with pytest.raises(MagnetError, match="cannot be written"):
        pair.plot(tmp_path / "nowhere" / "plot.png")
    load = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return load(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"pip install 'magnet-rec\[report\]'"):
        explained.plot(tmp_path / "plot.png")
    with pytest.raises(MissingExtraError):
        pair.plot(tmp_path / "plot.png")


def test_experts_the_facts_do_not_know_take_their_role_from_the_name():
    known = experts_of({"experts": [{"name": "mine", "role": "linear"}]}, ["mine", "dominant/text", "free"])
    assert [(t.role, dict(t.cue_weights)) for t in known] == [("linear", {}), ("dominant", {}), ("free", {})]
    assert len(set(expert_colours(known))) == 3
    assert len(set(expert_colours(experts_of({}, EXPERTS)))) == 9
