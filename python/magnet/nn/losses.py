"""The terms of the training loss, each a function of tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import AfterValidator, Field
from torch import Tensor

from magnet.config import Config
from magnet.nn.ops.gather import take_rows
from magnet.nn.router import log_experts
from magnet.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnet.nn.controller import StageWeights
    from magnet.nn.router import Routing

__all__ = [
    "LOSSES",
    "Loss",
    "LossConfig",
    "alignment",
    "backbone_scores",
    "bpr",
    "contrast",
    "embedding_penalty",
    "info_nce",
    "register_loss",
    "routing_terms",
    "sampled_softmax",
]

# InfoNCE compares all pairs of its rows; more rows cost quadratically and change little.
CONTRAST_ROWS = 1024


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
        negatives: Shared negatives of either softmax while the backbone is trained.
        mixture_negatives: The same while the mixture is trained, where each costs E experts.
        temperature: τ of ``softmax``.
        l2: Weight of the squared norms of the batch's rows.
        l2_of: Which rows: the ``embeddings`` that are trained, or the ``propagated`` ones that score.
        alignment: Weight of InfoNCE between propagated embeddings and the content view, of the batch's users and of its
            items; acts on the backbone.
        contrast: Weight of InfoNCE between behaviour and content of the batch's items; acts on the mixture.
        contrast_temperature: τ of InfoNCE in both; at least .025, under which the exponentials leave float32.
    """

    kind: Annotated[str, AfterValidator(LOSSES.known)] = "softmax_products"
    negatives: int = Field(256, ge=1, le=8192)
    mixture_negatives: int = Field(64, ge=1, le=8192)
    temperature: float = Field(0.15, gt=0)
    l2: float = Field(0.1, ge=0)
    l2_of: Literal["embeddings", "propagated"] = "propagated"
    alignment: float = Field(1e-2, ge=0)
    contrast: float = Field(1e-2, ge=0)
    contrast_temperature: float = Field(0.2, ge=0.025)


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
    return info_nce(F.normalize(own, dim=-1), F.normalize(content, dim=-1), loss.contrast_temperature)


def embedding_penalty(rows: Tensor, *, pairs: int) -> Tensor:
    """Half the squared norms of the batch's embeddings, ``(n, D)``, per pair."""
    return rows.square().sum() / (2 * pairs)


def info_nce(a: Tensor, b: Tensor, temperature: float, there: Tensor | None = None) -> Tensor:
    """Symmetric InfoNCE between two descriptions of the same items (van den Oord et al., 2018).

    Args:
        a: Unit rows, ``(n, D)``.
        b: The same of the other description.
        temperature: τ.
        there: Rows that are compared, ``(n,)``, bool; all where not given. With fewer than two of them the loss is 0.
    """
    off_target: Tensor = _LogPartitions.apply(a, b, temperature, there)
    on_target = (a * b).sum(-1)
    if there is None:
        return off_target - on_target.mean() / temperature
    return off_target - (on_target * there).sum() / there.sum().clamp(min=1) / temperature


def contrast(
    z: Tensor, n_users: int, cues: Tensor, present: Tensor, items: Tensor, temperature: float
) -> list[Tensor]:
    """InfoNCE between behaviour and each modality's cues, of those items that have the cue.

    Args:
        z: Behaviour of users and items, ``(U + I, D)``.
        n_users: U.
        cues: Content cues, unit rows, ``(M, I, D)``.
        present: Which of them exist, ``(M, I)``, bool.
        items: Distinct items, ``(n,)``.
        temperature: τ.

    Returns:
        A term for each modality with two items to compare. On other devices than the CPU the other modalities have a
        term as well, which is 0: to count items there, Python would have to wait for the device.
    """
    by = _contrast_selected if present.device.type == "cpu" else _contrast_masked
    return by(z, n_users, cues, present, items, temperature)


def _contrast_selected(
    z: Tensor, n_users: int, cues: Tensor, present: Tensor, items: Tensor, temperature: float
) -> list[Tensor]:
    rows = [(m, items[there[items]]) for m, there in enumerate(present)]
    rows = [(m, own) for m, own in rows if len(own) > 1]
    if not rows:
        return []
    sizes = [len(own) for _, own in rows]
    # One gather has one dense gradient, whatever the number of modalities.
    behaviour = F.normalize(take_rows(z, n_users + torch.cat([own for _, own in rows])), dim=-1)
    content = take_rows(cues.flatten(0, 1), torch.cat([m * cues.shape[1] + own for m, own in rows]))
    pairs = zip(behaviour.split_with_sizes(sizes), content.split_with_sizes(sizes), strict=True)
    return [info_nce(a, b, temperature) for a, b in pairs]


def _contrast_masked(
    z: Tensor, n_users: int, cues: Tensor, present: Tensor, items: Tensor, temperature: float
) -> list[Tensor]:
    behaviour = F.normalize(take_rows(z, n_users + items), dim=-1)
    content, there = cues.index_select(1, items), present[:, items]  # (M, n, D), (M, n)
    return [info_nce(behaviour, own, temperature, has) for own, has in zip(content, there, strict=True)]


class _LogPartitions(torch.autograd.Function):
    """Mean of the log-partitions of the rows and of the columns of ``a bᵀ / τ``, half of each.

    Both softmaxes are made of the same exponentials: one ``(n, n)`` array is written and read a handful of times, where
    two cross-entropies and their gradients make a dozen of them.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, temperature: float, there: Tensor | None) -> Tensor:
        e = ((a / temperature) @ b.T).exp_()  # (n, n); cosines over τ need no shift to stay inside float32
        if there is not None:
            e.mul_(there[:, None] & there)
        rows, columns = e.sum(1), e.sum(0)
        count = None
        if there is not None:
            # A row that is left out has the partition 1: its logarithm is 0, and so is its gradient, because e is.
            rows, columns = rows.where(there, 1.0), columns.where(there, 1.0)
            count = there.sum().clamp(min=1)
        ctx.save_for_backward(a, b, e, rows, columns, count)
        ctx.temperature = temperature
        if count is None:
            return 0.5 * (rows.log().mean() + columns.log().mean())
        return 0.5 * (rows.log().sum() + columns.log().sum()) / count

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        a, b, e, rows, columns, count = ctx.saved_tensors
        scale = 0.5 * grads[0] / ((len(a) if count is None else count) * ctx.temperature)
        slope = ((scale / rows)[:, None] + (scale / columns)[None]).mul_(e)  # (n, n)
        return (
            slope @ b if ctx.needs_input_grad[0] else None,
            slope.T @ a if ctx.needs_input_grad[1] else None,
            None,
            None,
        )


def routing_terms(
    routing: Routing, logits: Tensor, weights: StageWeights, loads: Tensor
) -> dict[str, Tensor]:
    """What the stage asks of the router, weighted.

    Args:
        routing: Of the batch's positives, ``(B, E)``.
        logits: Their logits, ``(B, E)``.
        weights: Of the stage.
        loads: Hard loads of the experts, as :func:`magnet.nn.router.summarise` counts them, ``(E,)``.

    Returns:
        The weighted terms that are not zero by configuration: ``coverage``, ``confidence``, ``z``.
    """
    terms: dict[str, Tensor] = {}
    n_experts = routing.dense.shape[-1]
    if weights.coverage and weights.balance == "switch":
        product = n_experts * (loads / loads.sum().clamp(min=1) * routing.dense.mean(0)).sum()
        terms["coverage"] = weights.coverage * product
    elif weights.coverage:
        mean = routing.dense.mean(0)
        entropy = -torch.xlogy(mean, mean.clamp(min=1e-20)).sum() / log_experts(mean)
        terms["coverage"] = weights.coverage * F.relu(weights.target - entropy)
    if weights.confidence:
        terms["confidence"] = weights.confidence * routing.entropy.mean()
    if weights.z:
        # The logits of a pair without any expert are constants, and nothing can make them smaller.
        on = routing.dense.sum(-1) > 0
        terms["z"] = weights.z * (torch.logsumexp(logits, -1).where(on, 0.0) ** 2).mean()
    return terms
