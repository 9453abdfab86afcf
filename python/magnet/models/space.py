"""Search spaces: which settings of a model are worth trying, and between what ends."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from magnet.config import Config, merged
from magnet.errors import ConfigError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Choice", "Dimension", "Range", "Space", "check_space", "nested", "read_space", "value_at"]

Space = Mapping[str, tuple[float, float] | Sequence[Any]]
"""By dotted key: a tuple of two ends, or a list of values."""

_DECADE = 10.0
"""Positive ends that are so many times apart are searched by the logarithm: from 1e-4 to 1e-1 sizes count."""


@dataclass(frozen=True)
class Range:
    """Numbers between two ends, both included.

    Attributes:
        key: Of the setting, parts with dots.
        low: The smaller end.
        high: The larger end.
        whole: Whether only whole numbers count.
    """

    key: str
    low: float
    high: float
    whole: bool

    @property
    def log(self) -> bool:
        """Whether sizes rather than differences count."""
        return self.low > 0 and self.high >= _DECADE * self.low * (1 - 1e-9)

    def holds(self, value: Any) -> bool:
        """Whether a value lies within."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.key}={self.low:g}..{self.high:g}"


@dataclass(frozen=True)
class Choice:
    """Some values.

    Attributes:
        key: Of the setting, parts with dots.
        values: JSON-compatible, all different.
    """

    key: str
    values: tuple[Any, ...]

    def holds(self, value: Any) -> bool:
        """Whether a value is one of them."""
        return value in self.values

    def __str__(self) -> str:
        words = (value if isinstance(value, str) else json.dumps(value) for value in self.values)
        return f"{self.key}={'|'.join(words)}"


Dimension = Range | Choice


def read_space(texts: Iterable[str]) -> dict[str, tuple[float, float] | list[Any]]:
    """Read a space from a command line.

    Args:
        texts: ``KEY=LOW..HIGH`` or ``KEY=A|B|C``; a single value fixes the setting. Values are read as JSON where they
            parse as such, else as text.

    Raises:
        ConfigError: If one is neither, or a key is given twice.

    Example:
        >>> read_space(["l2=1e-4..0.1", "loss.kind=bpr|softmax", "layers=1|2"])
        {'l2': (0.0001, 0.1), 'loss.kind': ['bpr', 'softmax'], 'layers': [1, 2]}
    """
    found: dict[str, tuple[float, float] | list[Any]] = {}
    for text in texts:
        key, equals, values = (part.strip() for part in text.partition("="))
        if not equals or not key or not values:
            raise ConfigError(f"--space {text}: expected KEY=LOW..HIGH or KEY=A|B|C, such as l2=1e-4..1e-1")
        if key in found:
            raise ConfigError(f"--space {text}: {key} is given twice")
        ends = values.split("..")
        if len(ends) > 1:
            numbers = [_number(end) for end in ends]
            if len(numbers) != 2 or None in numbers:
                raise ConfigError(f"--space {text}: expected two numbers, LOW..HIGH, such as l2=1e-4..1e-1")
            found[key] = (numbers[0], numbers[1])  # type: ignore[assignment]
        else:
            found[key] = [_value(word.strip()) for word in values.split("|")]
    return found


def _number(text: str) -> float | int | None:
    value = _value(text.strip())
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def check_space(
    config: type[Config], space: Space, *, base: Mapping[str, Any] | None = None, where: str = "space"
) -> dict[str, Dimension]:
    """Make sure that every value of a space is one that the setting takes.

    Args:
        config: Class of the settings.
        space: By dotted key: a tuple of two ends, or a list of values.
        base: Settings that go with each of them.
        where: What to call the space in an error.

    Returns:
        What to search, by key, in the order of ``space``.

    Raises:
        ConfigError: If a key is unknown or a part, an end or a value is out of range, or a range is of no number.
    """
    found: dict[str, Dimension] = {}
    for key, values in space.items():
        annotation = _annotation(config, key, where)
        if isinstance(values, tuple):
            found[key] = _range(key, values, annotation, where)
            tried: Sequence[Any] = [found[key].low, found[key].high]  # type: ignore[union-attr]
        else:
            found[key] = _choice(key, values, where)
            tried = values
        for value in tried:
            config.build(merged(base or {}, nested(key, value)), where=where)
    return found


def _annotation(config: type[Config], key: str, where: str) -> Any:
    part: Any = config
    for name in key.split("."):
        if not (isinstance(part, type) and issubclass(part, Config)) or name not in part.model_fields:
            options = part.model_fields if isinstance(part, type) and issubclass(part, Config) else []
            raise ConfigError(f"{where}: {key}: there is no setting '{name}'{nearest(name, options)}")
        part = part.model_fields[name].annotation
    if isinstance(part, type) and issubclass(part, Config):
        raise ConfigError(f"{where}: {key} is a part with settings of its own, such as {_first(key, part)}")
    return part


def _first(key: str, part: type[Config]) -> str:
    return f"{key}.{next(iter(part.model_fields), '')}"


def _range(key: str, ends: tuple[Any, ...], annotation: Any, where: str) -> Range:
    kinds = {annotation, *get_args(annotation)}
    if not kinds & {int, float}:
        raise ConfigError(f"{where}: {key} is no number; give its values, as in {key}=A|B")
    numbers = [end for end in ends if isinstance(end, int | float) and not isinstance(end, bool)]
    if len(ends) != 2 or len(numbers) != 2 or not all(map(math.isfinite, ends)) or not ends[0] < ends[1]:
        raise ConfigError(f"{where}: {key} = {ends}: expected two numbers, the smaller one first")
    whole = float not in kinds
    if whole and not all(float(end).is_integer() for end in ends):
        raise ConfigError(f"{where}: {key} = {ends}: expected whole numbers, which this setting takes")
    low, high = (int(end) if whole else float(end) for end in ends)
    return Range(key, low, high, whole)


def _choice(key: str, values: Any, where: str) -> Choice:
    if isinstance(values, str) or not isinstance(values, Sequence) or not len(values):
        raise ConfigError(
            f"{where}: {key} = {values!r}: expected a tuple of two ends or a list of values, such as (1e-4, 1e-1)"
        )
    written = [json.dumps(value, sort_keys=True) for value in values]
    if len(set(written)) < len(written):
        raise ConfigError(f"{where}: {key} = {list(values)!r}: a value is given twice")
    return Choice(key, tuple(values))


def nested(key: str, value: Any) -> dict[str, Any]:
    """A setting as values of a configuration.

    Example:
        >>> nested("train.learning_rate", 0.01)
        {'train': {'learning_rate': 0.01}}
    """
    for name in reversed(key.split(".")):
        value = {name: value}
    found: dict[str, Any] = value
    return found


def value_at(values: Mapping[str, Any], key: str) -> Any:
    """The value of a dotted key in a whole configuration.

    Example:
        >>> value_at({"train": {"epochs": 9}}, "train.epochs")
        9
    """
    found: Any = values
    for name in key.split("."):
        found = found[name]
    return found
