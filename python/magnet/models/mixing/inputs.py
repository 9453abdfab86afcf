"""What the router sees: a few readable numbers of each user and item, and which cues they have."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from magnet.data.unit_length import unit_length
from magnet.models.graphs import unit_features
from magnet.operators.base import product

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from magnet.data import Modality
    from magnet.operators import Operator

__all__ = [
    "ITEM_DEGREES",
    "DescribedUsers",
    "RouterInputs",
    "described_users",
    "item_input_names",
    "item_kinds",
    "router_inputs",
    "user_input_names",
]

# Bins of an item's degree: none, up to 5, up to 20, more. A smooth function of the degree would let the router tell a
# pair's own missing edge.
ITEM_DEGREES = (1, 6, 21)
_CLIP = 3.0


class RouterInputs(NamedTuple):
    """Both sides of the router's inputs."""

    users: Tensor  # (U, F), standardised over users with a history, within ±3
    items: Tensor  # (I, G)
    user_has: Tensor  # (U, C), bool: whether the cue says anything of that user
    item_has: Tensor  # (I, C), bool


class DescribedUsers(NamedTuple):
    """The users' side for users of the training and for others, standardised by those of the training."""

    known: NDArray[np.float32]  # (U, F)
    asked: NDArray[np.float32]  # (B, F)


def user_input_names(modalities: list[str]) -> list[str]:
    """What the users' inputs are, in order."""
    return [
        "log n",
        *(f"{m} coherence" for m in modalities),
        *(f"{m} z" for m in modalities),
        "popularity of history",
    ]


def item_input_names(modalities: list[str]) -> list[str]:
    """What the items' inputs are, in order."""
    bins = [
        "no user",
        *(f"up to {limit - 1} users" for limit in ITEM_DEGREES[1:]),
        f"{ITEM_DEGREES[-1]} users or more",
    ]
    return [*bins, *(f"has {m}" for m in modalities)]


def router_inputs(
    train: csr_array, modalities: Mapping[str, Modality], cues: Mapping[str, Operator]
) -> RouterInputs:
    """Describe users and items by their training interactions.

    Of a user: the log of the number of items; for each modality how alike the items are (the mean cosine of two of
    them) and how surely (that mean times ``√(n (n − 1))``, which grows with n for a coherent history and does not for a
    random one); the mean log-popularity of the items. Of an item: in which bin its degree lies, and which modalities it
    has.

    Args:
        train: Training interactions, ``(U, I)``.
        modalities: Content by name.
        cues: The operator of each cue.
    """
    taken = train.astype(np.float32)
    item_degree = _item_degree(train)
    users = _described(taken, item_degree, [_centred(modality) for modality in modalities.values()])
    bins = np.digitize(item_degree, ITEM_DEGREES)
    items = [bins == number for number in range(len(ITEM_DEGREES) + 1)]
    items += [modality.present for modality in modalities.values()]
    user_has = [product(taken, c.sources.astype(np.float32)[:, None])[:, 0] > 0 for c in cues.values()]
    return RouterInputs(
        users=torch.from_numpy(_standardised(users, np.diff(train.indptr) > 0)),
        items=torch.from_numpy(np.stack(items, 1).astype(np.float32)),
        user_has=torch.from_numpy(np.stack(user_has, 1)),
        item_has=torch.from_numpy(np.stack([c.targets for c in cues.values()], 1)),
    )


def described_users(
    train: csr_array, rows: Mapping[str, NDArray[np.float32]], histories: csr_array
) -> DescribedUsers:
    """The users' inputs of :func:`router_inputs` again, and those of people who are not among the users.

    Args:
        train: Training interactions, ``(U, I)``.
        rows: Unit rows of each modality, ``(I, d)``, zeros where an item lacks it.
        histories: Of the others, ``(B, I)``.
    """
    item_degree = _item_degree(train)
    centred = [_centred_rows(of, np.asarray(of.any(1))) for of in rows.values()]
    known, asked = (
        _described(matrix.astype(np.float32), item_degree, centred) for matrix in (train, histories)
    )
    there, some = (np.diff(matrix.indptr) > 0 for matrix in (train, histories))
    return DescribedUsers(_standardised(known, there), _standardised(asked, some, by=known[there]))


def _item_degree(train: csr_array) -> NDArray[np.float64]:
    return np.bincount(train.indices, minlength=train.shape[1]).astype(np.float64)


def _described(
    taken: csr_array, item_degree: NDArray[np.float64], centred: list[NDArray[np.float32]]
) -> NDArray[np.float64]:
    """Inputs of users before they are standardised, ``(U, F)``."""
    degree = np.diff(taken.indptr).astype(np.float64)
    means, surely = [], []
    for rows in centred:
        n = product(taken, np.ascontiguousarray(rows.any(1, keepdims=True).astype(np.float32)))[:, 0].astype(
            np.float64
        )
        sums = product(taken, rows).astype(np.float64)
        pairs = np.maximum(n * (n - 1), 1)
        mean = np.where(n > 1, ((sums**2).sum(1) - n) / pairs, 0)
        means.append(mean)
        surely.append(mean * np.sqrt(pairs))
    popularity = product(taken, np.log1p(item_degree, dtype=np.float32)[:, None])[:, 0] / np.maximum(
        degree, 1
    )
    return np.stack([np.log1p(degree), *means, *surely, popularity], 1)


def item_kinds(inputs: RouterInputs) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """The items that differ to the router, and which of them each item is like.

    Returns:
        Inputs ``(P, G)`` and cues ``(P, C)`` of P kinds of items, and the kind of each item, ``(I,)``.
    """
    width = inputs.items.shape[1]
    rows, kind = torch.unique(
        torch.cat([inputs.items, inputs.item_has.float()], 1), dim=0, return_inverse=True
    )
    return (rows[:, :width], rows[:, width:] > 0), kind


def _centred(modality: Modality) -> NDArray[np.float32]:
    """Unit rows around their mean; zero where the item has none."""
    return _centred_rows(unit_features(modality, 0).numpy(), modality.present)


def _centred_rows(unit: NDArray[np.float32], present: NDArray[np.bool_]) -> NDArray[np.float32]:
    rows = unit.copy()
    if present.any():
        rows[present] -= rows[present].mean(0)
    return np.ascontiguousarray(unit_length(rows))


def _standardised(
    x: NDArray[np.float64], known: NDArray[np.bool_], *, by: NDArray[np.float64] | None = None
) -> NDArray[np.float32]:
    """Rows within ±3 deviations, by the mean and deviation of the known ones or of others; zeros for the rest."""
    by = x[known] if by is None else by
    if not len(by):
        return np.zeros(x.shape, np.float32)
    mean, spread = by.mean(0), by.std(0)
    out = np.clip((x - mean) / np.where(spread > 1e-9, spread, 1), -_CLIP, _CLIP)
    out[~known] = 0
    found: NDArray[np.float32] = out.astype(np.float32)
    return found
