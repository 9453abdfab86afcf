"""The settings that every trained model shares."""

from __future__ import annotations

from pydantic import Field

from magnet.config import Config

__all__ = ["TrainConfig"]


class TrainConfig(Config):
    """Steps, batches and stopping.

    Told in steps, because an epoch is 3 of them on small data and 10,000 on large.

    Attributes:
        epochs: Epochs of a phase at most; patience usually ends it long before.
        batch_size: Pairs in a batch.
        learning_rate: Adam's, of the embeddings.
        validate_every: Steps between validations. They take place between epochs: at the first end of an epoch after so
            many steps, and after the last.
        patience: Steps without a better Recall@20, or what else validation chooses by, after which training stops; ten
            times as many while the loss is still near its start.
        average: β of the moving average of weights over steps, which is validated and delivered; 0 takes the weights as
            they are.
    """

    epochs: int = Field(1000, ge=1, le=10_000_000)
    batch_size: int = Field(2048, ge=1, le=10_000_000)
    learning_rate: float = Field(1e-3, gt=0)
    validate_every: int = Field(100, ge=1, le=1_000_000_000)
    patience: int = Field(1000, ge=1, le=1_000_000_000)
    average: float = Field(0.0, ge=0, lt=1)
