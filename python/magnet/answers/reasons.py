"""Why an item stands in somebody's list, in words for a shop's customers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from magnet.data.unit_length import unit_length
from magnet.explain.nearest import item_name
from magnet.states import BlendState, DotState, ItemItemState

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from magnet.states import State

__all__ = ["Reasons"]

# Items of the history that a sentence names, and the smallest share of a cue that it tells.
_NAMED, _TOLD = 2, 0.05


class Reasons:
    """Reasons for items, user by user.

    Args:
        state: What scores.
        histories: What its users took, ``(U, I)``.
        item_ids: The items' own keys.
        titles: Their titles.
    """

    def __init__(
        self,
        state: State,
        histories: csr_array,
        item_ids: Sequence[Hashable],
        titles: Sequence[str | None] | None,
    ) -> None:
        self.state, self.histories = state, histories
        self.item_ids, self.titles = item_ids, titles
        self._columns: dict[int, NDArray[np.float32]] = {}

    def of(self, user: int, items: Sequence[int]) -> list[str]:
        """Reasons for a user's items: ``because you took 'A' and 'B'; 62 % text, 30 % behaviour``.

        The items named are those of the history that added most to the score; the shares are those of the cues that
        speak for the item. Models of vectors do not say which items of a history a score is made of: there the items
        named are the most alike by the model, ``like 'A' and 'B', which you took``.

        Args:
            user: Row of the state.
            items: Indices, ``(k,)``.
        """
        taken = self.histories.indices[self.histories.indptr[user] : self.histories.indptr[user + 1]]
        if not len(taken):
            return ["taken by many" for _ in items]
        if isinstance(self.state, BlendState):
            raw = self.state.raw(np.array([user], np.int32))
            return [self._of_cues(self.state, user, item, taken, raw) for item in items]
        if isinstance(self.state, ItemItemState):
            return [
                self._because(self._column(item)[taken], taken) or self._like(item, taken) for item in items
            ]
        return [self._like(item, taken) for item in items]

    def _of_cues(self, state: BlendState, user: int, item: int, taken: NDArray[np.int32], raw: Any) -> str:
        parts = state.parts(user, item, raw=raw)
        shares = parts.weights.astype(np.float64) * parts.cues
        if shares.sum() <= 0:  # the backbone alone put the item there
            return self._like(item, taken)
        added = np.zeros(len(taken))
        for share, by_history in zip(shares, parts.by_history, strict=True):
            total = by_history.sum()
            added += by_history * (share / total) if total else 0
        told = sorted(
            zip(np.maximum(shares, 0) / np.maximum(shares, 0).sum(), state.cues, strict=True), reverse=True
        )
        cues = ", ".join(f"{share:.0%} {cue}".replace("%", " %") for share, cue in told if share >= _TOLD)
        said = self._because(added, taken) or self._like(item, taken)
        return f"{said}; {cues}"

    def _because(self, added: NDArray[Any], taken: NDArray[np.int32]) -> str:
        order = np.lexsort((taken, -added))[:_NAMED]
        names = [self._name(taken[at]) for at in order if added[at] > 0]
        return f"because you took {' and '.join(names)}" if names else ""

    def _like(self, item: int, taken: NDArray[np.int32]) -> str:
        if not isinstance(self.state, DotState | BlendState) or self.state.items.shape[1] == 1:
            return "taken by people who took what you took" if self._personal else "taken by many"
        rows = unit_length(self.state.items[np.append(taken, item)].numpy())
        cosines = rows[:-1] @ rows[-1]
        order = np.lexsort((taken, -cosines))[:_NAMED]
        names = [self._name(taken[at]) for at in order if cosines[at] > 0]
        return f"like {' and '.join(names)}, which you took" if names else "taken by people like you"

    @property
    def _personal(self) -> bool:
        return not isinstance(self.state, DotState)

    def _column(self, item: int) -> NDArray[np.float32]:
        assert isinstance(self.state, ItemItemState)
        if item not in self._columns:
            self._columns[item] = self.state.operator.column(item)
        return self._columns[item]

    def _name(self, item: int) -> str:
        return f"'{item_name(None if self.titles is None else self.titles[item], self.item_ids[item])}'"
