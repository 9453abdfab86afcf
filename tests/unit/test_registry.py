from __future__ import annotations

import sys
import types
from importlib import metadata

import pytest

from magnet.errors import ConfigError
from magnet.registry import Registry


@pytest.fixture
def colours():
    registry: Registry[str] = Registry("colour", modules={"red": "magnet.errors"}, group="magnet.colours")
    registry.add("blue", "#00f", module="paint")
    return registry


def test_what_was_added_is_found(colours):
    assert colours.find("blue") == "#00f"
    assert list(colours) == ["red", "blue"]
    assert colours.own == ("red",)
    assert "blue" in colours
    assert "green" not in colours


def test_an_unknown_name_suggests_the_nearest(colours):
    with pytest.raises(ConfigError, match="no colour 'bleu'; did you mean 'blue'"):
        colours.find("bleu")


def test_a_taken_name_is_refused_unless_it_is_to_be_replaced(colours):
    with pytest.raises(ConfigError, match=r"there is a colour 'blue' already.*replace=True"):
        colours.add("blue", "#00e", module="paint")
    assert colours.find("blue") == "#00f"
    colours.add("blue", "#00e", module="other", replace=True)
    assert colours.find("blue") == "#00e"


@pytest.mark.parametrize("replace", [False, True])
def test_what_magnet_brings_along_is_never_replaced(colours, replace):
    with pytest.raises(ConfigError, match="'red' is Magnet's own"):
        colours.add("red", "#e00", module="paint", replace=replace)
    colours.add("red", "#f00", module="magnet.errors")
    with pytest.raises(ConfigError, match="'red' is Magnet's own"):
        colours.add("red", "#e00", module="paint", replace=replace)
    assert colours.find("red") == "#f00"


@pytest.mark.parametrize("name", ["", " blue", None, 3])
def test_a_name_is_a_text_that_is_not_empty(colours, name):
    with pytest.raises(ConfigError, match="needs a name"):
        colours.add(name, "#000")


def install(monkeypatch, module, content):
    """An entry point of the group, and the module behind it."""
    fake = types.ModuleType(module)
    monkeypatch.setattr(metadata, "entry_points", lambda group: points if group == "magnet.colours" else ())
    points = metadata.EntryPoints([metadata.EntryPoint("green", module, "magnet.colours")])

    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            from importlib.machinery import ModuleSpec

            return ModuleSpec(name, Finder) if name == module else None

        @staticmethod
        def create_module(spec):
            return fake

        @staticmethod
        def exec_module(created):
            content()

    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    monkeypatch.delitem(sys.modules, module, raising=False)


def test_an_entry_point_is_imported_when_it_is_asked_for(colours, monkeypatch):
    imported = []

    def content():
        imported.append(True)
        colours.add("green", "#0f0", module="paint_green")

    install(monkeypatch, "paint_green", content)
    assert list(colours) == ["red", "blue", "green"]
    assert not imported
    assert colours.find("green") == "#0f0"
    assert imported == [True]
    monkeypatch.delitem(sys.modules, "paint_green")


def test_an_entry_point_that_breaks_its_promise_says_so(colours, monkeypatch):
    install(monkeypatch, "paint_green", lambda: None)
    with pytest.raises(ConfigError, match="paint_green: its entry point promises the colour 'green'"):
        colours.find("green")
    monkeypatch.delitem(sys.modules, "paint_green")


def test_an_entry_point_that_cannot_be_imported_says_why(colours, monkeypatch):
    def content():
        raise RuntimeError("no paint left")

    install(monkeypatch, "paint_green", content)
    with pytest.raises(
        ConfigError, match=r"'green' of paint_green cannot be imported: RuntimeError: no paint"
    ):
        colours.find("green")
