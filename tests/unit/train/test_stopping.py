from __future__ import annotations

import json
import math

import pytest

from magnet.errors import ConfigError, TrainingError
from magnet.train.stopping import EarlyStopping


def test_stops_after_patience_validations_without_a_new_best():
    stopping = EarlyStopping(patience=2)
    trace = [
        (0.2, True, False),
        (0.1, False, False),
        (0.3, True, False),
        (0.3, False, False),
        (0.29, False, True),
    ]
    for epoch, (value, improved, stop) in enumerate(trace):
        assert stopping.update(value, epoch * 3) is improved
        assert stopping.should_stop is stop
    assert (stopping.best, stopping.best_epoch, stopping.waited) == (0.3, 6, 2)


def test_the_smallest_progress_counts():
    stopping = EarlyStopping(patience=1)
    stopping.update(0.0966, 0)
    assert stopping.update(math.nextafter(0.0966, 1), 1)
    assert not stopping.should_stop


def test_a_first_value_of_zero_or_below_is_a_best():
    for value in (0.0, -1.0):
        stopping = EarlyStopping(patience=1)
        assert stopping.update(value, 0)
        assert stopping.best == value


def test_goes_on_from_its_saved_state():
    first, second = EarlyStopping(patience=3), EarlyStopping(patience=3)
    for epoch, value in enumerate([0.1 + 0.2, 0.2, 0.1]):
        first.update(value, epoch)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert second.state_dict() == {"best": 0.1 + 0.2, "best_epoch": 0, "waited": 2}
    assert not second.update(0.3, 3)
    assert second.should_stop


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_refuses_what_is_no_number(value):
    stopping = EarlyStopping(patience=1)
    with pytest.raises(TrainingError, match=r"epoch 7: the validation value is -?(nan|inf)"):
        stopping.update(value, 7)
    assert stopping.best is None


def test_refuses_no_patience():
    with pytest.raises(ConfigError, match="at least 1 validation, got 0"):
        EarlyStopping(patience=0)
