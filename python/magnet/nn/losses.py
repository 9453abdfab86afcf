"""The terms of the backbone's loss, each a function of tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import AfterValidator, Field
from torch import Tensor

from magnet.config import Config
from magnet.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "LOSSES",
    "Loss",
    "LossConfig",
    "alignment",
    "backbone_scores",
    "bpr",
    "embedding_penalty",
    "info_nce",
    "register_loss",
    "sampled_softmax",
]

# InfoNCE compares all pairs of its rows; more rows cost quadratically and change little.
ALIGNED_ROWS = 1024


@dataclass(frozen=True)
class Loss:
    """What a loss compares, and how.

    Attributes:
        function: ``function(positive, negative, seen)`` returns a scalar, as :func:`register_loss` says.
        shared: Whether the negatives are shared by the whole batch.
        cosine: Whether the backbone's scores are cosines over the temperature; inner products otherwise.
    """

    function: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    shared: bool = False
    cosine: bool = False


LOSSES: Registry[Loss] = Registry("loss")


def register_loss(
    name: str,
    function: Callable[[Tensor, Tensor, Tensor | None], Tensor],
    *,
    shared: bool = False,
    cosine: bool = False,
    replace: bool = False,
) -> None:
    """Add a ranking loss, so that ``loss.kind`` may name it.

    Args:
        name: How the loss is asked for.
        function: ``function(positive, negative, seen)`` returns the mean loss of a batch, a scalar: ``positive`` holds
            the scores of the B positives, ``(B,)``. Without ``shared``, ``negative`` holds those of one unseen item for
            each, ``(B,)``, and ``seen`` is None. With it, ``negative`` holds those of N items that the batch shares,
            ``(B, N)``, and ``seen`` which of them the user has in truth, ``(B, N)``, bool.
        shared: Whether the negatives are shared by the whole batch; ``loss.negatives`` of them are drawn.
        cosine: Whether the backbone's scores are cosines over ``loss.temperature``; inner products otherwise.
        replace: Whether a loss of that name may be replaced, as when a notebook's cell runs again.

    Raises:
        ConfigError: If the name is taken.
    """
    LOSSES.add(name, Loss(function, shared, cosine), module=function.__module__, replace=replace)


class LossConfig(Config):
    """What is minimised.

    Attributes:
        kind: ``bpr`` compares each positive with one unseen item; ``softmax`` with ``negatives`` items that the whole
            batch shares, on cosine similarity; ``softmax_products`` does so on inner products. Others are added by
            :func:`magnet.register_loss`.
        negatives: Shared negatives of either softmax.
        temperature: τ of ``softmax``.
        l2: Weight of the squared norms of the batch's rows.
        l2_of: Which rows: the ``embeddings`` that are trained, or the ``propagated`` ones that score.
        alignment: Weight of InfoNCE between propagated embeddings and the content view, of the batch's users and of its
            items.
        alignment_temperature: τ of InfoNCE; at least .025, under which the exponentials leave float32.
    """

    kind: Annotated[str, AfterValidator(LOSSES.known)] = "softmax_products"
    negatives: int = Field(256, ge=1, le=8192)
    temperature: float = Field(0.15, gt=0)
    l2: float = Field(0.1, ge=0)
    l2_of: Literal["embeddings", "propagated"] = "propagated"
    alignment: float = Field(1e-2, ge=0)
    alignment_temperature: float = Field(0.2, ge=0.025)


def bpr(positive: Tensor, negative: Tensor, seen: Tensor | None = None) -> Tensor:
    """Bayesian personalised ranking: ``−mean log σ(s⁺ − s⁻)`` over ``(B,)`` pairs (Rendle et al., 2009)."""
    del seen  # negatives of one user each are unseen
    return -F.logsigmoid(positive - negative).mean()


def sampled_softmax(positive: Tensor, negative: Tensor, seen: Tensor | None) -> Tensor:
    """Softmax over the positive and shared negatives.

    Without a logQ correction. Of N uniform draws from I items it would add log(I / N) to every negative and nothing to
    the positive: a margin. What is learned is to rank among N + 1 items, and losses of other N do not compare.

    Args:
        positive: ``(B,)``.
        negative: ``(B, N)``.
        seen: ``(B, N)``, bool; negatives that are in truth positives of that user, left out.
    """
    if seen is not None:
        negative = negative.masked_fill(seen, -torch.inf)
    logits = torch.cat([positive[:, None], negative], 1)
    return (torch.logsumexp(logits, 1) - positive).mean()


register_loss("bpr", bpr)
# Cosines, whose temperature then means the same on all data.
register_loss("softmax", sampled_softmax, shared=True, cosine=True)
# The length of an item's vector says how popular it is, which cosines have to say by their direction.
register_loss("softmax_products", sampled_softmax, shared=True)


def backbone_scores(
    u: Tensor, i: Tensor, j: Tensor, seen: Tensor | None, loss: LossConfig
) -> tuple[Tensor, Tensor]:
    """The backbone's scores of a batch, as its loss compares them.

    Args:
        u: Users, ``(B, D)``.
        i: Their positives, ``(B, D)``.
        j: Negatives, ``(B, D)``; or with ``seen`` those that the batch shares, ``(N, D)``.
        seen: Given where negatives are shared.
        loss: Inner products, or cosines and their temperature.

    Returns:
        ``(B,)``, and ``(B,)`` or ``(B, N)``.
    """
    if LOSSES.find(loss.kind).cosine:
        u, i, j = (F.normalize(x, dim=-1) for x in (u, i, j))
        u = u / loss.temperature
    return (u * i).sum(-1), (u * j).sum(-1) if seen is None else u @ j.T


def alignment(own: Tensor, content: Tensor, loss: LossConfig) -> Tensor:
    """InfoNCE between two parts of the same users or items, ``(n, D)`` each; 0 of fewer than two."""
    if len(own) < 2:
        return own.new_zeros(())
    return info_nce(F.normalize(own, dim=-1), F.normalize(content, dim=-1), loss.alignment_temperature)


def embedding_penalty(rows: Tensor, *, pairs: int) -> Tensor:
    """Half the squared norms of the batch's embeddings, ``(n, D)``, per pair."""
    return rows.square().sum() / (2 * pairs)


def info_nce(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """Symmetric InfoNCE between two descriptions of the same items (van den Oord et al., 2018).

    Args:
        a: Unit rows, ``(n, D)``.
        b: The same of the other description.
        temperature: τ.
    """
    off_target: Tensor = _LogPartitions.apply(a, b, temperature)
    return off_target - (a * b).sum(-1).mean() / temperature


class _LogPartitions(torch.autograd.Function):
    """Mean of the log-partitions of the rows and of the columns of ``a bᵀ / τ``, half of each.

    Both softmaxes are made of the same exponentials: one ``(n, n)`` array is written and read a handful of times, where
    two cross-entropies and their gradients make a dozen of them.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, temperature: float) -> Tensor:
        e = ((a / temperature) @ b.T).exp_()  # (n, n); cosines over τ need no shift to stay inside float32
        rows, columns = e.sum(1), e.sum(0)
        ctx.save_for_backward(a, b, e, rows, columns)
        ctx.temperature = temperature
        return 0.5 * (rows.log().mean() + columns.log().mean())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        a, b, e, rows, columns = ctx.saved_tensors
        scale = 0.5 * grads[0] / (len(a) * ctx.temperature)
        slope = ((scale / rows)[:, None] + (scale / columns)[None]).mul_(e)  # (n, n)
        return (
            slope @ b if ctx.needs_input_grad[0] else None,
            slope.T @ a if ctx.needs_input_grad[1] else None,
            None,
        )
