"""``magnet config``, and errors of settings that point there."""

from __future__ import annotations

import json

import pytest

from magnet.models.registry import MODELS


@pytest.mark.parametrize("model", list(MODELS))
def test_every_setting_is_listed_within_100_columns(magnet, model):
    answer = magnet("config", model)
    assert answer.code == 0
    assert max(map(len, answer.out.splitlines())) <= 100
    found = json.loads(magnet("config", model, "--json").out)
    assert found["model"] == model
    for setting in found["settings"]:
        assert f"  {setting['key']} = " in answer.out


def test_a_default_as_printed_can_be_set(magnet, folder, tmp_path):
    listed = json.loads(magnet("config", "ease", "--json").out)["settings"]
    settings = [f"{one['key']}={json.dumps(one['default'])}" for one in listed]
    flags = [word for setting in settings for word in ("--set", setting)]
    assert magnet("train", "--data", folder, "--model", "ease", *flags, "--out", tmp_path / "run").code == 0


def test_an_unknown_model_is_refused(magnet):
    answer = magnet("config", "magnte")
    assert (answer.code, answer.out) == (2, "")
    assert "did you mean 'magnet'?" in answer.err


@pytest.mark.parametrize("wrong", ["dimm=3", "dim=0", "dim"])
def test_errors_of_settings_point_there(magnet, folder, tmp_path, wrong):
    answer = magnet(
        "train", "--data", folder, "--model", "lightgcn", "--set", wrong, "--out", tmp_path / "run"
    )
    assert answer.code == 2
    assert "`magnet config lightgcn` lists every setting" in answer.err
