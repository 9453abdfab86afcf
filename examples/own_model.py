"""A model of your own, in closed form, that Magnet trains, evaluates, saves and loads like one of its own.

    python examples/own_model.py

The model recommends items that share users with what a user has (item-item cosine). It leaves a scoring state of its
own, a sparse matrix. A model whose scores are products of vectors returns a `magnet.states.DotState` instead.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from scipy.sparse import csr_array, diags_array

import magnet


class CosineConfig(magnet.Config):
    """Settings of the model.

    Attributes:
        shrink: Added to the number of users of an item; draws rare items towards zero.
    """

    shrink: float = Field(5.0, ge=0)


class Similarities:
    """What the model leaves behind: who has what, and how alike items are."""

    def __init__(self, history: csr_array, alike: csr_array) -> None:
        self.history, self.alike = history, alike
        self.shape = history.shape

    def scores(self, users):
        """Scores of all items for some users, (B, I)."""
        return (self.history[users] @ self.alike).toarray()

    def to_tensors(self):
        """Tensors and JSON-compatible data, for the run folder."""
        tensors = {
            f"{name}.{part}": torch.from_numpy(getattr(matrix, part))
            for name, matrix in (("history", self.history), ("alike", self.alike))
            for part in ("data", "indices", "indptr")
        }
        return tensors, {"n_items": self.shape[1]}

    @classmethod
    def from_tensors(cls, tensors, meta):
        """Undo to_tensors."""
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        matrices = [
            csr_array(
                tuple(arrays[f"{name}.{part}"] for part in ("data", "indices", "indptr")),
                shape=(len(arrays[f"{name}.indptr"]) - 1, meta["n_items"]),
            )
            for name in ("history", "alike")
        ]
        return cls(*matrices)


def fit(dataset: magnet.Dataset, config: CosineConfig, *, seed: int) -> Similarities:
    """Count shared users; only dataset.train may be looked at. Whatever is drawn must come from the seed."""
    del seed
    train = dataset.train
    counts = np.asarray(train.sum(axis=0)) + config.shrink
    scale = diags_array(1 / np.sqrt(np.maximum(counts, 1e-9)))
    alike = csr_array(scale @ (train.T @ train) @ scale)
    alike.setdiag(0)
    return Similarities(train, alike.astype(np.float32))


magnet.register("cosine", CosineConfig, fit=fit)
magnet.register_state("cosine", Similarities)


def main() -> None:
    """Check the contract, fit, save, and load in another process."""
    magnet.testing.check_model("cosine")
    dataset = magnet.synthetic.generate("tiny").dataset
    model = magnet.Recommender("cosine", shrink=2.0).fit(dataset)
    print(model)
    print(model.evaluate(dataset))
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        model.save(run)
        # Another process has to know the model: it imports this file, or allows magnet.load to do so.
        code = f"import own_model, magnet; print(magnet.load({str(run)!r}).recommend(['u000'], 3))"
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=False,
        )
        print(done.stdout or done.stderr)
        # The command finds it too: magnet --import examples/own_model.py train --model cosine …


if __name__ == "__main__":
    main()
