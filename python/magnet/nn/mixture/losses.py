"""What teaches the mixture: held-out items in the top of their users' lists, and what a stage asks of the router."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from magnet.nn.mixture.gate import log_experts

if TYPE_CHECKING:
    from magnet.nn.controller import StageWeights
    from magnet.nn.mixture.gate import Routing

__all__ = ["FAR", "LOSSES_OF_MIXTURES", "listwise", "routing_terms", "smooth_recall"]

FAR = -1e9  # the score of a place that holds no candidate


def smooth_recall(
    scores: Tensor,
    target: Tensor,
    others: Tensor,
    weights: Tensor,
    *,
    k: int = 20,
    width: float = 0.1,
) -> Tensor:
    r"""One minus a smoothed Recall@k: whether the target passes the k-th best of the others.

    .. math:: 1 - \operatorname{mean} σ\big((s_\text{target} - s_{(k)}) / (w · σ)\big)

    with ``s_(k)`` the k-th highest score among the user's other candidates and σ the mean distance of these from it,
    over all users. A likelihood over the catalogue is about the calibration of its tail; this looks at the edge of the
    list and nowhere else. Measured by their own spread, scores gain nothing by growing or by shrinking: without that,
    the loss of a poor mixture falls when all its weights shrink, until every step is at a half.

    Args:
        scores: Of the candidates, ``(n, L)``; :data:`FAR` where there is none.
        target: Of the item that was held out, ``(n,)``.
        others: Which candidates it has to pass, ``(n, L)``, bool: neither held out nor empty.
        weights: Of the targets in the mean, ``(n,)``.
        k: Length of the list.
        width: w, of the step, in units of the spread.
    """
    rivals = scores.masked_fill(~others, FAR)
    edge = target.new_full(target.shape, FAR)
    if rivals.shape[1] >= k:
        edge = rivals.topk(k, dim=1).values[:, -1]
    inside = others & (edge > FAR / 2)[:, None]
    distance = (scores - edge[:, None]).abs().masked_fill(~inside, 0.0)
    spread = (distance.sum() / inside.sum().clamp(min=1)).clamp(min=1e-6)
    # Fewer rivals than places: every target is in the list, whatever the scores.
    step = torch.sigmoid((target - edge) / (width * spread)).where(edge > FAR / 2, 1.0)
    return 1 - (weights * step).sum() / weights.sum()


def listwise(
    scores: Tensor,
    target: Tensor,
    others: Tensor,
    weights: Tensor,
    *,
    k: int = 20,
    width: float = 0.1,
) -> Tensor:
    """Cross-entropy of the target among the candidates; the other options are not looked at."""
    del k, width
    rivals = torch.logsumexp(scores.masked_fill(~others, FAR), dim=1)
    loss = torch.logaddexp(rivals, target) - target
    return (weights * loss).sum() / weights.sum()


LOSSES_OF_MIXTURES = {"recall": smooth_recall, "listwise": listwise}


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
