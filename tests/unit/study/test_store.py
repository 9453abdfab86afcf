"""The store: what is in it is whole, whoever wrote it and whatever killed them; nothing is kept twice."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import polars as pl
import pytest

from magnet.errors import RunError
from magnet.files import file_digest, read_sealed, write_json, write_sealed
from magnet.study.identity import NUMERICS, key_of
from magnet.study.results import comparisons
from magnet.study.store import RunStore

WHAT = {"model": "ease", "seed": 0, "config": {"regularization": 0.1 + 0.2}}
VALUES = pl.DataFrame({"user": [0, 3], "recall@20": [1 / 3, None]}, schema_overrides={"user": pl.Int32})
# A process that adds experiments for ever: number n has n in its facts and in each of 2,000 values.
WRITER = """
import sys, polars as pl
from magnet.study.store import RunStore
from magnet.study.identity import key_of
store, first, step = RunStore(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
for n in range(first, int(sys.argv[4]), step):
    what = {"number": n}
    with store.claimed(key_of(what)):
        if store.find(key_of(what)) is None:
            store.add(what, {"number": n, "by": first}, pl.DataFrame({"n": [n] * 2000}))
    if n == first:
        print("ready", flush=True)
"""


def writer(path, first, step, stop):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(first), str(step), str(stop)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "POLARS_MAX_THREADS": "1"},
    )


def check_all(path):
    """Read every experiment and compare it with what its writer meant."""
    store = RunStore(path)
    for key in store.keys:
        record = store.find(key)
        number = record.experiment["number"]
        assert key == key_of({"number": number})
        assert record.facts["number"] == number
        assert record.values()["n"].to_list() == [number] * 2000
    return len(store.keys)


def test_an_experiment_comes_back_as_it_was(tmp_path):
    store = RunStore(tmp_path / "deep" / "store")
    key = key_of(WHAT)
    assert store.find(key) is None
    with store.claimed(key) as mine:
        assert mine
        record = store.add(WHAT, {"valid": {"recall@20": 0.1 + 0.2, "ndcg@20": float("nan")}}, VALUES)
    again = RunStore(tmp_path / "deep" / "store").find(key)
    for one in (record, again):
        assert one.experiment == WHAT
        assert one.facts == {"valid": {"recall@20": 0.1 + 0.2, "ndcg@20": None}}
        assert one.values().equals(VALUES)
        assert one.values().schema == VALUES.schema
    assert repr(store) == f"RunStore '{store.path}': 1 experiments"


def test_the_first_to_add_an_experiment_wins(tmp_path):
    store = RunStore(tmp_path)
    store.add(WHAT, {"by": "first"}, VALUES)
    assert store.add(WHAT, {"by": "second"}, VALUES.head(1)).facts == {"by": "first"}
    assert store.find(key_of(WHAT)).values().equals(VALUES)


def test_a_claim_holds_until_its_block_ends(tmp_path):
    store, other = RunStore(tmp_path), RunStore(tmp_path)
    with store.claimed("a"):
        with other.claimed("a", wait=False) as mine:
            assert not mine
        with other.claimed("b", wait=False) as mine:
            assert mine
    with other.claimed("a", wait=False) as mine:
        assert mine


def test_kill_at_any_moment_leaves_only_whole_experiments(tmp_path):
    kept = 0
    for round_ in range(8):
        process = writer(tmp_path / "store", kept, 1, 100_000)
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.01 + 0.017 * round_)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        now = check_all(tmp_path / "store")
        assert now >= kept
        kept = now
    assert kept >= 8
    # Whoever makes an experiment that a killed process had begun removes what that process left.
    folder = tmp_path / "store" / "experiments"
    (folder / f".{key_of({'number': kept})}.0123abcd.new").mkdir(exist_ok=True)
    process = writer(tmp_path / "store", kept, 1, kept + 1)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert check_all(tmp_path / "store") == kept + 1
    assert not list(folder.glob(f".{key_of({'number': kept})}.*"))


def test_two_processes_share_a_store_and_neither_spoils_what_the_other_makes(tmp_path):
    ours = [writer(tmp_path / "store", first, 1, 40) for first in (0, 20)]
    for process in ours:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert check_all(tmp_path / "store") == 40


def test_damage_is_named_and_never_taken_for_a_result(tmp_path):
    store = RunStore(tmp_path)
    record = store.add(WHAT, {}, VALUES)
    values = record.path / "users.parquet"
    whole = values.read_bytes()
    values.write_bytes(whole[:-1])
    with pytest.raises(RunError, match=r"users\.parquet: missing or damaged, .* remove .* to run it again"):
        store.find(record.key)
    values.unlink()
    with pytest.raises(RunError, match=r"users\.parquet: missing or damaged"):
        store.find(record.key)
    values.write_bytes(whole)
    facts = record.path / "facts.json"
    said = read_sealed(facts, "")
    write_sealed(facts, said | {"experiment": said["experiment"] | {"seed": 1}})
    with pytest.raises(RunError, match=r"facts\.json: damaged, it does not describe this experiment"):
        store.find(record.key)


def test_a_table_that_is_none_is_named_though_its_checksum_is_right(tmp_path):
    store = RunStore(tmp_path / "store")
    record = store.add(WHAT, {"seconds": 1.5}, VALUES)
    (record.path / "users.parquet").write_bytes(b"no table")
    facts = read_sealed(record.path / "facts.json", "")
    write_sealed(record.path / "facts.json", facts | {"values": file_digest(record.path / "users.parquet")})
    with pytest.raises(
        RunError, match=r"users\.parquet: missing or damaged \(.*\); remove .* to run it again"
    ):
        store.find(record.key).values()


@pytest.mark.parametrize("what", ["[1]", '{"seed": NaN}', "null"])
def test_an_experiment_that_has_no_key_is_damage(tmp_path, what):
    store = RunStore(tmp_path / "store")
    record = store.add(WHAT, {}, VALUES)
    facts = read_sealed(record.path / "facts.json", "")
    sealed = sealed_text(facts | {"experiment": json.loads(what)})
    (record.path / "facts.json").write_text(sealed)
    with pytest.raises(RunError, match=r"facts\.json: damaged, it does not describe this experiment"):
        store.find(record.key)


def sealed_text(value):
    """With the checksum, and with the NaN that Magnet never writes."""
    seal = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
    return json.dumps(value | {"sha256": seal})


@pytest.mark.parametrize("lacks", ["parts", "numerics"])
def test_an_experiment_that_lacks_something_is_named_where_stores_are_put_together(tmp_path, lacks):
    store = RunStore(tmp_path / "store")
    what = {"parts": ["test"], "numerics": NUMERICS, "data": "0" * 40, "protocol": "strict"}
    record = store.add({name: value for name, value in what.items() if name != lacks}, {}, VALUES)
    with pytest.raises(
        RunError, match=rf"{record.key}: damaged, it holds something else.*KeyError: '{lacks}'"
    ):
        comparisons(store.path)


def test_a_figure_that_changed_on_the_disk_is_noticed(tmp_path):
    store = RunStore(tmp_path)
    record = store.add(WHAT, {"recall": 0.25}, VALUES)
    facts = record.path / "facts.json"
    text = facts.read_text()
    for spoilt in (text.replace("0.25", "0.75"), text.replace("sha256", "sha255")):
        assert spoilt != text
        facts.write_text(spoilt)
        with pytest.raises(RunError, match=r"does not match its checksum; remove .* to run it again"):
            store.find(record.key)


def test_a_store_of_before_the_checksums_is_read(tmp_path):
    record = RunStore(tmp_path).add(WHAT, {"recall": 0.25}, VALUES)
    write_json(tmp_path / "store.json", {"kind": "magnet-study", "format_version": 1})
    write_json(record.path / "facts.json", read_sealed(record.path / "facts.json", ""))
    assert RunStore(tmp_path).find(record.key).facts == {"recall": 0.25}


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match=r"not a store of experiments, it holds notes\.txt and no store\.json"):
        RunStore(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "store.json").write_text('{"kind": "shop"}')
    with pytest.raises(RunError, match="not of a store of experiments"):
        RunStore(other)
    (other / "store.json").write_text('{"kind": "magnet-study", "format_version": 3}')
    with pytest.raises(RunError, match="written by a newer Magnet"):
        RunStore(other)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="store: the store cannot be written"):
        RunStore(tmp_path / "file" / "store")


def test_a_full_disk_leaves_no_experiment_behind(tmp_path, monkeypatch):
    store = RunStore(tmp_path)

    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(RunError, match=r"cannot be kept .No space left on device.; make room"):
        store.add(WHAT, {}, VALUES)
    assert list((tmp_path / "experiments").iterdir()) == []
