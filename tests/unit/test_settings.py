"""Settings in words, read from the classes of the configuration."""

from __future__ import annotations

from typing import Literal

import pytest
from annotated_types import Interval, Le, Lt
from pydantic import Field

from magnet.config import Config
from magnet.models.registry import MODELS
from magnet.settings import list_settings, meanings, settings_text


class Part(Config):
    """What a part is for.

    Attributes:
        size: How large; of two
            lines: with a colon.
        word: ``a`` or ``b``.
    """

    size: int | None = Field(None, ge=1, lt=10)
    word: Literal["a", "b"] = "b"


class Base(Config):
    """The base.

    Attributes:
        on: Whether it is on.
    """

    on: bool = False


class Whole(Base):
    """The whole.

    Attributes:
        part: Of it.
        rates: Some rates.

    Raises:
        Nothing: at all.
    """

    part: Part = Part()
    rates: tuple[float, ...] = (0.5, 1.0)
    table: Literal["none"] | dict[str, float] = "none"


def test_by_part_with_kind_default_and_meaning():
    found = list_settings(Whole)
    assert list(found) == ["", "part"]
    told = {s.key: (s.kind, s.choices, s.default, s.meaning) for part in found.values() for s in part}
    assert told == {
        "on": ("true or false", [], False, "Whether it is on."),
        "rates": ("list of number", [], [0.5, 1.0], "Some rates."),
        "table": ("none | table of number by name", [], "none", ""),
        "part.size": (
            "whole number | null, at least 1, below 10",
            [],
            None,
            "How large; of two lines: with a colon.",
        ),
        "part.word": ("a | b", ["a", "b"], "b", "a or b."),
    }


def test_as_a_page():
    text = settings_text("Title", Whole)
    assert text.startswith("Title\n\n  on = false    (true or false)\n      Whether it is on.\n")
    assert "\n\n[part] What a part is for.\n  part.size = null    (whole number | null" in text


@pytest.mark.parametrize("model", MODELS.own)
def test_every_setting_of_every_model_has_a_meaning(model):
    config = MODELS.find(model).config
    settings = [setting for part in list_settings(config).values() for setting in part]
    assert [s.key for s in settings if not s.meaning] == []
    assert {s.key.split(".")[0] for s in settings} == set(config.model_fields)


def test_a_docstring_names_no_setting_that_is_not_there():
    def configs(config):
        yield config
        for field in config.model_fields.values():
            if isinstance(field.annotation, type) and issubclass(field.annotation, Config):
                yield from configs(field.annotation)

    for model in MODELS.own:
        for config in configs(MODELS.find(model).config):
            assert set(meanings(config)) <= set(config.model_fields), config


@pytest.mark.parametrize("model", MODELS.own)
def test_every_count_has_a_bound(model):
    def fields(config):
        for name, field in config.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, Config):
                yield from fields(field.annotation)
            elif field.annotation in (int, int | None):
                yield name, field

    for name, field in fields(MODELS.find(model).config):
        assert any(isinstance(rule, Le | Lt | Interval) for rule in field.metadata), name
