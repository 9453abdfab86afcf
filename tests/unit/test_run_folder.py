from __future__ import annotations

import datetime
import enum
import json
import pathlib
import uuid

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from evaluation_data import make_dataset
from magnet.baselines.ease import EASEConfig, fit_ease
from magnet.errors import RunError
from magnet.nn.states import DotState, ItemItemState
from magnet.train.events import EventLog
from magnet.train.ids import decode_ids, encode_ids
from magnet.train.run_folder import RunContents, RunDescription, RunFolder

DESCRIPTION = RunDescription(
    model="ease",
    config={"regularization": 0.1 + 0.2},
    content_hash="abc",
    protocol="mmrec",
    seed=7,
    source={"path": "somewhere", "split": "split", "modalities": None},
)


def contents(**changes):
    dataset = make_dataset(
        train={0: {0, 3}, 1: {1}, 2: {0}}, valid={0: {1}, 2: {2}}, test={1: {0}}, n_users=3, n_items=4
    )
    values = {
        "state": DotState(users=torch.randn(3, 2), items=torch.randn(4, 2)),
        "user_ids": ["ann", 7, ("shop", 3)],
        "item_ids": [True, 2.5, "", "日本"],
        "titles": ["Tea", None, "Cup", "é"],
        "train": dataset.train,
        "valid": dataset.valid,
        "metrics": {"valid/mmrec": {"recall@20": 0.1 + 0.2}},
        "valid_users": np.array([0, 2], dtype=np.int32),
        "valid_per_user": {"recall@20": np.array([1 / 3, 1.0])},
        "facts": {"fired_by": "criterion", "weight": 0.1 + 0.2},
        "content": {"image": torch.randn(4, 3).half()},
        "events": [{"epoch": 0, "loss": 0.1 + 0.2}, {"epoch": 1, "loss": None}],
    }
    return RunContents(**values | changes)


def finished(path, **changes):
    run = RunFolder.create(path, DESCRIPTION)
    run.finish(contents(**changes))
    return run


def test_a_finished_run_comes_back_whole(tmp_path):
    written = contents()
    run = RunFolder.create(tmp_path / "deep" / "run", DESCRIPTION)
    with EventLog(run.events) as log:
        log.write({"epoch": 0})
    run.checkpoints.save("best", {"w": torch.ones(1)}, {"epoch": 0})
    run.finish(written)

    run = RunFolder.open(tmp_path / "deep" / "run")
    assert run.finished
    assert run.description == DESCRIPTION
    assert run.checkpoints.load("best").meta == {"epoch": 0}
    read = run.load()
    assert isinstance(read.state, DotState)
    assert torch.equal(read.state.users, written.state.users)
    assert torch.equal(read.state.items, written.state.items)
    for name in ("user_ids", "item_ids"):
        keys = getattr(read, name)
        assert keys == getattr(written, name)
        assert list(map(type, keys)) == list(map(type, getattr(written, name)))
    for name in ("titles", "metrics", "facts", "events"):
        assert getattr(read, name) == getattr(written, name)
    assert read.content.keys() == {"image"}
    assert torch.equal(read.content["image"], written.content["image"])
    for part in ("train", "valid"):
        matrix = getattr(read, part)
        assert (matrix.shape, matrix.dtype, matrix.indices.dtype) == ((3, 4), np.float32, np.int32)
        np.testing.assert_array_equal(matrix.toarray(), getattr(written, part).toarray())
    assert read.popularity.tolist() == [2, 1, 0, 1]
    np.testing.assert_array_equal(read.valid_users, [0, 2])
    np.testing.assert_array_equal(read.valid_per_user["recall@20"], [1 / 3, 1.0])


def test_an_item_item_state_comes_back(tmp_path):
    dataset = make_dataset(train={0: {0, 3}, 1: {0, 3}}, valid={}, test={}, n_users=3, n_items=4)
    state = fit_ease(dataset, EASEConfig(regularization=1.0))
    read = finished(tmp_path / "run", state=state).load().state
    assert isinstance(read, ItemItemState)
    np.testing.assert_array_equal(read.weights, state.weights)
    np.testing.assert_array_equal(read.history.toarray(), state.history.toarray())


def test_titles_and_validation_values_may_be_none(tmp_path):
    empty = {"valid_users": np.empty(0, dtype=np.int32), "valid_per_user": {}}
    read = finished(tmp_path / "run", titles=None, **empty).load()
    assert read.titles is None
    assert (len(read.valid_users), read.valid_per_user) == (0, {})


@pytest.mark.parametrize(
    "key", ["", "a\nb\x1f", "\ud800", 0, -(2**70), 1.0, 5e-324, -0.0, False, (), (1, ("a", (2.5,)))]
)
def test_ids_come_back_as_they_were(key):
    (back,) = decode_ids(json.loads(json.dumps(encode_ids([key], of="user"))))
    assert (type(back), repr(back)) == (type(key), repr(key))


@pytest.mark.parametrize(
    "key", [np.int64(5), np.str_("a"), np.float64(0.5), np.bool_(True), (np.int32(1), "a")]
)
def test_numpy_ids_come_back_as_equals(key):
    (back,) = decode_ids(json.loads(json.dumps(encode_ids([key], of="user"))))
    assert back == key
    assert hash(back) == hash(key)
    assert not isinstance(back, np.generic)


class Shop(enum.IntEnum):
    CORNER = 1


@pytest.mark.parametrize(
    "key",
    [
        None,
        uuid.UUID(int=1),
        datetime.date(2026, 1, 1),
        b"a",
        float("nan"),
        float("inf"),
        Shop.CORNER,
        ("a", None),
    ],
)
def test_an_id_that_cannot_be_kept_is_named_and_nothing_is_written(tmp_path, key):
    run = RunFolder.create(tmp_path / "run", DESCRIPTION)
    with pytest.raises(RunError) as caught:
        run.finish(contents(user_ids=["ann", key, "bob"]))
    assert f"user 1 has the id {key!r} of type {type(key).__name__}" in str(caught.value)
    assert "str()" in str(caught.value)
    assert [file.name for file in run.path.iterdir()] == ["config.json"]


def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path):
    finished(tmp_path / "run")
    before = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()}
    with pytest.raises(RunError, match=r"run: exists already and is not empty; .*--overwrite"):
        RunFolder.create(tmp_path / "run", DESCRIPTION)
    assert {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()} == before
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


def test_an_empty_folder_is_used(tmp_path):
    (tmp_path / "run").mkdir()
    RunFolder.create(tmp_path / "run", DESCRIPTION)
    assert RunFolder.open(tmp_path / "run", unfinished=True).description == DESCRIPTION


@pytest.mark.parametrize("config", [None, "{}", "{", '{"kind": "other"}', "[]"])
def test_only_a_run_folder_is_ever_overwritten(tmp_path, config):
    precious = tmp_path / "thesis"
    precious.mkdir()
    (precious / "chapter.tex").write_text("years of work")
    if config is not None:
        (precious / "config.json").write_text(config)
    with pytest.raises(RunError, match="not overwritten, because it is not a run folder"):
        RunFolder.create(precious, DESCRIPTION, overwrite=True)
    assert (precious / "chapter.tex").read_text() == "years of work"


def test_overwriting_leaves_nothing_of_the_old_run(tmp_path):
    old = finished(tmp_path / "run")
    old.checkpoints.save("best", {}, {})
    new = RunFolder.create(tmp_path / "run", DESCRIPTION, overwrite=True)
    assert [file.name for file in new.path.iterdir()] == ["config.json"]
    assert not new.finished
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


def test_a_link_to_a_run_folder_stays_a_link(tmp_path):
    finished(tmp_path / "run")
    (tmp_path / "latest").symlink_to(tmp_path / "run")
    run = RunFolder.create(tmp_path / "latest", DESCRIPTION, overwrite=True)
    assert (tmp_path / "latest").is_symlink()
    assert run.path == (tmp_path / "run").resolve()
    assert not RunFolder.open(tmp_path / "latest", unfinished=True).finished


def test_a_failed_creation_leaves_the_old_run_and_no_litter(tmp_path, monkeypatch):
    finished(tmp_path / "run")

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("magnet.train.run_folder.write_json", fail)
    with pytest.raises(RunError, match=r"cannot be made \(No space left on device\)"):
        RunFolder.create(tmp_path / "run", DESCRIPTION, overwrite=True)
    assert RunFolder.open(tmp_path / "run").finished
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


def test_a_failed_replacement_puts_the_old_run_back(tmp_path, monkeypatch):
    finished(tmp_path / "run")
    rename = pathlib.Path.rename

    def fail_for_the_new(path, target):
        if path.suffix == ".new":
            raise OSError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(pathlib.Path, "rename", fail_for_the_new)
    with pytest.raises(RunError, match=r"cannot be made \(Permission denied\)"):
        RunFolder.create(tmp_path / "run", DESCRIPTION, overwrite=True)
    assert RunFolder.open(tmp_path / "run").finished
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(RunError, match="a file is in the way"):
        RunFolder.create(tmp_path / "run", DESCRIPTION, overwrite=True)


def test_opening_what_is_no_run_folder(tmp_path):
    with pytest.raises(RunError, match="nowhere: no such run folder"):
        RunFolder.open(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"not a run folder, it has no config\.json"):
        RunFolder.open(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RunError, match="was not written by Magnet"):
        RunFolder.open(tmp_path)


def test_an_interrupted_run_is_only_opened_on_request(tmp_path):
    RunFolder.create(tmp_path / "run", DESCRIPTION)
    with pytest.raises(RunError, match=r"interrupted before it finished.*--resume"):
        RunFolder.open(tmp_path / "run")
    assert not RunFolder.open(tmp_path / "run", unfinished=True).finished


def test_a_run_that_fails_while_finishing_again_counts_as_unfinished(tmp_path):
    run = finished(tmp_path / "run")
    with pytest.raises(RunError):
        run.finish(contents(item_ids=[None] * 4))
    assert not run.finished


FILES = [
    "config.json",
    "content.safetensors",
    "events.jsonl",
    "facts.json",
    "ids.json",
    "metrics.json",
    "seen.safetensors",
    "state.json",
    "state.safetensors",
    "valid_per_user.safetensors",
]


def test_the_manifest_lists_every_file(tmp_path):
    run = finished(tmp_path / "run")
    assert sorted(file.name for file in run.path.iterdir()) == sorted([*FILES, "manifest.json"])
    assert list(json.loads((run.path / "manifest.json").read_text())["files"]) == FILES


@pytest.mark.parametrize("name", FILES[1:])
def test_a_missing_or_damaged_file_is_named(tmp_path, name):
    file = finished(tmp_path / "run").path / name
    whole = file.read_bytes()
    for damaged in (whole[:-3], whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:], b""):
        file.write_bytes(damaged)
        with pytest.raises(RunError, match=rf"{name}: damaged, its content does not match"):
            RunFolder.open(tmp_path / "run")
    file.unlink()
    with pytest.raises(RunError, match=f"{name}: missing; the run folder is damaged"):
        RunFolder.open(tmp_path / "run")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format_version": 1}', '{"format_version": 1, "files": {"../a": ""}}']
)
def test_a_damaged_manifest_is_named(tmp_path, text):
    run = finished(tmp_path / "run")
    (run.path / "manifest.json").write_text(text)
    with pytest.raises(RunError, match=r"manifest\.json: damaged"):
        RunFolder.open(tmp_path / "run")


def test_a_newer_format_asks_for_an_upgrade(tmp_path):
    run = finished(tmp_path / "run")
    config = json.loads((run.path / "config.json").read_text())
    (run.path / "config.json").write_text(json.dumps(config | {"format_version": 2}))
    with pytest.raises(RunError, match=r"config\.json: written by a newer Magnet \(format 2.*upgrade"):
        RunFolder.open(tmp_path / "run")


def test_a_key_missing_from_the_configuration_is_named(tmp_path):
    run = RunFolder.create(tmp_path / "run", DESCRIPTION)
    config = json.loads((run.path / "config.json").read_text())
    del config["seed"]
    (run.path / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match=r"config\.json: damaged, the key 'seed' is missing"):
        RunFolder.open(tmp_path / "run", unfinished=True)


def break_seen(path, name, value):
    tensors = load_file(path / "seen.safetensors")
    tensors[name] = torch.tensor(value, dtype=torch.int32)
    save_file(tensors, path / "seen.safetensors")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("train.indices", [0, 3, 1, 4]),
        ("train.indices", [0, -1, 1, 0]),
        ("train.indptr", [0, 2, 3]),
        ("valid.indptr", [0, 2, 1, 2]),
    ],
)
def test_seen_items_that_do_not_fit_the_ids_are_refused(tmp_path, name, value):
    run = finished(tmp_path / "run")
    break_seen(run.path, name, value)
    with pytest.raises(
        RunError, match=r"seen\.safetensors: damaged, it does not hold the (train|valid) interactions"
    ):
        run.load()


@pytest.mark.parametrize("text", ["{}", '{"users": [null], "items": [], "titles": null}', '{"users": 3}'])
def test_ids_that_are_none_are_refused(tmp_path, text):
    run = finished(tmp_path / "run")
    (run.path / "ids.json").write_text(text)
    with pytest.raises(RunError, match=r"ids\.json: damaged"):
        run.load()


def test_later_metrics_are_added_and_other_files_are_nobodys_business(tmp_path):
    run = finished(tmp_path / "run")
    (run.path / "plot.png").write_bytes(b"picture")
    run.record_metrics("test/strict", {"recall@20": 1 / 3})
    (run.path / "plot.png").unlink()
    run = RunFolder.open(tmp_path / "run")
    assert run.load().metrics == {
        "valid/mmrec": {"recall@20": 0.1 + 0.2},
        "test/strict": {"recall@20": 1 / 3},
    }
