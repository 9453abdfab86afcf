"""``magnet plan``."""

from __future__ import annotations

import json


def test_a_plan_names_memory_time_and_guesses(magnet, folder):
    answer = magnet("plan", folder)
    assert answer.code == 0, answer.err
    for model in ("magnet", "lightgcn", "ease", "popularity"):
        assert model in answer.out
    assert answer.out.count("about") > 8
    assert "Guesses:" in answer.out
    assert "stops after" in answer.out


def test_json_and_settings(magnet, folder):
    one = ["plan", folder, "--model", "lightgcn", "--json"]
    usual, fewer = (json.loads(magnet(*one, *more).out) for more in ([], ["--set", "train.epochs=3"]))
    assert usual["n_users"] == 240
    assert fewer["models"][0]["seconds"] < usual["models"][0]["seconds"]
    assert usual["models"][0]["fits"] in (True, None)
    answer = magnet("plan", folder, "--set", "dim=3")
    assert answer.code == 2
    assert "--model NAME" in answer.err
    assert magnet("plan", folder, "--model", "eaze").code == 2
    assert magnet("plan", folder / "nowhere").code == 1
