"""The backbone: users and items as vectors, from who took what and from what items resemble."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from magnet.clock import timed
from magnet.nn.behaviour import BehaviourEncoder
from magnet.nn.losses import ALIGNED_ROWS, LOSSES, alignment, backbone_scores, embedding_penalty
from magnet.nn.ops.gather import distinct, take_rows

if TYPE_CHECKING:
    from magnet.nn.behaviour import BehaviourConfig, Views
    from magnet.nn.losses import LossConfig

__all__ = ["Backbone", "BackboneInputs"]


class BackboneInputs(NamedTuple):
    """What is known before training and never changes."""

    features: list[Tensor]  # (I, d_m) each, L2-normalised
    item_degree: Tensor  # (I,), float

    def to(self, device: torch.device | str) -> BackboneInputs:
        """The same on another device."""
        return BackboneInputs([rows.to(device) for rows in self.features], self.item_degree.to(device))


class Backbone(nn.Module):
    """``score(u, i) = ⟨Z_u, Z_i⟩``, times a power of the item's degree if asked for.

    Args:
        n_users: Number of users U.
        n_items: Number of items I.
        widths: Width of each modality's features.
        dim: Width D of Z.
        behaviour: Propagation and views.
        popularity: β, the power of the degree; 0 for none.
    """

    def __init__(
        self,
        n_users: int,
        n_items: int,
        widths: list[int],
        dim: int,
        behaviour: BehaviourConfig,
        popularity: float = 0.0,
    ) -> None:
        super().__init__()
        self.n_users, self.n_items, self.beta = n_users, n_items, popularity
        self.behaviour = BehaviourEncoder(n_users, n_items, dim, behaviour, widths=widths)

    def forward(
        self,
        views: Views,
        inputs: BackboneInputs,
        users: Tensor,
        positives: Tensor,
        negatives: Tensor,
        seen: Tensor | None,
        *,
        loss: LossConfig,
    ) -> dict[str, Tensor]:
        """The terms of the loss of a batch, weighted, by name. Training enters the network here, once a step.

        Args:
            views: The graphs of the epoch.
            inputs: What never changes.
            users: ``(B,)``.
            positives: A training item of each user, ``(B,)``.
            negatives: One item of each user ``(B,)``; or, with ``seen``, items for all users alike ``(N,)``.
            seen: Which of the shared negatives each user has in truth, ``(B, N)``, bool; None for negatives of one
                user each.
            loss: What is minimised.
        """
        with timed("propagation"):
            behaviour = self.behaviour(views, inputs.features)
        drawn = torch.cat([users, self.n_users + positives, self.n_users + negatives])
        compared = self.compared(users, positives, views, loss)
        own, content = behaviour.rows(torch.cat([drawn, *compared]))
        z = behaviour.join(own[: len(drawn)], None if content is None else content[: len(drawn)])  # (n, D)
        u, i, j = z.split_with_sizes([len(users), len(positives), len(negatives)])
        positive, negative = backbone_scores(u, i, j, seen, loss)
        weight = self.popularity(inputs.item_degree)
        if weight is not None:
            positive, negative = positive * weight[positives], negative * weight[negatives]
        terms = {"ranking": LOSSES.find(loss.kind).function(positive, negative, seen)}
        if compared and content is not None:
            sizes = [len(index) for index in compared]
            pairs = zip(
                own[len(drawn) :].split_with_sizes(sizes),
                content[len(drawn) :].split_with_sizes(sizes),
                strict=True,
            )
            terms["alignment"] = loss.alignment * torch.stack([alignment(a, b, loss) for a, b in pairs]).sum()
        if loss.l2:
            # Negatives that the batch shares are few and drawn for each batch: they are not held down.
            last = len(drawn) if seen is None else 2 * len(users)
            rows = (
                z[:last] if loss.l2_of == "propagated" else take_rows(self.behaviour.embeddings, drawn[:last])
            )
            terms["l2"] = loss.l2 * embedding_penalty(rows, pairs=len(users))
        return terms

    def compared(self, users: Tensor, positives: Tensor, views: Views, loss: LossConfig) -> list[Tensor]:
        """Rows of items and of users of a batch whose two parts are aligned, each once."""
        if not loss.alignment or views.items is None:
            return []
        # A batch is in random order: its first pairs are a random part of it, and no item is left out for good.
        sides = [self.n_users + distinct(positives[:ALIGNED_ROWS], self.n_items)[0]]
        if views.users is not None:
            sides.append(distinct(users[:ALIGNED_ROWS], self.n_users)[0])
        return sides

    def popularity(self, item_degree: Tensor) -> Tensor | None:
        """What the score of each item is multiplied by, ``(I,)``; None for nothing."""
        if not self.beta:
            return None
        known = item_degree.clamp(min=1)
        return (known / known.mean()) ** self.beta
