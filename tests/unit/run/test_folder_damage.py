from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from magnet.errors import RunError
from magnet.run.folder import RunFolder
from support.run_data import DESCRIPTION, finished

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
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"format_version": 1}',
        '{"format_version": 1, "files": {"../a": ""}}',
        '{"format_version": 1, "files": {}}',
    ],
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
