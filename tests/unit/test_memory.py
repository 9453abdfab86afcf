"""Memory that is left, by files that a system of each kind would show, and models that refuse before they allocate."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from magnet import memory
from magnet.data.records import Modality
from magnet.errors import DataError
from magnet.graph.ridge import local_ridge
from magnet.graph.spectrum import low_frequencies
from magnet.memory import available_memory, check_memory
from magnet.models.signals.add_ease import AddEASEConfig, prepare_add_ease
from magnet.models.signals.cease import CEASEConfig, prepare_cease
from magnet.models.signals.ease import EASEConfig, prepare_ease

GB = 1 << 30


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Files of a system, to be written."""
    for name in ("_MEMINFO", "_OWN_GROUPS", "_GROUPS"):
        monkeypatch.setattr(memory, name, tmp_path / name)

    def write(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("DOT", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


def test_the_machine_is_what_counts_without_groups(system):
    assert available_memory() is None
    check_memory(1e30, "it", "do less")  # where the system does not say, nothing is refused
    system(_MEMINFO="MemTotal:       99 kB\nMemFree: 1 kB\nMemAvailable:    2048 kB\n")
    assert available_memory() == 2 << 20


def test_limits_of_groups_of_both_versions_and_of_those_around_them(system):
    system(_MEMINFO=f"MemAvailable: {64 * GB // 1024} kB\n", _OWN_GROUPS="0::/shop/job\n")
    system(_GROUPS__shop__job__memoryDOTmax="max\n", _GROUPS__shop__job__memoryDOTcurrent="77\n")
    assert available_memory() == 64 * GB
    system(_GROUPS__shop__memoryDOTmax=f"{8 * GB}\n", _GROUPS__shop__memoryDOTcurrent=f"{3 * GB}\n")
    assert available_memory() == 5 * GB
    system(_GROUPS__shop__memoryDOTstat=f"anon 5\ninactive_file {GB}\nactive_file 9\n")
    assert available_memory() == 6 * GB
    system(_OWN_GROUPS="11:cpu,cpuacct:/x\n4:memory:/deep/in\n0::/\n")
    system(_GROUPS__memory__memoryDOTlimit_in_bytes=f"{2 * GB}\n")
    system(_GROUPS__memory__memoryDOTusage_in_bytes=f"{3 * GB}\n")
    assert available_memory() == 0  # more is used than the limit allows


def test_what_does_not_fit_is_refused_in_words(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 3 * 10**9)
    check_memory(3e9, "it", "do less")
    with pytest.raises(
        DataError, match=r"^it needs about 40 GB of memory, and 3\.0 GB are available; do less$"
    ):
        check_memory(40e9, "it", "do less")


def refuse_dense(monkeypatch):
    for kind in (sp.csr_array, sp.csc_array):
        monkeypatch.setattr(kind, "toarray", lambda *_, **__: pytest.fail("a dense matrix was made"))


def wide(n_items):
    return sp.csr_array((np.ones(3, np.float32), ([0, 0, 1], [0, 1, n_items - 1])), shape=(2, n_items))


@pytest.mark.parametrize(
    ("name", "solve"),
    [
        ("ease", lambda train, looks: prepare_ease(train, looks, EASEConfig())),
        ("add-ease", lambda train, looks: prepare_add_ease(train, looks, AddEASEConfig())),
        ("cease", lambda train, looks: prepare_cease(train, looks, CEASEConfig())),
        ("equations", lambda train, _: local_ridge(train, ridge=1.0, support=29_000)),
        ("eigenvectors", lambda train, _: low_frequencies(train, 40_000)),
    ],
)
def test_a_matrix_of_all_items_is_refused_before_it_is_made(monkeypatch, name, solve):
    monkeypatch.setattr(memory, "available_memory", lambda: 10**9)
    refuse_dense(monkeypatch)
    n_items = 29_000  # below the size from which EASE goes item by item
    features = np.ones((n_items, 2), np.float32)
    looks = {"looks": Modality("looks", features, np.ones(n_items, bool))}
    with pytest.raises(DataError, match=f"{name}.*memory, and 1.0 GB are available"):
        solve(wide(n_items), looks)


def test_a_hundred_thousand_items_are_solved_item_by_item(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 2 * 10**9)
    refuse_dense(monkeypatch)
    operator = prepare_ease(wide(100_000), {}, EASEConfig(regularization=1.0))
    # Items 0 and 1 were taken together by one user: 1 / (1 + 1).
    assert operator.weights.shape == (100_000, 100_000)
    assert operator.weights[0, 1] == pytest.approx(0.5)
    assert operator.weights.nnz == 2


def test_cease_refuses_more_items_than_a_matrix_may_have():
    looks = Modality("looks", np.ones((100_000, 1), np.float32), np.ones(100_000, bool))
    with pytest.raises(DataError, match="take add-ease or l3ae"):
        prepare_cease(wide(100_000), {"looks": looks}, CEASEConfig())
