import logging
import os
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from magnet import caching
from magnet.errors import ConfigError, MagnetWarning
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


BUILDER = """
import sys, time
import numpy as np
from magnet.graph import cache, knn_graph
def slow(*args, **kwargs):
    print("building", flush=True)
    sys.stdin.readline()
    return knn_graph(*args, **kwargs)
cache.knn_graph = slow
x = np.load(sys.argv[1])
print(cache.cached_knn(x, 4, folder=sys.argv[2]).data.sum(), flush=True)
"""


@pytest.fixture
def builder(x, tmp_path):
    """Another process, which has begun to build the graph of x and goes on when told."""
    np.save(tmp_path / "x.npy", x)
    process = subprocess.Popen(
        [sys.executable, "-c", BUILDER, tmp_path / "x.npy", tmp_path / "cache"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "building\n"
    yield process
    process.kill()
    process.communicate()


HOLDER = """
import sys
from pathlib import Path
from magnet.caching import building
with building(Path(sys.argv[1])) as mine:
    print("building", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(x, tmp_path):
    """Another process that has taken the building of the graph of x upon itself, and no more: it starts at once."""
    name = cache.content_name(x, 4, np.ones(40, dtype=bool), exact=True)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "cache" / name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "building\n"
    yield process
    process.kill()
    process.communicate()


def test_whoever_wants_what_another_builds_waits_for_it_and_reads_it(x, builds, builder, tmp_path, caplog):
    caplog.set_level(logging.INFO, "magnet")
    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(cached_knn, x, 4, folder=tmp_path / "cache") for _ in range(2)]
        time.sleep(0.2)
        assert not any(one.done() for one in waiting)
        assert caplog.text.count(f"process {builder.pid} is writing here") == 2
        # Another graph is not held up.
        cached_knn(x, 5, folder=tmp_path / "cache")
        assert len(builds) == 1
        builder.stdin.write("\n")
        builder.stdin.flush()
        found = [one.result(timeout=20) for one in waiting]
    assert len(builds) == 1
    assert all(same_bits(one, knn_graph(x, 4)) for one in found)
    assert np.float32(builder.stdout.readline()) == found[0].data.sum()
    assert not [path for path in (tmp_path / "cache").iterdir() if path.suffix != ".npz"]


def test_a_builder_that_dies_is_followed_by_one_that_waited(x, builds, holder, tmp_path):
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(cached_knn, x, 4, folder=tmp_path / "cache")
        time.sleep(0.1)
        holder.kill()
        assert same_bits(waiting.result(timeout=20), knn_graph(x, 4))
    assert len(builds) == 1
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".npz"]


def test_threads_that_want_the_same_graph_build_it_once(x, builds, tmp_path):
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: cached_knn(x, 4, folder=tmp_path), range(8)))
    assert len(builds) == 1
    assert all(same_bits(one, found[0]) for one in found)


def test_the_graph_that_was_used_longest_ago_goes_first(x, builds, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "magnet")
    for k in (3, 4, 5):
        cached_knn(x, k, folder=tmp_path)
    paths = {entry.about["k"]: entry.path for entry in caching.entries(tmp_path)}
    for age, k in enumerate((5, 4, 3)):
        os.utime(paths[k], (1e9 - age, 1e9 - age))
    cached_knn(x, 3, folder=tmp_path)  # used just now
    sizes = {k: path.stat().st_size for k, path in paths.items()}
    monkeypatch.setenv("MAGNET_CACHE_LIMIT", str(sizes[3] + sizes[5] + 2 * sizes[4]))
    cached_knn(x, 6, folder=tmp_path)
    assert {entry.about["k"] for entry in caching.entries(tmp_path)} == {3, 5, 6}
    assert f"{paths[4]}: removed from the cache" in caplog.text
    # One that is being read stays, however old it is.
    with caching.reading(paths[5]):
        os.utime(paths[5], (1, 1))
        monkeypatch.setenv("MAGNET_CACHE_LIMIT", f"{sizes[5] + 10} B")
        cached_knn(x, 2, folder=tmp_path)
        assert caching.clear(tmp_path, older_than=1).in_use == 1
    assert {entry.about["k"] for entry in caching.entries(tmp_path)} == {2, 5}
    # One that is larger than the limit is not kept.
    monkeypatch.setenv("MAGNET_CACHE_LIMIT", "1KB")
    cached_knn(x, 20, folder=tmp_path)
    assert "not kept, " in caplog.text
    assert 20 not in {entry.about["k"] for entry in caching.entries(tmp_path)}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("500MB", 5e8),
        ("1.5 kib", 1536),
        ("2T", 2e12),
        ("7b", 7),
        ("", 10 * 2**30),
        ("3 GiB", 3 * 2**30),
    ],
)
def test_sizes_are_read_as_people_write_them(text, size, monkeypatch):
    monkeypatch.setenv("MAGNET_CACHE_LIMIT", text)
    assert caching.cache_limit() == size


@pytest.mark.parametrize("text", ["much", "-1", "5 XB", "1e9", "10 GiB more", "9" * 400])
def test_a_limit_that_is_no_size_is_refused_before_anything_is_built(text, x, builds, tmp_path, monkeypatch):
    monkeypatch.setenv("MAGNET_CACHE_LIMIT", text)
    with pytest.raises(ConfigError, match="MAGNET_CACHE_LIMIT must be a size such as 500MB or 10GiB"):
        cached_knn(x, 4, folder=tmp_path)
    assert builds == []


def test_what_is_cleared_is_ours_alone(x, holder, tmp_path):
    folder = tmp_path / "cache"
    for k in (3, 5):
        cached_knn(x, k, folder=folder)
    entries = caching.entries(folder)
    assert [entry.about["rows"] for entry in entries] == [40, 40]
    os.utime(entries[1].path, (1e9, 1e9))
    dead = folder / f".{entries[0].path.stem}.0123abcd.npz"
    dead.write_bytes(b"half a graph")
    (folder / f".{entries[1].path.stem}.building").mkdir()
    others = [folder / "notes.txt", folder / "knn-mine.npz", folder / ".knn-mine.building"]
    for other in others:
        other.write_text("somebody else's")
    done = caching.clear(folder, older_than=30)
    assert [entry.path for entry in done.removed] == [entries[1].path]
    assert (done.left_overs, done.size) == (2, entries[1].size + len(b"half a graph"))
    assert [entry.path for entry in caching.clear(folder).removed] == [entries[0].path]
    # The builder that lives keeps its place.
    left = sorted(path.name for path in folder.iterdir())
    assert [name for name in left if name not in {other.name for other in others}] == [
        name for name in left if name.endswith(".building") and len(name) > 40
    ]
    assert caching.clear(tmp_path / "nowhere") == caching.Cleared([], 0, 0, 0)


def test_an_entry_of_an_older_version_is_read_and_listed(x, builds, tmp_path):
    whole = cached_knn(x, 4, folder=tmp_path)
    (path,) = tmp_path.iterdir()
    np.savez(path, indptr=whole.indptr, indices=whole.indices, values=whole.data, recall=1.0)
    assert same_bits(cached_knn(x, 4, folder=tmp_path), whole)
    assert len(builds) == 1
    assert [entry.about for entry in caching.entries(tmp_path)] == [{}]


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 bytes"), (1023, "1023 bytes"), (1 << 10, "1.0 KiB"), (3 << 30, "3.0 GiB")]
)
def test_sizes_in_words(size, words):
    assert caching.in_words(size) == words
