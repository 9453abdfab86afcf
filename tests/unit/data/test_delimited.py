"""Text tables as people have them: each kind of trouble is read rightly, or refused with line and cause."""

from __future__ import annotations

import pytest

from magnet.data import Dataset
from magnet.data.tables import read_table
from magnet.errors import DataError

PAIRS = [(user, item) for user in range(4) for item in range(5) if (user + item) % 5]


def text(separator=",", head="user_id{}item_id", end=""):
    return head.format(separator) + "\n" + "".join(f"{u}{separator}{i}\n" for u, i in PAIRS) + end


def table(tmp_path, content, name="inter.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path)


def rows(found):
    return found.select().rows()


def fails(tmp_path, content, words, name="inter.csv"):
    with pytest.raises(DataError, match=words) as caught:
        table(tmp_path, content, name)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "note"),
    [
        ("inter.csv", text(), None),
        ("inter.tsv", text("\t"), None),
        ("inter.csv", "\ufeff" + text(), None),
        ("inter.csv", text().replace("\n", "\r\n"), None),
        ("inter.csv", text().replace("\n", "\r\r\n"), None),
        ("inter.csv", text()[:-1], None),
        ("inter.csv", text(", "), None),
        ("inter.csv", text().replace("\n", "\r"), "carriage return"),
        ("inter.csv", text(";"), r"the separator is a semicolon \(';'\)"),
        ("inter.csv", text("|"), "vertical bar"),
        ("inter.csv", text("\t"), "a tab"),
        ("inter.tsv", text(","), "a comma"),
        ("inter.tsv", text(" "), "a space"),
        ("inter.csv", text("::"), "'::'"),
        ("inter.csv", "sep=;\n" + text(";"), "semicolon"),
        ("inter.csv", text(";", "user id{}item id"), "semicolon"),
        ("inter.csv", text().encode("utf-16"), "UTF-16"),
        ("inter.csv", b"\xfe\xff" + text().encode("utf-16-be"), "UTF-16"),
        ("inter.csv", text().encode("utf-32"), "UTF-32"),
        ("inter.csv", text(end="\n \n"), r"blank lines that were left out: 2 \(line 18, 19\)"),
        ("inter.csv", "# made today\n" + text(), r"comment lines that were left out: 1 \(line 1\)"),
        ("inter.csv", "\n" + text(end="#end\n"), r"comment lines that were left out: 1 \(line 19\)"),
        ("inter.csv", "#" + text(), None),
    ],
)
def test_what_is_written_in_another_way_is_read_to_the_same_rows(tmp_path, name, content, note):
    found = table(tmp_path, content, name)
    assert [(user, item.strip()) for user, item in rows(found)] == [
        (str(user), str(item)) for user, item in PAIRS
    ]
    assert [column.replace(" ", "_") for column in found.columns] == ["user_id", "item_id"]
    if note is None:
        assert found.notes == []
    else:
        with pytest.raises(AssertionError, match=note):
            raise AssertionError("; ".join(found.notes))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b" \n\t\n", "the file is empty"),
        (
            text().replace("0,1", "Jos\u00e9,1").encode("latin-1"),
            "line 2 is not in the encoding UTF-8: byte 4 .*'Jos\u00e9",
        ),
        (text().encode("utf-16-le"), "NUL byte in line 1 .*UTF-16"),
        (text().replace("0,1", "0\0,1"), "NUL byte in line 2"),
        (b"\xff\xfeu", "mark of the encoding UTF-16"),
        (text(end="3,4,5\n"), "line 18 has 3 fields where 2 columns are named"),
        (text(end="3\n"), "no value for column 'item_id' in line 18, which has 1 of 2 fields"),
        (text(end="\n3\n"), "in line 19"),
        ("users of today\n" + text(), r"the first line has 1 fields .* and every other 2|line 1"),
        ("user_id,item_id\n1,0,2\n2,0,3\n", "the first line has 2 fields .* and every other 3"),
        (text(head="user_id{}user_id"), "columns 'user_id' stand there more than once"),
        (text(end=text()), "line 18 repeats the column names"),
        ('user_id,item_id\n0,"1\n1,2"\n2,3\n', "lines 2 to 3 are one row by their quotes and 2 rows without"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_place(tmp_path, content, words):
    fails(tmp_path, content, words)


def test_a_quote_within_an_unquoted_field_is_a_character(tmp_path):
    content = 'user_id,item_id,note\n0,1,15" wide\n1,2,"a, ""b"""\n2,3,7"\n3,"4",\n'
    expected = [("0", "1", '15" wide'), ("1", "2", 'a, "b"'), ("2", "3", '7"'), ("3", "4", None)]
    for end in ("\n", "\r\n"):
        found = table(tmp_path, content.replace("\n", end))
        assert [(*row[:2], row[2] or None) for row in rows(found)] == expected
        assert list(found.lines) == [2, 3, 4, 5]


def test_quotes_that_do_not_pair_are_characters_and_a_note_says_so(tmp_path):
    found = table(tmp_path, 'user_id\titem_id\n0\t"Heroes\n1\t"Weird" Al\n', "inter.tsv")
    assert rows(found) == [("0", '"Heroes'), ("1", '"Weird" Al')]
    assert "the quotes of line 2 do not pair" in found.notes[0]


def test_text_over_several_lines_is_one_row_and_lines_keep_their_numbers(tmp_path):
    content = 'user_id,item_id,note\n0,1,"a\nb"\n\n1,2,c\nNULL,3,d\n'
    found = table(tmp_path, content)
    assert rows(found) == [("0", "1", "a\nb"), ("1", "2", "c"), ("NULL", "3", "d")]
    assert list(found.lines) == [2, 5, 6]
    assert ["runs over several lines: 1 (line 2)" in note for note in found.notes] == [False, True]
    with pytest.raises(DataError, match="'NULL' in line 6"):
        Dataset.from_folder(tmp_path, split="random")


@pytest.mark.parametrize("line", ["0\t1", "ann\ttea", "ann\t5"])
def test_a_first_line_that_is_data_is_never_lost(tmp_path, line):
    user, item = line.split("\t")
    (tmp_path / "inter.tsv").write_text(
        f"{line}\n{user}\t7\n" + "".join(f"{u}\t{i}\n" for u, i in PAIRS)
        if item == "5"
        else f"{line}\n{user}\tx\n" + "".join(f"{u}\t{i}\n" for u, i in PAIRS)
    )
    for options in ({}, {"user": user, "item": item}):
        with pytest.raises(DataError, match=r"the first line looks like data.*write a header"):
            Dataset.from_folder(tmp_path, split="random", **options)


def test_names_that_nobody_knows_are_taken_when_they_are_named_and_repeated(tmp_path):
    (tmp_path / "inter.csv").write_text("who,what\n" + "".join(f"{u},{i}\n" for u, i in PAIRS))
    data = Dataset.from_folder(tmp_path, split="random", user="who", item="what")
    assert len(data.users) == len(PAIRS)
    assert "the first line was taken for column names: 'who', 'what'" in data.messages[0]


def test_a_name_with_the_expected_separator_in_it_does_not_hide_the_other(tmp_path):
    content = "user_id;item_id;price, euro\n" + "".join(f"{u};{i};1,5\n" for u, i in PAIRS)
    found = table(tmp_path, content)
    assert found.columns == ["user_id", "item_id", "price, euro"]
    assert rows(found)[0] == ("0", "1", "1,5")


def test_a_file_given_for_a_folder_is_named(tmp_path):
    (tmp_path / "inter.csv").write_text(text())
    with pytest.raises(DataError, match=r"expected a folder .* found a file"):
        Dataset.from_folder(tmp_path / "inter.csv")
