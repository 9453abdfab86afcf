from __future__ import annotations

import json
import math

import pytest

from magnet.errors import ConfigError, TrainingError
from magnet.train.stopping import EarlyStopping


def learning(patience: int) -> EarlyStopping:
    """One whose loss has left its start."""
    stopping = EarlyStopping(patience)
    assert stopping.learn(0.5, first=0.7)
    return stopping


def test_stops_after_patience_steps_without_a_new_best():
    stopping = learning(patience=20)
    trace = [
        (0.2, True, False),
        (0.1, False, False),
        (0.3, True, False),
        (0.3, False, False),
        (0.29, False, True),
    ]
    for epoch, (value, improved, stop) in enumerate(trace):
        assert stopping.update(value, epoch * 3, step=10 * epoch) is improved
        assert stopping.should_stop is stop
    assert (stopping.best, stopping.best_epoch, stopping.best_step, stopping.waited) == (0.3, 6, 20, 20)


def test_waits_ten_times_as_long_while_the_loss_rests_at_its_start():
    stopping = EarlyStopping(patience=20)
    assert not stopping.learn(0.694, first=0.6931)
    stopping.update(0.2, 0, step=10)
    assert not stopping.learn(0.68, first=0.69)  # the start is the first loss of all
    stopping.update(0.1, 1, step=209)
    assert not stopping.should_stop
    stopping.update(0.1, 2, step=210)
    assert stopping.should_stop
    assert stopping.learn(0.679, first=0.68)
    assert stopping.learn(0.9, first=0.9)  # once is enough


def test_the_smallest_progress_counts():
    stopping = learning(patience=1)
    stopping.update(0.0966, 0, step=1)
    assert stopping.update(math.nextafter(0.0966, 1), 1, step=2)
    assert not stopping.should_stop


def test_a_first_value_of_zero_or_below_is_a_best():
    for value in (0.0, -1.0):
        stopping = EarlyStopping(patience=1)
        assert stopping.update(value, 0, step=1)
        assert stopping.best == value


def test_goes_on_from_its_saved_state():
    first, second = learning(patience=30), EarlyStopping(patience=30)
    for epoch, value in enumerate([0.1 + 0.2, 0.2, 0.1]):
        first.update(value, epoch, step=10 * epoch)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert second.state_dict() == {
        "start": 0.7,
        "left": True,
        "best": 0.1 + 0.2,
        "best_epoch": 0,
        "best_step": 0,
        "waited": 20,
    }
    assert not second.update(0.3, 3, step=30)
    assert second.should_stop


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_refuses_what_is_no_number(value):
    stopping = EarlyStopping(patience=1)
    with pytest.raises(TrainingError, match=r"epoch 7: the validation value is -?(nan|inf)"):
        stopping.update(value, 7, step=1)
    assert stopping.best is None


def test_refuses_no_patience():
    with pytest.raises(ConfigError, match="at least 1 step, got 0"):
        EarlyStopping(patience=0)
