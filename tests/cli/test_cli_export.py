"""``magnet export``."""

from __future__ import annotations

import json

import numpy as np

from magnet.api import load


def test_the_command_writes_what_the_library_writes(magnet, magnet_run, tmp_path):
    answer = magnet(
        "export", magnet_run, "--out", tmp_path / "a", "--what", "vectors, operators,card", "--rank", 16
    )
    assert answer.code == 0, answer.err
    made = load(magnet_run).export(tmp_path / "b", ["vectors", "operators", "card"], rank=16)
    assert answer.out == made.text().replace(str(tmp_path / "b"), str(tmp_path / "a")) + "\n"
    assert "among the first 20" in answer.out
    for name in made.files:
        assert (tmp_path / "a" / name).is_file()
    np.testing.assert_array_equal(
        np.load(tmp_path / "a" / "items.npy"), np.load(tmp_path / "b" / "items.npy")
    )


def test_json_and_what_may_not_be_replaced(magnet, ease_run, tmp_path):
    out = tmp_path / "out"
    answer = magnet("export", ease_run, "--out", out, "--what", "operators", "--top", 10, "--json")
    document = json.loads(answer.out)
    assert document["out"] == str(out)
    assert document["operators"]["top"] == 10
    assert 0 < document["operators"]["operators"]["model"]["kept_weight"] < 1
    again = magnet("export", ease_run, "--out", out)
    assert (again.code, again.out) == (1, "")
    assert "--overwrite" in again.err
    assert magnet("export", ease_run, "--out", out, "--what", "card", "--overwrite").code == 0
    assert (out / "card.md").is_file()
    assert not (out / "operator-model.npz").exists()
    assert magnet("export", ease_run, "--out", tmp_path / "x", "--what", "tables").code == 2
    assert magnet("export", ease_run, "--out", tmp_path / "x", "--backbone").code == 2
