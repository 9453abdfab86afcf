"""The settings that every trained model shares."""

from __future__ import annotations

from pydantic import Field

from magnet.config import Config

__all__ = ["TrainConfig"]


class TrainConfig(Config):
    """Epochs, batches and stopping.

    Attributes:
        epochs: Epochs at most.
        batch_size: Pairs in a batch.
        learning_rate: Adam's, of the embeddings.
        validate_every: Epochs between validations.
        patience: Validations without a better Recall@20 before training stops.
        average: β of the moving average of weights over steps, which is validated and delivered; 0 takes the weights as
            they are.
    """

    epochs: int = Field(200, ge=1)
    batch_size: int = Field(2048, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    validate_every: int = Field(1, ge=1)
    patience: int = Field(15, ge=1)
    average: float = Field(0.0, ge=0, lt=1)
