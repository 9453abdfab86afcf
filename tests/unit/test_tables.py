"""Tables for people."""

from __future__ import annotations

import io

from magnet.tables import console, print_table, render, table

LONG = "x" * 60


def test_a_text_cuts_long_cells_and_takes_brackets_literally():
    text = render(["a [b]", table(["name", "number"], [["[red]tea", "1.0"], [LONG, "22.5"]])])
    assert text.splitlines() == [
        "a [b]",
        "name                                           number",
        "─" * 53,
        "[red]tea                                          1.0",
        "x" * 43 + "…     22.5",
    ]


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
