"""``magnet results``: a page and its pictures, out of a store."""

from __future__ import annotations

import json
import shlex

import pytest


def test_a_page_and_a_row_made_again_by_its_command(magnet, folder, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    store, out = tmp_path / "store", tmp_path / "results.md"
    filled = magnet(
        "compare", "--data", folder, "--models", "ease,popularity", "--store", store, "--protocol", "mmrec"
    )
    assert filled.code == 0, filled.err
    answer = magnet("results", "--store", store, "--out", out, "--json")
    assert answer.code == 0, answer.err
    rows = json.loads(answer.out)["tiny, mmrec"]["rows"]
    assert [row["label"] for row in rows] == ["ease", "popularity"]
    assert (tmp_path / "results-tiny-mmrec.png").read_bytes().startswith(b"\x89PNG")
    text = out.read_text()
    assert "(results-tiny-mmrec.png)" in text
    assert rows[1]["command"] in text
    (tmp_path / "DATA").symlink_to(folder.parent)
    monkeypatch.chdir(tmp_path)
    again = magnet(*shlex.split(rows[1]["command"])[1:], "--store", tmp_path / "other", "--json")
    (row,) = json.loads(again.out)["rows"]
    assert row["test"] == rows[1]["test"]
    (store / "about.md").write_text("Seeds are few.\n")
    refused = magnet("results", "--store", store, "--out", out)
    assert refused.code == 1
    assert "--overwrite it" in refused.err
    whole = magnet("results", "--store", store, "--out", out, "--overwrite")
    assert whole.out == f"{out}: 2 rows of tiny, mmrec\n"
    assert out.read_text().splitlines()[:6].count("Seeds are few.") == 1
    alone = magnet("results", "--store", store, "--skip", "^pop", "--out", out, "--overwrite")
    assert alone.code == 2
    assert "it goes with --share alone" in alone.err
    shared = ["--share", tmp_path / "shared", "--skip", "^pop"]
    fewer = magnet("results", "--store", store, *shared, "--out", out, "--overwrite")
    assert fewer.out == f"{out}: 1 row of tiny, mmrec\n"
    assert len(list((tmp_path / "shared" / "experiments").iterdir())) == 1


def test_what_is_no_store_stays_as_it_is(magnet, tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("none", "empty"):
        answer = magnet("results", "--store", tmp_path / name, "--out", tmp_path / "a.md")
        assert (answer.code, answer.out) == (1, "")
        assert "not a store of experiments; name the folder that magnet compare filled" in answer.err
    assert [entry.name for entry in tmp_path.iterdir()] == ["empty"]
    assert not list((tmp_path / "empty").iterdir())
