"""The held-out pairs with the candidates that each has to pass, and every cue's score of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from magnet.seeds import numpy_generator

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from magnet.models.mixing.holdout import Fold

__all__ = ["Candidates", "collect_candidates", "standardised"]

_BLOCK = 1 << 21  # numbers in a block of score rows: it stays near the caches

Rows = "Callable[[NDArray[np.int32]], tuple[NDArray[np.float32], NDArray[np.float32]]]"


class Candidates(NamedTuple):
    """Of B users with held-out pairs, L candidates each; places without one have ``there`` False."""

    place: Tensor  # (U,), int64: where a user stands among the B; -1 for the others
    items: Tensor  # (B, L), int64
    there: Tensor  # (B, L), bool
    held: Tensor  # (B, L), bool: held-out items, which are candidates too
    base: Tensor  # (B, L), standardised score of the backbone
    cues: Tensor  # (B, L, C), standardised and compressed scores


def standardised(rows: NDArray[np.float32], *, compress: bool) -> NDArray[np.float32]:
    """Scores less their mean, over their standard deviation, row by row; then ``sign · log1p|·|`` if asked for."""
    # Sums in float64, all else in float32: these are many numbers.
    z: NDArray[np.float32] = rows - rows.mean(axis=-1, keepdims=True, dtype=np.float64).astype(np.float32)
    spread = np.sqrt(np.square(z).mean(axis=-1, keepdims=True, dtype=np.float64))
    z /= np.where(spread > 0, spread, 1).astype(np.float32)
    if compress:
        size = np.abs(z)
        np.copysign(np.log1p(size, out=size), z, out=z)
    return z


def collect_candidates(
    raw: Callable[[NDArray[np.int32]], tuple[NDArray[np.float32], NDArray[np.float32]]],
    fold: Fold,
    *,
    top: int,
    random: int,
    compress: bool,
    seed: int,
    max_users: int,
) -> Candidates:
    """The union of the best items of backbone and cues, random items, and the held-out ones.

    Args:
        raw: Scores of some users: of the backbone ``(B, I)`` and of each cue ``(C, B, I)``, from models of the rest.
        fold: What was held out, and what the models were fitted to, which is never a candidate.
        top: Best items of each signal.
        random: Random items, so that the tail of the catalogue has a say.
        compress: Whether the cues' scores are compressed.
        seed: Of the random items, and of the users where there are too many.
        max_users: Users at most; more are drawn from.
    """
    n_users, n_items = fold.held.shape
    rng = numpy_generator(seed, "candidates")
    users = np.flatnonzero(np.diff(fold.held.indptr)).astype(np.int32)
    if len(users) > max_users:
        users = np.sort(rng.choice(users, max_users, replace=False))
    top, blocks = min(top, n_items), []
    step = max(1, _BLOCK // n_items)
    for start in range(0, len(users), step):
        block = users[start : start + step]
        base, cues = raw(block)
        base, cues = standardised(base, compress=False), standardised(cues, compress=compress)
        seen, held = (part[block].toarray() > 0 for part in (fold.rest, fold.held))
        chosen = held.copy()
        for rows in (base, *cues):
            unseen = np.where(seen, -np.inf, rows)
            np.put_along_axis(chosen, np.argpartition(-unseen, top - 1, axis=1)[:, :top], True, axis=1)
        np.put_along_axis(chosen, rng.integers(0, n_items, (len(block), random)), True, axis=1)
        chosen &= ~seen
        blocks.append(_gathered(chosen, held, base, cues))
    width = max((len(block[0][0]) for block in blocks), default=1)
    parts = [
        torch.from_numpy(np.concatenate([_widened(p, width) for p in part]))
        for part in zip(*blocks, strict=True)
    ]
    place = torch.full((n_users,), -1, dtype=torch.int64)
    place[torch.from_numpy(users.astype(np.int64))] = torch.arange(len(users))
    items, there, held_out, base_scores, cue_scores = parts
    return Candidates(place, items.long(), there, held_out, base_scores, cue_scores)


def _gathered(
    chosen: NDArray[np.bool_], held: NDArray[np.bool_], base: NDArray[np.float32], cues: NDArray[np.float32]
) -> tuple[NDArray[np.generic], ...]:
    """Candidates to the front of each row, in the order of the items."""
    width = int(chosen.sum(1).max())
    items = np.argsort(~chosen, axis=1, kind="stable")[:, :width]
    there = np.take_along_axis(chosen, items, 1)
    scores = np.stack([np.take_along_axis(rows, items, 1) for rows in cues], -1) if len(cues) else None
    if scores is None:
        scores = np.zeros((*items.shape, 0), np.float32)
    held_out = np.take_along_axis(held, items, 1) & there
    return items.astype(np.int32), there, held_out, np.take_along_axis(base, items, 1), scores


def _widened(part: NDArray[np.generic], width: int) -> NDArray[np.generic]:
    pad = [(0, 0), (0, width - part.shape[1]), *[(0, 0)] * (part.ndim - 2)]
    return np.pad(part, pad)
