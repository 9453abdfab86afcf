"""Tables for people."""

from __future__ import annotations

import io

from magnet.tables import console, print_table, render, table

LONG = "x" * 60


def test_a_text_cuts_long_cells_and_takes_brackets_literally():
    text = render(["a [b]", table(["name", "number"], [["[red]tea", "1.0"], [LONG, "22.5"]])])
    lines = text.splitlines()
    # By the version of rich a column may be one place wider.
    assert [line.split() for line in lines[:2]] == [["a", "[b]"], ["name", "number"]]
    assert set(lines[2]) == {"─"}
    assert lines[3].split() == ["[red]tea", "1.0"]
    cut, number = lines[4].split()
    assert cut in ("x" * 43 + "…", "x" * 44 + "…")
    assert number == "22.5"
    assert len({len(line) for line in lines[1:]}) == 1, "the numbers stand below each other"


def test_a_printed_table_has_a_title_and_whole_cells(capsys):
    print_table("[title]", ["name", "number"], [[LONG, "1"]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].rstrip() == "[title]"
    assert lines[-2].split() == [LONG, "1"]
    assert lines[-1] == ""


def test_a_narrow_console_breaks_cells_and_loses_nothing():
    stream = io.StringIO()
    console(stream, width=30).print(table(["name", "n"], [[LONG, "1"]], widest=None))
    assert stream.getvalue().count("x") == 60
