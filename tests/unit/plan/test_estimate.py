"""Estimates against what was measured, and against counts that can be made by hand."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp

from magnet.api import make
from magnet.models.registry import MODELS
from magnet.plan import estimate as module
from magnet.plan import measured_rates
from magnet.plan.estimate import forecast
from magnet.roofline.steps import Rates
from magnet.synthetic.generator import generate

# The machine of the measurements, two threads.
RATES = Rates(gemm=76e9, memory=8e9)
# Seconds and bytes beside the data, as the docstring of magnet.plan.estimate has them.
MEASURED = {
    ("tiny", "popularity"): (0.1, 10e6),
    ("tiny", "ease"): (0.1, 11e6),
    ("tiny", "lightgcn"): (21.4, 33e6),
    ("tiny", "magnet"): (131.0, 72e6),
    ("demo", "popularity"): (0.2, 14e6),
    ("demo", "ease"): (1.0, 38e6),
    ("demo", "lightgcn"): (69.1, 60e6),
    ("demo", "magnet"): (174.3, 243e6),
}


@pytest.fixture(scope="module")
def shops(tiny):
    return {"tiny": tiny.dataset, "demo": generate("demo").dataset}


@pytest.fixture
def no_base(monkeypatch):
    monkeypatch.setattr(module, "_resident", lambda: 0)


@pytest.mark.usefixtures("no_base")
@pytest.mark.parametrize(("shop", "model"), MEASURED)
def test_estimates_are_within_a_factor_of_three(shops, shop, model):
    seconds, memory = MEASURED[shop, model]
    found = forecast(shops[shop], model, make(model).config, RATES)
    assert seconds / 3 - 0.2 < found.seconds < 3 * seconds + 0.2
    assert memory / 3 < found.memory < 3 * memory
    assert found.seconds <= found.at_most


def world(n_users, n_items, pairs, widths=(64,)):
    """Sizes without data: what an estimate looks at."""
    return SimpleNamespace(
        n_users=n_users,
        n_items=n_items,
        train=sp.csr_array(
            (np.ones(0), np.zeros(0, int), np.zeros(n_users + 1, int)), shape=(n_users, n_items)
        )
        if not pairs
        else SimpleNamespace(nnz=pairs),
        modalities={str(i): SimpleNamespace(width=width) for i, width in enumerate(widths)},
    )


@pytest.mark.usefixtures("no_base")
@pytest.mark.parametrize("model", list(MODELS.own))
def test_more_of_everything_takes_more(model):
    config = make(model).config
    small, large = (forecast(world(n, n // 2, 20 * n), model, config, RATES) for n in (3_000, 30_000))
    assert 0 < small.seconds < large.seconds
    assert 0 < small.memory < large.memory
    twice = forecast(world(30_000, 15_000, 600_000), model, config, Rates(RATES.gemm * 2, RATES.memory * 2))
    assert twice.seconds < large.seconds


@pytest.mark.usefixtures("no_base")
def test_ease_is_cubic_and_says_when_it_does_not_fit(monkeypatch):
    monkeypatch.setattr(module, "available_memory", lambda: 2 * 10**9)
    config = make("ease").config
    ten, twenty = (forecast(world(1000, n, 10_000, ()), "ease", config, RATES) for n in (10_000, 20_000))
    assert 7 < twenty.seconds / ten.seconds < 8.1
    assert ten.memory == pytest.approx(12 * 10_000**2, rel=0.02)
    assert (ten.fits, twenty.fits) == (True, False)
    assert twenty.memory_text() == "about 4.8 GB, too much here"
    # Above 30,000 items nothing grows with their square.
    local = forecast(world(1000, 100_000, 10_000, ()), "ease", config, RATES)
    assert local.memory < 1e9


@pytest.mark.usefixtures("no_base")
def test_settings_count():
    data = world(3_000, 1_500, 24_000)
    usual = forecast(data, "lightgcn", make("lightgcn").config, RATES)
    fewer = forecast(data, "lightgcn", make("lightgcn", train={"epochs": 5}).config, RATES)
    wider = forecast(data, "lightgcn", make("lightgcn", dim=512).config, RATES)
    assert fewer.seconds == fewer.at_most < usual.seconds / 10
    assert wider.memory > 2 * usual.memory
    alone = forecast(data, "magnet", make("magnet", mixing={"cross_fit": "none"}).config, RATES)
    assert alone.seconds < forecast(data, "magnet", make("magnet").config, RATES).seconds / 3


def test_what_is_not_known_is_said(monkeypatch):
    entry = SimpleNamespace(task=None)
    monkeypatch.setattr(module, "find_model", lambda name: entry)
    found = forecast(world(10, 10, 10), "shop", None, RATES)
    assert (found.memory, found.seconds, found.fits) == (None, None, None)
    assert found.memory_text() == "not known"


def test_the_machine_is_measured_in_less_than_two_seconds():
    started = time.perf_counter()
    rates = measured_rates()
    assert time.perf_counter() - started < 2
    assert rates.gemm > 1e8
    assert rates.memory > 1e7


def test_memory_includes_that_of_the_process(tiny):
    config = make("popularity").config
    before = forecast(tiny.dataset, "popularity", config, RATES).memory
    held = np.ones(25_000_000)  # 200 MB
    after = forecast(tiny.dataset, "popularity", config, RATES).memory
    assert after - before == pytest.approx(held.nbytes, rel=0.1)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert 200e6 < after < most + 100e6


def test_without_proc_the_peak_of_the_process_counts(monkeypatch):
    monkeypatch.setattr(module, "Path", lambda name: Path("/nowhere") / name.strip("/"))
    assert module._resident() == resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.usefixtures("no_base")
@pytest.mark.parametrize("model", ["smore", "msca", "gume"])
def test_larger_graphs_of_items_take_longer(model):
    data = world(3_000, 30_000, 24_000)
    usual = forecast(data, model, make(model).config, RATES).seconds
    larger = forecast(data, model, make(model, neighbours=200).config, RATES).seconds
    assert 1.5 < larger / usual < 20
    if model == "gume":
        deeper = forecast(data, model, make(model, neighbours=200, item_layers=8).config, RATES).seconds
        assert 1.5 < deeper / larger < 4
