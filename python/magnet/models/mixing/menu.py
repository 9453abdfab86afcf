"""Which operator stands for a cue: one of a short menu, by what it adds on held-out pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from magnet.evaluate.metrics import ranking_metrics
from magnet.evaluate.rank import rank
from magnet.models.mixing.candidates import standardised
from magnet.models.signals.base import SIGNALS
from magnet.seeds import numpy_generator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from magnet.data import Modality
    from magnet.models.mixing.holdout import Fold
    from magnet.operators import Operator

    Scores: TypeAlias = Callable[[NDArray[np.int32]], NDArray[np.float32]]

__all__ = ["BEHAVIOUR", "Choice", "Chosen", "choose", "choose_signals", "menus", "prepared"]

BEHAVIOUR = "behaviour"  # the cue that needs no content

_USERS = 2000  # on whom the menu is tried
_WEIGHTS = (0.3, 1.0, 3.0)  # of a signal beside the backbone, the best of which counts
_SPARED = 0.5  # standard errors that content alone may be behind a model of content and behaviour

Choice = dict[str, Any]  # a signal's name as "kind", and its settings


def menus(
    modalities: Sequence[str], behaviour: Sequence[Choice], content: Sequence[Choice]
) -> dict[str, list[Choice]]:
    """The menu of each cue, behaviour first."""
    named = {m: [{**choice, "modality": m} for choice in content] for m in modalities}
    return {BEHAVIOUR: list(behaviour), **named}


def prepared(choice: Choice, train: csr_array, modalities: Mapping[str, Modality]) -> Operator:
    """The operator of a choice.

    Raises:
        ConfigError: If there is no such signal, or a setting is wrong.
    """
    signal = SIGNALS.find(choice["kind"])
    settings = {name: value for name, value in choice.items() if name != "kind"}
    return signal.prepare(train, modalities, signal.config.build(settings, where=f"signal {choice['kind']}"))


class Chosen(NamedTuple):
    """What was taken from a menu."""

    choice: Choice
    operator: Operator  # over the rest
    gains: list[float]  # of each choice: the mean of Recall@20 and NDCG@20 at its best weight
    weight: float  # the best one of the choice that was taken


def choose_signals(
    menus: Mapping[str, Sequence[Choice]],
    fold: Fold,
    modalities: Mapping[str, Modality],
    base: Scores,
    *,
    compress: bool,
    seed: int,
) -> dict[str, Chosen]:
    """Choose the signal of each cue: that of behaviour beside the backbone, the others beside backbone and behaviour.

    What is asked of content is what it adds to behaviour. A model of both would win for its behaviour otherwise, and
    the cue that bears the content's name would mean little.

    Args:
        menus: As :func:`menus` makes them, behaviour first.
        fold: Operators are made of its rest and judged by what was held out.
        modalities: Content by name.
        base: The backbone's scores of some users, ``(B, I)``, fitted to the rest.
        compress: Whether cues' scores are compressed.
        seed: Of the users on whom the menus are tried.
    """
    users = np.flatnonzero(np.diff(fold.held.indptr)).astype(np.int32)
    if len(users) > _USERS:
        users = np.sort(numpy_generator(seed, "menu").choice(users, _USERS, replace=False))
    rows = standardised(base(users), compress=False)
    found: dict[str, Chosen] = {}
    for cue, menu in menus.items():
        content = cue != BEHAVIOUR
        found[cue] = choose(menu, fold, modalities, users, rows, compress=compress, sparing=content)
        if not content:
            own = standardised(found[cue].operator.apply(fold.rest[users]), compress=compress)
            rows = rows + np.float32(found[cue].weight) * own
    return found


def choose(
    menu: Sequence[Choice],
    fold: Fold,
    modalities: Mapping[str, Modality],
    users: NDArray[np.int32],
    rows: NDArray[np.float32],
    *,
    compress: bool,
    sparing: bool = False,
) -> Chosen:
    """Try a menu on held-out pairs.

    Args:
        menu: At least one choice.
        fold: Operators are made of its rest and judged by what was held out.
        modalities: Content by name.
        users: On whom the menu is tried, ``(B,)``.
        rows: What the signal will stand beside, standardised scores of these users, ``(B, I)``.
        compress: Whether the cue's scores are compressed.
        sparing: Take the first choice that is within half a standard error of the best (paired, over users), instead of
            the best: the rule of Breiman et al., *Classification and Regression Trees*, 1984, where it is a whole one.
    """
    seen, held = fold.rest[users], fold.held[users]
    operators = [prepared(choice, fold.rest, modalities) for choice in menu]
    values, weights = [], []
    for operator in operators:
        own = standardised(operator.apply(seen), compress=compress)
        tried = [_quality(_Sum(rows, own, weight), seen, held) for weight in _WEIGHTS]
        best = int(np.argmax([each.sum() for each in tried]))
        values.append(tried[best])
        weights.append(_WEIGHTS[best])
    gains = [float(each.mean()) if len(users) else 0.0 for each in values]
    best = int(np.argmax(gains))  # of equals the first
    if sparing and len(users) > 1:
        lost = [values[best] - each for each in values]
        bars = [_SPARED * float(each.std(ddof=1)) / math.sqrt(len(users)) for each in lost]
        within = [float(each.mean()) <= bar for each, bar in zip(lost, bars, strict=True)]
        best = within.index(True)  # the best is one of them
    return Chosen(menu[best], operators[best], gains, weights[best])


@dataclass(frozen=True, eq=False)
class _Sum:
    """A signal beside the backbone, as what ranks: ``base + weight · own``, both ``(B, I)``."""

    base: NDArray[np.float32]
    own: NDArray[np.float32]
    weight: float

    @property
    def shape(self) -> tuple[int, int]:
        return self.base.shape[0], self.base.shape[1]

    def scores(self, users: NDArray[np.int32]) -> NDArray[np.float32]:
        rows = self.own[users] * np.float32(self.weight)
        rows += self.base[users]
        return rows


def _quality(scorer: _Sum, seen: csr_array, held: csr_array) -> NDArray[np.float64]:
    """The mean of Recall@20 and NDCG@20 of each user, ``(B,)``."""
    n_users, n_items = scorer.shape
    k = min(20, n_items)
    top = rank(scorer, np.arange(n_users), seen, k).items
    found = ranking_metrics(top, held, [k], ["recall", "ndcg"])
    values: NDArray[np.float64] = np.mean(list(found.values()), axis=0)
    return values
