from __future__ import annotations

import json
import os

import numpy as np
import pytest

from magnet.errors import RunError
from magnet.run.events import EventLog, events_before, read_events, write_events


def test_lines_are_on_disk_at_once_and_floats_keep_every_digit(tmp_path):
    path = tmp_path / "events.jsonl"
    with EventLog(path) as log:
        log.write(
            {"epoch": 0, "loss": 0.1 + 0.2, "recall@20": np.float32(0.1), "load": [np.int64(3), (1, 2)]}
        )
        assert path.read_bytes().endswith(b"\n")
        assert read_events(path) == [
            {"epoch": 0, "loss": 0.1 + 0.2, "recall@20": float(np.float32(0.1)), "load": [3, [1, 2]]}
        ]
        log.write({"epoch": 1})
        assert path.read_bytes().count(b"\n") == 2


def test_nan_and_infinity_become_null_at_any_depth(tmp_path):
    with EventLog(tmp_path / "events.jsonl") as log:
        log.write({"a": float("nan"), "b": {"c": [np.float64("inf"), 1.0]}})
    line = (tmp_path / "events.jsonl").read_text()
    assert json.loads(line, parse_constant=pytest.fail) == {"a": None, "b": {"c": [None, 1.0]}}


def test_what_is_not_json_is_refused_and_leaves_no_part_of_a_line(tmp_path):
    with EventLog(tmp_path / "events.jsonl") as log:
        log.write({"epoch": 0})
        with pytest.raises(TypeError):
            log.write({"epoch": 1, "what": object()})
        log.write({"epoch": 2})
        assert [event["epoch"] for event in read_events(log.path)] == [0, 2]


def test_a_last_line_cut_short_is_left_out_and_cut_off_before_more_is_appended(tmp_path):
    path = tmp_path / "events.jsonl"
    # The second line even parses: only the line break says that it is whole.
    path.write_bytes(b'{"epoch":0}\n{"epoch":1}')
    assert read_events(path) == [{"epoch": 0}]
    with EventLog(path) as log:
        log.write({"epoch": 1, "again": True})
    assert path.read_bytes() == b'{"epoch":0}\n{"epoch":1,"again":true}\n'


def test_reopening_a_whole_file_changes_nothing(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"epoch": 0}\n')
    EventLog(path).close()
    assert path.read_bytes() == b'{"epoch": 0}\n'


def test_a_resumed_run_drops_the_epochs_that_it_writes_again(tmp_path):
    path = tmp_path / "events.jsonl"
    with EventLog(path) as log:
        for epoch in range(4):
            log.write({"epoch": epoch})
    with EventLog(path, keep=2) as log:
        log.write({"epoch": 2, "again": True})
    assert read_events(path) == [{"epoch": 0}, {"epoch": 1}, {"epoch": 2, "again": True}]


@pytest.mark.parametrize(
    ("epochs", "said"),
    [
        ([0, 2], "line 2 should be epoch 1 and is 2"),
        ([0, 0, 1], "line 2 should be epoch 1 and is 0"),
        ([1, 0], "line 1 should be epoch 0 and is 1"),
        ([0, "1"], "line 2 should be epoch 1 and is '1'"),
        ([0, None], "line 2 should be epoch 1 and is None"),
        ([0, True], "line 2 should be epoch 1 and is True"),
        ([0, [1]], r"line 2 should be epoch 1 and is \[1\]"),
        ([0], "ends after 1 of the 2 epochs before the checkpoint"),
    ],
)
def test_lines_that_lack_or_stand_elsewhere_are_not_gone_on_from(tmp_path, epochs, said):
    path = tmp_path / "events.jsonl"
    write_events(path, [{"epoch": epoch} for epoch in epochs])
    with pytest.raises(RunError, match=rf"events\.jsonl: .*{said}"):
        events_before(path, 2)


def test_what_stands_after_the_checkpoint_does_not_matter(tmp_path):
    path = tmp_path / "events.jsonl"
    write_events(path, [{"epoch": 0}, {"epoch": 1}, {"odd": 3}])
    assert events_before(path, 2) == [{"epoch": 0}, {"epoch": 1}]


def test_every_event_is_on_the_disk_before_writing_goes_on(tmp_path, monkeypatch):
    synced = []
    fsync = os.fsync
    monkeypatch.setattr("magnet.run.events.os.fsync", lambda file: (fsync(file), synced.append(file)))
    with EventLog(tmp_path / "events.jsonl") as log:
        for epoch in range(3):
            log.write({"epoch": epoch})
            assert len(synced) == epoch + 1


@pytest.mark.parametrize("line", [b"{", b"[1]", b"\xff", b""])
def test_a_damaged_line_is_named(tmp_path, line):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"epoch":0}\n' + line + b'\n{"epoch":2}\n')
    with pytest.raises(RunError, match=r"events\.jsonl: line 2 is damaged"):
        read_events(path)
    with pytest.raises(RunError, match="line 2"):
        EventLog(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RunError, match=r"events\.jsonl: events cannot be read"):
        read_events(tmp_path / "events.jsonl")


def test_writing_all_events_at_once_replaces_the_file(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"anything")
    write_events(path, [{"epoch": 0, "loss": 0.1 + 0.2}, {"epoch": 1, "loss": float("nan")}])
    assert read_events(path) == [{"epoch": 0, "loss": 0.1 + 0.2}, {"epoch": 1, "loss": None}]


def test_a_figure_that_changed_since_the_checkpoint_is_found(tmp_path):
    path = tmp_path / "events.jsonl"
    written = [{"epoch": n, "loss": 0.5 / (n + 1), "seconds": 0.1 * n} for n in range(3)]
    with EventLog(path) as log:
        for event in written:
            log.write(event)
            digest = log.digest
    with EventLog(path, keep=2) as again:
        again.write(written[2] | {"seconds": 99.0})  # another time is no other event
        assert again.digest == digest
    assert len(events_before(path, 3, digest)) == len(events_before(path, 3)) == 3
    path.write_text(path.read_text().replace("0.25", "0.35"))
    assert len(events_before(path, 3)) == 3
    with pytest.raises(RunError, match="not those that were written before the checkpoint"):
        events_before(path, 3, digest)
