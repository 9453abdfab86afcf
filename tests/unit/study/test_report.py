"""What a comparison looks like: tables, LaTeX, plot, commands and progress."""

from __future__ import annotations

import dataclasses
import io
import json

import numpy as np
import pytest
from rich.console import Console

import magnet
from magnet.data.records import DataSource
from magnet.errors import DataError
from magnet.study import progress
from magnet.study.commands import row_command
from magnet.study.comparison import Comparison, Gap, Row
from magnet.study.contenders import Contender
from magnet.study.described import Described
from magnet.study.plan import plan
from magnet.study.progress import StudyProgress, duration
from magnet.study.results import _group
from magnet.study.statistics import Difference
from support.study_data import quick, quick_lightgcn


def row(name, recalls, answer="delivered", **change):
    values = {
        "data": "shop",
        "name": name,
        "answer": answer,
        "seeds": list(range(len(recalls))),
        "metrics": {
            "valid": {"recall@20": recalls, "ndcg@20": recalls},
            "test": {"recall@20": recalls, "ndcg@20": [value / 2 for value in recalls]},
        },
        "n_users": {"valid": 9, "test": 10},
        "seconds": [61.0] * len(recalls),
        "memory": [3 << 29] * len(recalls),
        "delivered": [],
        "information": [],
        "command": f"magnet compare --models {name}",
        "made_by": [(f"{name}{seed}", answer) for seed in range(len(recalls))],
    }
    return Row(**values | change)


def gap(name, mean, p, p_holm, group="", **change):
    found = Difference(
        10, mean, mean - 0.02, mean + 0.02, 0.2, mean * 5, mean * 5 - 0.1, mean * 5 + 0.1, p, 0.03
    )
    return Gap("shop", name, "magnet", "recall@20", group, dataclasses.replace(found, **change), p_holm, None)


@pytest.fixture
def found():
    return Comparison(
        protocol="strict",
        part="test",
        reference="magnet",
        rows=[
            row("magnet", [0.2, 0.22], delivered=["coverage", "coverage"], information=[0.01, 0.03]),
            row("magnet", [0.19, 0.21], "backbone", seconds=[], memory=[]),
            row("a_b & 5%|", [0.1]),
        ],
        gaps=[gap("magnet: backbone", -0.01, 0.3, 0.3), gap("a_b & 5%|", -0.11, 0.0001, 0.0002)],
        slices=[
            gap("a_b & 5%|", -0.05, 0.01, None, "users 1-4"),
            gap("a_b & 5%|", 0.001, 0.9, None, "tail items"),
        ],
        data={
            "shop": {
                "n_users": 12,
                "n_items": 3456,
                "n_interactions": 7890,
                "modalities": ["image"],
                "source": {"split": "mmrec"},
            }
        },
    )


def test_a_text_has_means_spread_cost_and_differences(found):
    text = found.text()
    assert repr(found) == text
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == (
        "shop: 12 users x 3,456 items, 7,890 interactions, image, split mmrec; test part of 10 users, protocol strict"
    )
    assert (
        "magnet 2 .2100 ± .0141 .1050 ± .0071 .2100 ± .0141 1 min 1 s 1.50 GiB coverage 2 x .0200 ± .0141"
        in lines
    )
    assert "magnet: backbone 2 .2000 ± .0141 .1000 ± .0071 .2000 ± .0141" in lines
    assert "a_b & 5%| 1 .1000 .0500 .1000 1 min 1 s 1.50 GiB" in lines
    assert "a_b & 5%| Recall@20 -.1100 [-.1300, -.0900] -55.0% [-65.0%, -45.0%] .0001 .0002 .0300" in lines
    # The interval of the one part leaves out zero.
    assert "a_b & 5%| -.0500* +.0010" in lines
    assert "adjusts it to the 2 differences of its metric" in text
    assert "magnet, magnet: backbone:" in lines
    assert "magnet compare --models magnet" in lines
    assert max(map(len, text.splitlines()[:20])) <= 160


def test_markdown_has_all_intervals_and_escapes_bars(found):
    lines = found.markdown().splitlines()
    assert "| a_b & 5%\\| | 1 | .1000 | .0500 | .1000 | 1 min 1 s | 1.50 GiB |  |  |" in lines
    assert "| a_b & 5%\\| | -.0500 [-.0700, -.0300] | +.0010 [-.0190, +.0210] |" in lines
    start = lines.index("```bash")
    assert lines[start + 1 : start + 3] == ["# magnet, magnet: backbone", "magnet compare --models magnet"]
    tables = [line for line in lines if line.startswith("|")]
    assert all(line.count("|") > 3 and line.endswith("|") for line in tables)


def test_latex_marks_the_best_and_the_significant_and_escapes(found):
    lines = found.latex().splitlines()
    assert (
        r"magnet & \textbf{.2100} {\scriptsize $\pm$ .0141} & \textbf{.1050} {\scriptsize $\pm$ .0071} \\"
        in lines
    )
    assert r"a\_b \& 5\%| & .1000$^\dagger$ & .0500 \\" in lines
    assert r"magnet: backbone & .2000 {\scriptsize $\pm$ .0141} & .1000 {\scriptsize $\pm$ .0071} \\" in lines


def test_json_is_strict_and_unrounded(found):
    broken = dataclasses.replace(found, gaps=[gap("x", 0.1, 0.5, 0.5, relative=float("nan"))])
    document = json.loads(json.dumps(broken.to_json(), allow_nan=False))
    recall = document["rows"][0]["test"]["recall@20"]
    assert recall["seeds"] == [0.2, 0.22]
    assert (recall["mean"], recall["deviation"]) == pytest.approx((0.21, 0.02 / 2**0.5))
    assert document["differences"][0]["relative"] is None
    assert document["rows"][2]["keys"] == ["a_b & 5%|0"]
    assert document["statistics"] == {"draws": 10_000, "level": 0.95, "power": 0.8, "family": "metric"}


def test_a_plot_shows_every_row_and_colours_what_is_clear(found, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    drawn = []
    monkeypatch.setattr("magnet.study.plot.save", lambda figure, path: drawn.append(figure))
    found.plot(tmp_path / "a.png")
    left, right = drawn[0].axes
    assert [label.get_text() for label in left.get_yticklabels()] == [
        "magnet",
        "magnet: backbone",
        "a_b & 5%|",
    ]
    (backbone, other) = right.containers
    assert backbone.lines[0].get_xdata() == pytest.approx([-5.0])
    assert other.lines[0].get_xdata() == pytest.approx([-55.0])
    assert backbone.lines[0].get_color() == "#888888"
    assert other.lines[0].get_color() == "#D55E00"


def test_a_plot_is_written(found, tmp_path):
    pytest.importorskip("matplotlib")
    found.plot(tmp_path / "a.svg")
    assert "<svg" in (tmp_path / "a.svg").read_text()
    with pytest.raises(DataError, match=r"must end in \.png"):
        found.plot(tmp_path / "a.gif")


def test_the_command_of_a_row_names_all_that_differs_from_the_defaults(tiny):
    contender = Contender("wide one", "magnet", {"dim": 256, "experts": {"roles": ["dominant", "null"]}})
    assert row_command(contender, "delivered", tiny.dataset.source, [0], "strict") is None
    source = DataSource("/data/my shop", "mmrec", ["text", "image"], user="who", item="what", seed=3)
    data = dataclasses.replace(tiny.dataset, source=source)
    assert row_command(contender, "routed", data.source, [0, 2], "mmrec") == (
        "magnet compare --data '/data/my shop' --split mmrec --split-seed 3 --modalities text,image --user-column who "
        "--item-column what --models 'wide one=magnet' --set dim=256 "
        '--set \'experts.roles=["dominant", "null"]\' --seeds 0,2 --protocol mmrec --candidates'
    )
    rated = DataSource("shop", None, min_rating=3.5, rating="liking")
    assert row_command(Contender("ease", "ease"), "delivered", rated, [0], "strict") == (
        "magnet compare --data shop --min-rating 3.5 --rating-column liking --models ease --seeds 0"
    )
    plain = dataclasses.replace(data, source=DataSource("shop"))
    # A closed form needs one seed, and a name that the option could not read is left out.
    assert row_command(Contender("a,b", "ease"), "delivered", plain.source, [0, 1], "strict") == (
        "magnet compare --data shop --models ease --seeds 0"
    )


def test_durations_are_short():
    assert [duration(s) for s in (0, 9.94, 9.96, 59.4, 3599, 3600)] == [
        "0.0 s",
        "9.9 s",
        "10 s",
        "59 s",
        "59 min 59 s",
        "1 h 0 min",
    ]


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def experiments(tiny):
    rows = [Contender("fast", "lightgcn", {"dim": 8}), Contender("slow", "lightgcn", {"dim": 16})]
    return plan(rows, {"tiny": tiny.dataset}, [0, 1], protocol="strict")


def test_time_left_is_what_runs_of_the_kind_took(tiny, clock):
    runs = experiments(tiny)
    stream = io.StringIO()
    console = Console(file=stream, width=200)
    known = {"slow on tiny": [50.0, 70.0]}
    with StudyProgress(runs, stored=1, known=known, console=console) as shown:
        assert shown.left() == "about 2 min 0 s left, and 2 runs of a kind not timed yet"
        shown.begin(runs[0])
        clock[0] += 31
        shown.epoch({"stage": "training", "epoch": 3, "valid": {"recall@20": 0.25}})
        shown.epoch({"stage": "training", "epoch": 4})
        shown.end(runs[0], 40.0, "validation Recall@20 0.2500")
        assert shown.left() == "about 2 min 40 s left"
        shown.begin(runs[1])
        clock[0] += 10
        # Of the slow run that goes on now 50 seconds are left.
        assert shown.left() == "about 2 min 30 s left"
        clock[0] += 1000
        assert shown.left() == "about 1 min 40 s left"
        shown.end(runs[1], None, "validation Recall@20 0.3000")
        shown.wait()
    lines = stream.getvalue().splitlines()
    assert lines == [
        "1 of 5 runs are in the store already",
        "run 2 of 5: fast on tiny, seed 0; about 2 min 0 s left, and 2 runs of a kind not timed yet",
        "  training, epoch 3, validation Recall@20 0.2500; about 2 min 0 s left, and 2 runs of a kind not timed yet",
        "fast on tiny, seed 0: validation Recall@20 0.2500, 40 s",
        "run 3 of 5: slow on tiny, seed 0; about 2 min 40 s left",
        "slow on tiny, seed 0: validation Recall@20 0.3000, made by another process",
        "waiting for another process, which runs what is left: 2",
    ]


def test_a_terminal_has_one_bar(tiny):
    runs = experiments(tiny)
    stream = io.StringIO()
    console = Console(file=stream, width=120, force_terminal=True, color_system=None)
    with StudyProgress(runs, stored=0, known={}, console=console) as shown:
        shown.begin(runs[0])
        shown.epoch({"stage": "training", "epoch": 3, "valid": {"recall@20": 0.25}})
        shown._bar.refresh()
        shown.end(runs[0], 1.0, "done")
    text = stream.getvalue()
    assert "fast on tiny, seed 0" in text
    assert "epoch 3" in text
    assert "1/4" in text
    assert "run 1 of 4" not in text


def test_a_quiet_comparison_says_nothing(tiny, tmp_path, capsys):
    magnet.compare({"a": quick_lightgcn()}, tiny.dataset, seeds=(0,), store=tmp_path, progress=False)
    assert capsys.readouterr() == ("", "")


def test_models_print_what_they_are_compared_as():
    assert Contender("a", "magnet", {"dim": 4}).recommender(3).seed == 3
    assert quick(dim=4).config.dim == Contender("a", "magnet", {"dim": 4}).recommender(0).config.dim


def test_data_that_are_cut_by_rating_are_a_group_of_their_own():
    facts = {"name": "shop", "source": DataSource("shop", None, min_rating=4.0).to_json()}
    assert (
        _group(Described(facts, np.zeros(2, dtype=np.int32)), "strict") == "shop, rated 4 or better, strict"
    )
    facts["source"] = DataSource("shop", "random", seed=2).to_json()
    assert _group(Described(facts, np.zeros(2, dtype=np.int32)), "mmrec") == "shop, random, seed 2, mmrec"
