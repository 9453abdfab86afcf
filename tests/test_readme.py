"""The README's Python runs as it stands, and its command line names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import magnet
from magnet.models.registry import MODELS
from magnet.synthetic.write import write_folder
from support.quick import CONTROLLER, MIXING

README = Path(__file__).resolve().parents[1] / "README.md"


@pytest.fixture
def text():
    if not README.is_file():
        pytest.skip("no README beside the tests")
    return README.read_text(encoding="utf-8")


def test_the_python_blocks_run(text, tiny, tmp_path, monkeypatch, capsys):
    write_folder(tiny, tmp_path / "data" / "baby")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAGNET_CACHE", str(tmp_path / "cache"))

    # The example trains with the defaults; two epochs show as well as two hundred that it runs.
    class Quick(magnet.Magnet):
        def __init__(self, **config):
            super().__init__(
                **config, train={"epochs": 2, "batch_size": 512}, mixing=MIXING, controller=CONTROLLER
            )

    monkeypatch.setattr(magnet, "Magnet", Quick)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 2
    scope = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), scope)
    torch.set_num_threads(before)
    assert "user_id" in capsys.readouterr().out
    assert (tmp_path / "runs" / "baby" / "manifest.json").is_file()


def test_every_model_is_listed(text):
    rows = text.split("that `--model` and `magnet.Recommender` take:")[1].split("\n\n`magnet --import")[0]
    assert set(re.findall(r"`([a-z0-9-]+)`", rows)) == set(MODELS.own)


def test_the_command_line_names_every_verb_and_option(text):
    import typer.main

    from magnet.cli import app

    commands = typer.main.get_command(app).commands
    blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    block = next(b for b in blocks if "magnet train" in b)
    shown = set(re.findall(r"^magnet ([\w-]+)", block, re.MULTILINE))
    assert shown == set(commands)
    known = {"-k"} | {
        option
        for command in commands.values()
        for one in [command, *getattr(command, "commands", {}).values()]
        for parameter in one.params
        for option in parameter.opts
    }
    assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", block)) <= known
