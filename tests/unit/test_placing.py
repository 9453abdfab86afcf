"""Files and folders that are whole or not there."""

from __future__ import annotations

import errno
import os
import resource

import pytest
import torch

from magnet import placing
from magnet.errors import StorageError
from magnet.files import read_tensors, write_json, write_tensors
from magnet.placing import make_folder, replacing, replacing_folder


@pytest.fixture
def synced(monkeypatch):
    """Counts the flushes to the disk."""
    calls = []
    real = os.fsync
    monkeypatch.setattr(placing.os, "fsync", lambda descriptor: (calls.append(descriptor), real(descriptor)))
    return calls


def test_a_file_appears_whole_under_its_own_ending(tmp_path, synced):
    path = tmp_path / "plot.svg"
    with replacing(path) as temporary:
        assert temporary.suffix == ".svg"
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert len(synced) == 2  # the file and the name
    assert [file.name for file in tmp_path.iterdir()] == ["plot.svg"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_no_litter(tmp_path, failure):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(failure):  # noqa: PT012, SIM117
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise failure
    assert path.read_text() == '{\n "a": 1\n}\n'
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_appears_whole_and_replaces_the_old_one(tmp_path, synced):
    path = tmp_path / "deep" / "made"
    for content in ("old", "new"):
        with replacing_folder(path) as prepared:
            (prepared / "inner").mkdir()
            (prepared / "inner" / content).write_text(content)
        assert [file.name for file in (path / "inner").iterdir()] == [content]
    assert (
        len(synced) == 1 + 2 * 4
    )  # the name of the missing parent; the file, its folder, the new folder, the name
    assert [file.name for file in path.parent.iterdir()] == ["made"]
    with pytest.raises(ZeroDivisionError):  # noqa: PT012, SIM117
        with replacing_folder(path) as prepared:
            (prepared / "half").write_text("half")
            raise ZeroDivisionError
    assert (path / "inner" / "new").read_text() == "new"
    assert [file.name for file in path.parent.iterdir()] == ["made"]


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "No space left on device.*make room"),
        (errno.EDQUOT, "quota exceeded.*make room"),
        (errno.EROFS, "Read-only file system.*choose another place"),
        (errno.EIO, "Input/output error.*the disk fails"),
    ],
)
@pytest.mark.parametrize("call", ["os.fsync", "Path.replace", "Path.touch"])
def test_what_the_disk_refuses_names_the_file_and_leaves_the_old_one(
    tmp_path, monkeypatch, call, number, advice
):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})

    def refuse(*args, **kwargs):
        raise OSError(number, os.strerror(number), "a name that nobody knows")

    with monkeypatch.context() as patch:
        patch.setattr(f"magnet.placing.{call}" if call.startswith("os") else f"pathlib.{call}", refuse)
        with pytest.raises(StorageError, match=rf"a\.json: cannot be written \(.*{advice}") as caught:
            write_json(path, {"a": 2})
    assert "what was there before is unchanged" in str(caught.value)
    assert caught.value.reason == os.strerror(number)
    assert path.read_text() == '{\n "a": 1\n}\n'
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_full_disk_while_tensors_are_written_is_the_same_error(tmp_path):
    path = tmp_path / "w.safetensors"
    write_tensors(path, {"w": torch.ones(3)})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(
            StorageError, match=r"w\.safetensors: cannot be written \(File too large\).*ulimit"
        ):
            write_tensors(path, {"w": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert read_tensors(path)[0]["w"].tolist() == [1, 1, 1]
    assert [file.name for file in tmp_path.iterdir()] == ["w.safetensors"]


def test_names_of_new_folders_are_flushed_to_the_disk(tmp_path, monkeypatch):
    flushed = []
    real = os.fsync
    monkeypatch.setattr(
        placing.os,
        "fsync",
        lambda number: (flushed.append(os.readlink(f"/proc/self/fd/{number}")), real(number)),
    )
    make_folder(tmp_path / "a" / "b" / "c")
    assert flushed == [str(tmp_path), str(tmp_path / "a"), str(tmp_path / "a" / "b")]
    make_folder(tmp_path / "a" / "b" / "c")
    assert len(flushed) == 3  # nothing was new
    with pytest.raises(FileNotFoundError):
        make_folder(tmp_path / "x" / "y", parents=False)
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises((FileExistsError, NotADirectoryError)):
            make_folder(path)
