"""The two-stage controller: routing entropy decides when training moves from coverage to specialisation."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field

from magnet.config import Config

if TYPE_CHECKING:
    from torch import Tensor

    from magnet.nn.mixture.gate import RoutingSums

__all__ = ["STARVING_LOAD", "Controller", "ControllerConfig", "EpochStatistics", "StageWeights", "statistics"]

Stage = Literal["coverage", "specialisation"]

# An expert starves if its hard load is below this share of an even load, 1/E. Starving for a whole window of
# specialisation brings the full coverage weight back.
STARVING_LOAD = 0.1
# The share of the coverage weight that stays after the trigger.
LATE_COVERAGE = 0.1
# The ramp has three thirds: all experts, half of them, the top k. Nine experts become five, then three: the middle
# third lets the other experts take over gently.
HALF_FROM, TOP_K_FROM = 1 / 3, 2 / 3


class ControllerConfig(Config):
    """When to switch, and what each stage asks of the router.

    Attributes:
        balance: What coverage asks for: ``entropy`` a marginal entropy of at least its target; ``switch`` a small
            product of hard loads and mean weights, as Switch Transformers do (Fedus et al., 2022): it sees the loads
            that the trigger looks at.
        coverage_weight: λ_cov, the weight of that; a tenth of it, on the entropy, after the trigger.
        coverage_target: τ_m, that target, as a share of log E.
        z_weight: λ_z, weight of the squared log-partition of the logits.
        trigger_entropy: τ_c, what the smoothed entropy of the hard loads must reach.
        trigger_load: The least load allowed at the trigger, times 1/E.
        trigger_slope: The smoothed entropy may change by less than this in an epoch.
        trigger_information: Evidence that the router has learnt something: its mutual information, net of missing cues,
            must be above this. Without it there is no specialisation, and coverage goes on until its cap.
        smoothing: β of the bias-corrected moving average.
        window: W, consecutive epochs that must satisfy the criterion.
        earliest: No trigger before this many epochs of coverage.
        cap: Specialisation starts after this many epochs at the latest.
        switch_at: Switch after exactly this many epochs instead, whatever the entropy: the control that separates
            "triggered" from "two-stage".
        confidence_weight: λ_conf, weight of the per-pair entropy at the end of the ramp.
        ramp: R, epochs over which confidence grows and experts are cut to the top k.
    """

    balance: Literal["entropy", "switch"] = "switch"
    coverage_weight: float = Field(0.01, ge=0)
    coverage_target: float = Field(0.95, ge=0, le=1)
    z_weight: float = Field(1e-3, ge=0)
    trigger_entropy: float = Field(0.90, ge=0, le=1)
    trigger_load: float = Field(0.5, ge=0, le=1)
    trigger_slope: float = Field(1e-3, gt=0)
    trigger_information: float = Field(1e-3, ge=0, le=1)
    smoothing: float = Field(0.9, ge=0, lt=1)
    window: int = Field(3, ge=1, le=1_000_000)
    earliest: int = Field(3, ge=1, le=1_000_000)
    cap: int = Field(12, ge=1, le=1_000_000)
    switch_at: int | None = Field(None, ge=1, le=1_000_000)
    confidence_weight: float = Field(1e-3, ge=0)
    ramp: int = Field(6, ge=1, le=1_000_000)


class EpochStatistics(NamedTuple):
    """Routing over the positives of an epoch; entropies are shares of log E."""

    pair_entropy: float  # H_s, mean over pairs
    marginal_entropy: float  # H_m, of the mean weights
    load_entropy: float  # of the hard loads
    loads: list[float]  # (E,), shares of the hard loads, sum 1
    weights: list[float]  # (E,), mean weights
    even_information: float  # what H_m − H_s would be if all experts that are on were weighed alike

    @property
    def mutual_information(self) -> float:
        """How much the choice of experts depends on the pair: ``H_m − H_s``, net of missing cues.

        Where cues are missing their experts are off, so that even a router that looks at nothing chooses by the pair.
        """
        return self.marginal_entropy - self.pair_entropy - self.even_information


class StageWeights(NamedTuple):
    """What the loss of one epoch asks of the router."""

    balance: Literal["entropy", "switch"]
    coverage: float
    target: float
    confidence: float
    z: float
    top_k: int


def statistics(sums: RoutingSums) -> EpochStatistics:
    """Turn sums over an epoch into statistics."""
    pairs = float(sums.pairs)
    loads = _shares(sums.loads)
    weights = _shares(sums.weights)
    return EpochStatistics(
        pair_entropy=float(sums.entropy) / max(pairs, 1.0),
        marginal_entropy=_entropy(weights),
        load_entropy=_entropy(loads),
        loads=loads,
        weights=weights,
        even_information=_entropy(_shares(sums.even)) - float(sums.even_entropy) / max(pairs, 1.0),
    )


def _shares(sums: Tensor) -> list[float]:
    values = [float(v) for v in sums]
    total = sum(values)
    return [v / total for v in values] if total > 0 else values


def _entropy(shares: list[float]) -> float:
    if len(shares) < 2:
        return 1.0
    return -sum(p * math.log(p) for p in shares if p > 0 or math.isnan(p)) / math.log(len(shares))


@dataclass
class Controller:
    """Decides the stage of each epoch from the statistics of the epochs before it.

    The criterion: the smoothed entropy of the hard loads reached ``trigger_entropy``, no expert's load is below
    ``trigger_load / E``, and the smoothed entropy has stopped moving, for ``window`` epochs in a row and not before
    ``earliest``. The router starts at maximum entropy, so a threshold alone would fire at once; so would all of that
    for a router that never moves, which is why there has to be evidence that it has learnt something: mutual
    information. At the cap it decides as well: without it the stage stays coverage, for good (``no evidence``).

    Args:
        config: Thresholds and weights.
        n_experts: Number of experts E.
        top_k: Experts that stay in the end; 0 keeps all.
    """

    config: ControllerConfig
    n_experts: int
    top_k: int
    stage: Stage = "coverage"
    fired_by: Literal["criterion", "cap", "fixed", "no evidence"] | None = None
    coverage_epochs: int | None = None  # epochs of coverage before it was decided; None until then
    epochs: int = 0  # epochs seen
    streak: int = 0
    mass: float = 0.0  # of the moving average, for its bias correction
    average: float = 0.0
    starving: list[int] = field(default_factory=list)  # consecutive epochs that each expert starves

    @property
    def smoothed(self) -> float | None:
        """The bias-corrected moving average of the load entropy."""
        return self.average / self.mass if self.mass else None

    @property
    def since(self) -> int:
        """Epochs of specialisation that are over."""
        return 0 if self.coverage_epochs is None else self.epochs - self.coverage_epochs

    @property
    def settled(self) -> bool:
        """Whether the ramp is over, or will never begin, so that early stopping may count."""
        if self.fired_by == "no evidence":
            return True
        return self.stage == "specialisation" and self.since >= self.config.ramp

    def weights(self) -> StageWeights:
        """What the next epoch's loss asks for."""
        c = self.config
        if self.stage == "coverage":
            return StageWeights(c.balance, c.coverage_weight, c.coverage_target, 0.0, c.z_weight, 0)
        final = self.top_k or self.n_experts
        target = (
            math.log(min(final + 1, self.n_experts)) / math.log(self.n_experts) if self.n_experts > 1 else 0.0
        )
        starved = any(epochs >= c.window for epochs in self.starving)
        progress = min(1.0, self.since / c.ramp)
        return StageWeights(
            # Equal loads would work against specialisation.
            balance="entropy",
            coverage=c.coverage_weight if starved else LATE_COVERAGE * c.coverage_weight,
            target=target,
            confidence=c.confidence_weight * progress,
            z=c.z_weight,
            top_k=self._kept(progress),
        )

    def _kept(self, progress: float) -> int:
        if self.top_k == 0 or progress < HALF_FROM:
            return 0
        half = (self.n_experts + 1) // 2  # rounded up
        return max(self.top_k, half) if progress < TOP_K_FROM else self.top_k

    def update(self, now: EpochStatistics) -> None:
        """Take in the epoch that has just ended. Statistics that are not finite reset the window and nothing else."""
        self.epochs += 1
        c = self.config
        bar = STARVING_LOAD / self.n_experts
        before = self.starving or [0] * self.n_experts
        self.starving = [n + 1 if load < bar else 0 for n, load in zip(before, now.loads, strict=True)]
        if self.fired_by is not None:
            return
        last = self.smoothed
        if math.isfinite(now.load_entropy):
            self.average = c.smoothing * self.average + (1 - c.smoothing) * now.load_entropy
            self.mass = c.smoothing * self.mass + (1 - c.smoothing)
        smoothed = self.smoothed
        met = (
            math.isfinite(now.load_entropy)
            and smoothed is not None
            and last is not None
            and smoothed >= c.trigger_entropy
            and abs(smoothed - last) < c.trigger_slope
            and min(now.loads) >= c.trigger_load / self.n_experts
        )
        self.streak = self.streak + 1 if met else 0
        if c.switch_at is not None:
            if self.epochs >= c.switch_at:
                self._fire("fixed")
        elif now.mutual_information > c.trigger_information:
            if self.streak >= c.window and self.epochs >= c.earliest:
                self._fire("criterion")
            elif self.epochs >= c.cap:
                self._fire("cap")
        elif self.epochs >= c.cap:
            self.fired_by, self.coverage_epochs = "no evidence", self.epochs

    def _fire(self, reason: Literal["criterion", "cap", "fixed"]) -> None:
        self.stage, self.fired_by, self.coverage_epochs = "specialisation", reason, self.epochs
        self.starving = [0] * self.n_experts

    def state_dict(self) -> dict[str, Any]:
        """Everything but the configuration, as JSON-compatible data."""
        state = asdict(self)
        for key in ("config", "n_experts", "top_k"):
            state.pop(key)
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state; older checkpoints call ``coverage_epochs`` ``fired_at``."""
        for key, value in state.items():
            setattr(self, "coverage_epochs" if key == "fired_at" else key, value)
