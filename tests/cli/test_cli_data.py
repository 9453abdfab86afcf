"""``magnet data``: what it prints, and that bad data end with 1 and a message that names the place."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from magnet.graph import knn_graph, lift
from magnet.synthetic.generator import generate


def test_describe_gives_the_figures_of_the_generator(magnet, folder):
    answer = magnet("data", "describe", folder, "--json")
    found = json.loads(answer.out)
    dataset = generate("tiny").dataset
    assert answer.code == 0
    assert (found["n_users"], found["n_items"], found["n_interactions"]) == (240, 160, dataset.users.size)
    assert found["parts"] == {name: int((dataset.parts == p).sum()) for p, name in enumerate(found["parts"])}
    image = dataset.modalities["image"]
    expected = lift(dataset.train, knn_graph(image.features, 10, present=image.present))
    assert found["modalities"]["image"]["missing"] == 16
    assert found["modalities"]["image"]["lift"] == pytest.approx(expected)


def test_describe_prints_tables_for_people(magnet, folder):
    answer = magnet("data", "describe", folder, "--modalities", "text")
    assert answer.code == 0
    assert "Modalities" in answer.out
    assert "text" in answer.out
    assert "image" not in answer.out
    assert "16 of 160 items" in answer.err


def test_check_says_what_is_odd(magnet, folder):
    answer = magnet("data", "check", folder)
    assert answer.code == 0
    assert answer.out.count("16 of 160 items") == 2
    assert "fit to train on: 240 users" in answer.out


def test_check_lists_everything_and_training_says_the_gist_in_one_line(magnet, tmp_path):
    data = tmp_path / "shop"
    data.mkdir()
    rows = [f"u{u} \ti{i}\t{u - 1}\tx\n" for u in range(6) for i in range(5) if (u + i) % 5]
    (data / "inter.tsv").write_text("user_id\titem_id\trating\tcolour\n" + "".join(rows) + "\n")
    (data / "image.h5").write_bytes(b"features")
    answer = magnet("data", "check", data, "--split", "random")
    notes = [line for line in answer.out.splitlines() if line.startswith("note: ")]
    assert len(notes) == 5
    for place in ("line 26", "'u0 ' in line 2", "'-1' in line 2", "'colour'", "'image.h5'"):
        assert place in answer.out
    command = [
        "train",
        "--data",
        data,
        "--split",
        "random",
        "--model",
        "popularity",
        "--out",
        tmp_path / "run",
    ]
    said = [line for line in magnet(*command, "--json").err.splitlines() if line.startswith("note: ")]
    assert len(said) == 1
    assert "and 2 more" in said[0]
    assert f"magnet data check {data}" in said[0]


def test_synthetic_data_are_written_once_and_overwritten_on_request(magnet, tmp_path):
    out = tmp_path / "made"
    first = magnet("data", "synthetic", "--size", "tiny", "--seed", "3", "--out", out, "--json")
    assert json.loads(first.out)["n_users"] == 240
    before = (out / "inter.tsv").read_bytes()
    refused = magnet("data", "synthetic", "--size", "tiny", "--seed", "4", "--out", out)
    assert refused.code == 1
    assert str(out) in refused.err
    assert (out / "inter.tsv").read_bytes() == before
    again = magnet("data", "synthetic", "--size", "tiny", "--seed", "4", "--out", out, "--overwrite")
    assert again.code == 0
    assert (out / "inter.tsv").read_bytes() != before


def spoil_missing(folder):
    shutil.rmtree(folder)


def spoil_no_table(folder):
    (folder / "inter.tsv").unlink()


def spoil_empty(folder):
    (folder / "inter.tsv").write_text("")


def spoil_columns(folder):
    text = (folder / "inter.tsv").read_text()
    (folder / "inter.tsv").write_text(text.replace("userID", "who", 1))


def spoil_short_features(folder):
    np.save(folder / "image.npy", np.load(folder / "image.npy")[:-5])


def spoil_text_features(folder):
    np.save(folder / "image.npy", np.full((160, 2), "red"))


def spoil_nan(folder):
    features = np.load(folder / "text.npy")
    features[7, 3] = np.nan
    np.save(folder / "text.npy", features)


def spoil_inf(folder):
    features = np.load(folder / "text.npy")
    features[9, 1] = np.inf
    np.save(folder / "text.npy", features)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (spoil_missing, "no such folder"),
        (spoil_no_table, "inter.tsv"),
        (spoil_empty, "inter.tsv"),
        (spoil_columns, "who"),
        (spoil_short_features, "155"),
        (spoil_text_features, "image.npy"),
        (spoil_nan, "text.npy"),
        (spoil_inf, "text.npy"),
    ],
)
@pytest.mark.parametrize("verb", ["check", "train"])
def test_bad_data_end_with_1_and_say_where(magnet, folder, tmp_path, spoil, named, verb):
    bad = tmp_path / "bad"
    shutil.copytree(folder, bad)
    spoil(bad)
    out = tmp_path / "run"
    answer = (
        magnet("data", "check", bad, "--json")
        if verb == "check"
        else magnet("train", "--data", bad, "--model", "popularity", "--out", out, "--json")
    )
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("error: ")
    assert "Traceback" not in answer.err
    assert str(bad) in answer.err
    assert named in answer.err
    assert not out.exists()


def test_an_unknown_split_or_modality_names_the_nearest(magnet, folder):
    assert "did you mean 'split'?" in magnet("data", "check", folder, "--split", "splt").err
    answer = magnet("data", "check", folder, "--modalities", "image,txt")
    assert answer.code == 1
    assert "did you mean 'text'?" in answer.err
