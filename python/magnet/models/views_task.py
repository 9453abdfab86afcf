"""What drives a model of behaviour and of views of items, whatever it makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from scipy.sparse import csr_array

from magnet.models.views import Inputs, Nodes, pool_rows
from magnet.nn.propagate import Graph
from magnet.seeds import torch_generator
from magnet.states import DotState, State
from magnet.train.one_phase import OnePhaseTask
from magnet.train.task import Batch, Terms

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from magnet.data import Dataset
    from magnet.train.config import TrainConfig

__all__ = ["DrawingTask", "ViewsTask"]


class ViewsTask(OnePhaseTask):
    """Drives a network that is called as ``net(inputs, pool, nodes)`` and answers the terms of a batch's loss.

    Its ``encode(inputs, pool, users, items)`` has the vectors that score, of some users and items, as the first thing
    it returns, ``(n + m, D)``, users first.

    Args:
        dataset: Of which the sizes count.
        train: Epochs, batches and stopping.
        make: Makes the network.
        graph: Normalised interactions, ``(U + I, U + I)``, possibly with edges between items.
        items: The graph of each view, ``(I, I)``.
        features: Unit rows of each modality, ``(I, d_m)``.
        seed: Of the weights.
    """

    draws_by_torch = False

    def __init__(
        self,
        dataset: Dataset,
        train: TrainConfig,
        make: Callable[[], nn.Module],
        *,
        graph: csr_array,
        items: list[csr_array],
        features: list[Tensor],
        seed: int,
    ) -> None:
        super().__init__(train, make, seed=seed)
        self.n_users, self.n_items, self.seed = dataset.n_users, dataset.n_items, seed
        self.pool = csr_array(graph[: self.n_users, self.n_users :])
        symmetric = not graph[self.n_users :, self.n_users :].nnz
        views = [Graph.from_csr(each, symmetric=False) for each in items]
        self.inputs = Inputs(Graph.from_csr(graph, symmetric=symmetric), views, features)

    def to(self, device: torch.device | str) -> None:
        """Move the network and all that it reads to another device; between epochs."""
        super().to(device)
        self.inputs = self.inputs.to(device)

    def step(self, batch: Batch) -> Terms:
        """The loss of one batch."""
        nodes = Nodes.of(batch, self.n_users, self.n_items)
        return Terms.of(self.module(self.inputs, pool_rows(self.pool, nodes.users), nodes))

    @torch.no_grad()
    def state(self) -> State:
        """Everyone, as the network predicts."""
        net: Any = self.module.eval()
        device = next(self.module.parameters()).device
        users, items = (torch.arange(n, device=device) for n in (self.n_users, self.n_items))
        z = net.encode(self.inputs, pool_rows(self.pool, users), users, items)[0]
        return DotState(z[: self.n_users].contiguous(), z[self.n_users :].contiguous())


class DrawingTask(ViewsTask):
    """Drives such a network that draws noise or dropout in training from its ``generator``: torch's own if None."""

    @property
    def draws_by_torch(self) -> bool:  # type: ignore[override]
        """Only where the network is not on the CPU: it draws from a generator of its own there."""
        return next(self.module.parameters()).device.type != "cpu"

    def begin_epoch(self, epoch: int) -> None:
        """Seed what the epoch draws."""
        super().begin_epoch(epoch)
        net: Any = self.module
        net.generator = None if self.draws_by_torch else torch_generator(self.seed, "dropout", epoch)
