from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnet.errors import DataError
from magnet.seeds import numpy_generator
from magnet.synthetic.generator import CUES, GROUPS
from magnet.synthetic.occlusion import name_cues
from magnet.synthetic.recovery import recovery
from oracles import explain as oracle


def by_hand(changes):
    """Scores that change by ``changes[cue]`` for each pair when that cue is occluded."""
    n = len(next(iter(changes.values())))
    return lambda cue: np.arange(n) + (0 if cue is None else np.asarray(changes[cue]))


def occluded(score_with, users, planted):
    """Named by occlusion and compared with the planted cues."""
    found = name_cues(score_with, users)
    return found, recovery(np.asarray(planted)[found.users], found.named, effects=found.effects)


def test_by_hand():
    # Users 0 (image), 2 (image+text), 3 (image+text), 5 (behaviour).
    users = [0, 0, 2, 3, 5]
    score_with = by_hand(
        {
            "behaviour": [0.1, 0.1, 0.0, -5.0, 0.0],
            "image": [1.0, -1.0, 2.0, 6.0, 0.0],
            "text": [0.9, 0.0, -3.0, 0.0, 0.0],
        }
    )
    named, found = occluded(score_with, users, [1, 0, 3, 3, 0, 0])
    assert named.users.tolist() == [0, 2, 3, 5]
    assert named.named.tolist() == [1, 2, 1, -1]  # nothing moves user 5
    assert named.effects[0].tolist() == pytest.approx([0.1, 1.0, 0.45])
    assert found.share == 0.75
    assert found.strict == 0.5  # user 3 is moved by behaviour more than by text
    assert found.by_group == {"behaviour": 0.0, "image": 1.0, "image+text": 1.0}
    assert found.strict_by_group["image+text"] == 0.5
    assert found.confusion.tolist() == [[0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0], [0, 1, 1, 0]]
    assert found.chance == 0.75
    told = json.loads(json.dumps(found.to_json()))
    assert told["confusion"]["image+text"] == {"behaviour": 0, "image": 1, "text": 1, "none": 0}


@given(seed=st.integers(0, 99))
def test_equals_user_by_user(seed):
    random = numpy_generator(seed, "test")
    users = random.integers(0, 20, 50).tolist()
    groups = random.integers(0, 4, 20)
    scores = {cue: random.integers(0, 4, 50).astype(float).tolist() for cue in (None, *CUES)}
    occlusion, found = occluded(lambda cue: np.array(scores[cue]), users, groups)
    named, order = oracle.name_cues(scores, users, CUES)
    drivers = {user: {CUES[c] for c in list(GROUPS.values())[groups[user]]} for user in named}
    assert [None if c < 0 else CUES[c] for c in occlusion.named] == list(named.values())
    assert found.share == pytest.approx(np.mean([named[u] in drivers[u] for u in named]))
    exact = [named[u] is not None and set(order[u][: len(drivers[u])]) == drivers[u] for u in named]
    assert found.strict == pytest.approx(np.mean(exact))
    assert found.confusion.sum() == len(named)


def test_a_model_that_follows_the_planted_cue_is_recovered(tiny):
    users, items = tiny.dataset.test.nonzero()
    truth = tiny.truth

    def score_with(cue):
        latents = [z if name != cue else 0 * z for name, z in zip(CUES, truth.latents, strict=True)]
        drives = [[c in GROUPS[name] for c in range(3)] for name in GROUPS]
        return sum(
            np.array(drives)[truth.groups[users], c] * (truth.tastes[users, c] * latents[c][items]).sum(1)
            for c in range(3)
        )

    _, found = occluded(score_with, users, truth.groups)
    assert found.share == found.strict == 1.0


@pytest.mark.parametrize(
    ("users", "scores", "match"),
    [
        ([], lambda cue: np.zeros(0), "at least one pair"),
        ([-1], lambda cue: np.zeros(1), "at least one pair in one row, got int64 of shape .* from -1"),
        ([0], lambda cue: np.zeros(2), "one for each of 1 pairs"),
        ([0], lambda cue: np.full(1, np.nan if cue == "text" else 0.0), "text occluded are not finite"),
    ],
)
def test_what_does_not_fit_is_refused(users, scores, match):
    with pytest.raises(DataError, match=match):
        name_cues(scores, users)
