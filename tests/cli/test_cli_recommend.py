"""``magnet recommend`` and ``magnet explain``."""

from __future__ import annotations

import json
import sys

import numpy as np
import polars as pl
import pytest

from magnet.api import EASE, load
from magnet.cli.ids import match_ids
from magnet.data import Dataset
from magnet.errors import MagnetWarning


def numbered():
    """Users and items that are whole numbers, and a user who has taken everything."""
    rows = [(10, 1, "train"), (10, 2, "valid"), (20, 2, "train"), (20, 3, "valid"), (30, 1, "train")]
    rows += [(30, 3, "test"), (50, 4, "train"), (50, 1, "test")] + [
        (40, item, "train") for item in range(1, 6)
    ]
    frame = pl.DataFrame(rows, schema=["user", "item", "split"], orient="row")
    return Dataset.from_frame(frame, split="split")


@pytest.fixture
def numbered_run(tmp_path):
    EASE().fit(numbered(), folder=tmp_path / "numbered")
    return tmp_path / "numbered"


def test_csv_json_and_parquet_hold_what_the_library_recommends(magnet, ease_run, tmp_path):
    expected = load(ease_run).recommend(["u001", "u007"], 4)
    common = ["recommend", ease_run, "--users", "u001,u007", "-k", 4]
    printed = magnet(*common)
    assert printed.code == 0
    assert printed.out == expected.write_csv()
    document = json.loads(magnet(*common, "--json").out)
    assert (document["model"], document["k"], document["n_users"]) == ("ease", 4, 2)
    assert pl.DataFrame(document["recommendations"], schema=expected.schema).equals(expected)
    assert json.loads(magnet(*common, "--format", "json").out) == document
    for ending in ("parquet", "csv"):
        out = tmp_path / f"lists.{ending}"
        assert magnet(*common, "--out", out) == (0, "", "")
        read = pl.read_parquet(out) if ending == "parquet" else pl.read_csv(out, schema=expected.schema)
        assert read.equals(expected)
    assert magnet(*common, "--format", "json", "--out", tmp_path / "lists").code == 0
    assert json.loads((tmp_path / "lists").read_text()) == document
    assert sorted(file.name for file in tmp_path.iterdir()) == ["lists", "lists.csv", "lists.parquet"]


def test_a_file_that_exists_is_refused_and_unharmed_unless_overwritten(magnet, ease_run, tmp_path):
    out = tmp_path / "lists.csv"
    out.write_text("mine")
    common = ["recommend", ease_run, "--users", "u001", "--out", out]
    refused = magnet(*common)
    assert refused.code == 1
    assert "--overwrite" in refused.err
    assert out.read_text() == "mine"
    assert magnet(*common, "--overwrite").code == 0
    assert out.read_text().startswith("user_id,")
    assert (
        "does not exist"
        in magnet("recommend", ease_run, "--users", "u001", "--out", tmp_path / "a" / "b").err
    )


def test_users_come_from_a_file(magnet, ease_run, tmp_path):
    file = tmp_path / "users.txt"
    file.write_text("\ufeffu007\n\n  u001 \n")
    answer = magnet("recommend", ease_run, "--users", file, "-k", 1)
    assert [line.split(",")[0] for line in answer.out.splitlines()] == ["user_id", "u007", "u001"]
    file.write_text("\n")
    assert "empty" in magnet("recommend", ease_run, "--users", file).err
    assert "no such file" in magnet("recommend", ease_run, "--users", tmp_path / "other.txt").err
    assert "names no user" in magnet("recommend", ease_run, "--users", " , ").err


def test_unknown_users_are_named_or_skipped_or_answered_by_popularity(magnet, ease_run):
    common = ["recommend", ease_run, "--users", "u001,nobody", "-k", 3, "--json"]
    refused = magnet(*common)
    assert (refused.code, refused.out) == (1, "")
    assert "'nobody'" in refused.err
    skipped = json.loads(magnet(*common, "--unknown", "skip").out)["recommendations"]
    assert {row["user_id"] for row in skipped} == {"u001"}
    popular = json.loads(magnet(*common, "--unknown", "popular").out)["recommendations"]
    contents = load(ease_run).contents
    order = sorted(range(160), key=lambda item: (-contents.popularity[item], item))
    expected = [contents.item_ids[item] for item in order[:3]]
    assert [row["item_id"] for row in popular if row["user_id"] == "nobody"] == expected
    assert {row["reason"] for row in popular if row["user_id"] == "nobody"} == {"popular"}


def test_numbers_typed_on_the_command_line_are_the_runs_numbers(magnet, numbered_run):
    answer = magnet("recommend", numbered_run, "--users", "20,10", "-k", 2, "--json")
    found = json.loads(answer.out)["recommendations"]
    assert [row["user_id"] for row in found] == [20, 20, 10, 10]
    assert all(row["item_id"] not in (2, 3) for row in found if row["user_id"] == 20)
    assert (
        json.loads(magnet("explain", numbered_run, "--user", "20", "--item", "1", "--json").out)["item_id"]
        == 1
    )


def test_ids_are_asked_for_in_the_spelling_that_files_are_read_in(magnet, tmp_path):
    data, run, users = tmp_path / "shop", tmp_path / "run", tmp_path / "users.txt"
    data.mkdir()
    rows = [f"e\u0301{u} \ti{i}\n" for u in range(6) for i in range(5) if (u + i) % 5]
    (data / "inter.tsv").write_text("user_id\titem_id\n" + "".join(rows), encoding="utf-8")
    trained = magnet(
        "train", "--data", data, "--split", "random", "--model", "popularity", "--out", run, "--json"
    )
    assert trained.code == 0, trained.err
    assert trained.err.count("note: ") == 1
    assert "24 rows have an id with blanks around it" in trained.err
    users.write_text("e\u03011 \n\u00e92\n", encoding="utf-8")
    for asked in (users, "e\u03011,\u00e92 "):
        answer = magnet("recommend", run, "--users", asked, "-k", 1)
        assert [line.split(",")[0] for line in answer.out.splitlines()] == ["user_id", "\u00e91", "\u00e92"]


def test_fewer_rows_where_fewer_items_are_left_and_a_warning_where_none_is(magnet, numbered_run):
    found = json.loads(magnet("recommend", numbered_run, "--users", "10", "-k", 5, "--json").out)
    assert len(found["recommendations"]) == 3
    with pytest.warns(MagnetWarning, match="1 of 2 users have seen all 5 items and get no rows: 40"):
        sated = magnet("recommend", numbered_run, "--users", "40,20", "-k", 1)
    assert sated.code == 0
    assert [line.split(",")[0] for line in sated.out.splitlines()] == ["user_id", "20"]


def test_k_larger_than_the_catalogue_is_refused(magnet, ease_run):
    for k in (161, 0):
        answer = magnet("recommend", ease_run, "--users", "u001", "-k", k)
        assert (answer.code, answer.out) == (1, "")
        assert "160" in answer.err


def test_ids_are_matched_as_they_are_written():
    known = ["a", 7, "8", 8, ("shop", 3), 1.5]
    assert match_ids(["7", "8", '["shop", 3]', "1.5", "b"], known) == [7, "8", ("shop", 3), 1.5, "b"]


def test_explain_answers_for_a_pair_and_for_the_model(magnet, magnet_run):
    pair = json.loads(magnet("explain", magnet_run, "--user", "u001", "--item", "i003", "--json").out)
    expected = load(magnet_run).score(["u001"], ["i003"])[0, 0]
    assert pair["score"] == pytest.approx(float(expected), abs=1e-6)
    assert len(pair["experts"]) in (0, 10)  # none where the backbone alone was delivered
    whole = magnet("explain", magnet_run, "--json")
    assert whole.code == 0
    assert json.loads(whole.out)["model"] == "magnet"
    text = magnet("explain", magnet_run, "--user", "u001", "--item", "i003")
    assert text.code == 0
    assert "dominant/behaviour" in text.out


def test_explain_plots_whole_files_and_refuses_to_overwrite(magnet, magnet_run, tmp_path):
    pytest.importorskip("matplotlib")
    png = tmp_path / "why.png"
    answer = magnet("explain", magnet_run, "--png", png, "--json")
    plots = json.loads(answer.out)["plots"]
    assert sorted(plots) == sorted(str(file) for file in tmp_path.iterdir())
    assert str(png) in plots
    for file in tmp_path.iterdir():
        assert file.read_bytes().startswith(b"\x89PNG")
    refused = magnet("explain", magnet_run, "--png", png)
    assert refused.code == 1
    assert "--overwrite" in refused.err
    assert magnet("explain", magnet_run, "--png", png, "--overwrite").code == 0


def test_without_matplotlib_a_plot_names_the_extra(magnet, magnet_run, tmp_path, monkeypatch):
    for name in ["matplotlib.figure", *(name for name in sys.modules if name.startswith("matplotlib"))]:
        monkeypatch.setitem(sys.modules, name, None)
    answer = magnet("explain", magnet_run, "--user", "u001", "--item", "i003", "--png", tmp_path / "why.png")
    assert answer.code == 1
    assert "magnet-rec[report]" in answer.err
    assert list(tmp_path.iterdir()) == []


def test_explain_names_unknown_ids(magnet, magnet_run):
    answer = magnet("explain", magnet_run, "--user", "u001", "--item", "i999")
    assert answer.code == 1
    assert "'i999'" in answer.err


def test_everyone_somebody_new_and_chosen_items(magnet, ease_run, tmp_path):
    model = load(ease_run)
    out = tmp_path / "all.parquet"
    assert magnet("recommend", ease_run, "--users", "all", "-k", 2, "--out", out) == (0, "", "")
    assert pl.read_parquet(out).equals(model.recommend(model.user_ids, 2))
    taken = tmp_path / "taken.txt"
    taken.write_text("i003\ni009\n")
    for history in (taken, "i003,i009"):
        answer = magnet("recommend", ease_run, "--history", history, "-k", 3, "--reasons")
        assert answer.out == model.recommend(history=["i003", "i009"], k=3, reasons=True).write_csv()
    options = [
        "--candidates",
        "i001,i002,i005",
        "--exclude",
        "i002",
        "--seen",
        "--diversity",
        0.5,
        "--probability",
    ]
    answer = magnet("recommend", ease_run, "--users", "u001", "-k", 3, *options)
    expected = model.recommend(
        "u001",
        3,
        candidates=["i001", "i002", "i005"],
        exclude=["i002"],
        exclude_seen=False,
        diversity=0.5,
        probability=True,
    )
    assert answer.out == expected.write_csv()
    assert expected["item_id"].sort().to_list() == ["i001", "i005"]
    document = json.loads(magnet("recommend", ease_run, "--history", "i003", "-k", 2, "--json").out)
    assert document["n_users"] == 1
    assert document["recommendations"][0]["user_id"] is None


def test_many_users_come_with_a_bar(magnet, ease_run, monkeypatch):
    monkeypatch.setattr("magnet.cli.recommend._MANY", 100)
    answer = magnet("recommend", ease_run, "--users", "all", "-k", 1)
    assert answer.code == 0
    assert "240/240" in answer.err or "100%" in answer.err


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        ([], 2, "give --users"),
        (["--users", "u001", "--history", "i001"], 2, "give --users"),
        (["--users", "u001", "--where", "price<3"], 2, "no item columns to choose by"),
        (["--users", "u001", "--candidates", "zz"], 1, "unknown item ids 'zz' (candidates)"),
        (["--history", "no/such.txt"], 1, "such.txt: no such file; expected one with a item id"),
        (["--users", "u001", "--out", "lists.xlsx"], 1, "files that end in .xlsx are not written"),
        (["--users", "u001", "--diversity", "2"], 1, "diversity must be a number from 0 to 1"),
    ],
)
def test_wrong_wishes_are_answered_in_words(magnet, ease_run, options, code, text):
    answer = magnet("recommend", ease_run, *options)
    assert answer.code == code
    assert text in " ".join(answer.err.replace("│", "").split())


def test_similar_items_and_users(magnet, ease_run, tmp_path):
    model = load(ease_run)
    assert (
        magnet("similar", ease_run, "--items", "i003,i004", "-k", 2).out
        == model.similar_items(["i003", "i004"], 2).write_csv()
    )
    assert (
        magnet("similar", ease_run, "--users", "u001", "-k", 2).out
        == model.similar_users("u001", 2).write_csv()
    )
    out = tmp_path / "similar.json"
    assert magnet("similar", ease_run, "--items", "i003", "--by", "image", "--out", out) == (0, "", "")
    assert len(json.loads(out.read_text())["similar"]) == 10
    for options, text in (
        ([], "give --items or --users"),
        (["--users", "u001", "--where", "a=1"], "--where goes with --items"),
        (["--items", "i003", "--by", "imag"], "did you mean 'image'"),
    ):
        answer = magnet("similar", ease_run, *options)
        assert answer.code == 2
        assert text in " ".join(answer.err.replace("│", "").split())


def test_new_items_make_another_run(magnet, ease_run, folder, tmp_path):
    rows = np.load(folder / "image.npy")
    np.save(tmp_path / "new.npy", rows[[3, 9]])
    table = tmp_path / "new.csv"
    table.write_text("item,title,price\n7,Seven,3\n8,Eight,4\n")
    grown = tmp_path / "grown"
    common = ["add-items", ease_run, "--items", table]
    features = ["--features", f"image={tmp_path / 'new.npy'}"]
    answer = magnet(*common, *features, "--out", grown)
    assert answer == (0, f"{grown}: 2 new items, 162 in all\n", "")
    model = load(grown)
    assert model.item_ids[-2:] == ["7", "8"]
    assert model.contents.item_table["price"].to_list()[-2:] == [3, 4]
    assert load(ease_run).item_ids == model.item_ids[:-2]
    lists = magnet("recommend", grown, "--users", "u001", "--candidates", "7", "-k", 1, "--where", "price<=3")
    assert lists.out.splitlines()[1].startswith("u001,7,1,")
    assert json.loads(magnet(*common, *features, "--out", grown, "--overwrite", "--json").out)["n_new"] == 2
    for options, code, text in (
        ([*features, "--out", grown], 1, "exists already"),
        (["--features", "image", "--out", tmp_path / "x"], 2, "expected MODALITY=FILE"),
        (["--features", "image=none.npy", "--out", tmp_path / "x"], 1, "none.npy: no such file"),
        (["--features", f"look={tmp_path / 'new.npy'}", "--out", tmp_path / "x"], 2, "no modality 'look'"),
    ):
        answer = magnet(*common, *options)
        assert answer.code == code
        assert text in " ".join(answer.err.replace("│", "").split())
    assert not (tmp_path / "x").exists()
