"""A model of your own that Magnet's loop trains: matrix factorisation by BPR (Rendle et al., 2009).

    python examples/own_trained_model.py

The loop brings batches, negatives, the optimiser, validation, early stopping, checkpoints and resuming.
"""

import torch
from pydantic import Field
from torch import Tensor, nn

import magnet
from magnet.nn.losses import bpr
from magnet.states import DotState
from magnet.train import Batch, OnePhaseTask, Terms


class FactorsConfig(magnet.Config):
    """Settings of the model.

    Attributes:
        dim: Width of the vectors.
        train: Epochs, batches and stopping.
    """

    dim: int = Field(32, ge=1)
    train: magnet.TrainConfig = magnet.TrainConfig(learning_rate=5e-3)


class Factors(nn.Module):
    """A vector for each user and each item. Its forward pass returns the loss, so that it can be wrapped as a whole."""

    def __init__(self, n_users: int, n_items: int, dim: int) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(n_users, dim), nn.Embedding(n_items, dim)
        for table in (self.users, self.items):
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, batch: Batch) -> Tensor:
        """BPR of a batch."""
        u, i, j = self.users(batch.users), self.items(batch.positives), self.items(batch.negatives)
        return bpr((u * i).sum(-1), (u * j).sum(-1))


class FactorsTask(OnePhaseTask):
    """Drives the network: the loss of a batch, and what predicts."""

    def __init__(self, dataset: magnet.Dataset, config: FactorsConfig, *, seed: int) -> None:
        super().__init__(
            config.train, lambda: Factors(dataset.n_users, dataset.n_items, config.dim), seed=seed
        )

    def step(self, batch: Batch) -> Terms:
        """The loss of one batch."""
        return Terms.of({"ranking": self.module(batch)})

    @torch.no_grad()
    def state(self) -> DotState:
        """Scores are products of vectors, which Magnet ranks in Rust."""
        return DotState(self.module.users.weight, self.module.items.weight)


magnet.register("factors", FactorsConfig, task=FactorsTask)


def main() -> None:
    """Check the contract, then train and evaluate."""
    quick = {"epochs": 3, "batch_size": 256}
    magnet.testing.check_model("factors", train=quick)
    dataset = magnet.synthetic.generate("tiny").dataset
    model = magnet.Recommender("factors", train={"epochs": 20, "batch_size": 256}).fit(
        dataset, progress=False
    )
    print(model)
    print(model.evaluate(dataset))


if __name__ == "__main__":
    main()
