"""Bytes of ``inter.tsv`` and ``inter.csv``, and the rules that split them."""

from __future__ import annotations

from hostile.case import Reads, case

# Three users, three items, with a split; what most cases spoil.
SOUND = b"user\titem\tsplit\na\tx\t0\na\ty\t1\nb\tx\t0\nb\tz\t2\nc\tz\t0\nc\ty\t0\n"
_BARE = b"user\titem\na\tx\na\ty\nb\tx\nb\tz\nc\tz\nc\ty\n"


def row(line: bytes) -> bytes:
    return SOUND + line + b"\n"


def split(value: bytes) -> bytes:
    return SOUND.replace(b"z\t2", b"z\t" + value)


def csv(data: bytes = SOUND, separator: bytes = b",") -> bytes:
    return data.replace(b"\t", separator)


FILES = [
    case("sound", SOUND, Reads(6, 3, 3)),
    case("sound, commas in a tsv", csv(), Reads(6, 3, 3)),
    case("sound, semicolons in a csv", csv(SOUND, b";"), Reads(6, 3, 3), "inter.csv"),
    case("sound, pipes in a csv", csv(SOUND, b"|"), Reads(6, 3, 3), "inter.csv"),
    case("sound, spaces in a csv", csv(SOUND, b" "), Reads(6, 3, 3), "inter.csv"),
    case(
        "colons",
        csv(SOUND, b":"),
        "expected a column of item ids with a name like itemID, item_id or",
        "inter.csv",
    ),
    case("double colons", csv(SOUND, b"::"), Reads(6, 3, 3), "inter.csv"),
    case("no bytes", b"", "the file is empty; expected a line of column names and one line"),
    case("one line break", b"\n", "the file is empty; expected a line of column names and one line"),
    case("many line breaks", b"\n" * 5000, "the file is empty; expected a line of column names and one line"),
    case(
        "carriage returns alone", b"\r" * 9, "the file is empty; expected a line of column names and one line"
    ),
    case("spaces", b"   \n  \n", "the file is empty; expected a line of column names and one line"),
    case("tabs", b"\t\t\n\t\t\n", "the file is empty; expected a line of column names and one line"),
    case(
        "a byte order mark alone",
        b"\xef\xbb\xbf",
        "the file is empty; expected a line of column names and one line",
    ),
    case("a byte order mark before", b"\xef\xbb\xbf" + SOUND, Reads(6, 3, 3)),
    case(
        "two byte order marks",
        b"\xef\xbb\xbf" * 2 + SOUND,
        "expected a column of user ids with a name like userID, user_id or",
    ),
    case("UTF-16 with a mark", SOUND.decode().encode("utf-16"), Reads(6, 3, 3)),
    case("UTF-16 without a mark", SOUND.decode().encode("utf-16-le"), "a NUL byte in line 1"),
    case(
        "UTF-16, an odd byte too many",
        SOUND.decode().encode("utf-16") + b"x",
        "the file begins with the mark of the encoding UTF-16 and then",
    ),
    case("UTF-32 with a mark", SOUND.decode().encode("utf-32"), Reads(6, 3, 3)),
    case("UTF-32 without a mark", SOUND.decode().encode("utf-32-be"), "a NUL byte in line 1"),
    case(
        "UTF-7",
        "user\titem\n\u00e9\tx\n".encode("utf-7"),
        "there is no split column 'split'; expected one of: 'user',",
    ),
    case(
        "Latin-1",
        "user\titem\tsplit\nJos\u00e9\tx\t0\nb\tx\t0\nb\ty\t0\n".encode("latin-1"),
        "line 2 is not in the encoding UTF-8: byte 4 of the line is 0xe9;",
    ),
    case(
        "EBCDIC",
        SOUND.decode().encode("cp500"),
        "line 1 is not in the encoding UTF-8: byte 1 of the line is 0xa4;",
    ),
    case("a NUL byte in an id", SOUND.replace(b"b\tx", b"b\0b\tx"), "a NUL byte in line 4"),
    case("NUL bytes alone", bytes(4096), "a NUL byte in line 1"),
    case("a NUL byte at the end", SOUND + b"\0", "a NUL byte in line 8"),
    case("a NUL byte in the header", b"us\0er" + SOUND[4:], "a NUL byte in line 1"),
    case(
        "a surrogate in UTF-8",
        row(b"\xed\xa0\x80\tx\t0"),
        "line 8 is not in the encoding UTF-8: byte 1 of the line is 0xed;",
    ),
    case(
        "a character cut short",
        row(b"a\xe2\x82\tx\t0"),
        "line 8 is not in the encoding UTF-8: byte 2 of the line is 0xe2;",
    ),
    case(
        "an overlong slash",
        row(b"a\xc0\xaf\tx\t0"),
        "line 8 is not in the encoding UTF-8: byte 2 of the line is 0xc0;",
    ),
    case(
        "bytes of every value",
        bytes(range(256)) * 3,
        "line 2 is not in the encoding UTF-8: byte 118 of the line is",
    ),
    case(
        "a PNG",
        b"\x89PNG\r\n\x1a\n" + bytes(64),
        "line 1 is not in the encoding UTF-8: byte 1 of the line is 0x89;",
    ),
    case(
        "a gzip file",
        b"\x1f\x8b\x08\0" + bytes(32),
        "line 1 is not in the encoding UTF-8: byte 2 of the line is 0x8b;",
    ),
    case("a zip file", b"PK\x03\x04" + bytes(64), "a NUL byte in line 1"),
    case("a Parquet file by another name", b"PAR1" + bytes(64) + b"PAR1", "a NUL byte in line 1"),
    case("an ELF binary", b"\x7fELF\x02\x01\x01" + bytes(64), "a NUL byte in line 1"),
    case(
        "a pickle",
        b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x05posix\x94",
        "line 1 is not in the encoding UTF-8: byte 1 of the line is 0x80;",
    ),
    case("JSON", b'{"user": ["a"], "item": ["x"]}', "a tab"),
    case("JSON lines", b'{"user": "a", "item": "x"}\n{"user": "b", "item": "y"}\n', "a tab"),
    case(
        "HTML",
        b"<!DOCTYPE html><html><body>404</body></html>\n",
        "expected a column of user ids with a name like userID, user_id or",
    ),
    case(
        "a script",
        b"#!/bin/sh\nrm -rf /\n",
        "expected a column of user ids with a name like userID, user_id or",
    ),
    case(
        "a pointer of Git LFS",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n",
        "expected a column of user ids with a name like userID, user_id or",
    ),
    case(
        "a conflict of git",
        b"<<<<<<< HEAD\n" + SOUND + b"=======\n>>>>>>> x\n",
        "not a readable tsv table: line 2 has 3 fields where 1 columns are",
    ),
    case(
        "header alone",
        b"user\titem\tsplit\n",
        "there is not a single interaction below the line of column names",
    ),
    case(
        "header without a line break",
        b"user\titem\tsplit",
        "there is not a single interaction below the line of column names",
    ),
    case(
        "no header",
        SOUND.partition(b"\n")[2],
        "the first line looks like data, not like column names: 'a', 'x',",
    ),
    case(
        "header twice",
        SOUND.partition(b"\n")[0] + b"\n" + SOUND,
        "line 2 repeats the column names; of files that were joined, keep",
    ),
    case(
        "a column twice",
        SOUND.replace(b"user\titem", b"user\tuser"),
        "the columns 'user' stand there more than once; rename or drop all",
    ),
    case(
        "a column without a name",
        SOUND.replace(b"user\titem\tsplit", b"user\t\tsplit"),
        "expected a column of item ids with a name like itemID, item_id or",
    ),
    case(
        "all columns without a name",
        b"\t\t\n" + SOUND.partition(b"\n")[2],
        "the first line looks like data, not like column names: 'a', 'x',",
    ),
    case("one column", b"user\na\nb\n", "expected a column of item ids with a name like itemID, item_id or"),
    case(
        "a column that is not there",
        SOUND.replace(b"item", b"colour"),
        "expected a column of item ids with a name like itemID, item_id or",
    ),
    case(
        "users alone",
        b"user\tsplit\na\t0\nb\t0\n",
        "expected a column of item ids with a name like itemID, item_id or",
    ),
    case(
        "items alone",
        b"item\tsplit\nx\t0\ny\t0\n",
        "expected a column of user ids with a name like userID, user_id or",
    ),
    case("columns in capitals", SOUND.replace(b"user\titem", b"USER\tITEM"), Reads(6, 3, 3)),
    case("columns in quotes", SOUND.replace(b"user\titem", b'"user"\t"item"'), Reads(6, 3, 3)),
    case("columns with spaces", SOUND.replace(b"user\titem", b" user \t item "), Reads(6, 3, 3)),
    case(
        "two user columns",
        SOUND.replace(b"user\titem\tsplit", b"user\tuser_id\titem"),
        "there is no split column 'split'; expected one of: 'user',",
    ),
    case(
        "a megabyte of header",
        b"x" * (1 << 20) + b"\titem\n" + b"a\tb\n",
        "expected a column of user ids with a name like userID, user_id or",
    ),
    case(
        "a thousand columns",
        b"\t".join(b"c%d" % i for i in range(1000)) + b"\n" + b"\t" * 999 + b"\n",
        "expected a column of user ids with a name like userID, user_id or",
    ),
    case(
        "a header of quotes",
        b'"' * 5000 + b"\n" + SOUND,
        "not a readable tsv table: the first line has 1 fields",
    ),
    case(
        "a header with control characters",
        b"\x1b[31muser\titem\tsplit\n" + SOUND.partition(b"\n")[2],
        "expected a column of user ids with a name like userID, user_id or",
    ),
    case("a header commented out", b"#" + SOUND, Reads(6, 3, 3)),
    case("a comment before the header", b"# made by hand\n" + SOUND, Reads(6, 3, 3)),
    case("blank lines before the header", b"\n\n" + SOUND, Reads(6, 3, 3)),
    case("blank lines between rows", SOUND.replace(b"\n", b"\n\n"), Reads(6, 3, 3)),
    case("a blank line at the end", SOUND + b"\n\n", Reads(6, 3, 3)),
    case("no line break at the end", SOUND.rstrip(), Reads(6, 3, 3)),
    case("Windows line ends", SOUND.replace(b"\n", b"\r\n"), Reads(6, 3, 3)),
    case("old Mac line ends", SOUND.replace(b"\n", b"\r"), Reads(6, 3, 3)),
    case("mixed line ends", SOUND.replace(b"\n", b"\r\n", 3), Reads(6, 3, 3)),
    case(
        "line ends of Unicode",
        SOUND.replace(b"\n", "\u2028".encode()),
        "the columns 'x', 'y', 'z' stand there more than once; rename or",
    ),
    case(
        "too many fields",
        row(b"c\tx\t0\t9"),
        "not a readable tsv table: line 8 has 4 fields where 3 columns are",
    ),
    case("too few fields", row(b"c"), "not a readable tsv table: no value for column 'item' in line 8,"),
    case("a row of tabs", row(b"\t\t"), "column 'split': expected 0, 1, 2 or train, valid, test, found"),
    case("a tab at the end of each row", SOUND.replace(b"\n", b"\t\n"), Reads(6, 3, 3)),
    case("a quote that never closes", row(b'"c\tx\t0'), Reads(7, 4, 3)),
    case("a quote that never closes, at the top", SOUND.replace(b"a\tx", b'"a\tx'), Reads(6, 4, 3)),
    case("quotes within an id", row(b'c"c\tx\t0'), Reads(7, 4, 3)),
    case("quotes doubled within quotes", row(b'"c""c"\tx\t0'), Reads(7, 4, 3)),
    case("a line break within quotes", row(b'"c\nc"\tx\t0'), Reads(7, 4, 3)),
    case("a tab within quotes", row(b'"c\tc"\tx\t0'), Reads(7, 4, 3)),
    case("single quotes", row(b"'c'\tx\t0"), Reads(7, 4, 3)),
    case("a backslash before a tab", row(b"c\\\tx\t0"), Reads(7, 4, 3)),
    case("no user", row(b"\tx\t0"), "column 'user': no value in line 8"),
    case("no item", row(b"c\t\t0"), "column 'item': no value in line 8"),
    case(
        "a user of spaces",
        row(b"  \tx\t0"),
        "column 'user': 1 row has no id but a word for nothing, or blanks:",
    ),
    case(
        "a user in quotes that is empty",
        row(b'""\tx\t0'),
        "column 'user': 1 row has no id but a word for nothing, or blanks:",
    ),
    case(
        "a user called NA",
        row(b"NA\tx\t0"),
        "column 'user': 1 row has no id but a word for nothing, or blanks:",
    ),
    case(
        "a user called null",
        row(b"null\tx\t0"),
        "column 'user': 1 row has no id but a word for nothing, or blanks:",
    ),
    case(
        "a user called nan",
        row(b"nan\tx\t0"),
        "column 'user': 1 row has no id but a word for nothing, or blanks:",
    ),
    case(
        "a user called None",
        row(b"None\tx\t0"),
        "column 'user': 1 row has no id but a word for nothing, or blanks:",
    ),
    case("a user of a megabyte", row(b"u" * (1 << 20) + b"\tx\t0"), Reads(7, 4, 3)),
    case("an emoji", row("\U0001f600\tx\t0".encode()), Reads(7, 4, 3)),
    case("right to left", row("\u202ec\tx\t0".encode()), Reads(7, 4, 3)),
    case("a space of no width", row("c\u200b\tx\t0".encode()), Reads(7, 3, 3)),
    case("a space that does not break", row("c\u00a0\tx\t0".encode()), Reads(7, 3, 3)),
    case("one letter in two forms", row("e\u0301\tx\t0\n\u00e9\tx\t0".encode()), Reads(7, 4, 3)),
    case("a path", row(b"../../etc/passwd\tx\t0"), Reads(7, 4, 3)),
    case("a format", row(b"{0.__class__}%s%n\tx\t0"), Reads(7, 4, 3)),
    case("a formula", row(b"=cmd|' /C calc'!A0\tx\t0"), Reads(7, 4, 3)),
    case("control characters", row(b"\x1b[2J\x07\tx\t0"), Reads(7, 4, 3)),
    case("an id of digits beyond 64 bits", row(b"99999999999999999999\tx\t0"), Reads(7, 4, 3)),
    case("a pair twice", row(b"a\tx\t0"), Reads(6, 3, 3)),
    case("a pair in two parts", row(b"a\tx\t2"), Reads(6, 3, 3)),
    case(
        "one user",
        b"user\titem\tsplit\na\tx\t0\na\ty\t0\n",
        "1 user is too few; a recommender compares at least two users",
    ),
    case(
        "one item",
        b"user\titem\tsplit\na\tx\t0\nb\tx\t0\n",
        "1 item is too few; a recommender compares at least two items",
    ),
    case(
        "one interaction",
        b"user\titem\tsplit\na\tx\t0\n",
        "1 user is too few; a recommender compares at least two users",
    ),
    case("a folder of that name", "folder", "there is no inter.tsv or inter.csv in the folder"),
    case("a pipe of that name", "fifo", "there is no inter.tsv or inter.csv in the folder"),
    case("a link to nowhere", "dangling", "there is no inter.tsv or inter.csv in the folder"),
    case("a link to itself", "loop", "there is no inter.tsv or inter.csv in the folder"),
    case(
        "nothing may be read", "locked", "expected a column of user ids with a name like userID, user_id or"
    ),
]

SPLITS = [
    case("a part called train", split(b"train"), Reads(6, 3, 3)),
    case("a part called Test", split(b"Test"), Reads(6, 3, 3)),
    case("a part called testing", split(b"testing"), Reads(6, 3, 3)),
    case("a part called 3", split(b"3"), "column 'split': expected 0, 1, 2 or train, valid, test, found '3'"),
    case("a part called -1", split(b"-1"), "column 'split': expected 0, 1, 2 or train, valid, test, found"),
    case("a part called 2.0", split(b"2.0"), Reads(6, 3, 3)),
    case("a part called 2.5", split(b"2.5"), "column 'split': expected 0, 1, 2 or train, valid, test, found"),
    case("a part called 1e0", split(b"1e0"), "column 'split': expected 0, 1, 2 or train, valid, test, found"),
    case("a part called 0x2", split(b"0x2"), "column 'split': expected 0, 1, 2 or train, valid, test, found"),
    case("a part called nan", split(b"nan"), "column 'split': expected 0, 1, 2 or train, valid, test, found"),
    case("a part called inf", split(b"inf"), "column 'split': expected 0, 1, 2 or train, valid, test, found"),
    case(
        "a part called true", split(b"true"), "column 'split': expected 0, 1, 2 or train, valid, test, found"
    ),
    case("a part called 2 in quotes", split(b'"2"'), Reads(6, 3, 3)),
    case("a part called 2 with a space", split(b" 2"), Reads(6, 3, 3)),
    case(
        "a part in full-width digits",
        split("\uff12".encode()),
        "column 'split': expected 0, 1, 2 or train, valid, test, found '\uff12'",
    ),
    case("a part of nothing", split(b""), "column 'split': expected 0, 1, 2 or train, valid, test, found"),
    case(
        "a part of a megabyte",
        split(b"9" * (1 << 20)),
        "column 'split': expected 0, 1, 2 or train, valid, test, found",
    ),
    case("no training part", SOUND.replace(b"\t0", b"\t2"), "a part of the split is empty"),
    case("training alone", SOUND.replace(b"\t1\n", b"\t0\n").replace(b"\t2\n", b"\t0\n"), Reads(6, 3, 3)),
    case(
        "five hundred kinds of parts",
        b"user\titem\tsplit\n" + b"".join(b"a\tx\t%d\n" % i for i in range(500)),
        "column 'split': expected 0, 1, 2 or train, valid, test, found '3'",
    ),
]

_TIMED = "user\titem\ttime\na\tx\t{}\na\ty\t2\na\tz\t3\nb\tx\t4\nb\ty\t5\nb\tz\t6\n"


def timed(value: str) -> bytes:
    return _TIMED.format(value).encode()


RULES = [
    case("random", _BARE * 1, Reads(6, 3, 3), "random"),
    case("mmrec of few", _BARE, "a part of the split is empty", "mmrec"),
    case(
        "a rule that is not there",
        _BARE,
        "there is no split column 'radnom'; did you mean 'random'?; the",
        "radnom",
    ),
    case("a rule of nothing", _BARE, "there is no split column ''; expected one of: 'user', 'item',", ""),
    case(
        "a rule of spaces", _BARE, "there is no split column '   '; expected one of: 'user', 'item',", "   "
    ),
    case("a rule of a megabyte", _BARE, "there is no split column", "x" * (1 << 20)),
    case("a colon too many", _BARE, Reads(6, 3, 3), "random:"),
    case("random with a share", _BARE, "the split rule 'random' takes no option; got '2'", "random:2"),
    case(
        "leave-last without times",
        _BARE,
        "the split 'leave-last' needs a column that says when, named like",
        "leave-last",
    ),
    case(
        "leave-last of none",
        timed("1"),
        "the split rule 'leave-last' takes N, interactions of each user",
        "leave-last:0",
    ),
    case(
        "leave-last of less than none",
        timed("1"),
        "the split rule 'leave-last' takes N, interactions of each user",
        "leave-last:-1",
    ),
    case(
        "leave-last of a half",
        timed("1"),
        "the split rule 'leave-last' takes N, interactions of each user",
        "leave-last:0.5",
    ),
    case(
        "leave-last of a word",
        timed("1"),
        "the split rule 'leave-last' takes N, interactions of each user",
        "leave-last:two",
    ),
    case("leave-last of too many", timed("1"), "a part of the split is empty", "leave-last:99"),
    case("leave-last", timed("1"), Reads(6, 2, 3), "leave-last"),
    case("temporal of nothing", timed("1"), "a part of the split is empty", "temporal:0"),
    case("temporal of everything", timed("1"), "a part of the split is empty", "temporal:1"),
    case(
        "temporal of less than nothing",
        timed("1"),
        "the split rule 'temporal' takes SHARE of the interactions for",
        "temporal:-0.5",
    ),
    case(
        "temporal of nan",
        timed("1"),
        "the split rule 'temporal' takes SHARE of the interactions for",
        "temporal:nan",
    ),
    case(
        "temporal of inf",
        timed("1"),
        "the split rule 'temporal' takes SHARE of the interactions for",
        "temporal:inf",
    ),
    case(
        "temporal at a date that is none",
        timed("1"),
        "the split rule 'temporal' takes SHARE of the interactions for",
        "temporal:2024-13-45",
    ),
    case(
        "temporal at a date before all",
        timed("2024-01-01"),
        "a part of the split is empty",
        "temporal:1800-01-01",
    ),
    case(
        "times of words",
        timed("soon"),
        "column 'time': expected a number or a date such as 2024-01-31",
        "leave-last",
    ),
    case(
        "a time of nothing",
        timed(""),
        "column 'time': expected a number or a date such as 2024-01-31",
        "leave-last",
    ),
    case(
        "a time of nan",
        timed("nan"),
        "column 'time': expected a number or a date such as 2024-01-31",
        "leave-last",
    ),
    case(
        "a time of inf",
        timed("inf"),
        "column 'time': expected a number or a date such as 2024-01-31",
        "leave-last",
    ),
    case(
        "a time beyond 64 bits",
        timed("1" * 30),
        "column 'time': expected a number or a date such as 2024-01-31",
        "leave-last",
    ),
    case(
        "a time in hexadecimal",
        timed("0x10"),
        "column 'time': expected a number or a date such as 2024-01-31",
        "leave-last",
    ),
    case(
        "a time of a year",
        timed("2024-02-30"),
        "column 'time': expected a number or a date such as 2024-01-31",
        "leave-last",
    ),
    case(
        "cold-items of nothing",
        _BARE,
        "the split rule 'cold-items' takes SHARE of the items for each",
        "cold-items:0",
    ),
    case(
        "cold-items of everything",
        _BARE,
        "the split rule 'cold-items' takes SHARE of the items for each",
        "cold-items:1",
    ),
    case(
        "cold-users of two",
        _BARE,
        "the split rule 'cold-users' takes SHARE of the users for each",
        "cold-users:2",
    ),
    case(
        "cold-users of a word",
        _BARE,
        "the split rule 'cold-users' takes SHARE of the users for each",
        "cold-users:many",
    ),
    case("cold-items without a share", _BARE, Reads(6, 3, 3), "cold-items"),
    case(
        "k-fold of none",
        _BARE,
        "the split rule 'k-fold' takes F/K, fold F of K, counted from 1;",
        "k-fold:0/0",
    ),
    case(
        "k-fold beyond the last",
        _BARE,
        "the split rule 'k-fold' takes F/K, fold F of K, counted from 1;",
        "k-fold:6/5",
    ),
    case(
        "k-fold the other way",
        _BARE,
        "the split rule 'k-fold' takes F/K, fold F of K, counted from 1;",
        "k-fold:5/1",
    ),
    case(
        "k-fold of one",
        _BARE,
        "the split rule 'k-fold' takes F/K, fold F of K, counted from 1;",
        "k-fold:1/1",
    ),
    case("k-fold of a million", _BARE, Reads(6, 3, 3), "k-fold:1/1000000"),
    case(
        "k-fold without folds",
        _BARE,
        "the split rule 'k-fold' takes F/K, fold F of K, counted from 1;",
        "k-fold",
    ),
    case(
        "k-fold of words",
        _BARE,
        "the split rule 'k-fold' takes F/K, fold F of K, counted from 1;",
        "k-fold:a/b",
    ),
    case("k-fold", _BARE, Reads(6, 3, 3), "k-fold:1/3"),
    case(
        "a rule that is a column of ids",
        _BARE,
        "column 'user': expected 0, 1, 2 or train, valid, test, found 'a'",
        "user",
    ),
]

_RATED = "user\titem\trating\tsplit\na\tx\t{}\t0\na\ty\t4\t1\nb\tx\t3\t0\nb\tz\t2\t2\nc\tz\t5\t0\n"


def rated(value: str) -> bytes:
    return _RATED.format(value).encode()


RATINGS = [
    case("a rating", rated("5"), Reads(5, 3, 3)),
    case("a rating of none", rated(""), Reads(5, 3, 3)),
    case("a rating of a word", rated("good"), Reads(5, 3, 3)),
    case("a rating of nan", rated("nan"), Reads(5, 3, 3)),
    case("a rating of inf", rated("-inf"), Reads(5, 3, 3)),
    case("a rating of nought", rated("0"), Reads(5, 3, 3)),
    case("a rating below nought", rated("-3"), Reads(5, 3, 3)),
    case("a rating of a comma", rated("4,5"), Reads(5, 3, 3)),
]

ITEMS = [
    case("sound", b"item\ttitle\nx\tX\ny\tY\nz\tZ\n", Reads(6, 3, 3)),
    case("no bytes", b"", "the file is empty; expected a line of column names and one line"),
    case("header alone", b"item\ttitle\n", "column 'item': item 'x' in line 2 is not in items.tsv"),
    case("an item too few", b"item\nx\ny\n", "column 'item': item 'z' in line 5 is not in items.tsv"),
    case("an item too many", b"item\nx\ny\nz\nw\n", Reads(6, 3, 4)),
    case(
        "an item twice", b"item\nx\ny\nz\nx\n", "column 'item': item 'x' in line 5 stands there a second time"
    ),
    case("an item of nothing", b"item\ttitle\nx\tX\ny\tY\n\tZ\nz\tZ\n", "column 'item': no value in line 4"),
    case(
        "no item column",
        b"colour\ttitle\nx\tX\n",
        "expected a column of item ids with a name like itemID, item_id or",
    ),
    case("two item columns", b"item\titem_id\nx\tx\ny\ty\nz\tz\n", Reads(6, 3, 3)),
    case("titles of nothing", b"item\ttitle\nx\t\ny\t\nz\t\n", Reads(6, 3, 3)),
    case("titles that are alike", b"item\ttitle\nx\tT\ny\tT\nz\tT\n", Reads(6, 3, 3)),
    case("a title of a megabyte", b"item\ttitle\nx\t" + b"t" * (1 << 20) + b"\ny\tY\nz\tZ\n", Reads(6, 3, 3)),
    case("titles of numbers", b"item\ttitle\nx\t1\ny\t2.5\nz\tnan\n", Reads(6, 3, 3)),
    case("a title with a line break", b'item\ttitle\nx\t"a\nb"\ny\tY\nz\tZ\n', Reads(6, 3, 3)),
    case(
        "a title with a tab",
        b"item\ttitle\nx\ta\tb\ny\tY\nz\tZ\n",
        "not a readable tsv table: line 2 has 3 fields where 2 columns are",
    ),
    case("a title with a quote", b'item\ttitle\nx\t15" wide\ny\tY\nz\tZ\n', Reads(6, 3, 3)),
    case(
        "Latin-1",
        "item\ttitle\nx\t\u00e9\ny\tY\nz\tZ\n".encode("latin-1"),
        "line 2 is not in the encoding UTF-8: byte 3 of the line is 0xe9;",
    ),
    case("a NUL byte", b"item\ttitle\nx\t\0\ny\tY\nz\tZ\n", "a NUL byte in line 2"),
    case("UTF-16", "item\ttitle\nx\tX\ny\tY\nz\tZ\n".encode("utf-16"), Reads(6, 3, 3)),
    case(
        "bytes of every value",
        bytes(range(256)),
        "line 2 is not in the encoding UTF-8: byte 118 of the line is",
    ),
    case("a folder of that name", "folder", "items.tsv: expected the table of items, found a folder, a pipe"),
    case("a pipe of that name", "fifo", "items.tsv: expected the table of items, found a folder, a pipe"),
    case("a link to nowhere", "dangling", "items.tsv: expected the table of items, found a folder, a pipe"),
    case("spaces around", b"item\ttitle\n x \tX\n y \tY\n z \tZ\n", Reads(6, 3, 3)),
    case(
        "capitals",
        b"item\ttitle\nX\tX\nY\tY\nZ\tZ\n",
        "column 'item': item 'x' in line 2 is not in items.tsv",
    ),
    case("no line break at the end", b"item\nx\ny\nz", Reads(6, 3, 3)),
]
