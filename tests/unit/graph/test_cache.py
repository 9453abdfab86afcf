import warnings

import numpy as np
import pytest

from magnet.errors import MagnetWarning
from magnet.graph import cache, cached_knn, knn_graph
from support.graph_data import features, same_bits


@pytest.fixture
def x():
    return features("gaussian", 40, 6, seed=3)


@pytest.fixture
def builds(monkeypatch):
    """Counts how often a graph is built."""
    calls = []

    def count(*args, **kwargs):
        calls.append(args)
        return knn_graph(*args, **kwargs)

    monkeypatch.setattr(cache, "knn_graph", count)
    return calls


def test_built_once_and_read_back_bit_for_bit(x, builds, tmp_path):
    first, second = (cached_knn(x, 4, folder=tmp_path / "new") for _ in range(2))
    assert len(builds) == 1
    assert same_bits(first, second)
    assert same_bits(first, knn_graph(x, 4))
    assert [path.suffix for path in (tmp_path / "new").iterdir()] == [".npz"]


def test_anything_that_matters_changes_the_name(x):
    present = np.ones(40, dtype=bool)
    absent = present.copy()
    absent[7] = False
    other = x.copy()
    other[39, 5] = np.nextafter(other[39, 5], np.float32(9))

    def name(x, k, present, *, exact=True):
        return cache.content_name(x, k, present, exact=exact)

    names = {
        name(x, 4, present),
        name(x, 4, present, exact=False),
        name(x, 5, present),
        name(x, 4, absent),
        name(other, 4, present),
        name(x.astype(np.float16), 4, present),
        name(x.reshape(20, 12), 4, present[:20]),
    }
    assert len(names) == 7
    assert name(np.asfortranarray(x), 4, present) == name(x, 4, present)


def test_an_approximate_graph_says_so_each_time(x, builds, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_AFFORDABLE", 40 * 40 * 6 - 1)
    graphs = []
    for _ in range(2):
        with pytest.warns(MagnetWarning, match="searched approximately: about 100.0%"):
            graphs.append(cached_knn(x, 4, folder=tmp_path))
    assert same_bits(*graphs)
    assert not builds
    # So few rows are one cluster.
    assert same_bits(graphs[0], cached_knn(x, 4, search="exact", folder=tmp_path))
    monkeypatch.setattr(cache, "_AFFORDABLE", 40 * 40 * 6)
    cached_knn(x, 4, folder=tmp_path)
    assert len(builds) == 1
    with pytest.raises(ValueError, match="search must be"):
        cached_knn(x, 4, search="fast", folder=tmp_path)


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "text", "other"])
def test_a_damaged_file_is_built_anew(x, builds, tmp_path, damage):
    whole = cached_knn(x, 4, folder=tmp_path)
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    if damage == "flip":
        # Inside the values: the archive's checksum notices.
        at = content.index(whole.data.tobytes())
        content[at + 5] ^= 1
    damaged = {"truncate": content[:-30], "flip": content, "empty": b"", "text": b"no archive"}
    if damage == "other":
        np.savez(path, indptr=np.array([0, 9]), indices=np.zeros(1, np.int32), values=np.ones(1))
    else:
        path.write_bytes(damaged[damage])
    with pytest.warns(MagnetWarning, match=r"knn-\w+\.npz: the graph that was kept here is damaged"):
        assert same_bits(cached_knn(x, 4, folder=tmp_path), whole)
    assert len(builds) == 2
    assert same_bits(cached_knn(x, 4, folder=tmp_path), whole)
    assert len(builds) == 2


def test_whichever_byte_changes_the_graph_is_the_right_one(x, tmp_path):
    whole = cached_knn(x, 4, folder=tmp_path)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    for at in range(0, len(content), 31):
        path.write_bytes(content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MagnetWarning)
            assert same_bits(cached_knn(x, 4, folder=tmp_path), whole), at


def swapped(graph):
    graph.indices[[0, 1]] = graph.indices[[1, 0]]


def emptied(graph):
    graph.indptr[:] = 0
    graph.indices, graph.data = graph.indices[:0], graph.data[:0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda graph: graph.data.__setitem__(3, np.nan), "values"),
        (lambda graph: graph.data.__setitem__(3, 7), "values"),
        (swapped, "order"),
        (emptied, "neighbours"),
        (lambda graph: setattr(graph, "data", graph.data.astype(np.float64)), "types"),
        (lambda graph: graph.indices.__setitem__(3, 40), "column index|indices"),
    ],
    ids=["NaN", "no cosine", "unsorted", "empty", "another type", "out of range"],
)
def test_a_sound_archive_of_another_graph_is_not_used(x, builds, tmp_path, change, said):
    whole = cached_knn(x, 4, folder=tmp_path)
    (path,) = tmp_path.iterdir()
    graph = whole.copy()
    change(graph)
    np.savez(path, indptr=graph.indptr, indices=graph.indices, values=graph.data, recall=1.0)
    with pytest.warns(MagnetWarning, match=f"is damaged .*({said}).* and is built anew"):
        assert same_bits(cached_knn(x, 4, folder=tmp_path), whole)
    assert len(builds) == 2


def test_a_folder_that_cannot_be_written_is_no_reason_to_fail(x, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(MagnetWarning, match="MAGNET_CACHE"):
        found = cached_knn(x, 4, folder=tmp_path / "file")
    assert same_bits(found, knn_graph(x, 4))


def test_an_interrupted_write_leaves_nothing_behind(x, tmp_path, monkeypatch):
    def interrupt(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupt)
    with pytest.raises(KeyboardInterrupt):
        cached_knn(x, 4, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_comes_from_the_environment(x, tmp_path, monkeypatch):
    monkeypatch.setenv("MAGNET_CACHE", str(tmp_path / "chosen"))
    cached_knn(x, 4)
    assert len(list((tmp_path / "chosen").iterdir())) == 1
    monkeypatch.delenv("MAGNET_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_folder() == tmp_path / "magnet"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache.cache_folder() == tmp_path / "home" / ".cache" / "magnet"


def test_the_folder_may_be_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MAGNET_CACHE", "~/graphs")
    assert cache.cache_folder() == tmp_path / "graphs"
    monkeypatch.delenv("MAGNET_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "~/kept")
    assert cache.cache_folder() == tmp_path / "kept" / "magnet"
