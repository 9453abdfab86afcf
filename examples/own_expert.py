"""An expert of your own in MAGNET, and beside it a signal and a loss: each is a function with a name.

    python examples/own_expert.py

A signal makes an item–item operator of the training interactions; MAGNET tries those on a cue's menu and takes the one
that adds most. A role makes experts of the cues, which are behaviour and each modality: it says what each expert takes
of every cue's score.
"""

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import csr_array

import magnet
from magnet.nn.mixture.roles import Cues
from magnet.operators import SparseOperator


class Together(magnet.Config):
    """Settings of the signal below.

    Attributes:
        least: Users that two items must share to count as taken together.
    """

    least: int = 2


def together(train: csr_array, modalities: object, config: Together) -> SparseOperator:
    """How many users took both items. Only ``train`` may be looked at."""
    both = (train.T @ train).tocsr()
    both.setdiag(0)
    both.data[both.data < config.least] = 0
    both.eliminate_zeros()
    return SparseOperator(csr_array(both, dtype=np.float32))


def contrarian(group: tuple[int, ...], cues: Cues) -> torch.Tensor:
    """One cue, less what the others say together."""
    weights = torch.full((len(cues.shares),), -0.5 / max(1, len(cues.shares) - 1))
    weights[group[0]] = 1.0
    return weights


def hinge(positive: torch.Tensor, negative: torch.Tensor, seen: torch.Tensor | None) -> torch.Tensor:
    """The positive is to be ahead of its negative by 1."""
    return F.relu(1 - positive + negative).mean()


magnet.register_signal("together", Together, together)
magnet.register_role("contrarian", contrarian)
magnet.register_loss("hinge", hinge)


def main() -> None:
    """Train with them, and see them in the explanations."""
    dataset = magnet.synthetic.generate("tiny").dataset
    model = magnet.Magnet(
        dim=16,
        loss={"kind": "hinge"},
        experts={"roles": ["dominant", "contrarian", "null"]},
        mixing={"behaviour": [{"kind": "together"}, {"kind": "filter"}], "global_steps": 30, "steps": 30},
        train={"epochs": 8, "batch_size": 256, "learning_rate": 5e-3},
    ).fit(dataset, progress=False)
    print(model)
    facts = model.contents.facts
    print("behaviour:", facts["signals"]["behaviour"]["kind"], "- delivered:", facts["delivered"])
    for expert in facts["experts"]:
        print(expert["name"], {cue: round(weight, 2) for cue, weight in expert["cue_weights"].items()})
    print(model.explain(dataset.user_ids[0], dataset.item_ids[0]).text())
    print(magnet.Recommender("together").fit(dataset, progress=False))  # a signal is a model as well


if __name__ == "__main__":
    main()
