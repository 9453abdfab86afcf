"""An expert of your own in MAGNET, and beside it a content encoder and a loss: each is a function with a name.

    python examples/own_expert.py

A role makes experts of the cues, which are behaviour and each modality. It says what each expert takes of them, for
every pattern of cues that exist.
"""

import torch
import torch.nn.functional as F
from torch import nn

import magnet
from magnet.nn.roles import Mix, Patterns


def everything(patterns: Patterns, groups: list[tuple[int, ...]]) -> Mix:
    """One expert that takes all cues alike; a cue that is missing is left out."""
    present = patterns.present.float()  # (C, P)
    shares = (present / present.sum(0).clamp(min=1)).T[None]  # (1, P, C)
    return Mix(shares, torch.zeros_like(shares), patterns.present.any(0)[None])


def all_cues(n_cues: int) -> list[tuple[int, ...]]:
    """A single expert, defined by every cue."""
    return [tuple(range(n_cues))]


def hinge(positive: torch.Tensor, negative: torch.Tensor, seen: torch.Tensor | None) -> torch.Tensor:
    """The positive is to be ahead of its negative by 1."""
    return F.relu(1 - positive + negative).mean()


def linear(width: int, dim: int) -> nn.Module:
    """From features to cues without a hidden layer."""
    return nn.Linear(width, dim, bias=False)


magnet.register_role("everything", everything, groups=all_cues)
magnet.register_loss("hinge", hinge)
magnet.register_encoder("linear", linear)


def main() -> None:
    """Train with them, and see them in the explanations."""
    dataset = magnet.synthetic.generate("tiny").dataset
    model = magnet.Magnet(
        dim=16,
        experts={"kind": "towers", "roles": ["dominant", "everything"]},
        content={"encoder": "linear"},
        loss={"kind": "hinge"},
        train={"epochs": 4, "batch_size": 256, "learning_rate": 5e-3},
        schedule={"epochs": 4},
        controller={"cap": 2, "ramp": 2},
    ).fit(dataset, progress=False)
    print(model)
    for expert in model.contents.facts["experts"]:
        print(expert["name"], {cue: round(weight, 2) for cue, weight in expert["cue_weights"].items()})
    print(model.explain(dataset.user_ids[0], dataset.item_ids[0]).text())


if __name__ == "__main__":
    main()
