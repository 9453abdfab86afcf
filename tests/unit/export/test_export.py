"""What an export holds, against the model and against NumPy."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import scipy.sparse as sp
import torch

import magnet
from magnet.errors import ConfigError, DataError, MagnetError, MissingExtraError, RunError
from magnet.evaluate.rank import rank, score
from magnet.export import export_model, onnx, operators
from magnet.export.measure import agreement
from magnet.export.operators import cut, make_operators
from magnet.export.vectors import make_vectors
from magnet.operators import DenseOperator, FactorOperator
from magnet.run.folder import RunContents
from magnet.states import DotState, ItemItemState, NeighbourState
from support.blend_data import blend
from support.run_data import DESCRIPTION, contents


@pytest.fixture(scope="module")
def ease(tiny):
    return magnet.EASE(regularization=20.0).fit(tiny.dataset)


def of_state(state, train=None):
    n_users, n_items = state.shape
    if train is None:
        train = sp.csr_array((np.random.default_rng(1).random((n_users, n_items)) < 0.2).astype(np.float32))
    empty = sp.csr_array((n_users, n_items), dtype=np.float32)
    return RunContents(state, list(range(n_users)), list(range(n_items)), None, train, empty)


def top_by_numpy(scores, seen, k):
    ranked = np.where(seen, -np.inf, scores)
    return [[i for i in np.lexsort((np.arange(len(row)), -row)) if row[i] > -np.inf][:k] for row in ranked]


def test_vectors_of_a_model_of_vectors_are_its_own_to_the_bit(tmp_path):
    state = DotState(torch.randn(30, 4), torch.randn(50, 4))
    made = export_model(of_state(state), DESCRIPTION, tmp_path / "out")
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "users.npy"), state.users.numpy())
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "items.npy"), state.items.numpy())
    assert np.load(tmp_path / "out" / "items.npy").dtype == np.float32
    assert (made.vectors.kind, made.vectors.agreement.recall) == ("exact", 1.0)


def test_the_measured_recall_is_that_of_numpy(ease, tmp_path):
    known = ease.contents
    made = ease.export(tmp_path / "out", "vectors", rank=10)
    users, items = (np.load(tmp_path / "out" / f"{side}.npy") for side in ("users", "items"))
    seen = (known.train + known.valid).toarray() > 0
    scores = known.train.toarray() @ known.state.operator.weights
    wanted, found = top_by_numpy(scores, seen, 20), top_by_numpy(users @ items.T, seen, 100)
    expected = [
        np.mean([len({*w} & {*f[:n]}) / len(w) for w, f in zip(wanted, found, strict=True)])
        for n in (20, 100)
    ]
    measured = made.vectors.agreement
    assert expected == pytest.approx([measured.recall, measured.recall_of_candidates], abs=2e-3)
    assert 0.4 < measured.recall < measured.recall_of_candidates < 1
    # Said wherever somebody looks.
    text = f"{measured.recall:.1%} are among the first 20"
    page = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert text in page
    assert "not the model" in page
    assert text in made.text()
    head = json.loads((tmp_path / "out" / "export.json").read_text(encoding="utf-8"))
    assert head["vectors"]["agreement"]["recall@20"] == measured.recall
    assert head["run"] == ease.description.identity
    assert sorted(head["files"]) == sorted(path.name for path in (tmp_path / "out").iterdir())


def test_more_rank_finds_more(ease):
    low, high = (make_vectors(ease.contents, rank=r).agreement.recall for r in (8, 159))
    assert low < high
    assert high > 0.99


def test_an_operator_of_low_rank_has_exact_vectors():
    rng = np.random.default_rng(0)
    table = rng.standard_normal((40, 3)).astype(np.float32)
    history = sp.csr_array((rng.random((25, 40)) < 0.2).astype(np.float32))
    state = ItemItemState(history, FactorOperator(table, table[::-1].copy()))
    made = make_vectors(of_state(state, history), rank=1)
    assert (made.kind, made.users.shape[1]) == ("exact", 3)
    np.testing.assert_allclose(
        made.users @ made.items.T, state.scores(np.arange(25, dtype=np.int32)), atol=1e-5
    )
    assert made.agreement.recall == 1


def test_a_mixture_has_an_approximation_or_its_backbone():
    state = blend(60, 40)
    whole, back = (make_vectors(of_state(state, state.history), rank=12, backbone=b) for b in (False, True))
    assert (whole.kind, back.kind) == ("approximation", "backbone")
    np.testing.assert_array_equal(back.users, state.users.numpy())
    assert back.agreement.recall < whole.agreement.recall < 1
    assert "backbone" in back.text()


def test_agreement_samples_users_and_leaves_out_those_without_history(monkeypatch):
    state = DotState(torch.randn(30, 2), torch.randn(50, 2))
    train = np.zeros((30, 50), np.float32)
    train[5:, 0] = 1
    train[5] = 1  # has seen everything
    train = sp.csr_array(train)
    monkeypatch.setattr("magnet.export.measure._USERS", 10)
    found = agreement(state, state, train=train, seen=train)
    assert (found.n_users, found.of_users, found.recall) == (10, 25, 1.0)
    assert "10 of 25 users" in found.text()
    only = sp.csr_array(train * (np.arange(30) == 5)[:, None])
    assert agreement(state, state, train=only, seen=only).recall == 1.0  # nobody has a list


@pytest.mark.parametrize("rows", [7, 1024])
def test_a_dense_operator_keeps_the_largest_of_each_column(monkeypatch, rows):
    monkeypatch.setattr(operators, "_ROWS", rows)
    rng = np.random.default_rng(0)
    weights = rng.integers(-3, 4, (30, 30)).astype(np.float32)  # many ties
    matrix, kept = cut(DenseOperator(weights), 4)
    expected = np.zeros_like(weights)
    for column in range(30):
        best = np.lexsort((np.arange(30), -np.abs(weights[:, column])))[:4]
        expected[best, column] = weights[best, column]
    np.testing.assert_array_equal(matrix.toarray(), expected)
    assert kept == pytest.approx(np.abs(expected).sum() / np.abs(weights).sum())
    assert cut(DenseOperator(np.zeros((3, 3), np.float32)), 2)[1] == 1.0


def test_operators_of_a_linear_model_give_its_scores_where_all_weights_are_kept(ease, tmp_path):
    made = ease.export(tmp_path / "out", "operators", top=1000)
    matrix = sp.load_npz(tmp_path / "out" / "operator-model.npz")
    expected = ease.contents.state.scores(np.arange(20, dtype=np.int32))
    np.testing.assert_allclose((ease.contents.train[:20] @ matrix).toarray(), expected, atol=1e-5)
    assert made.operators.kept == {"model": 1.0}
    assert made.operators.agreement.recall > 0.999
    less = make_operators(ease.contents, top=5)
    assert less.kept["model"] < 0.5
    assert less.agreement.recall < 0.9
    assert "of its weight" in less.text()


def test_operators_of_a_mixture_are_those_of_its_cues_under_names_that_files_may_have(tmp_path):
    state = blend(12, 17)
    odd = dict(zip(["behaviour", "a/b", "a b", "audio"], state.cues.values(), strict=True))
    state = type(state)(**{**{f: getattr(state, f) for f in state.__dataclass_fields__}, "cues": odd})
    export_model(of_state(state, state.history), DESCRIPTION, tmp_path / "out", what="operators", top=99)
    names = sorted(path.name for path in (tmp_path / "out").glob("*.npz"))
    assert names == sorted(
        ["operator-behaviour.npz", "operator-a_b.npz", "operator-a_b-2.npz", "operator-audio.npz", "seen.npz"]
    )
    third = sp.load_npz(tmp_path / "out" / "operator-a_b-2.npz").toarray()
    np.testing.assert_array_equal(third, odd["a b"].weights)


def test_neighbours_are_a_matrix_of_users_and_vectors_have_no_operator(tmp_path):
    rng = np.random.default_rng(0)
    near, history = (sp.csr_array((rng.random(s) < 0.3).astype(np.float32)) for s in ((9, 9), (9, 12)))
    made = export_model(
        of_state(NeighbourState(near, history), history), DESCRIPTION, tmp_path / "n", what="operators"
    )
    np.testing.assert_array_equal(
        sp.load_npz(tmp_path / "n" / "operator-users.npz").toarray(), near.toarray()
    )
    assert made.operators.agreement.recall == 1
    with pytest.raises(DataError, match="DotState"):
        export_model(contents(), DESCRIPTION, tmp_path / "d", what="operators")
    assert not (tmp_path / "d").exists()


def test_ids_come_back_and_what_was_seen_lies_beside(tmp_path):
    known = contents(item_ids=["a", "two\nlines", "", ("x", 1)])
    export_model(known, DESCRIPTION, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "user_ids.json").read_text()) == ["ann", 7, ["shop", 3]]
    assert (tmp_path / "out" / "user_ids.txt").read_text() == 'ann\n7\n["shop", 3]\n'
    assert (tmp_path / "out" / "item_ids.txt").read_text() == 'a\n"two\\nlines"\n""\n["x", 1]\n'
    seen = sp.load_npz(tmp_path / "out" / "seen.npz").toarray()
    np.testing.assert_array_equal(seen, [[1, 1, 0, 1], [0, 1, 0, 0], [1, 0, 1, 0]])


def test_onnx_gives_the_lists_of_the_vectors(tmp_path, monkeypatch):
    pytest.importorskip("onnx", reason="onnx is not installed")
    from onnx.reference import ReferenceEvaluator

    state = DotState(torch.randn(30, 4), torch.randn(50, 4))
    users = np.array([3, 29, 3, 0], np.int64)
    wanted = rank(state, users, None, 7)
    for limit, files in ((1 << 30, ["model.onnx"]), (100, ["model.onnx", "model.onnx.data"])):
        monkeypatch.setattr(onnx, "_INLINE", limit)
        folder = tmp_path / str(limit)
        made = export_model(of_state(state), DESCRIPTION, folder, what="onnx")
        assert made.files[: len(files)] == files
        assert not (folder / "users.npy").exists()
        items, scores = ReferenceEvaluator(str(folder / "model.onnx")).run(
            None, {"users": users, "k": np.array([7], np.int64)}
        )
        np.testing.assert_array_equal(items, wanted.items)
        np.testing.assert_allclose(scores, wanted.scores, rtol=1e-5)
        assert scores[0, 0] == pytest.approx(float(score(state, [3], [items[0, 0]])[0]), rel=1e-5)


def test_without_onnx_the_extra_is_named_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"magnet-rec\[onnx\]"):
        export_model(contents(), DESCRIPTION, tmp_path / "out", what=["vectors", "onnx"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"what": "vector"}, ConfigError, "did you mean 'vectors'"),
        ({"what": []}, ConfigError, "nothing to export"),
        ({"what": 3}, DataError, "what"),
        ({"rank": 0}, DataError, "rank must be from 1"),
        ({"rank": 2.5}, DataError, "whole number"),
        ({"top": 0}, DataError, "top must be from 1"),
        ({"backbone": True}, ConfigError, "no mixture"),
        ({"backbone": True, "what": "card"}, ConfigError, "card was asked for"),
    ],
)
def test_wrong_arguments_are_refused_and_leave_nothing(tmp_path, options, error, said):
    with pytest.raises(error, match=said):
        export_model(contents(), DESCRIPTION, tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


def test_ids_that_json_cannot_keep_are_refused(tmp_path):
    with pytest.raises(RunError, match="item 0 has the id"):
        export_model(contents(item_ids=[b"a", b"b", b"c", b"d"]), DESCRIPTION, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_only_an_export_is_replaced_and_only_when_asked(tmp_path):
    there = tmp_path / "out"
    there.mkdir()
    export_model(contents(), DESCRIPTION, there)  # an empty folder may be there
    before = (there / "users.npy").read_bytes()
    with pytest.raises(DataError, match="exists already"):
        export_model(contents(), DESCRIPTION, there)
    assert (there / "users.npy").read_bytes() == before
    export_model(contents(), DESCRIPTION, there, what="card", overwrite=True)
    assert not (there / "users.npy").exists()
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.tex").write_text("x")
    with pytest.raises(DataError, match="no export"):
        export_model(contents(), DESCRIPTION, other, overwrite=True)
    with pytest.raises(DataError, match="a file is in the way"):
        export_model(contents(), DESCRIPTION, other / "thesis.tex", overwrite=True)
    assert (other / "thesis.tex").read_text() == "x"


def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch):
    export_model(contents(), DESCRIPTION, tmp_path / "out")
    before = sorted(path.name for path in tmp_path.rglob("*"))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("magnet.export.folder.card_text", full)
    with pytest.raises(MagnetError, match="No space left"):
        export_model(contents(), DESCRIPTION, tmp_path / "out", overwrite=True)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
