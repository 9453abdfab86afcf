"""Help with examples that parse, completion, colours, and quiet."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
import sys

import pytest
import typer.main

from magnet.cli import app
from magnet.cli.examples import EXAMPLES
from magnet.cli.terminal import is_quiet


def verbs():
    """Every command by its words."""
    todo, found = [("", typer.main.get_command(app))], {}
    while todo:
        words, command = todo.pop()
        found[words] = command
        for name, inner in getattr(command, "commands", {}).items():
            todo.append((f"{words} {name}".strip(), inner))
    return found


def parsed(line):
    """Read a command line down to its last verb, without running anything."""
    command, words = typer.main.get_command(app), shlex.split(line)
    assert words.pop(0) == "magnet"
    context, name = None, "magnet"
    while True:
        context = command.make_context(name, words, parent=context)
        if not hasattr(command, "commands"):
            return context
        rest = [*context._protected_args, *context.args]
        name, command, words = command.resolve_command(context, rest)


def test_every_verb_has_examples_and_each_is_one_of_its_own():
    assert set(EXAMPLES) == set(verbs())
    for words, lines in EXAMPLES.items():
        for line in lines:
            context = parsed(line)
            assert context.command_path.startswith(f"magnet {words}".strip()), line


def test_an_example_that_does_not_parse_would_be_seen():
    with pytest.raises(Exception, match="No such option"):
        parsed("magnet train --dat shop --model ease --out run --oops 3")


@pytest.mark.parametrize("words", list(EXAMPLES))
def test_help_shows_the_examples(magnet, words):
    answer = magnet(*words.split(), "--help")
    assert answer.code == 0
    shown = " ".join(answer.out.split())
    assert "Examples:" in shown
    for line in EXAMPLES[words]:
        assert line in shown


def test_completion_can_be_shown_and_completes_verbs(magnet):
    out = magnet("--help").out
    assert "--install-completion" in out
    assert "--show-completion" in out
    found = subprocess.run(
        [sys.executable, "-c", "from magnet.cli import main; main()"],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "_MAGNET_COMPLETE": "complete_bash",
            "COMP_WORDS": "magnet exp",
            "COMP_CWORD": "1",
        },
        check=False,
    )
    assert found.stdout.split() == ["explain", "export"]


def test_no_color_is_honoured_where_colour_is_forced():
    def shown(**more):
        code = "from magnet.cli import main; main()"
        environment = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm-256color", **more}
        found = subprocess.run(
            [sys.executable, "-c", code, "--help"],
            capture_output=True,
            text=True,
            env=environment,
            check=True,
        )
        return found.stdout

    assert "\x1b[1;36m" in shown()
    plain = shown(NO_COLOR="1")
    assert not any(f"\x1b[{colour}m" in plain for colour in ("1;36", "1;33", "36", "33", "1;32"))


def test_quiet_leaves_errors_alone(magnet, folder, tmp_path):
    train = ["train", "--data", folder, "--model", "lightgcn", "--set", "train.epochs=2", "--set", "dim=4"]
    loud = magnet(*train, "--out", tmp_path / "a")
    assert "note: " in loud.err
    assert "lightgcn epoch" in loud.err
    quiet = magnet("--quiet", *train, "--out", tmp_path / "b")
    assert (quiet.code, quiet.err) == (0, "")
    assert quiet.out.startswith("lightgcn: validation")
    assert (
        magnet("-q", "compare", "--data", folder, "--models", "popularity", "--store", tmp_path / "s").err
        == ""
    )
    wrong = magnet("--quiet", "train", "--data", tmp_path / "c", "--model", "ease", "--out", tmp_path / "d")
    assert wrong.code == 1
    assert wrong.err.startswith("error: ")
    magnet("--version")
    assert is_quiet()  # until the next command line says otherwise
    magnet("config", "ease")
    assert not is_quiet()


def test_no_handler_is_installed():
    assert logging.getLogger("magnet").handlers == []


def test_errors_of_the_command_have_the_words_of_the_command(magnet, ease_run, folder, tmp_path):
    unknown = magnet("recommend", ease_run, "--users", "nobody")
    assert unknown.err == "error: unknown user ids 'nobody'; --unknown skip or popular goes on without\n"
    turned = magnet("recommend", ease_run, "--users", "u001", "--weigh", "text=2")
    assert turned.err.startswith("error: --weigh and --role turn the cues")
    small = tmp_path / "small"
    small.mkdir()
    (small / "inter.csv").write_text("user,item\na,x\nb,y\na,y\n")
    split = magnet("data", "check", small, "--split", "random")
    assert "--split mmrec or --split random" in split.err
    (small / "inter.csv").write_text("user,item,split\na,x,train\nb,y,train\na,y,train\n")
    trained = magnet("train", "--data", small, "--model", "bpr-mf", "--out", tmp_path / "r")
    assert "(--split random)" in trained.err
    assert "magnet train --final RUN" in trained.err
    for answer in (unknown, turned, split, trained):
        assert "='" not in answer.err
        assert "fit(" not in answer.err
