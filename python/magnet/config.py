"""The base of every configuration: unknown keys, wrong types and values out of range are errors that say so."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator, model_validator

from magnet.errors import ConfigError, nearest
from magnet.files import as_path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Config", "changed", "merge_settings", "merged", "read_toml"]

_SHOWN = 8  # problems of one configuration that are said


class Config(BaseModel):
    """A frozen record of settings. Parts nest; a part's class stands beside the code that it configures."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _over_defaults(cls, values: Any) -> Any:
        """Lay the values of a part over its default here, which may differ from that of the part's own class."""
        if not isinstance(values, Mapping):
            return values
        laid = dict(values)
        for name, field in cls.model_fields.items():
            if isinstance(field.default, Config) and isinstance(laid.get(name), Mapping):
                laid[name] = merged(field.default.model_dump(), laid[name])
        return laid

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true and false where a number is meant: pydantic takes them for 1 and 0."""
        kind = cls.model_fields[str(info.field_name)].annotation
        kinds = {*(get_args(kind) or [kind])} - {type(None)}
        if isinstance(value, bool) and kinds and kinds <= {int, float}:
            raise ValueError("input should be a number, not a truth value")
        return value

    @classmethod
    def build(cls, values: Mapping[str, Any] | None = None, *, where: str = "configuration") -> Self:
        """Check ``values`` and make the configuration.

        Args:
            values: Only what differs from the defaults; parts are nested mappings.
            where: What to call the source in an error, such as a file's name.

        Raises:
            ConfigError: Naming the key, what was found, what is allowed and the nearest valid name.
        """
        try:
            return cls.model_validate(dict(values or {}))
        except ValidationError as error:
            problems = error.errors()
            lines = [_problem_text(cls, dict(problem), where) for problem in problems[:_SHOWN]]
            lines += [f"{where}: and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
            raise ConfigError("\n".join(lines)) from None

    def resolved(self) -> dict[str, Any]:
        """Every value, defaults included, as JSON-compatible data."""
        return self.model_dump(mode="json")


def merged(base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Lay values over others, parts inside parts.

    Example:
        >>> merged({"dim": 64, "train": {"epochs": 9}}, {"train": {"batch_size": 512}})
        {'dim': 64, 'train': {'epochs': 9, 'batch_size': 512}}
    """
    out = dict(base)
    for key, value in values.items():
        inner = out.get(key)
        if isinstance(inner, Mapping) and isinstance(value, Mapping):
            value = merged(inner, value)
        out[key] = value
    return out


def _problem_text(cls: type[BaseModel], problem: dict[str, Any], where: str) -> str:
    path = [part for part in problem["loc"] if isinstance(part, str)]
    part: type[BaseModel] = cls
    for name in path[:-1]:
        field = part.model_fields.get(name)
        if (
            field is None
            or not isinstance(field.annotation, type)
            or not issubclass(field.annotation, BaseModel)
        ):
            break
        part = field.annotation
    section = f"[{'.'.join(path[:-1])}] " if len(path) > 1 else ""
    name = path[-1] if path else "?"
    if problem["type"] == "extra_forbidden":
        options = list(part.model_fields)
        return f"{where}: {section}has no key '{name}'{nearest(name, options)}"
    found = problem.get("input")
    message = str(problem["msg"]).removeprefix("Value error, ")
    hint = ""
    if problem["type"] == "literal_error" and isinstance(found, str):
        expected = str(problem["ctx"]["expected"]).replace(" or ", ", ").replace("'", "").split(", ")
        hint = nearest(found, expected)
    return f"{where}: {section}{name} = {found!r}: {message[:1].lower()}{message[1:]}{hint}"


def changed(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What differs from the defaults, parts as mappings of what differs in them.

    Example:
        >>> changed({"dim": 32, "train": {"epochs": 9, "lr": 0.1}}, {"dim": 64, "train": {"epochs": 9, "lr": 0.2}})
        {'dim': 32, 'train': {'lr': 0.1}}
    """
    out: dict[str, Any] = {}
    for key, value in values.items():
        default = defaults.get(key)
        if isinstance(value, dict) and isinstance(default, dict):
            if inner := changed(value, default):
                out[key] = inner
        elif value != default:
            out[key] = value
    return out


def merge_settings(base: Mapping[str, Any], settings: Iterable[str]) -> dict[str, Any]:
    """Lay ``key.sub=value`` settings over nested values.

    Values are read as JSON where they parse as such (numbers, true, null, lists), else as text.

    Raises:
        ConfigError: If a setting has no ``=``, or its key runs through a value that is no part.

    Example:
        >>> merge_settings({"dim": 64}, ["train.lr=0.01", "loss.kind=bpr"])
        {'dim': 64, 'train': {'lr': 0.01}, 'loss': {'kind': 'bpr'}}
    """
    laid: dict[str, Any] = copy.deepcopy(dict(base))
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {setting}: expected KEY=VALUE, such as train.batch_size=4096")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
        *parts, last = key.strip().split(".")
        place = laid
        for part in parts:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"--set {setting}: '{part}' is a value, not a part with keys of its own")
            place = inner
        place[last] = value
    return laid


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read a TOML file of settings.

    Raises:
        ConfigError: If the file is missing or is not TOML.
    """
    try:
        return tomllib.loads(as_path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError, RecursionError) as error:
        raise ConfigError(f"{path}: not a readable TOML file: {error}") from None
