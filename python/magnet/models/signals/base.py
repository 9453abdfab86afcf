"""The interface of a signal, and how one becomes a model of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from magnet.errors import ConfigError, DataError, nearest
from magnet.models.registry import register
from magnet.registry import Registry
from magnet.states import ItemItemState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scipy.sparse import csr_array

    from magnet.config import Config
    from magnet.data import Dataset, Modality
    from magnet.models.space import Space
    from magnet.operators import Operator

__all__ = ["SIGNALS", "Prepare", "Signal", "modality_of", "register_signal"]


class Prepare(Protocol):
    """Makes the operator of a signal."""

    def __call__(self, train: csr_array, modalities: Mapping[str, Modality], config: Any, /) -> Operator:
        """From training interactions ``(U, I)``, the items' content and the signal's settings to its operator.

        Whatever else it reads would leak: the training part may be one from which pairs were held out.
        """


@dataclass(frozen=True)
class Signal:
    """One kind of signal.

    Attributes:
        name: As settings and ``--model`` take it.
        config: Class of its settings.
        prepare: Makes its operator.
    """

    name: str
    config: type[Config]
    prepare: Prepare


_ROOM = "magnet.models.signals"
SIGNALS: Registry[Signal] = Registry(
    "signal",
    modules={
        "filter": f"{_ROOM}.filter",
        "ease": f"{_ROOM}.ease",
        "l3ae": f"{_ROOM}.l3ae",
        "add-ease": f"{_ROOM}.add_ease",
        "cease": f"{_ROOM}.cease",
        "gf-cf": f"{_ROOM}.gf_cf",
        "chebycf": f"{_ROOM}.chebycf",
        "item-knn": f"{_ROOM}.item_knn",
        "profile": f"{_ROOM}.profile",
    },
)


def register_signal(
    name: str,
    config: type[Config],
    prepare: Prepare,
    *,
    space: Space | None = None,
    replace: bool = False,
) -> None:
    """Add a signal: MAGNET's settings may name it, and it is a model of its own.

    Args:
        name: How it is asked for.
        config: Class of its settings, a subclass of :class:`magnet.config.Config`. One that reads content has a field
            ``modality``.
        prepare: ``prepare(train, modalities, config)`` returns an operator of :mod:`magnet.operators`.
        space: What tuning searches by default, as :func:`magnet.register` takes it.
        replace: Whether a signal of that name may be replaced, as when a notebook's cell runs again.

    Raises:
        ConfigError: If the name is taken, or ``space`` does not fit the settings.
    """

    def fit(dataset: Dataset, settings: Config, *, seed: int = 0) -> ItemItemState:
        del seed  # nothing is drawn
        return ItemItemState(dataset.train, prepare(dataset.train, dataset.modalities, settings))

    SIGNALS.add(name, Signal(name, config, prepare), module=config.__module__, replace=replace)
    register(name, config, fit=fit, space=space, replace=replace)


def modality_of(modalities: Mapping[str, Modality], name: str | None, *, model: str) -> Modality:
    """The modality that a signal asks for; the only one, where it names none.

    Raises:
        ConfigError: If there is none of that name, or none is named and there are several.
        DataError: If the data have no modality.
    """
    if not modalities:
        raise DataError(
            f"{model} needs item features and the data have none; add a .npy of features, or take a model without "
            "content, such as ease"
        )
    if name is None:
        if len(modalities) > 1:
            raise ConfigError(
                f"{model} looks at one modality and the data have {len(modalities)} ({', '.join(modalities)}): "
                f"set modality={next(iter(modalities))}"
            )
        return next(iter(modalities.values()))
    if name not in modalities:
        raise ConfigError(f"{model}: the data have no modality '{name}'{nearest(name, list(modalities))}")
    return modalities[name]
