from __future__ import annotations

import numpy as np
import pytest

from magnet.errors import DataError
from magnet.synthetic.generator import CUES, GROUPS, driver_table, driver_weights
from magnet.synthetic.recovery import chance, recovery


def test_the_table_of_drivers():
    assert driver_table().tolist() == [
        [True, False, False],
        [False, True, False],
        [False, False, True],
        [False, True, True],
    ]
    assert np.allclose(np.linalg.norm(driver_weights(), axis=1), 1)
    assert ((driver_weights() > 0) == driver_table()).all()


def test_either_cue_of_a_pair_counts(tiny):
    groups = tiny.truth.groups
    always_image = recovery(groups, np.ones(240, dtype=int))
    assert always_image.by_group == {"behaviour": 0, "image": 1, "text": 0, "image+text": 1}
    assert always_image.share == always_image.chance == chance(groups) == 0.5
    assert (always_image.strict, always_image.strict_by_group) == (None, {})
    assert recovery(groups, np.minimum(groups, 2)).share == 1
    nothing = recovery(groups, np.full(240, -1))
    assert nothing.share == 0
    assert nothing.confusion[:, -1].tolist() == [60] * 4


def test_effects_must_put_all_drivers_first():
    effects = np.array([[0.0, 2.0, 1.0], [1.0, 2.0, 0.0]])
    found = recovery([3, 3], [1, 1], effects=effects)
    assert (found.share, found.strict) == (1.0, 0.5)


@pytest.mark.parametrize(
    ("planted", "named", "effects", "match"),
    [
        ([0, 1], [0], None, "expected a cue in .* for each of 2 users"),
        ([0], [len(CUES)], None, "expected a cue in"),
        ([0], [-2], None, "expected a cue in"),
        ([len(GROUPS)], [0], None, "groups must lie inside 0..4"),
        ([], [], None, "groups must lie inside 0..4"),
        ([0], [0], np.zeros((1, 2)), r"effects of shape \(1, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused(planted, named, effects, match):
    with pytest.raises(DataError, match=match):
        recovery(planted, named, effects=effects)
