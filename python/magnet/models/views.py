"""What MGCN and the models after it share: the nodes of a batch, gated items, their pooling, fusion and InfoNCE."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from magnet.nn.anchored import anchored_info_nce
from magnet.nn.losses import ALIGNED_ROWS, LossConfig, alignment
from magnet.nn.ops.gather import distinct, take_rows
from magnet.nn.propagate import Graph, multiply

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scipy.sparse import csr_array

    from magnet.train.task import Batch

__all__ = [
    "Inputs",
    "Nodes",
    "anchored",
    "attend",
    "contrast",
    "fuse",
    "gate",
    "gated_views",
    "moments_apart",
    "of_nodes",
    "pool_rows",
]


class Inputs(NamedTuple):
    """What such a model reads and never changes."""

    interactions: Graph  # (U + I, U + I), normalised
    items: list[Graph]  # (I, I) of each view
    features: list[Tensor]  # (I, d_m) of each modality, unit rows; zero where it is missing

    def to(self, device: torch.device | str) -> Inputs:
        """The same on another device."""
        return Inputs(
            self.interactions.to(device),
            [graph.to(device) for graph in self.items],
            [rows.to(device) for rows in self.features],
        )


class Nodes(NamedTuple):
    """The users and items of a batch, each once, and where its pairs find them."""

    users: Tensor  # (P,)
    user_places: Tensor  # (B,)
    items: Tensor  # (Q,)
    item_places: Tensor  # (2 B,), positives first

    @classmethod
    def of(cls, batch: Batch, n_users: int, n_items: int) -> Nodes:
        """Those of a batch with one negative a pair."""
        users, user_places = distinct(batch.users, n_users)
        items, item_places = distinct(torch.cat([batch.positives, batch.negatives]), n_items)
        return cls(users, user_places, items, item_places)

    @property
    def pairs(self) -> int:
        """B."""
        return len(self.user_places)

    def triples(self) -> Tensor:
        """Where users, positives and negatives stand among these nodes, ``(3 B,)``."""
        return torch.cat([self.user_places, len(self.users) + self.item_places])

    def sides(self) -> tuple[Tensor, Tensor]:
        """The places of some users and of some positives, each once: what InfoNCE compares."""
        # A batch is in random order: its first pairs are a random part of it.
        rows = min(self.pairs, ALIGNED_ROWS)
        users = distinct(self.user_places[:rows], len(self.users))[0]
        positives = distinct(self.item_places[:rows], len(self.items))[0]
        return users, len(self.users) + positives


def gate(rows: Tensor, transform: nn.Module, purify: nn.Module) -> Tensor:
    """``σ(W_2 (W_1 f + b_1) + b_2)`` of features ``(I, d)``: what passes of each item's embedding, ``(I, D)``."""
    # Nothing stands between the two maps, so that one product with the features does for both.
    first, second = cast("nn.Linear", transform), cast("nn.Linear", purify)
    weight = second.weight @ first.weight
    bias = second.weight @ first.bias + second.bias
    return torch.sigmoid(F.linear(rows, weight, bias))


def gated_views(
    items: Tensor, gates: Iterable[Tensor], graphs: Iterable[Graph], *, layers: int
) -> list[Tensor]:
    """What the items say in each view: their embeddings, gated, then spread over the view's graph.

    Args:
        items: Embeddings, ``(I, D)``.
        gates: Of each view, ``(I, D)``.
        graphs: Of each view, ``(I, I)``.
        layers: Steps over the graph.
    """
    views = []
    for graph, passing in zip(graphs, gates, strict=True):
        h = items * passing
        for _ in range(layers):
            h = multiply(graph, h)
        views.append(h)
    return views


def pool_rows(pool: csr_array, users: Tensor) -> Graph:
    """The rows of some users of the normalised interactions ``(U, I)``, on the device of ``users``.

    Of all users' rows, a batch reads a tenth.
    """
    return Graph.from_csr(pool[users.cpu().numpy()], symmetric=False).to(users.device)


def of_nodes(views: Iterable[Tensor], pool: Graph, items: Tensor) -> list[Tensor]:
    """What each view says of some users and items, ``(P + Q, D)`` each, users first and pooled of what they took.

    Args:
        views: Of all items, ``(I, D)`` each.
        pool: Rows of the normalised interactions, ``(P, I)``.
        items: ``(Q,)``.
    """
    return [torch.cat([multiply(pool, view), take_rows(view, items)]) for view in views]


def attend(attention: nn.Module, views: Sequence[Tensor]) -> Tensor:
    """The mean of the views of some nodes weighed by attention, ``(n, D)``: what the views have in common.

    Args:
        attention: From ``(n, D)`` to a logit for each row, ``(n, 1)``.
        views: ``(n, D)`` each.
    """
    weights = torch.softmax(torch.cat([attention(view) for view in views], 1), 1)  # (n, V)
    return torch.stack([weights[:, v, None] * view for v, view in enumerate(views)]).sum(0)


def fuse(
    attention: nn.Module, preferences: Iterable[nn.Module], behaviour: Tensor, views: Sequence[Tensor]
) -> Tensor:
    """One content vector of some users and items, ``(n, D)``; a row depends on the same rows alone.

    What modalities have in common passes; what each has of its own does as far as behaviour asks for it.

    Args:
        attention: See :func:`attend`.
        preferences: Of each modality, from ``(n, D)`` to logits ``(n, D)``.
        behaviour: ``(n, D)``.
        views: Of each modality, ``(n, D)``.
    """
    common = attend(attention, views)
    special = [
        torch.sigmoid(prefer(behaviour)) * (view - common)
        for prefer, view in zip(preferences, views, strict=True)
    ]
    return (torch.stack(special).sum(0) + common) / (len(views) + 1)


def moments_apart(views: Sequence[Tensor]) -> Tensor:
    """How far apart the means and the variances over all numbers of two views are: the mean over all pairs of views."""
    means = [view.mean() for view in views]
    variances = [(view - mean).square().mean() for view, mean in zip(views, means, strict=True)]
    moments = [torch.stack(both) for both in zip(means, variances, strict=True)]
    return torch.stack([(a - b).abs().sum() for a, b in combinations(moments, 2)]).mean()


def contrast(own: Tensor, other: Tensor, sides: Sequence[Tensor], temperature: float) -> Tensor:
    """Symmetric InfoNCE between two descriptions of nodes, ``(n, D)`` each, summed over the sides: users, and items.

    Args:
        own: The one.
        other: The other.
        sides: The places that are compared with each other, one tensor for each side; see :meth:`Nodes.sides`.
        temperature: τ.
    """
    loss = LossConfig(alignment_temperature=temperature)
    return torch.stack([alignment(take_rows(own, at), take_rows(other, at), loss) for at in sides]).sum()


def anchored(anchors: Tensor, others: Tensor, sides: Sequence[Tensor], temperature: float) -> Tensor:
    """The same one way: each anchor is told from the descriptions of others, and not each of these from anchors."""
    parts = [anchored_info_nce(take_rows(anchors, at), take_rows(others, at), temperature) for at in sides]
    return torch.stack(parts).sum()
