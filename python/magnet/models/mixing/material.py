"""What the mixture learns from: signals fitted to the rest and to everything, the router's inputs, candidates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from magnet.models.mixing.candidates import Candidates, collect_candidates
from magnet.models.mixing.inputs import RouterInputs, item_kinds, router_inputs
from magnet.models.mixing.menu import choose, menus, prepared
from magnet.operators.base import dot_rows
from magnet.seeds import torch_generator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from magnet.data import Dataset
    from magnet.models.magnet import MagnetConfig
    from magnet.models.mixing.holdout import Fold
    from magnet.models.mixing.menu import Choice
    from magnet.operators import Operator
    from magnet.states import DotState

__all__ = ["Material", "prepare_material"]


class Material(NamedTuple):
    """All that the mixture reads in training and in validation."""

    choices: dict[str, Choice]  # the signal of each cue
    gains: dict[str, list[float]]  # what each signal of a menu was worth, for the cues that were chosen now
    operators: dict[str, Operator]  # fitted to all training pairs
    inputs: RouterInputs  # of all training pairs
    seen_inputs: RouterInputs  # of the rest
    item_kinds: tuple[Tensor, Tensor]  # what the router sees of each kind of item
    kind_of: Tensor  # (I,), int64
    candidates: Candidates
    pairs: Dataset  # the held-out pairs, to draw batches from


def prepare_material(
    dataset: Dataset,
    fold: Fold,
    backbone: DotState,
    config: MagnetConfig,
    *,
    known: Mapping[str, Choice],
    seed: int,
) -> Material:
    """Choose signals on the held-out pairs, fit them, and collect candidates.

    Args:
        dataset: Interactions and features.
        fold: Its training pairs in two.
        backbone: Fitted to the rest.
        config: Everything about the model.
        known: Choices that were made before, by cue.
        seed: Of every draw.
    """
    modalities, mixing = dataset.modalities, config.mixing
    vectors = backbone.users.numpy(), backbone.items.numpy()

    def base(users: NDArray[np.int32]) -> NDArray[np.float32]:
        return dot_rows(*vectors, users)

    choices, gains, over_rest = dict(known), {}, {}
    for cue, menu in menus(list(modalities), mixing.behaviour, mixing.content).items():
        if cue in choices:
            over_rest[cue] = prepared(choices[cue], fold.rest, modalities)
        else:
            choices[cue], over_rest[cue], gains[cue] = choose(
                menu, fold, modalities, base, compress=mixing.compress, seed=seed
            )

    def raw(users: NDArray[np.int32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        histories = fold.rest[users]
        return base(users), np.stack([operator.apply(histories) for operator in over_rest.values()])

    candidates = collect_candidates(
        raw,
        fold,
        top=mixing.top,
        random=mixing.random,
        compress=mixing.compress,
        seed=seed,
        max_users=mixing.max_users,
    )
    operators = {cue: prepared(choice, dataset.train, modalities) for cue, choice in choices.items()}
    seen_inputs = router_inputs(fold.rest, modalities, over_rest)
    inputs = router_inputs(dataset.train, modalities, operators)
    if config.router.kind == "shuffled":
        seen_inputs, inputs = (_shuffled(side, seed) for side in (seen_inputs, inputs))
    kinds, kind_of = item_kinds(seen_inputs)
    pairs = _pairs(dataset, fold, candidates)
    return Material(choices, gains, operators, inputs, seen_inputs, kinds, kind_of, candidates, pairs)


def _pairs(dataset: Dataset, fold: Fold, candidates: Candidates) -> Dataset:
    """The held-out pairs of those users that have candidates, as a data set."""
    coo = fold.held.tocoo()
    kept = (candidates.place[torch.from_numpy(coo.row.astype(np.int64))] >= 0).numpy()
    users, items = coo.row[kept].astype(np.int32), coo.col[kept].astype(np.int32)
    parts = np.zeros(len(users), np.int8)
    return replace(dataset, users=users, items=items, parts=parts, times=None, source=None)


def _shuffled(inputs: RouterInputs, seed: int) -> RouterInputs:
    """For the control: every user and item gets the inputs of another one, the same one each time."""
    generator = torch_generator(seed, "shuffled")
    orders = (torch.randperm(len(side), generator=generator) for side in (inputs.users, inputs.items))
    users, items = (side[order] for side, order in zip((inputs.users, inputs.items), orders, strict=True))
    return inputs._replace(users=users, items=items)
