"""MAGNET over signals in training: backbone, the same without the held-out pairs, then the mixture on those pairs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from magnet.errors import DataError
from magnet.models.backbone import BackboneTask
from magnet.models.mixing.holdout import can_teach, hold_out, without
from magnet.models.mixing.inputs import item_input_names, user_input_names
from magnet.models.mixing.material import prepare_material
from magnet.models.mixing.menu import menus
from magnet.nn.controller import Controller, statistics
from magnet.nn.mixture.gate import RoutingSums, gate, is_off, summarise
from magnet.nn.mixture.losses import FAR, LOSSES_OF_MIXTURES, routing_terms
from magnet.nn.mixture.mixture import Mixture
from magnet.nn.mixture.roles import ROLES, explained_by_others
from magnet.seeds import derive, seeded
from magnet.states import BlendState, DotState, State
from magnet.train.task import Terms

if TYPE_CHECKING:
    from magnet.data import Dataset
    from magnet.models.magnet import MagnetConfig
    from magnet.models.mixing.material import Material
    from magnet.models.mixing.menu import Choice
    from magnet.train.task import Batch

__all__ = ["MixtureTask"]


class MixtureTask:
    """Drives backbone and mixture; see :class:`~magnet.train.task.Task`.

    Four phases: the *backbone* on all training pairs; the *fold*, the same on what is left when some pairs are held
    out, for as many steps; the *global* constants of the mixture, on the held-out pairs; *coverage* and
    *specialisation*, the router on them. In the last two, scores to learn from come from the fold's models, scores to
    validate from those of all pairs. The best of backbone, global, coverage and specialisation is delivered. Without
    cross-fitting the first two phases are left out, and nothing stands beside the signals.

    Args:
        dataset: Interactions and features.
        config: Everything about the model.
        seed: Of the weights and of every draw.

    Raises:
        DataError: Without cross-fitting, if the held-out pairs can teach nothing.
    """

    def __init__(self, dataset: Dataset, config: MagnetConfig, *, seed: int) -> None:
        self.config, self.seed, self.dataset = config, seed, dataset
        mixing = config.mixing
        self.fold = hold_out(dataset.train, mixing.share, seed=derive(seed, "fold"))
        modalities = list(dataset.modalities)
        self.menus = menus(modalities, mixing.behaviour, mixing.content)
        widths = len(user_input_names(modalities)), len(item_input_names(modalities))
        with seeded(derive(seed, "mixture")):
            self.mixture = Mixture(list(self.menus), *widths, config.experts, config.router)
        self.module = nn.ModuleDict({"mixture": self.mixture})
        self.phase = "global"
        if mixing.cross_fit == "holdout":
            self.phase = "backbone"
            self.full = BackboneTask(dataset, config, seed=seed)
            self.part = BackboneTask(without(dataset, self.fold), config, seed=seed)
            self.module.update({"backbone": self.full.module, "fold": self.part.module})
        self.fold_epochs = 0
        self.choices: dict[str, Choice] = {}
        self.gains: dict[str, list[float]] = {}
        self.controller = Controller(config.controller, len(self.mixture.experts), config.router.top_k)
        self.top_k = 0
        self.sums: list[RoutingSums] = []
        self.material: Material
        if self._mixing:
            if not can_teach(self.fold):
                raise DataError(
                    f"{dataset.name}: too few training pairs to hold any out, which mixing.cross_fit=none lives on; "
                    "leave it at holdout, which falls back on the backbone"
                )
            self._prepare()
            self._start()

    def to(self, device: torch.device | str) -> None:
        """Move the backbones to another device; between epochs. The mixture is small and stays on the CPU."""
        if self._cross_fitted:
            self.full.to(device)
            self.part.to(device)

    @property
    def draws_by_torch(self) -> bool:
        """As the backbone says; in the mixture only in a role that somebody registered, as far as we can know."""
        if self._mixing:
            return not all(ROLES.owns(expert.role) for expert in self.mixture.experts)
        return self._backbone.draws_by_torch

    @property
    def _mixing(self) -> bool:
        return self.phase in ("global", "routing")

    @property
    def _cross_fitted(self) -> bool:
        return self.config.mixing.cross_fit == "holdout"

    def _vectors(self, task: str) -> DotState:
        """What the backbone of all pairs (``full``) or of the rest (``part``) scores by; zeros where there is none."""
        if self._cross_fitted:
            backbone: BackboneTask = getattr(self, task)
            return backbone.state()
        return DotState(torch.zeros(self.dataset.n_users, 1), torch.zeros(self.dataset.n_items, 1))

    @property
    def _backbone(self) -> BackboneTask:
        return self.part if self.phase == "fold" else self.full

    @property
    def stage(self) -> str:
        """``backbone``, ``fold``, ``global``, ``coverage`` or ``specialisation``."""
        return self.controller.stage if self.phase == "routing" else self.phase

    @property
    def delivers(self) -> bool:
        """All but the backbone that lacks the held-out pairs."""
        return self.phase != "fold"

    @property
    def validate_every(self) -> int | None:
        """None of the fold, whose backbone is no candidate and is trained as long as the other was."""
        return 0 if self.phase == "fold" else self.config.mixing.validate_every if self._mixing else None

    @property
    def may_stop(self) -> bool:
        """The backbone may; the mixture once it has specialised."""
        return self.phase == "backbone" or (self.phase == "routing" and self.controller.settled)

    @property
    def max_epochs(self) -> int | None:
        """Of the fold as many steps as the best backbone had; of the mixture by its own settings."""
        if self.phase == "fold":
            return self.fold_epochs
        if not self._mixing:
            return self.full.max_epochs
        if self.phase == "global":
            return max(1, math.ceil(self.config.mixing.global_steps / self._batches))
        # Epochs are long where many pairs are held out: both stages come to their end all the same.
        both = self.controller.config.cap + self.controller.config.ramp
        return max(both, math.ceil(self.config.mixing.steps / self._batches))

    @property
    def data(self) -> Dataset:
        """The pairs of the current phase."""
        if self._mixing:
            return self.material.pairs
        return self._backbone_data

    @property
    def _backbone_data(self) -> Dataset:
        return without(self.dataset, self.fold) if self.phase == "fold" else self.dataset

    @property
    def batch_size(self) -> int:
        """Of the current phase."""
        return self.config.mixing.batch_size if self._mixing else self.config.train.batch_size

    @property
    def _batches(self) -> int:
        return max(1, math.ceil(self.material.pairs.train.nnz / self.batch_size))

    @property
    def negatives(self) -> int:
        """Of the backbone; the mixture brings its own candidates and takes one that it does not look at."""
        return 1 if self._mixing else self._backbone.negatives

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What the phase trains."""
        if not self._mixing:
            return self._backbone.parameter_groups()
        mixture, rate = self.mixture, self.config.mixing.learning_rate
        constants = [mixture.log_scale, mixture.dominance]
        learnt = [mixture.bias] if self.phase == "global" else mixture.routed()
        return [{"params": [*constants, *learnt], "lr": rate, "weight_decay": 0.0}]

    def begin_epoch(self, epoch: int) -> None:
        """Draw the backbone's graphs, or set the sparsity of the router."""
        self.sums = []
        if not self._mixing:
            self._backbone.begin_epoch(epoch)
            return
        self.mixture.train()
        self.top_k = self.controller.weights().top_k if self.phase == "routing" else 0

    def step(self, batch: Batch) -> Terms:
        """The loss of one batch."""
        if not self._mixing:
            return self._backbone.step(batch)
        material, mixing = self.material, self.config.mixing
        c, seen = material.candidates, material.seen_inputs
        rows = c.place[batch.users]
        items, base, cues, there, held = (
            part.index_select(0, rows) for part in (c.items, c.base, c.cues, c.there, c.held)
        )
        user = self.mixture.user_logits(seen.users[batch.users], seen.user_has[batch.users])
        item = self.mixture.item_logits(*material.item_kinds)
        kinds = material.kind_of[items]
        mixed = self.mixture(user, item, kinds, cues, top_k=self.top_k)  # (n, L)
        at = ((items == batch.positives[:, None]) & held).float().argmax(1, keepdim=True)
        scores = (base + mixed).masked_fill(~there, FAR)
        # Each user counts once, however many of their pairs were held out: so do the metrics.
        weights = 1 / held.sum(1)
        loss = LOSSES_OF_MIXTURES[mixing.loss]
        target = scores.gather(1, at)[:, 0]
        terms = {"ranking": loss(scores, target, there & ~held, weights, width=mixing.width)}
        if mixing.decay:
            squares = [
                p.square().sum() for p in (self.mixture.of_user, self.mixture.of_item, self.mixture.bias)
            ]
            terms["decay"] = mixing.decay * torch.stack(squares).sum()
        if self.phase == "routing":
            logits = user + item[kinds.gather(1, at)[:, 0]]  # of the held-out pairs, (n, E)
            routing = gate(logits, top_k=self.top_k, floor=self.mixture.floor)
            sums = summarise(routing)
            self.sums.append(sums)
            if self.config.router.kind != "uniform":
                terms |= routing_terms(routing, logits, self.controller.weights(), sums.loads)
        return Terms.of(terms)

    def end_epoch(self) -> dict[str, Any]:
        """Feed the controller; report the stage and the routing."""
        record: dict[str, Any] = {"stage": self.stage}
        if self.sums:
            now = statistics(RoutingSums(*(torch.stack(s).sum(0) for s in zip(*self.sums, strict=True))))
            self.controller.update(now)
            record |= now._asdict() | {
                "mutual_information": now.mutual_information,
                "smoothed_load_entropy": self.controller.smoothed,
                "top_k": self.top_k or self.controller.n_experts,
                "fired_by": self.controller.fired_by if self.controller.since == 0 else None,
            }
        return record

    @torch.no_grad()
    def state(self) -> State:
        """What predicts, fitted to all training pairs."""
        if not self._mixing:
            return self._backbone.state()
        dots = self._vectors("full")
        self.mixture.eval()
        user = self.mixture.user_logits(self.material.inputs.users, self.material.inputs.user_has)
        item = self.mixture.item_logits(self.material.inputs.items, self.material.inputs.item_has)
        return BlendState(
            users=dots.users,
            items=dots.items,
            history=self.dataset.train,
            cues=self.material.operators,
            user_logits=user.masked_fill(is_off(user), -torch.inf),
            item_logits=item.masked_fill(is_off(item), -torch.inf),
            roles=self.mixture.roles(),
            weight=float(self.mixture.weight),
            top_experts=self.top_k or len(self.mixture.experts),
            experts=[expert.name for expert in self.mixture.experts],
            compress=self.config.mixing.compress,
        )

    def facts(self) -> dict[str, Any]:
        """Signals, experts and the trigger."""
        roles = self.mixture.roles().tolist()
        cues = list(self.menus)
        return {
            **(self.full.facts() if self._cross_fitted else {"modalities": list(self.dataset.modalities)}),
            "experts": [
                {"name": e.name, "role": e.role, "cue_weights": dict(zip(cues, weights, strict=True))}
                for e, weights in zip(self.mixture.experts, roles, strict=True)
            ],
            "signals": self.choices,
            "gains": self.gains,
            "top_k": self.top_k or self.controller.n_experts,
            "router": self.config.router.kind,
        }

    def advance(self, epochs: int = 0) -> bool:
        """On to the next phase.

        Args:
            epochs: Of this phase until its best weights.
        """
        if self.phase == "backbone":
            size = self.config.train.batch_size
            steps = epochs * math.ceil(self.dataset.train.nnz / size)
            self.fold_epochs = max(1, round(steps / max(1, math.ceil(self.fold.rest.nnz / size))))
            self.phase = "fold"
            return can_teach(self.fold)
        if self.phase == "fold":
            self.phase = "global"
            self._prepare()
            self._start()
            return True
        if self.phase == "global":
            self.phase = "routing"
            return self.config.router.kind != "global"
        return False

    def progress(self) -> dict[str, Any]:
        """Phase, choices, controller and the sparsity of the epoch at hand."""
        return {
            "phase": self.phase,
            "fold_epochs": self.fold_epochs,
            "choices": self.choices,
            "gains": self.gains,
            "top_k": self.top_k,
            "controller": self.controller.state_dict(),
        }

    def restore(self, progress: dict[str, Any]) -> None:
        """Take up :meth:`progress` again."""
        self.phase, self.fold_epochs, self.top_k = (
            progress[key] for key in ("phase", "fold_epochs", "top_k")
        )
        self.choices, self.gains = progress["choices"], progress["gains"]
        self.controller.load_state_dict(progress["controller"])

    def ready(self) -> None:
        """Weights have been put back: make what the mixture learns from, if it is not there yet."""
        if self._mixing and not hasattr(self, "material"):
            started = bool(self.choices)  # a borrowed backbone comes without
            self._prepare()
            if not started:
                self._start()

    @torch.no_grad()
    def _prepare(self) -> None:
        """Make what the mixture learns from, choosing the signals unless a checkpoint has said which."""
        self.material = prepare_material(
            self.dataset, self.fold, self._vectors("part"), self.config, known=self.choices, seed=self.seed
        )
        self.choices, self.gains = self.material.choices, self.material.gains | self.gains

    @torch.no_grad()
    def _start(self) -> None:
        """Fit what the others explain of each cue, and begin with all experts alike."""
        self.mixture.explained.copy_(
            explained_by_others(self.material.candidates.cues[self.material.candidates.there])
        )
        self.mixture.start(self.config.mixing.start)
