"""Which operator stands for a cue: the one of a short menu that adds most to the backbone on held-out pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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

__all__ = ["Choice", "choose", "menus", "prepared"]

_USERS = 2000  # on whom the menu is tried
_WEIGHTS = (0.3, 1.0, 3.0)  # of a signal beside the backbone, the best of which counts

Choice = dict[str, Any]  # a signal's name as "kind", and its settings


def menus(
    modalities: Sequence[str], behaviour: Sequence[Choice], content: Sequence[Choice]
) -> dict[str, list[Choice]]:
    """The menu of each cue, behaviour first."""
    named = {m: [{**choice, "modality": m} for choice in content] for m in modalities}
    return {"behaviour": list(behaviour), **named}


def prepared(choice: Choice, train: csr_array, modalities: Mapping[str, Modality]) -> Operator:
    """The operator of a choice.

    Raises:
        ConfigError: If there is no such signal, or a setting is wrong.
    """
    signal = SIGNALS.find(choice["kind"])
    settings = {name: value for name, value in choice.items() if name != "kind"}
    return signal.prepare(train, modalities, signal.config.build(settings, where=f"signal {choice['kind']}"))


def choose(
    menu: Sequence[Choice],
    fold: Fold,
    modalities: Mapping[str, Modality],
    base: Callable[[NDArray[np.int32]], NDArray[np.float32]],
    *,
    compress: bool,
    seed: int,
) -> tuple[Choice, Operator, list[float]]:
    """Try a menu on held-out pairs.

    Args:
        menu: At least one choice.
        fold: Operators are made of its rest and judged by what was held out.
        modalities: Content by name.
        base: The backbone's scores of some users, ``(B, I)``, fitted to the rest.
        compress: Whether the cue's scores are compressed.
        seed: Of the users on whom the menu is tried.

    Returns:
        The choice, its operator over the rest, and the gain of each choice: the mean of Recall@20 and NDCG@20 at its
        best weight beside the backbone.
    """
    users = np.flatnonzero(np.diff(fold.held.indptr)).astype(np.int32)
    if len(users) > _USERS:
        users = np.sort(numpy_generator(seed, "menu").choice(users, _USERS, replace=False))
    rows = standardised(base(users), compress=False)
    seen, held = fold.rest[users], fold.held[users]
    operators = [prepared(choice, fold.rest, modalities) for choice in menu]
    gains = []
    for operator in operators:
        own = standardised(operator.apply(seen), compress=compress)
        found = (_quality(_Sum(rows, own, weight), seen, held) for weight in _WEIGHTS)
        gains.append(max(found) if len(users) else 0.0)
    best = int(np.argmax(gains))  # of equals the first
    return menu[best], operators[best], gains


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


def _quality(scorer: _Sum, seen: csr_array, held: csr_array) -> float:
    """The mean of Recall@20 and NDCG@20."""
    n_users, n_items = scorer.shape
    k = min(20, n_items)
    top = rank(scorer, np.arange(n_users), seen, k).items
    found = ranking_metrics(top, held, [k], ["recall", "ndcg"])
    return float(np.mean([values.mean() for values in found.values()]))
