"""Figures of others beside ours."""

from __future__ import annotations

import pytest

import magnet
from magnet.errors import ConfigError
from magnet.study.published import FILE, beside, read_published
from magnet.study.results import comparisons, page

FIGURES = """
[[figure]]
comparison = "one, strict"
model = "ease"
recall = 0.5
ndcg = 0.25
reruns = [0.4, 0.45]
note = "a paper; another split"

[[figure]]
comparison = "one, strict"
model = "COHESION"
recall = 0.9

[[figure]]
comparison = "elsewhere, strict"
model = "popularity"
recall = 0.1
"""


@pytest.fixture
def made(tiny, tmp_path):
    """A comparison of EASE at two settings and popularity, and the store that it filled."""
    models = {
        "ease": magnet.EASE(),
        "ease strong": magnet.EASE(regularization=1e6),
        "popularity": "popularity",
    }
    store = tmp_path / "store"
    magnet.compare(models, tiny.dataset, store=store, progress=False)
    (store / FILE).write_text(FIGURES)
    return store, next(iter(comparisons(store).values()))


def test_ours_stand_beside_theirs(made):
    store, found = made
    published = read_published(store)
    cells = beside("one, strict", found, published)
    ours = max(
        (row for row in found.rows if row.name.startswith("ease")),
        key=lambda row: row.metrics["valid"]["recall@20"],
    )
    (recall,), (ndcg,) = (ours.metrics["test"][name] for name in ("recall@20", "ndcg@20"))
    assert cells.rows[0] == [
        ours.label,
        f"{recall:.4f}/{ndcg:.4f}".replace("0.", "."),
        ".5000/.2500",
        f"{recall / 0.5 - 1:+.1%} *",
        ".4000, .4500",
        "",
        "a paper; another split",
    ]
    assert cells.rows[1] == ["COHESION", "", ".9000", "", "", "", ""]
    assert beside("two, strict", found, published) is None
    text = page({"one, strict": found}, {}, published)
    assert "**Beside published figures" in text
    assert "| COHESION |  | .9000 |" in text
    assert "**Beside" not in page({"one, strict": found}, {})


def test_magnet_is_compared_with_the_better_of_both(made):
    _, found = made
    # Two rows under other names: what counts is which is above.
    ease, popularity = (
        next(row for row in found.rows if row.name == name) for name in ("ease", "popularity")
    )
    magnets = type(found)(**{**vars(found), "rows": [renamed(ease, "magnet"), renamed(popularity, "ours")]})
    high, low = ease.metrics["test"]["recall@20"][0], popularity.metrics["test"]["recall@20"][0]
    for published, credited in ((low / 2, low), (low * 1.5, low * 1.5)):
        figure = magnet.study.published.PublishedFigure(comparison="x", model="ours", recall=published)
        assert beside("x", magnets, [figure]).rows[0][5] == f"{high / credited - 1:+.1%}"


def renamed(row, name):
    """The same row under another name."""
    return type(row)(**{**vars(row), "name": name})


def test_a_file_that_is_wrong_says_where(made, tmp_path):
    store, _ = made
    assert read_published(tmp_path) == []
    (store / FILE).write_text('[[figure]]\ncomparison = "a"\nmodel = "b"\nrecal = 0.1\n')
    with pytest.raises(
        ConfigError, match=r"published\.toml, figure 1: has no key 'recal'; did you mean 'recall'"
    ):
        read_published(store)
    (store / FILE).write_text("figures = 3\n")
    with pytest.raises(ConfigError, match=r"expected tables \[\[figure\]\] and nothing else, found figures"):
        read_published(store)
