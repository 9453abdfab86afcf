"""BPR-MF: one vector for each user and item, trained to rank what was taken above what was not."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from magnet.config import Config
from magnet.models.registry import register
from magnet.nn.losses import bpr, embedding_penalty
from magnet.nn.ops.gather import take_rows
from magnet.states import DotState, State
from magnet.train.config import TrainConfig
from magnet.train.one_phase import OnePhaseTask
from magnet.train.task import Batch, Terms

if TYPE_CHECKING:
    from magnet.data import Dataset

__all__ = ["BPRMF", "BPRMFConfig", "BPRMFTask"]


class BPRMFConfig(Config):
    """Settings of BPR-MF.

    Attributes:
        dim: Width D.
        l2: Weight of the squared norms of the batch's vectors.
        train: Epochs, batches and stopping.
    """

    dim: int = Field(64, ge=1, le=1024)
    l2: float = Field(1e-2, ge=0)
    train: TrainConfig = TrainConfig()


class BPRMF(nn.Module):
    """``score(u, i) = ⟨w_u, h_i⟩``.

    Args:
        n_nodes: Users and items together, U + I.
        dim: Width D.
    """

    def __init__(self, n_nodes: int, dim: int) -> None:
        super().__init__()
        self.embeddings = nn.Parameter(nn.init.normal_(torch.empty(n_nodes, dim), std=0.1))

    def forward(self, users: Tensor, positives: Tensor, negatives: Tensor, *, l2: float) -> dict[str, Tensor]:
        """The terms of the loss of a batch: BPR and the penalty.

        Args:
            users: Their nodes, ``(B,)``.
            positives: The node of a training item of each user, ``(B,)``.
            negatives: That of an unseen item, ``(B,)``.
            l2: Weight of the penalty.
        """
        rows = take_rows(self.embeddings, torch.cat([users, positives, negatives]))
        u, i, j = rows.chunk(3)
        terms = {"ranking": bpr((u * i).sum(-1), (u * j).sum(-1))}
        if l2:
            terms["l2"] = l2 * embedding_penalty(rows, pairs=len(users))
        return terms


class BPRMFTask(OnePhaseTask):
    """Drives :class:`BPRMF` (Rendle et al., *BPR: Bayesian Personalized Ranking*, UAI 2009, section 4.3.1).

    The authors take single steps of stochastic descent; ours are Adam's, over batches.
    """

    draws_by_torch = False

    def __init__(self, dataset: Dataset, config: BPRMFConfig, *, seed: int) -> None:
        n_nodes = dataset.n_users + dataset.n_items
        super().__init__(config.train, lambda: BPRMF(n_nodes, config.dim), seed=seed)
        self.config = config
        self.n_users = dataset.n_users

    def step(self, batch: Batch) -> Terms:
        """BPR and the penalty."""
        n = self.n_users
        return Terms.of(self.module(batch.users, n + batch.positives, n + batch.negatives, l2=self.config.l2))

    @torch.no_grad()
    def state(self) -> State:
        """The vectors as they are."""
        rows = cast("BPRMF", self.module).embeddings
        return DotState(rows[: self.n_users].clone(), rows[self.n_users :].clone())


register(
    "bpr-mf", BPRMFConfig, task=BPRMFTask, space={"l2": (1e-5, 1.0), "train.learning_rate": (5e-4, 5e-3)}
)
