"""Every control of MAGNET by name: what it changes, and nothing else."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from magnet.config import changed, merged
from magnet.errors import ConfigError, nearest
from magnet.models.registry import find_model
from magnet.study.contenders import CANDIDATES, DELIVERED, ROUTED, Contender

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["BACKBONE", "MIXTURE", "PLAIN", "ablation", "control_names"]

PLAIN = "magnet"
"""What the rows of the model without any control are called."""

# A router that does not beat these is decoration. They differ in the mixture alone, so that a plain run of the same
# seed lends them its backbone.
MIXTURE: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "router shuffled": {"router": {"kind": "shuffled"}},
        "router uniform": {"router": {"kind": "uniform"}},
        "router of users": {"router": {"kind": "user"}},
        "router of items": {"router": {"kind": "item"}},
        "switch at epoch 6": {"controller": {"switch_at": 6}},
        "dense": {"router": {"top_k": 0}},
        "dominant only": {"experts": {"roles": ["dominant", "null"]}},
        "balanced only": {"experts": {"roles": ["balanced", "null"]}},
        "complementary only": {"experts": {"roles": ["complementary", "null"]}},
        "without null": {"experts": {"roles": ["dominant", "balanced", "complementary"]}},
        "compressed": {"mixing": {"compress": True}},
        "listwise": {"mixing": {"loss": "listwise"}},
    }
)
"""Controls of the mixture; constants alone and each stage alone are candidates of every run."""

BACKBONE: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "without content view": {"behaviour": {"content_weight": 0.0}},
        "content view of items": {"behaviour": {"content_side": "items"}},
        "content gated": {"behaviour": {"content_gate": "features"}},
        "start from content": {"behaviour": {"start": "content"}},
        "one layer": {"behaviour": {"layers": 1}},
        "three layers": {"behaviour": {"layers": 3}},
        "layers from 1": {"behaviour": {"first_layer": 1}},
        "modalities alike": {"graph": {"weights": "equal"}},
        "shared items": {"graph": {"shared_weight": 0.5}},
        "pseudo edges": {"graph": {"content_edges": "both"}},
        "pseudo edges and one view": {
            "graph": {"content_edges": "both"},
            "behaviour": {"view": "augmented"},
        },
        "half the edges": {"graph": {"keep": 0.5}},
        "without alignment": {"loss": {"alignment": 0.0}},
        "penalty on embeddings": {"loss": {"l2": 1e-4, "l2_of": "embeddings"}},
        "BPR": {"loss": {"kind": "bpr"}},
        "scores by degree": {"popularity": 0.25},
        "signals alone": {"mixing": {"cross_fit": "none"}},
    }
)
"""Switches of the backbone, each of which trains its own; the backbone alone is a candidate of every run."""

_WITHOUT = "without "
_GROUPS = ("all", "mixture", "backbone", "modalities", "none")


def control_names(modalities: Iterable[str]) -> list[str]:
    """All controls there are for data with these modalities, each of which can be taken away where there are others."""
    names = list(modalities)
    return [*MIXTURE, *BACKBONE, *(_WITHOUT + name for name in names if len(names) > 1)]


def ablation(
    settings: Mapping[str, Any], modalities: Iterable[str], controls: str | Iterable[str] = "all"
) -> list[Contender]:
    """The model with its candidates, and its controls.

    Args:
        settings: Of the model, what differs from the defaults; every control has them too.
        modalities: Of the data.
        controls: Names, or ``all``, ``mixture``, ``backbone``, ``modalities`` or ``none``.

    Raises:
        ConfigError: If there is no such control.
    """
    modalities = list(modalities)
    asked = [controls] if isinstance(controls, str) else list(controls)
    known = control_names(modalities)
    groups = {
        "all": known,
        "mixture": list(MIXTURE),
        "backbone": list(BACKBONE),
        "modalities": [name for name in known if name not in MIXTURE and name not in BACKBONE],
        "none": [],
    }
    chosen: dict[str, None] = {}
    for name in asked:
        if name not in groups and name not in known:
            raise ConfigError(f"no control {name!r}{nearest(name, [*_GROUPS, *known])}")
        chosen |= dict.fromkeys(groups.get(name, [name]))
    plain = Contender(PLAIN, "magnet", settings, answers=(DELIVERED, *CANDIDATES))
    return [plain, *(_control(name, settings) for name in chosen)]


def _control(name: str, settings: Mapping[str, Any]) -> Contender:
    if name in MIXTURE:
        return Contender(name, "magnet", _with(settings, MIXTURE[name]), answers=(DELIVERED, ROUTED))
    if name in BACKBONE:
        return Contender(name, "magnet", _with(settings, BACKBONE[name]), answers=(DELIVERED, "backbone"))
    return Contender(name, "magnet", settings, without=(name.removeprefix(_WITHOUT),))


def _with(settings: Mapping[str, Any], control: Mapping[str, Any]) -> dict[str, Any]:
    """The settings and those of the control over them, as far as they differ from the defaults."""
    config = find_model("magnet").config
    whole = config.build(merged(settings, control), where="ablation")
    return changed(whole.resolved(), config.build().resolved())
