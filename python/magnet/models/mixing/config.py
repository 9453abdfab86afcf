"""Settings of the mixture over signals."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from magnet.config import Config

__all__ = ["MixingConfig"]

_BEHAVIOUR: list[dict[str, Any]] = [
    {"kind": "filter", "coefficients": [1.0], "exponent": 0.0},
    {"kind": "filter", "coefficients": [2.0, -1.0], "exponent": 0.0},
    {"kind": "filter", "coefficients": [0.0, 1.0], "exponent": 0.5},
    {"kind": "filter", "coefficients": [0.0, 0.0, 1.0], "exponent": 0.5},
    {"kind": "ease", "support": 200},
    {"kind": "item-knn"},
]
_CONTENT: list[dict[str, Any]] = [{"kind": "l3ae"}, {"kind": "item-knn"}, {"kind": "profile"}]


class MixingConfig(Config):
    """How signals are chosen, held-out pairs drawn, and the mixture taught on them.

    Attributes:
        cross_fit: ``holdout`` trains the backbone twice, on everything and without the held-out pairs, so that the
            mixture learns beside one that has not seen them; ``none`` trains no backbone at all: signals alone, where
            minutes matter.
        share: Of a user's training pairs that are held out to teach the mixture; signals and backbone are fitted to the
            rest for that, and to everything for what is delivered.
        behaviour: The menu of the behaviour cue: a signal's name as ``kind``, and its settings.
        content: The menu of each modality's cue; ``modality`` is filled in.
        compress: Whether cues' scores are compressed to ``sign · log1p|·|``.
        loss: ``recall`` looks at the edge of the top 20 of a user's candidates, ``listwise`` at all of them.
        width: Of the step of ``recall``, in units of the scores' spread.
        top: Best items of each signal among a user's candidates.
        random: Random items among them.
        max_users: Users with held-out pairs at most; more are drawn from.
        batch_size: Held-out pairs in a batch.
        learning_rate: Of the mixture.
        decay: Weight of the squared numbers of the router.
        global_steps: Steps for the constants alone, before the router looks at anything.
        start: λ at the start. It grows as the held-out pairs ask for it, and validation may stop it on the way, where
            they ask for more than pays.
        validate_every: Steps between validations.
        steps: Steps of the router in coverage and specialisation together at most; but as many epochs as both stages
            may take (``controller.cap`` and ``controller.ramp``).
    """

    cross_fit: Literal["holdout", "none"] = "holdout"
    share: float = Field(0.125, gt=0, lt=0.9)
    behaviour: list[dict[str, Any]] = Field(_BEHAVIOUR, min_length=1)
    content: list[dict[str, Any]] = Field(_CONTENT, min_length=1)
    compress: bool = False
    loss: Literal["recall", "listwise"] = "recall"
    width: float = Field(0.1, gt=0)
    top: int = Field(100, ge=20, le=100_000)
    random: int = Field(100, ge=0, le=100_000)
    max_users: int = Field(20_000, ge=1, le=100_000_000)
    batch_size: int = Field(512, ge=1, le=10_000_000)
    learning_rate: float = Field(0.05, gt=0)
    decay: float = Field(1e-3, ge=0)
    global_steps: int = Field(100, ge=1, le=10_000_000)
    start: float = Field(0.1, gt=0)
    validate_every: int = Field(10, ge=1, le=1_000_000_000)
    steps: int = Field(300, ge=1, le=10_000_000)
