"""A page of results out of a store of experiments: one comparison for each data set, and nothing is trained."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from magnet.config import changed
from magnet.errors import ConfigError, RunError
from magnet.models.registry import MODELS, find_model
from magnet.study.assemble import assembled
from magnet.study.cells import markdown_table
from magnet.study.contenders import CANDIDATES, DELIVERED, Contender
from magnet.study.described import Described, read_description
from magnet.study.identity import NUMERICS
from magnet.study.published import beside
from magnet.study.store import RunStore, as_written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from magnet.data import DataSource
    from magnet.study.comparison import Comparison
    from magnet.study.published import PublishedFigure
    from magnet.study.store import Record

__all__ = ["ABOUT", "comparisons", "is_of_now", "name_of", "page", "slug"]

ABOUT = "about.md"
"""In a store: what has to be said of all of it."""

REFERENCE = "magnet"
"""What the others are compared with, where it is among them."""

_HEAD = """# Results

Everything here comes out of stored experiments (`make results`). Each row can be made again by the command below its
table, in which DATA is the folder that holds the data sets. Validation chose, within each run; test was scored once.
"""


@dataclass(frozen=True)
class _Stored:
    """A run of which the store knows everything."""

    contender: Contender
    source: DataSource | None
    data: str
    seed: int
    protocol: str
    parts: tuple[str, ...]
    key: str


def comparisons(store: str | Path) -> dict[str, Comparison]:
    """Put all that a store has together.

    Runs belong together that have the same users, split and protocol; such as see fewer modalities say so in their
    name. A row is a model with its settings. Left out are runs that scored validation alone, as trials do, and such as
    this version would not come to: of other numerics, or with settings that are gone.

    Args:
        store: Folder of experiments. Where data lie does not count: commands name them in a folder ``DATA``.

    Returns:
        By data, split and protocol in words, in alphabetical order.

    Raises:
        RunError: If the folder is no store, nothing in it can be compared, it does not describe its data, or data
            of the same name and split differ.
    """
    there = RunStore(store)
    groups: dict[str, list[tuple[Record, Described]]] = defaultdict(list)
    for key in there.keys:
        record = there.find(key)
        assert record is not None
        about = record.experiment
        with as_written(record.path):
            if not is_of_now(record):
                continue
            described = read_description(there, about["data"])
            groups[_group(described, about["protocol"])].append((record, described))
    if not groups:
        raise RunError(
            f"{there.path}: no experiment has scored a test part; run magnet compare with --store {there.path} first"
        )
    with as_written(there.path / "experiments"):
        return {name: _compared(groups[name]) for name in sorted(groups)}


def page(
    found: Mapping[str, Comparison],
    pictures: Mapping[str, str],
    published: Sequence[PublishedFigure] = (),
    *,
    about: str = "",
) -> str:
    """The comparisons as one page of Markdown.

    Args:
        found: By name.
        pictures: The file of each one's picture, as the page links to it; may lack some.
        published: What others report of models, to stand beside ours.
        about: What has to be said of all of it, in Markdown.
    """
    parts = [_HEAD, *([about.strip() + "\n"] if about.strip() else [])]
    for name, comparison in found.items():
        if name in pictures:
            parts.append(f"![{name}: results over seeds, and differences]({pictures[name]})\n")
        parts.append(comparison.markdown())
        theirs = beside(name, comparison, published)
        if theirs is not None:
            parts.append(markdown_table(theirs))
    return "\n".join(parts)


def slug(name: str) -> str:
    """A name as part of a file's name.

    Example:
        >>> slug("baby, split_mmrec, strict")
        'baby-split_mmrec-strict'
    """
    return re.sub(r"[^\w.]+", "-", name).strip("-")


def _group(described: Described, protocol: str) -> str:
    source = described.source
    words = [described.facts["name"]]
    if source is not None and source.split not in (None, "split"):
        words.append(str(source.split))
    if source is not None and source.seed:
        words.append(f"seed {source.seed}")
    if source is not None and source.min_rating is not None:
        words.append(f"rated {source.min_rating:g} or better")
    return ", ".join([*words, protocol])


def _compared(members: Sequence[tuple[Record, Described]]) -> Comparison:
    whole = max((described for _, described in members), key=lambda one: len(one.facts["modalities"]))
    data = whole.facts["name"]
    for record, described in members:
        if not np.array_equal(described.history, whole.history):
            raise RunError(
                f"{record.path}: it is of data called {data!r} with the split and protocol of others in this store, "
                "and its users have other training items; keep a store for each of them"
            )
    # Of runs that differ in the version alone, the newest counts.
    runs: dict[tuple[str, int], tuple[_Stored, Record]] = {}
    for record, described in sorted(members, key=lambda one: _version(one[0])):
        run = _stored(record, described, whole, data)
        runs[run.contender.name, run.seed] = run, record
    order = {model: place for place, model in enumerate(MODELS)}
    ordered = sorted(
        (run for run, _ in runs.values()),
        key=lambda run: (order[run.contender.model], len(run.contender.name), run.contender.name, run.seed),
    )
    names = [run.contender.name for run in ordered]
    shown = replace(whole, facts=whole.facts | {"source": _moved_facts(whole)})
    return assembled(
        ordered,
        {record.key: record for _, record in runs.values()},
        {data: shown},
        protocol=ordered[0].protocol,
        reference=REFERENCE if REFERENCE in names else names[0],
    )


def is_of_now(record: Record) -> bool:
    """Whether a run scored a test part and is one that this version would come to."""
    about = record.experiment
    if "test" not in about["parts"] or about["numerics"] != NUMERICS:
        return False
    config = find_model(about["model"]).config
    try:
        config.build(about["config"])
    except ConfigError:
        return False
    return True


def name_of(record: Record, described: Described, whole: Described) -> str:
    """What a run is called among others: its model, the settings that differ from the defaults, what it does not see.

    Args:
        record: Of the run.
        described: The data as the run saw them.
        whole: The same with all modalities that any of the runs saw.
    """
    settings, without = _differing(record), _unseen(described, whole)
    name: str = record.experiment["model"]
    if settings:
        name += f" ({', '.join(_words(settings))})"
    if without:
        name += f" without {', '.join(without)}"
    return name


def _differing(record: Record) -> dict[str, Any]:
    config = find_model(record.experiment["model"]).config
    # Settings that the run does not know yet have their defaults.
    built = config.build(record.experiment["config"], where=record.key)
    return changed(built.resolved(), config.build().resolved())


def _unseen(described: Described, whole: Described) -> tuple[str, ...]:
    return tuple(n for n in whole.facts["modalities"] if n not in described.facts["modalities"])


def _stored(record: Record, described: Described, whole: Described, data: str) -> _Stored:
    about, name = record.experiment, name_of(record, described, whole)
    answers = (DELIVERED, *CANDIDATES) if name == REFERENCE else (DELIVERED,)
    contender = Contender(name, about["model"], _differing(record), _unseen(described, whole), answers)
    return _Stored(
        contender,
        _moved(described),
        data,
        about["seed"],
        about["protocol"],
        tuple(about["parts"]),
        record.key,
    )


def _words(settings: Mapping[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            found += _words(value, f"{prefix}{key}.")
        else:
            found.append(f"{prefix}{key}={value if isinstance(value, str) else json.dumps(value)}")
    return found


def _moved(described: Described) -> DataSource | None:
    """Where the data lie for a reader, who has them in another folder than whoever ran the experiments."""
    source = described.source
    return None if source is None else replace(source, path=f"DATA/{PurePath(source.path).name}")


def _moved_facts(described: Described) -> dict[str, Any] | None:
    source = _moved(described)
    return None if source is None else source.to_json()


def _version(record: Record) -> list[tuple[bool, int, str]]:
    parts = re.split(r"[.+-]", record.experiment["version"])
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]
