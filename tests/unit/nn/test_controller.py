"""The controller on traces: what fires the trigger, when, and what each stage asks for."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from magnet.nn.controller import Controller, ControllerConfig, EpochStatistics, statistics
from magnet.nn.mixture.gate import RoutingSums

E = 9
EVEN = [1 / E] * E


def epoch(load_entropy: float, loads: list[float] | None = None) -> EpochStatistics:
    return EpochStatistics(0.9, 0.95, load_entropy, loads or EVEN, EVEN, 0.0)


def config(**settings: float) -> ControllerConfig:
    """Long stages, whatever the defaults are."""
    slow = {"earliest": 5, "cap": 30, "ramp": 8, "coverage_weight": 0.3, "confidence_weight": 5e-3}
    return ControllerConfig(**{**slow, **settings})


def run(trace: list[float], **settings: float) -> Controller:
    controller = Controller(config(**settings), E, top_k=3)
    for value in trace:
        controller.update(epoch(value))
    return controller


def test_a_router_that_starts_at_the_maximum_does_not_fire_before_the_earliest_epoch() -> None:
    assert run([1.0] * 4).stage == "coverage"
    fired = run([1.0] * 5)
    assert (fired.stage, fired.fired_by, fired.coverage_epochs) == ("specialisation", "criterion", 5)


def test_a_dip_resets_the_window_and_is_remembered_by_the_average() -> None:
    # The average moves by more than the slope allows after the dip: the plateau has to be found anew.
    trace = [1.0, 1.0, 1.0, 1.0, 0.5]
    assert run(trace).stage == "coverage"
    later = run(trace + [1.0] * 60, cap=200)
    assert later.fired_by == "criterion"
    assert later.coverage_epochs is not None
    assert later.coverage_epochs > 15
    # What the criterion asked for held in each epoch of the window.
    averages = []
    controller = Controller(config(cap=200), E, top_k=3)
    for value in (trace + [1.0] * 60)[: later.coverage_epochs]:
        controller.update(epoch(value))
        averages.append(controller.smoothed)
    steps = [abs(b - a) for a, b in pairwise(averages) if a is not None and b is not None]
    assert max(steps[-3:]) < 1e-3 <= steps[-4]


def test_oscillation_is_no_plateau_and_the_cap_says_so() -> None:
    capped = run([0.99, 0.80] * 15)
    assert (capped.fired_by, capped.coverage_epochs) == ("cap", 30)


def test_a_router_that_has_learnt_nothing_does_not_specialise() -> None:
    controller = Controller(config(cap=12), E, top_k=3)
    # All that the criterion looks at holds from the start; experts that are off make the same H_m - H_s by themselves.
    still = EpochStatistics(0.90, 0.95, 1.0, EVEN, EVEN, 0.05)
    for _ in range(11):
        controller.update(still)
        assert (controller.fired_by, controller.settled) == (None, False)
    controller.update(still)
    assert (controller.stage, controller.fired_by, controller.settled) == ("coverage", "no evidence", True)
    assert controller.since == 0
    for _ in range(20):
        controller.update(still._replace(pair_entropy=0.5))
    assert (controller.stage, controller.fired_by) == ("coverage", "no evidence")
    assert controller.weights().top_k == 0


def test_evidence_lets_it_fire() -> None:
    controller = Controller(config(cap=12), E, top_k=3)
    for _ in range(5):
        controller.update(EpochStatistics(0.898, 0.95, 1.0, EVEN, EVEN, 0.05))
    assert (controller.stage, controller.fired_by) == ("specialisation", "criterion")


def test_low_entropy_never_meets_the_criterion() -> None:
    assert run([0.7] * 29).stage == "coverage"
    assert run([0.7] * 30).fired_by == "cap"


def test_a_starved_expert_blocks_the_trigger() -> None:
    loads = [0.4 / E] + [(1 - 0.4 / E) / (E - 1)] * (E - 1)
    controller = Controller(config(), E, top_k=3)
    for _ in range(29):
        controller.update(epoch(0.99, loads))
    assert controller.stage == "coverage"


def test_nan_resets_the_window_and_does_not_poison_the_average() -> None:
    controller = run([1.0, 1.0, 1.0, 1.0, math.nan])
    assert controller.stage == "coverage"
    assert controller.smoothed == pytest.approx(1.0)
    for _ in range(3):
        controller.update(epoch(1.0))
    assert controller.fired_by == "criterion"
    assert controller.coverage_epochs == 8


def test_a_fixed_epoch_fires_whatever_the_entropy() -> None:
    fired = run([0.1] * 7, switch_at=7)
    assert (fired.fired_by, fired.coverage_epochs) == ("fixed", 7)


def test_the_average_is_bias_corrected() -> None:
    values = [0.2, 0.9, 0.4]
    weights = [0.9 ** (2 - i) for i in range(3)]
    expected = sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
    assert run(values).smoothed == pytest.approx(expected)


def test_the_ramp_cuts_nine_to_five_to_three_and_raises_confidence() -> None:
    controller = run([1.0] * 5)
    kept, confidence = [], []
    for _ in range(10):
        weights = controller.weights()
        kept.append(weights.top_k or E)
        confidence.append(weights.confidence)
        assert not controller.settled or controller.since >= 8
        controller.update(epoch(1.0))
    assert kept == [9, 9, 9, 5, 5, 5, 3, 3, 3, 3]
    assert confidence[0] == 0.0
    assert confidence[4] == pytest.approx(2.5e-3)
    assert confidence[8:] == [5e-3, 5e-3]
    assert controller.settled
    assert controller.weights().target == pytest.approx(math.log(4) / math.log(9))


def test_a_starving_expert_brings_the_coverage_weight_back() -> None:
    controller = run([1.0] * 5, coverage_weight=0.03)
    assert controller.weights().coverage == pytest.approx(0.003)
    starved = [0.05 / E] + [(1 - 0.05 / E) / (E - 1)] * (E - 1)
    for expected in (0.003, 0.003, 0.03):
        controller.update(epoch(0.9, starved))
        assert controller.weights().coverage == pytest.approx(expected)
    controller.update(epoch(0.9))
    assert controller.weights().coverage == pytest.approx(0.003)


def test_going_on_from_a_saved_state_changes_nothing() -> None:
    trace = [1.0, 0.98, 0.97, 0.99, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    whole = run(trace)
    first = run(trace[:4])
    second = Controller(config(), E, top_k=3)
    second.load_state_dict(first.state_dict())
    for value in trace[4:]:
        second.update(epoch(value))
    assert second == whole


def test_a_state_of_an_older_checkpoint_is_taken_up() -> None:
    fired = run([1.0] * 6)
    old = fired.state_dict()
    old["fired_at"] = old.pop("coverage_epochs")
    again = Controller(config(), E, top_k=3)
    again.load_state_dict(old)
    assert again == fired
    assert (again.coverage_epochs, again.since) == (5, 1)
    assert not hasattr(again, "fired_at")


def test_statistics_of_sums() -> None:
    weights = torch.tensor([2.0, 1.0, 1.0])
    now = statistics(
        RoutingSums(
            torch.tensor(4.0),
            torch.tensor(2.0),
            weights,
            torch.tensor([4.0, 4.0, 4.0]),
            torch.tensor([4 / 3] * 3),
            torch.tensor(4.0),
        )
    )
    p = [0.5, 0.25, 0.25]
    assert now.pair_entropy == pytest.approx(0.5)
    assert now.marginal_entropy == pytest.approx(-sum(x * math.log(x) for x in p) / math.log(3))
    assert now.load_entropy == pytest.approx(1.0)
    assert now.mutual_information == pytest.approx(now.marginal_entropy - 0.5)
