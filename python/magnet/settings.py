"""The settings of a configuration in words: key, kind, default and meaning, read from its classes."""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from magnet.config import Config
from magnet.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic.fields import FieldInfo

__all__ = ["Setting", "list_settings", "meanings", "settings_text"]

_WIDTH = 100
_INDENT = " " * 6
_LIMITS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
_KINDS = {bool: "true or false", int: "whole number", float: "number", str: "text", NoneType: "null"}


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        key: As ``--set`` takes it, parts with dots.
        kind: What values it takes, such as ``whole number, at least 1``.
        choices: The words that it may be, empty if it takes others.
        default: JSON-compatible.
        meaning: One sentence or more.
    """

    key: str
    kind: str
    choices: list[str]
    default: Any
    meaning: str

    def to_json(self) -> dict[str, Any]:
        """JSON-compatible data, the attributes by name."""
        return dict(vars(self))


def list_settings(config: type[Config]) -> dict[str, list[Setting]]:
    """All settings of a configuration by part, in the order of its classes.

    Args:
        config: Its class.

    Returns:
        The settings of each part, by the part's dotted name; those of no part come first, under ``""``.
    """
    parts: dict[str, list[Setting]] = {"": []}
    _collect(config, "", parts)
    return parts


def _collect(config: type[Config], part: str, parts: dict[str, list[Setting]]) -> None:
    known = meanings(config)
    for name, field in config.model_fields.items():
        key = f"{part}.{name}" if part else name
        if (inner := _part(field)) is not None:
            parts[key] = []
            _collect(inner, key, parts)
        else:
            parts[part].append(
                Setting(
                    key,
                    _kind(field),
                    _registered(field.metadata) or [str(word) for word in _words(field.annotation)],
                    json.loads(json.dumps(field.get_default())),
                    known.get(name, ""),
                )
            )


def meanings(config: type[Config]) -> dict[str, str]:
    """What the docstrings of a configuration and of its bases say under ``Attributes:``, by field."""
    found: dict[str, str] = {}
    for cls in reversed(config.__mro__):
        doc = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
        section = re.search(r"^Attributes:\n((?:[ \t].*\n?|\n)*)", doc, re.MULTILINE)
        if section is None or not issubclass(cls, Config):
            continue
        for entry in re.split(r"\n(?=\S)", textwrap.dedent(section[1]).strip()):
            name, _, meaning = entry.partition(":")
            # What stands between a role and backticks is a name: :func:`magnet.register`.
            plain = re.sub(r":\w+:`~?([^`]*)`", r"\1", " ".join(meaning.split()))
            found[name.strip()] = plain.replace("``", "")
    return found


def settings_text(title: str, config: type[Config]) -> str:
    """The settings of a configuration as a page of at most 100 columns.

    Args:
        title: Its first line.
        config: Its class.
    """
    lines = [title]
    if not config.model_fields:
        lines += ["", _summary(config, "")]
    for part, settings in list_settings(config).items():
        lines += [""] if part or settings else []
        if part:
            lines += [f"[{part}] {_summary(config, part)}"]
        for setting in settings:
            lines += _fitting(f"  {setting.key} = {_written(setting.default)}", f"({setting.kind})")
            lines += textwrap.wrap(setting.meaning, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)
    return "\n".join(lines) + "\n"


def _fitting(left: str, right: str) -> list[str]:
    """Both on one line where they fit, else one below the other; what is longer than a line is broken at blanks."""
    line = f"{left}    {right}"
    if len(line) <= _WIDTH:
        return [line]
    return [
        *textwrap.wrap(left, _WIDTH, subsequent_indent=_INDENT, drop_whitespace=True),
        f"{_INDENT}{right}",
    ]


def _summary(config: type[Config], part: str) -> str:
    """The first line of the docstring of a part."""
    for name in filter(None, part.split(".")):
        inner = _part(config.model_fields[name])
        assert inner is not None
        config = inner
    return inspect.cleandoc(config.__doc__ or "").partition("\n")[0]


def _part(field: FieldInfo) -> type[Config] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Config) else None


def _kind(field: FieldInfo) -> str:
    limits = [
        f"{word} {getattr(limit, name):g}"
        for limit in field.metadata
        for name, word in _LIMITS.items()
        if hasattr(limit, name)
    ]
    named = " | ".join(_registered(field.metadata)) or _named(field.annotation)
    return ", ".join([named, *limits])


def _registered(metadata: Iterable[Any]) -> list[str]:
    """The names that a setting may be, if it names something that is registered."""
    checks = (getattr(getattr(one, "func", None), "__self__", None) for one in metadata)
    return next((list(registry) for registry in checks if isinstance(registry, Registry)), [])


def _named(annotation: Any) -> str:
    """A type in words."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return " | ".join(_registered(inner[1:])) or _named(inner[0])
    if origin is Literal:
        return " | ".join(map(str, inner))
    if origin in (Union, UnionType):
        return " | ".join(map(_named, inner))
    if origin in (list, tuple):
        return f"list of {_named(inner[0])}"
    if origin is dict:
        return f"table of {_named(inner[1])} by name"
    return _KINDS.get(annotation) or str(annotation)


def _words(annotation: Any) -> Iterable[Any]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _written(value: Any) -> str:
    """A default as ``--set`` takes it."""
    return value if isinstance(value, str) else json.dumps(value)
