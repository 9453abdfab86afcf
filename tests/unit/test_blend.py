"""The state of a mixture over signals: its scores, its parts, and what a hand can turn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from magnet.errors import ConfigError, DataError
from magnet.evaluate.rank import rank, score
from magnet.states import from_tensors, to_tensors
from oracles import blend as oracle
from support.blend_data import CUES, EXPERTS, blend


def matrix_of(operator):
    return np.stack([operator.column(item) for item in range(operator.n_items)], axis=1).astype(np.float64)


def by_definition(state):
    """Scores of everything from whole matrices in float64."""
    history = state.history.toarray().astype(np.float64)
    base = state.users.double().numpy() @ state.items.double().numpy().T
    cues = np.stack([history @ matrix_of(operator) for operator in state.cues.values()])
    logits = state.user_logits.numpy(), state.item_logits.numpy()
    mixing = state.roles.numpy(), state.weight, state.top_experts, state.compress
    return oracle.blend(base, cues, *logits, *mixing)[0]


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("top_experts", [1, 3, len(EXPERTS)])
def test_scores_are_those_of_the_definition(compress, top_experts):
    state = blend(compress=compress, top_experts=top_experts)
    found = state.scores(np.arange(state.shape[0], dtype=np.int32))
    np.testing.assert_allclose(found, by_definition(state), rtol=2e-4, atol=2e-4)


def test_ranking_and_scoring_agree_to_the_bit():
    state = blend()
    n_users = state.shape[0]
    found = rank(state, np.arange(n_users), None, 6)
    users = np.repeat(np.arange(n_users), 6)
    np.testing.assert_array_equal(score(state, users, found.items.ravel()), found.scores.ravel())
    alone = rank(state, [7], None, 6)
    np.testing.assert_array_equal(alone.scores[0], found.scores[7])


class Foreign:
    """An operator from outside: it scores histories, and the core knows nothing of its matrix."""

    def __init__(self, operator):
        self.apply, self.column, self.n_items = operator.apply, operator.column, operator.n_items


def test_a_list_is_the_same_whether_operators_hand_over_their_matrix_or_rows(monkeypatch):
    state = blend(n_users=60)
    users = np.arange(60)[::-1]
    expected = rank(state, users, state.history, 6)
    assert [hasattr(operator, "core_matrix") for operator in state.cues.values()] == [True, True, True, False]
    for foreign in ({"text"}, {"behaviour", "audio"}, set(CUES)):
        cues = {
            cue: Foreign(operator) if cue in foreign else operator for cue, operator in state.cues.items()
        }
        other = replace(state, cues=cues)
        for numbers in (1 << 22, 200, 1):  # in one block, in several, in one for each user
            monkeypatch.setattr("magnet.blend._ROWS", numbers)
            found = rank(other, users, state.history, 6)
            np.testing.assert_array_equal(found.items, expected.items)
            np.testing.assert_array_equal(found.scores, expected.scores)


def test_nobody_is_ranked_to_nothing():
    for cues in (CUES, CUES[:1], []):
        state = blend()
        state = replace(
            state,
            cues={cue: state.cues[cue] for cue in cues},
            roles=state.roles[:, : len(cues)].contiguous(),
        )
        found = rank(state, [], None, 6)
        assert (found.items.shape, found.scores.shape) == ((0, 6), (0, 6))
        assert (rank(state, [3], None, 6).items >= 0).all()


def test_the_parts_add_up_to_the_score():
    state = blend()
    rows = state.scores(np.arange(state.shape[0], dtype=np.int32))
    for user in range(state.shape[0]):
        for item in range(state.shape[1]):
            parts = state.parts(user, item)
            assert parts.score == rows[user, item]
            total = parts.base + float(parts.weights.astype(np.float64) @ parts.cues.astype(np.float64))
            assert total == pytest.approx(parts.score, abs=1e-5)
            weights = state.weight * parts.kept.astype(np.float64) @ state.roles.double().numpy()
            np.testing.assert_allclose(parts.weights, weights, atol=1e-5)
            assert (parts.kept > 0).sum() <= state.top_experts


def test_what_a_history_said_of_an_item_is_its_raw_score():
    state = blend()
    _, raw = state.raw(np.arange(state.shape[0], dtype=np.int32))
    for user, item in ((3, 4), (5, 0), (0, 2)):
        parts = state.parts(user, item)
        sums = [added.sum() for added in parts.by_history]
        np.testing.assert_allclose(sums, raw[:, user, item], rtol=1e-4, atol=1e-5)


def test_a_blend_survives_being_kept():
    state = blend()
    again = from_tensors(*to_tensors(state))
    users = np.arange(state.shape[0], dtype=np.int32)
    np.testing.assert_array_equal(again.scores(users), state.scores(users))
    assert (list(again.cues), again.experts) == (CUES, EXPERTS)


def test_cues_and_roles_are_turned_by_hand():
    state = blend()
    users = np.arange(state.shape[0], dtype=np.int32)
    silent = state.turned(dict.fromkeys(CUES, 0.0))
    base = oracle.standardised(state.users.double().numpy() @ state.items.double().numpy().T)
    np.testing.assert_allclose(silent.scores(users), base, atol=1e-4)
    doubled = state.turned({"text": 2.0})
    expected = replace(state, roles=state.roles * torch.tensor([1.0, 1.0, 2.0, 1.0]))
    np.testing.assert_array_equal(doubled.scores(users), expected.scores(users))
    only = state.turned(roles={"dominant": 0, "complementary": 0})
    kinds = [name.split("/")[0] for name in EXPERTS]
    assert {kind for kind, row in zip(kinds, only.roles, strict=True) if row.any()} == {"balanced", "null"}
    assert not np.array_equal(only.scores(users), state.scores(users))


@pytest.mark.parametrize(
    ("weights", "roles", "said"),
    [
        ({"txt": 1}, None, r"no cue 'txt'.*text"),
        ({"text": np.nan}, None, "factor of cue 'text' must be a finite number"),
        (None, {"dominnt": 1}, r"no role 'dominnt'.*dominant"),
    ],
)
def test_a_wrong_turn_is_said(weights, roles, said):
    with pytest.raises(ConfigError, match=said):
        blend().turned(weights, roles)


def test_parts_that_do_not_fit_are_said():
    state = blend()
    with pytest.raises(DataError, match=r"item_logits must be \(17, 15\)"):
        replace(state, item_logits=state.item_logits[:5])
    with pytest.raises(DataError, match=r"top_experts must be from 1 to 15"):
        replace(state, top_experts=16)
    with pytest.raises(DataError, match=r"item must lie inside 0\.\.17, got 17"):
        state.parts(0, 17)
