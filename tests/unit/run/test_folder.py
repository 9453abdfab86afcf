from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import os
import pathlib
import shutil
import subprocess
import sys
import uuid

import numpy as np
import pytest
import torch

from magnet.errors import RunError
from magnet.locks import FolderLock
from magnet.models.signals.ease import EASEConfig, prepare_ease
from magnet.run.events import EventLog
from magnet.run.folder import RunFolder
from magnet.run.ids import decode_ids, encode_ids
from magnet.states import DotState, ItemItemState
from support.evaluation_data import make_dataset
from support.run_data import DESCRIPTION, contents, finished


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
    state = ItemItemState(dataset.train, prepare_ease(dataset.train, {}, EASEConfig(regularization=1.0)))
    read = finished(tmp_path / "run", state=state).load().state
    assert isinstance(read, ItemItemState)
    np.testing.assert_array_equal(read.operator.weights, state.operator.weights)
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
    RunFolder.create(tmp_path / "run", DESCRIPTION).checkpoints.save("best", {}, {})
    new = RunFolder.create(tmp_path / "run", DESCRIPTION, overwrite=True)
    assert [file.name for file in new.path.iterdir()] == ["config.json"]
    assert not new.finished
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


def test_a_finished_run_stays_until_the_one_that_replaces_it_is_finished(tmp_path):
    path = tmp_path / "run"
    finished(path, facts={"which": "old"}).checkpoints.save("best", {}, {})
    before = {file.name: file.read_bytes() for file in path.iterdir() if file.is_file()}
    new = RunFolder.create(path, DESCRIPTION, overwrite=True)
    with EventLog(new.events) as log:
        log.write({"epoch": 0})
    new.release()  # as a process does that ends here
    assert {file.name: file.read_bytes() for file in path.iterdir() if file.is_file()} == before
    assert RunFolder.open(path).load().facts == {"which": "old"}

    resumed = RunFolder.open(path, unfinished=True)
    assert resumed.path.name == "run.unfinished"
    resumed.claim()
    resumed.finish(contents(facts={"which": "new"}))
    assert resumed.path == path
    assert RunFolder.open(path).load().facts == {"which": "new"}
    assert not RunFolder.open(path).checkpoints.exists("best")
    assert [file.name for file in tmp_path.iterdir()] == ["run"]
    assert not (path / ".replaces").exists()


def test_a_kill_before_the_swap_leaves_a_run_that_resuming_puts_in_place(tmp_path, monkeypatch):
    path = tmp_path / "run"
    finished(path, facts={"which": "old"})
    new = RunFolder.create(path, DESCRIPTION, overwrite=True)

    def kill(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("magnet.run.folder.put_folder_in_place", kill)
        with pytest.raises(KeyboardInterrupt):
            new.finish(contents(facts={"which": "new"}))
    new.release()
    assert RunFolder.open(path).load().facts == {"which": "old"}
    resumed = RunFolder.open(path, unfinished=True)
    assert not resumed.finished
    resumed.claim()
    resumed.finish(contents(facts={"which": "new"}))
    assert RunFolder.open(path).load().facts == {"which": "new"}
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


def test_a_folder_of_somebody_else_beside_a_run_is_left_alone(tmp_path):
    path, precious = tmp_path / "run", tmp_path / "run.unfinished"
    finished(path)
    precious.mkdir()
    (precious / "chapter.tex").write_text("years of work")
    with pytest.raises(RunError, match=r"run\.unfinished: not overwritten, because it is not a run folder"):
        RunFolder.create(path, DESCRIPTION, overwrite=True)
    assert (precious / "chapter.tex").read_text() == "years of work"
    assert RunFolder.open(path).finished


def test_a_system_that_cannot_swap_two_names_replaces_the_run_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("magnet.placing._swapped", lambda *_: False)
    path = tmp_path / "run"
    finished(path, facts={"which": "old"})
    RunFolder.create(path, DESCRIPTION, overwrite=True).finish(contents(facts={"which": "new"}))
    assert RunFolder.open(path).load().facts == {"which": "new"}
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


def test_folders_that_killed_writers_left_are_removed_and_others_are_not(tmp_path):
    left = [
        tmp_path / ".run.0123abcd.new",
        tmp_path / ".run.89abcdef.old",
        tmp_path / ".run.unfinished.0123abcd.new",
    ]
    others = [tmp_path / ".run.notes.new", tmp_path / ".runs.0123abcd.new"]
    busy = tmp_path / ".run.fedcba98.new"
    finished(tmp_path / "run")
    for folder in (*left, *others, busy):
        folder.mkdir()
        (folder / "config.json").touch()
    with FolderLock(busy):
        RunFolder.create(tmp_path / "run", DESCRIPTION, overwrite=True).finish(contents())
    assert not any(folder.exists() for folder in left)
    assert all(folder.exists() for folder in (*others, busy))


def test_overwriting_once_more_replaces_the_unfinished_one(tmp_path):
    path = tmp_path / "run"
    finished(path, facts={"which": "old"})
    RunFolder.create(path, DESCRIPTION, overwrite=True).release()
    again = RunFolder.create(path, DESCRIPTION, overwrite=True)
    again.finish(contents(facts={"which": "third"}))
    assert RunFolder.open(path).load().facts == {"which": "third"}
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("over", ["nothing", "an unfinished run", "a finished run"])
def test_one_process_at_a_time_writes_a_run(tmp_path, over):
    path = tmp_path / "run"
    if over == "an unfinished run":
        RunFolder.create(path, DESCRIPTION).release()
    if over == "a finished run":
        finished(path)
    first = RunFolder.create(path, DESCRIPTION, overwrite=True)
    with pytest.raises(
        RunError, match=r"run(\.unfinished)?: another thread of this process is writing here; wait"
    ):
        RunFolder.create(path, DESCRIPTION, overwrite=True)
    with pytest.raises(RunError, match="is writing here"):
        RunFolder.open(path, unfinished=True).claim()
    first.finish(contents())
    RunFolder.open(path, unfinished=True).claim()


def test_the_process_that_writes_is_named(tmp_path):
    code = (
        "import sys; from magnet.run.folder import RunFolder; from support.run_data import DESCRIPTION\n"
        f"run = RunFolder.create({str(tmp_path / 'run')!r}, DESCRIPTION)\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    path = {"PYTHONPATH": os.pathsep.join([str(pathlib.Path(__file__).parents[2]), *sys.path])}
    writer = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **path},
    )
    with writer:
        assert writer.stdout.readline() == "ready\n"
        with pytest.raises(RunError, match=rf"process {writer.pid} is writing here"):
            RunFolder.create(tmp_path / "run", DESCRIPTION, overwrite=True)
        writer.kill()
        writer.wait()
        # Its lock went with it.
        RunFolder.create(tmp_path / "run", DESCRIPTION, overwrite=True).finish(contents())


@pytest.mark.parametrize("then", [None, "another run"])
def test_a_folder_that_vanished_meanwhile_is_named(tmp_path, then):
    run = RunFolder.create(tmp_path / "run", DESCRIPTION)
    run.checkpoints.save("last", {}, {})
    shutil.rmtree(run.path)
    if then is None:
        with pytest.raises(RunError, match=r"last\.safetensors: cannot be written .*the folder is gone"):
            run.checkpoints.save("last", {}, {})
    else:
        RunFolder.create(tmp_path / "run", DESCRIPTION)
    with pytest.raises(RunError, match="run: the folder was deleted or replaced while its run was going on"):
        run.finish(contents())
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_what_killed_writers_left_is_removed_by_the_next_one(tmp_path):
    run = RunFolder.create(tmp_path / "run", DESCRIPTION)
    run.checkpoints.save("last", {"w": torch.ones(2)}, {"epoch": 1})
    run.release()
    left = [run.path / ".events.0123abcd.jsonl", run.checkpoints.folder / ".last.89abcdef.safetensors"]
    own = run.path / ".notes"
    for file in (*left, own):
        file.write_bytes(b"half")
    again = RunFolder.open(run.path, unfinished=True)
    again.claim()
    assert not any(file.exists() for file in left)
    assert own.exists()
    assert again.checkpoints.load("last").meta == {"epoch": 1}


def test_all_files_have_the_mode_of_a_plain_file(tmp_path):
    run = finished(tmp_path / "run")
    run.checkpoints.save("last", {}, {})
    run.record_metrics("test/strict", {})
    (tmp_path / "plain").touch()
    files = [file for file in run.path.rglob("*") if file.is_file()]
    assert len(files) == 13
    assert {file.stat().st_mode for file in files} == {(tmp_path / "plain").stat().st_mode}


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    ours = RunFolder.create(tmp_path / "ours", DESCRIPTION)
    theirs = RunFolder.create(tmp_path / "theirs", dataclasses.replace(DESCRIPTION, seed=8))
    for run in (ours, theirs):
        run.checkpoints.save("last", {}, {"epoch": 1})
    assert ours.checkpoints.load("last").meta == {"epoch": 1}
    shutil.copy(theirs.checkpoints.path("last"), ours.checkpoints.path("last"))
    with pytest.raises(RunError, match=r"last\.safetensors: a checkpoint of another run"):
        ours.checkpoints.load("last")


def test_a_changed_description_is_noticed_before_there_is_a_manifest(tmp_path):
    run = RunFolder.create(tmp_path / "run", DESCRIPTION)
    config = run.path / "config.json"
    config.write_text(config.read_text().replace('"seed": 7', '"seed": 8'))
    with pytest.raises(RunError, match=r"config\.json: damaged, its 'identity' is of another run"):
        RunFolder.open(run.path, unfinished=True)


def test_a_link_to_a_run_folder_stays_a_link(tmp_path):
    finished(tmp_path / "run")
    (tmp_path / "latest").symlink_to(tmp_path / "run")
    run = RunFolder.create(tmp_path / "latest", DESCRIPTION, overwrite=True)
    assert (tmp_path / "latest").is_symlink()
    run.release()
    run = RunFolder.open(tmp_path / "latest", unfinished=True)
    assert run.path == (tmp_path / "run.unfinished").resolve()
    run.finish(contents())
    assert run.path == (tmp_path / "run").resolve()
    assert RunFolder.open(tmp_path / "latest").finished


def test_a_failed_creation_leaves_the_old_run_and_no_litter(tmp_path, monkeypatch):
    finished(tmp_path / "run")

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("magnet.run.folder.write_json", fail)
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


def test_later_metrics_are_added_and_other_files_are_nobodys_business(tmp_path):
    run = finished(tmp_path / "run")
    (run.path / "plot.png").write_bytes(b"picture")
    before = {file.name: file.read_bytes() for file in run.path.iterdir()}
    run.record_metrics("test/strict", {"recall@20": 1})
    run.record_metrics("test/mmrec", {"recall@20": 0.1 + 0.2, "ndcg@20": float("nan")})
    run.record_metrics("test/strict", {"recall@20": 1 / 3})
    # Whoever reads the run at the same time finds every file as the manifest says.
    assert {file.name: file.read_bytes() for file in run.path.iterdir() if file.is_file()} == before
    (run.path / "plot.png").unlink()
    run = RunFolder.open(tmp_path / "run")
    assert run.load().metrics == {
        "valid/mmrec": {"recall@20": 0.1 + 0.2},
        "test/strict": {"recall@20": 1 / 3},
        "test/mmrec": {"recall@20": 0.1 + 0.2, "ndcg@20": None},
    }


def test_a_result_that_is_damaged_or_of_another_run_is_named(tmp_path):
    run = finished(tmp_path / "run")
    run.record_metrics("test/strict", {"recall@20": 0.25})
    file = run.path / "evaluations" / "test-strict.json"
    whole = file.read_text()
    for damaged in ("", "[]", "{}", whole.replace("0.25", "0.75"), whole.replace("test/strict", "test/best")):
        file.write_text(damaged)
        with pytest.raises(RunError, match=r"test-strict\.json: damaged"):
            RunFolder.open(run.path).load()
    other = RunFolder.create(tmp_path / "other", dataclasses.replace(DESCRIPTION, seed=8))
    other.finish(contents())
    other.record_metrics("test/strict", {})
    shutil.copy(other.path / "evaluations" / "test-strict.json", file)
    with pytest.raises(RunError, match=r"test-strict\.json: of another run; delete it"):
        RunFolder.open(run.path).load()


def test_a_run_that_was_replaced_meanwhile_gets_no_result(tmp_path):
    run = finished(tmp_path / "run")
    RunFolder.create(run.path, dataclasses.replace(DESCRIPTION, seed=8), overwrite=True).finish(contents())
    with pytest.raises(RunError, match="another run took the place of the one that was evaluated"):
        run.record_metrics("test/strict", {})
