"""The behaviour encoder: ID embeddings seen through graphs of interactions, and through graphs of items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from magnet.config import Config
from magnet.nn.ops.gather import take_rows
from magnet.nn.propagate import Graph, multiply, propagate_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Behaviour", "BehaviourConfig", "BehaviourEncoder", "Views"]


class BehaviourConfig(Config):
    """How embeddings are propagated.

    Attributes:
        layers: Propagation steps in each view.
        first_layer: Layer at which the mean over layers begins: 0 takes the embeddings themselves in, 1 does not.
        view: ``dual`` encodes both graphs; ``interactions`` and ``augmented`` are the single-view controls.
        gate_start: The gate's logit at the start; 0 takes both views alike.
        content_weight: α, the weight of the content view: of what items receive from their content neighbours.
        content_side: ``items`` gives the content view to items alone; ``both`` pools it to users as well.
        content_gate: Whether an item passes its embedding on as it is (``none``), or gated by its features of each
            modality (``features``).
        start: Embeddings at the start: ``random``, or ``content``, the items' features turned by a random rotation and
            scaled to the size of random ones, users by what they took.
    """

    layers: int = Field(2, ge=0, le=8)
    first_layer: int = Field(0, ge=0, le=1)
    view: Literal["dual", "interactions", "augmented"] = "dual"
    gate_start: float = Field(0.0, ge=-10, le=10)
    content_weight: float = Field(0.3, ge=0, le=10)
    content_side: Literal["items", "both"] = "both"
    content_gate: Literal["none", "features"] = "none"
    start: Literal["random", "content"] = "random"


class Views(NamedTuple):
    """The graphs of one epoch. What is absent is not encoded."""

    interactions: Graph | None  # (U + I, U + I)
    augmented: Graph | None  # (U + I, U + I), the same with pseudo edges
    items: (
        Graph | None
    )  # (I, I), neighbours of items; (I, V · I), one graph after the other, for gated embeddings
    users: Graph | None = None  # (U, I), normalised interactions, which pool the items' content view to users

    def to(self, device: torch.device | str) -> Views:
        """The same graphs on another device."""
        return Views(*(None if graph is None else graph.to(device) for graph in self))


class Behaviour(NamedTuple):
    """Users and items, encoded in two parts: ``Z = own + α content``."""

    own: Tensor  # (U + I, D), propagated embeddings
    content: Tensor | None  # (U + I, D), the content view; None where there is none
    weight: float  # α

    def rows(self, index: Tensor) -> tuple[Tensor, Tensor | None]:
        """Some rows of both parts, ``(n, D)`` each. One gather has one dense gradient: ask once for all rows."""
        return take_rows(self.own, index), None if self.content is None else take_rows(self.content, index)

    def join(self, own: Tensor, content: Tensor | None) -> Tensor:
        """``Z`` of such rows."""
        return own if content is None or not self.weight else torch.add(own, content, alpha=self.weight)

    @property
    def z(self) -> Tensor:
        """``Z`` of every user and item, ``(U + I, D)``."""
        return self.join(self.own, self.content)


class BehaviourEncoder(nn.Module):
    """Users and items from who took what (MAGNET's dual view), and from what items resemble.

    ``own = Z_0 + σ(g) (Z_1 − Z_0)`` with ``Z_v`` the mean of ``A_v^l E_0`` over layers; with one view, that view alone.
    ``content`` is ``x = S E_0`` for items, or with gates ``x = Σ_v S_v (E_0 ⊙ 2 σ(f_v W_v))``, and ``R̂ x`` for
    users. A gated ID vector cannot memorise pairs as an MLP of the features can.

    Args:
        n_users: Number of users U.
        n_items: Number of items I.
        dim: Width D.
        config: Layers, views and weights.
        widths: Width of each modality's features, for the gates.
    """

    def __init__(
        self, n_users: int, n_items: int, dim: int, config: BehaviourConfig, widths: Sequence[int] = ()
    ) -> None:
        super().__init__()
        self.n_users = n_users
        self.config = config
        self.embeddings = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_users + n_items, dim)))
        self.gate = nn.Parameter(torch.full((dim,), config.gate_start))
        gated = config.content_gate == "features"
        self.content_gates = nn.ModuleList(nn.Linear(width, dim, bias=False) for width in widths if gated)

    def forward(self, views: Views, features: Sequence[Tensor] = ()) -> Behaviour:
        """Encode every user and item.

        Args:
            views: The graphs.
            features: Unit rows of each modality, ``(I, d_m)``; used by the gates only.
        """
        both = [graph for graph in (views.interactions, views.augmented) if graph is not None]
        items = gated = None
        if views.items is not None:
            items = views.items, views.users
            gated = self._gated(features, views.items) if self.content_gates else None
        own, content = _Encode.apply(
            self.embeddings, self.gate, gated, both, items, self.n_users, self.config
        )
        return Behaviour(own, content, self.config.content_weight)

    def _gated(self, features: Sequence[Tensor], graph: Graph) -> Tensor:
        """What each graph spreads, one graph after the other, ``(V · I, D)``."""
        e = self.embeddings[self.n_users :]
        # Twice a sigmoid is 1 at the start, so that the view begins as the one without gates.
        spread = [
            e * (2 * torch.sigmoid(layer(f))) for layer, f in zip(self.content_gates, features, strict=True)
        ]
        # A graph without features of its own, of items that users share, spreads the embeddings as they are.
        spread += [e] * (graph.n_cols // graph.n_rows - len(spread))
        return torch.cat(spread)


class _Encode(torch.autograd.Function):
    """Both views and the content view in one operation, joined in place.

    All of it is linear in the embeddings, so the gradient is encoded as the embeddings are. The gradient of the gate,
    ``Σ ⟨g, Z_1 − Z_0⟩`` by column, is the same sum over the encoded gradients and the embeddings: no view has to be
    kept.
    """

    @staticmethod
    def forward(
        ctx: Any,
        embeddings: Tensor,
        gate: Tensor,
        gated: Tensor | None,
        both: list[Graph],
        items: tuple[Graph, Graph | None] | None,
        n_users: int,
        config: BehaviourConfig,
    ) -> tuple[Tensor, Tensor | None]:
        ctx.save_for_backward(embeddings, gate)
        ctx.rest = both, items, n_users, config, gated is not None
        first, *second = (_mean(graph, embeddings, config) for graph in both)
        own = torch.lerp(first, second[0], torch.sigmoid(gate), out=first) if second else first
        if items is None:
            return own, None
        near, pool = items
        x = multiply(near, embeddings[n_users:] if gated is None else gated)  # (I, D)
        of_users = x.new_zeros(n_users, x.shape[1]) if pool is None else multiply(pool, x)
        return own, torch.cat([of_users, x])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        embeddings, gate = ctx.saved_tensors
        both, items, n_users, config, is_gated = ctx.rest
        g = grads[0].contiguous()
        out, *second = (_mean(graph.transposed, g, config) for graph in both)
        grad_gate = grad_gated = None
        if second:
            share = torch.sigmoid(gate)
            apart = second[0].sub_(out)
            out.addcmul_(apart, share)
            grad_gate = apart.mul_(embeddings).sum(0) * share * (1 - share)
        if items is not None:
            near, pool = items
            g_x = grads[1][n_users:].contiguous()
            if pool is not None:
                g_x = g_x + multiply(pool.transposed, grads[1][:n_users].contiguous())
            spread = multiply(near.transposed, g_x)
            if is_gated:
                grad_gated = spread
            else:
                out[n_users:].add_(spread)
        return out, grad_gate, grad_gated, None, None, None, None


def _mean(graph: Graph, x: Tensor, config: BehaviourConfig) -> Tensor:
    """The mean over layers; its transpose is the same over the transposed graph, because powers of a graph commute."""
    if config.first_layer and config.layers:
        return multiply(graph, propagate_mean(graph, x, config.layers - 1))
    return propagate_mean(graph, x, config.layers)
