"""What teaches the mixture: how many held-out items come into the top of their users' lists."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["FAR", "LOSSES_OF_MIXTURES", "listwise", "smooth_recall"]

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
