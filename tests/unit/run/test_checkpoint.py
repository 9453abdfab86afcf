from __future__ import annotations

import hashlib
import json

import pytest
import torch
from safetensors.torch import save_file

from magnet.errors import RunError
from magnet.files import write_tensors
from magnet.run.checkpoint import Checkpoints, load_checkpoint, save_checkpoint

META = {"epoch": 3, "stopping": {"best": 0.1 + 0.2, "waited": 0}, "fired_by": None, "names": ["é", "日"]}


def tensors():
    shared = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    return {
        "weights": shared,
        "transposed": shared.T,  # shares memory, not contiguous
        "scalar": torch.tensor(7),
        "empty": torch.empty(0, 4),
        "half": torch.tensor([0.1, float("nan"), float("-inf")], dtype=torch.bfloat16),
        "mask": torch.tensor([True, False]),
        "parameter": torch.nn.Parameter(torch.tensor([1.5])),
    }


def test_everything_comes_back_bit_by_bit(tmp_path):
    save_checkpoint(tmp_path / "c.safetensors", tensors(), META)
    loaded, meta = load_checkpoint(tmp_path / "c.safetensors")
    assert meta == META
    assert loaded.keys() == tensors().keys()
    for name, tensor in tensors().items():
        assert loaded[name].dtype == tensor.dtype
        assert loaded[name].shape == tensor.shape
        same = loaded[name].reshape(-1).view(torch.uint8) == tensor.detach().reshape(-1).contiguous().view(
            torch.uint8
        )
        assert same.all(), name


def test_best_and_last_are_kept_apart_and_replaced(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints", "this run")
    assert not checkpoints.exists("last")
    checkpoints.save("best", {"w": torch.zeros(2)}, {"epoch": 1})
    for epoch in (1, 2):
        checkpoints.save("last", {"w": torch.full((2,), float(epoch))}, {"epoch": epoch})
    assert checkpoints.load("best").meta == {"epoch": 1}
    assert checkpoints.load("last").meta == {"epoch": 2}
    assert checkpoints.load("last").tensors["w"].tolist() == [2, 2]
    assert sorted(file.name for file in checkpoints.folder.iterdir()) == [
        "best.safetensors",
        "last.safetensors",
    ]


@pytest.mark.parametrize("failing", ["safetensors.torch.save_file", "magnet.placing.os.fsync"])
def test_a_failure_while_saving_leaves_the_old_checkpoint_and_no_litter(tmp_path, monkeypatch, failing):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, {"w": torch.ones(2)}, {"epoch": 1})

    def fail(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(failing, fail)
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(path, {"w": torch.zeros(2)}, {"epoch": 2})
    assert load_checkpoint(path).meta == {"epoch": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["c.safetensors"]


def test_meta_that_is_not_json_is_refused_before_anything_is_written(tmp_path):
    for meta in ({"loss": float("nan")}, {"what": object()}):
        with pytest.raises((ValueError, TypeError)):
            save_checkpoint(tmp_path / "c.safetensors", {}, meta)
    assert not any(tmp_path.iterdir())


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RunError, match=r"best\.safetensors: missing"):
        Checkpoints(tmp_path, "this run").load("best")


@pytest.mark.parametrize("keep", [0, 4, 60, -1])
def test_a_truncated_file_is_damaged(tmp_path, keep):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, tensors(), META)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RunError, match=r"c\.safetensors: damaged"):
        load_checkpoint(path)


def test_a_flipped_bit_in_a_weight_or_in_the_meta_is_noticed(tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, {"w": torch.ones(64)}, {"epoch": 3})
    whole = path.read_bytes()
    for place in (len(whole) - 10, whole.index(b"epoch")):
        broken = bytearray(whole)
        broken[place] ^= 1
        path.write_bytes(broken)
        with pytest.raises(
            RunError, match=r"c\.safetensors: damaged, its content does not match its checksum"
        ):
            load_checkpoint(path)


@pytest.mark.parametrize("meta", ["{", "[]", "3", "[" * 100_000])
def test_texts_with_a_right_checksum_that_are_no_object_are_refused(tmp_path, meta):
    path = tmp_path / "c.safetensors"
    digest = hashlib.sha256(meta.encode()).hexdigest()
    write_tensors(path, {}, {"format_version": "1", "meta": meta, "sha256": digest})
    with pytest.raises(RunError, match=r"c\.safetensors: damaged, what stands beside its tensors is no JSON"):
        load_checkpoint(path)


def test_a_version_of_more_digits_than_python_reads_is_no_version(tmp_path):
    path = tmp_path / "c.safetensors"
    write_tensors(path, {}, {"format_version": "1" * 5000, "meta": "{}", "sha256": ""})
    with pytest.raises(RunError, match="damaged, format_version is '1111111111', expected a whole number"):
        load_checkpoint(path)


def test_a_newer_format_asks_for_an_upgrade(tmp_path):
    path = tmp_path / "c.safetensors"
    save_file({"w": torch.ones(1)}, path, {"format_version": "2", "meta": "{}", "sha256": ""})
    with pytest.raises(RunError, match=r"c\.safetensors: written by a newer Magnet \(format 2, .* upgrade"):
        load_checkpoint(path)


@pytest.mark.parametrize("version", ["", "one", "0"])
def test_a_format_version_that_is_none_is_damage(tmp_path, version):
    path = tmp_path / "c.safetensors"
    save_file({"w": torch.ones(1)}, path, {"format_version": version, "meta": "{}", "sha256": ""})
    with pytest.raises(RunError, match="damaged, format_version"):
        load_checkpoint(path)


def test_another_safetensors_file_is_no_checkpoint(tmp_path):
    save_file({"w": torch.ones(1)}, tmp_path / "c.safetensors", {"format": json.dumps("pt")})
    with pytest.raises(RunError, match="not a checkpoint of Magnet"):
        load_checkpoint(tmp_path / "c.safetensors")


def test_equal_content_makes_equal_bytes(tmp_path):
    path, seen = tmp_path / "c.safetensors", set()
    for _ in range(12):  # safetensors would write one of six orders of three texts
        save_checkpoint(path, tensors(), META)
        seen.add(path.read_bytes())
    assert len(seen) == 1


def test_stages_come_back_in_the_order_in_which_they_came(tmp_path):
    # Which of two equally good stages is delivered depends on it, after an interruption as without one.
    best = {"global": {"recall@20": 0.5, "epoch": 1}, "coverage": {"recall@20": 0.5, "epoch": 3}}
    save_checkpoint(tmp_path / "c.safetensors", {"w": torch.ones(2)}, {"best": best})
    found = load_checkpoint(tmp_path / "c.safetensors").meta["best"]
    assert list(found) == ["global", "coverage"]
    assert list(found["global"]) == ["recall@20", "epoch"]
