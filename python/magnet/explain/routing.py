"""What the router of a trained mixture does with given pairs, and statistics of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from magnet.errors import DataError
from magnet.nn.mixture.gate import LOAD_TOP

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from magnet.states import BlendState

__all__ = ["RoutedPairs", "RoutingStatistics", "route_pairs", "routing_statistics"]


class RoutedPairs(NamedTuple):
    """What the router decided for n pairs, a row for each."""

    dense: NDArray[
        np.float64
    ]  # (n, E), softmax over the experts that are on; rows sum to 1, or 0 where all are off
    weights: NDArray[np.float64]  # (n, E), after the top k; what scores
    loads: NDArray[
        np.float64
    ]  # (n, E), 1 for the top three, places in a tie shared; an expert that is off has none
    entropy: NDArray[np.float64]  # (n,), of ``dense``, as a share of log E


@dataclass(frozen=True)
class RoutingStatistics:
    """Routing over many pairs. Entropies are shares of log E, so that 1 means all experts alike.

    Pairs for which every expert is off take no part but in ``n_without``.

    Attributes:
        n_pairs: Pairs with an expert.
        n_without: Pairs without.
        pair_entropy: H_s, mean over pairs.
        marginal_entropy: H_m, of the mean weights.
        load_entropy: Of the hard loads.
        loads: Share of the hard loads of each expert; sum 1.
        dense: Mean weight of each expert before the top k.
        weights: Mean weight after it.
        even_information: What ``H_m − H_s`` would be if all experts that are on were weighed alike.
    """

    n_pairs: int
    n_without: int
    pair_entropy: float
    marginal_entropy: float
    load_entropy: float
    loads: list[float]
    dense: list[float]
    weights: list[float]
    even_information: float = 0.0

    @property
    def mutual_information(self) -> float:
        """How much the choice of experts depends on the pair: ``H_m − H_s``, net of missing cues.

        0 for a router that looks at nothing, also where cues are missing and their experts off.
        """
        return self.marginal_entropy - self.pair_entropy - self.even_information


def route_pairs(state: BlendState, users: ArrayLike, items: ArrayLike, *, block: int = 16_384) -> RoutedPairs:
    """Route pairs as the state does when it scores them.

    Every row depends on its pair alone, so that neither ``block`` nor the order changes a bit of it.

    Args:
        state: A trained mixture.
        users: User indices, ``(n,)``.
        items: Item indices, ``(n,)``.
        block: Pairs at a time; bounds the memory beside the result.

    Raises:
        DataError: If the lengths differ or an index is out of range.
    """
    rows, columns = np.asarray(users, dtype=np.int64), np.asarray(items, dtype=np.int64)
    if rows.shape != columns.shape or rows.ndim != 1:
        raise DataError(f"expected as many users as items, got shapes {rows.shape} and {columns.shape}")
    for name, index, size in (("users", rows, state.shape[0]), ("items", columns, state.shape[1])):
        if index.size and not 0 <= index.min() <= index.max() < size:
            raise DataError(f"{name} must lie inside 0..{size}, they span {index.min()} to {index.max()}")
    shape = rows.size, len(state.experts)
    routed = RoutedPairs(np.empty(shape), np.empty(shape), np.empty(shape), np.empty(rows.size))
    user_half, item_half = state.user_logits.numpy(), state.item_logits.numpy()
    for first in range(0, rows.size, block):
        part = slice(first, first + block)
        logits = user_half[rows[part]].astype(np.float64) + item_half[columns[part]]  # (B, E)
        for whole, values in zip(routed, _route(logits, state.top_experts), strict=True):
            whole[part] = values
    return routed


def _route(logits: NDArray[np.float64], top_k: int) -> RoutedPairs:
    n_experts = logits.shape[1]
    on = logits > -np.inf
    highest = np.where(on.any(1), logits.max(1, initial=-np.inf), 0.0)[:, None]
    exps = np.exp(logits - highest)  # 0 where off
    dense = exps / np.maximum(exps.sum(1, keepdims=True), 1.0)  # the highest alone adds 1
    # Sorted by logit, because the weights of very bad experts all round to 0; ties are in the order of the experts.
    order = np.argsort(-logits, axis=1, kind="stable")
    kept = np.zeros_like(dense)
    np.put_along_axis(kept, order[:, :top_k], 1.0, axis=1)
    kept *= dense
    total = kept.sum(1, keepdims=True)
    weights = np.divide(kept, total, out=kept, where=total > 0)
    top = min(LOAD_TOP, n_experts)
    bar = np.take_along_axis(logits, order[:, top - 1 : top], axis=1)  # (B, 1)
    above, level = on & (logits > bar), on & (logits == bar)
    places = (top - above.sum(1, keepdims=True)) / np.maximum(level.sum(1, keepdims=True), 1)
    loads = above + level * places
    return RoutedPairs(dense, weights, loads, _entropy(dense))


def routing_statistics(routed: RoutedPairs, chosen: NDArray[np.bool_] | None = None) -> RoutingStatistics:
    """Summarise routing over pairs, in float64.

    Args:
        routed: Pairs and their weights.
        chosen: Which of the pairs to look at, ``(n,)``; all if not given.
    """
    on = routed.dense.sum(1) > 0
    asked = np.full(on.shape, True) if chosen is None else chosen
    take = on & asked
    count = int(take.sum())
    share = 1.0 / max(count, 1)
    dense, weights, loads = (values[take].sum(0) for values in routed[:3])
    load_shares = loads / max(loads.sum(), 1.0)
    there = (routed.dense[take] > 0).astype(np.float64)
    even = there / np.maximum(there.sum(1, keepdims=True), 1)
    of_missing = float(_entropy((even.sum(0) * share)[None])[0] - _entropy(even).sum() * share)
    return RoutingStatistics(
        n_pairs=count,
        n_without=int(asked.sum()) - count,
        pair_entropy=float(routed.entropy[take].sum() * share),
        marginal_entropy=float(_entropy((dense * share)[None])[0]),
        load_entropy=float(_entropy(load_shares[None])[0]),
        loads=load_shares.tolist(),
        dense=(dense * share).tolist(),
        weights=(weights * share).tolist(),
        even_information=of_missing if count else 0.0,
    )


def _entropy(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each row, as a share of the largest possible; 0 for a single expert."""
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    result: NDArray[np.float64] = -(shares * logs).sum(1) / np.log(max(2, shares.shape[1]))
    return result
