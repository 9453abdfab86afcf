"""Frames, ids, numbers, settings and files of settings, as they are handed over."""

from __future__ import annotations

import datetime
import decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import scipy.sparse as sp
import torch

from hostile.case import Reads, case

if TYPE_CHECKING:
    from collections.abc import Callable

USERS, ITEMS = ["a", "a", "b", "b"], ["x", "y", "x", "z"]


def pandas(**columns: Any) -> Callable[[], Any]:
    return lambda: pd.DataFrame({"user": USERS, "item": ITEMS} | columns)


def polars(**columns: Any) -> Callable[[], Any]:
    return lambda: pl.DataFrame({"user": USERS, "item": ITEMS} | columns, strict=False)


class Loud:
    """Fails whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def __repr__(self) -> str:
        return "<Loud object at 0x7f00deadbeef>"


FRAMES = [
    case("pandas", pandas(), Reads(4, 2, 3)),
    case("polars", polars(), Reads(4, 2, 3)),
    case("Arrow", lambda: pa.table({"user": USERS, "item": ITEMS}), Reads(4, 2, 3)),
    case(
        "lazy polars",
        lambda: polars()().lazy(),
        "frame: expected a pandas, polars or Arrow frame, got LazyFrame;",
    ),
    case("nothing", lambda: None, "frame: expected a pandas, polars or Arrow frame, got NoneType"),
    case("a number", lambda: 3, "frame: expected a pandas, polars or Arrow frame, got int"),
    case("a text", lambda: "frame", "frame: expected a pandas, polars or Arrow frame, got str"),
    case(
        "a dictionary",
        lambda: {"user": USERS, "item": ITEMS},
        "frame: expected a pandas, polars or Arrow frame, got dict",
    ),
    case(
        "pairs",
        lambda: list(zip(USERS, ITEMS, strict=True)),
        "frame: expected a pandas, polars or Arrow frame, got list",
    ),
    case("an array", lambda: np.ones((3, 2)), "frame: expected a pandas, polars or Arrow frame, got ndarray"),
    case(
        "a sparse matrix",
        lambda: sp.csr_array(np.ones((3, 2))),
        "frame: expected a pandas, polars or Arrow frame, got csr_array",
    ),
    case("a tensor", lambda: torch.ones(3, 2), "frame: expected a pandas, polars or Arrow frame, got Tensor"),
    case("a Series", lambda: pd.Series(USERS), "frame: expected a pandas, polars or Arrow frame, got Series"),
    case(
        "a column of polars",
        lambda: pl.Series(USERS),
        "frame: expected a pandas, polars or Arrow frame, got Series",
    ),
    case("an object of whatever kind", Loud, "frame: expected a pandas, polars or Arrow frame, got Loud"),
    case("a class", lambda: pd.DataFrame, "frame: expected a pandas, polars or Arrow frame, got type"),
    case("a function", lambda: pandas, "frame: expected a pandas, polars or Arrow frame, got function"),
    case(
        "no rows",
        lambda: pd.DataFrame({"user": [], "item": []}),
        "frame: there is not a single interaction in the frame",
    ),
    case(
        "no columns", lambda: pd.DataFrame(), "frame: expected a column of user ids with a name like userID,"
    ),
    case(
        "no columns but rows",
        lambda: pd.DataFrame(index=range(3)),
        "frame: expected a column of user ids with a name like userID,",
    ),
    case(
        "one column",
        lambda: pd.DataFrame({"user": USERS}),
        "frame: expected a column of item ids with a name like itemID,",
    ),
    case(
        "columns of numbers",
        lambda: pd.DataFrame(np.ones((3, 2))),
        "frame: expected a column of user ids with a name like userID,",
    ),
    case(
        "columns of pairs",
        lambda: pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("user", 1), ("item", 2)])),
        "frame: expected a column of user ids with a name like userID,",
    ),
    case(
        "a column twice",
        lambda: pd.DataFrame([["a", "x", "b"]], columns=["user", "item", "user"]),
        "frame: expected columns of different names: 'user' stand there",
    ),
    case(
        "columns of None",
        lambda: pd.DataFrame([["a", "x"]], columns=[None, None]),
        "frame: expected columns of different names: 'None' stand there",
    ),
    case("users of None", polars(user=[None] * 4), "frame: column 'user': the id in row 0 is missing"),
    case(
        "a user of None",
        pandas(user=["a", None, "b", "b"]),
        "frame: column 'user': the id in row 1 is missing",
    ),
    case(
        "a user of nan",
        pandas(user=["a", float("nan"), "b", "b"]),
        "frame: column 'user': the id in row 1 is missing",
    ),
    case(
        "a user of NA",
        pandas(user=["a", pd.NA, "b", "b"]),
        "frame: column 'user': the id in row 1 is missing",
    ),
    case(
        "a user of NaT",
        pandas(user=[pd.Timestamp(0), pd.NaT, pd.Timestamp(1), pd.Timestamp(1)]),
        "frame: column 'user': the id in row 1 is missing",
    ),
    case(
        "floats with a gap",
        pandas(user=[1.0, np.nan, 2.0, 2.0]),
        "frame: column 'user': the id in row 1 is missing",
    ),
    case("floats", pandas(user=[1.0, 1.0, 2.0, 2.0]), Reads(4, 2, 3)),
    case("fractions", pandas(user=[1.5, 1.5, 2.5, 2.5]), Reads(4, 2, 3)),
    case("infinity", pandas(user=[np.inf, 1.0, 2.0, 2.0]), Reads(4, 3, 3)),
    case("numbers beyond 64 bits", pandas(user=[2**70, 2**70, 3, 3]), Reads(4, 2, 3)),
    case("unsigned numbers", pandas(user=np.array([2**63, 2**63, 3, 3], np.uint64)), Reads(4, 2, 3)),
    case("truth values", pandas(user=[True, True, False, False]), Reads(4, 2, 3)),
    case("bytes", pandas(user=[b"a", b"a", b"b", b"b"]), Reads(4, 2, 3)),
    case("binary of polars", polars(user=[b"a", b"a", b"b", b"b"]), Reads(4, 2, 3)),
    case(
        "lists",
        pandas(user=[["a"], ["a"], ["b"], ["b"]]),
        "frame: column 'user': expected hashable ids, found ['a'] of type",
    ),
    case(
        "lists of polars",
        polars(user=[["a"], ["a"], ["b"], ["b"]]),
        "frame: column 'user': expected hashable ids, found ['a'] of type",
    ),
    case(
        "dictionaries",
        pandas(user=[{"a": 1}] * 4),
        "frame: column 'user': expected hashable ids, found {'a': 1} of",
    ),
    case(
        "structs of polars",
        polars(user=[{"a": 1}, {"a": 1}, {"a": 2}, {"a": 2}]),
        "frame: column 'user': expected hashable ids, found {'a': 1} of",
    ),
    case(
        "sets",
        pandas(user=[{1}, {1}, {2}, {2}]),
        "frame: column 'user': expected hashable ids, found {1} of type",
    ),
    case("tuples", pandas(user=[("a", 1), ("a", 1), ("b", 2), ("b", 2)]), Reads(4, 2, 3)),
    case(
        "tuples with nan",
        pandas(user=[("a", float("nan"))] * 4),
        "frame: 1 user is too few; a recommender compares at least two",
    ),
    case("dates", polars(user=[datetime.date(2024, 1, day) for day in (1, 1, 2, 2)]), Reads(4, 2, 3)),
    case("moments with a zone", pandas(user=pd.to_datetime([0, 0, 1, 1], utc=True)), Reads(4, 2, 3)),
    case("durations", polars(user=[datetime.timedelta(d) for d in (1, 1, 2, 2)]), Reads(4, 2, 3)),
    case("periods", pandas(user=pd.period_range("2024", periods=4, freq="D")), Reads(4, 4, 3)),
    case("intervals", pandas(user=pd.interval_range(0, 4)), Reads(4, 4, 3)),
    case("decimals", pandas(user=[decimal.Decimal(d) for d in (1, 1, 2, 2)]), Reads(4, 2, 3)),
    case("complex numbers", pandas(user=[1j, 1j, 2j, 2j]), Reads(4, 2, 3)),
    case("categories", pandas(user=pd.Categorical(USERS)), Reads(4, 2, 3)),
    case(
        "categories of polars",
        lambda: polars()().with_columns(pl.col("user").cast(pl.Categorical)),
        Reads(4, 2, 3),
    ),
    case(
        "an enumeration of polars",
        lambda: polars()().with_columns(pl.col("user").cast(pl.Enum(["a", "b"]))),
        Reads(4, 2, 3),
    ),
    case("sparse columns", pandas(user=pd.arrays.SparseArray([1, 1, 2, 2])), Reads(4, 2, 3)),
    case("text of Arrow", pandas(user=pd.array(USERS, dtype="string[pyarrow]")), Reads(4, 2, 3)),
    case(
        "numbers that may be missing",
        pandas(user=pd.array([1, None, 2, 2], dtype="Int64")),
        "frame: column 'user': the id in row 1 is missing",
    ),
    case("objects", pandas(user=[Loud() for _ in range(4)]), Reads(4, 4, 3)),
    case("texts and numbers", pandas(user=["a", 1, "b", 2]), Reads(4, 4, 3)),
    case("a number and its text", pandas(user=["1", 1, "2", 2]), Reads(4, 4, 3)),
    case("NUL bytes", pandas(user=["a\0", "a\0", "b", "b"]), Reads(4, 2, 3)),
    case(
        "a lone surrogate",
        pandas(user=pd.Series(["\ud800", "\ud800", "b", "b"], dtype=object)),
        "frame: column 'user': expected text, found '\\ud800', which has no",
    ),
    case("a text of a megabyte", pandas(user=["u" * (1 << 20)] * 2 + ["b"] * 2), Reads(4, 2, 3)),
    case(
        "a null column of Arrow",
        lambda: pa.table({"user": pa.nulls(4), "item": ITEMS}),
        "frame: column 'user': the id in row 0 is missing",
    ),
    case(
        "a map of Arrow",
        lambda: pa.table(
            {"user": pa.array([[("a", 1)]] * 4, pa.map_(pa.string(), pa.int8())), "item": ITEMS}
        ),
        "frame: column 'user': expected hashable ids, found [('a', 1)] of",
    ),
    case(
        "a dictionary of Arrow",
        lambda: pa.table({"user": pa.array(USERS).dictionary_encode(), "item": ITEMS}),
        Reads(4, 2, 3),
    ),
]

# Options of Dataset.from_frame beside a sound frame; its items are x, y and z.
OPTIONS = [
    case("titles", {"titles": {"x": "X"}}, Reads(4, 2, 3)),
    case(
        "titles of nobody",
        {"titles": {"q": "Q"}},
        "frame: titles: 0 of its 1 keys are among the 3 items; the keys",
    ),
    case(
        "titles that are too few",
        {"titles": ["X"]},
        "frame: titles: 1 titles do not fit 3 items; give a mapping from",
    ),
    case(
        "titles in a text", {"titles": "XYZ"}, "frame: titles: expected a list or a mapping from item id to"
    ),
    case("titles in a number", {"titles": 3}, "frame: titles: expected a list, found 3 of type int"),
    case(
        "titles of lists",
        {"titles": {"x": ["X"]}},
        "frame: titles: expected text, found ['X'] of type list for item",
    ),
    case(
        "titles of bytes",
        {"titles": {"x": b"X"}},
        "frame: titles: expected text, found b'X' of type bytes for item",
    ),
    case(
        "titles in a frame without titles",
        {"titles": pl.DataFrame({"item": ["x"]})},
        "frame: titles: expected a column named title or name, found 'item'",
    ),
    case(
        "titles in a set",
        {"titles": {"X", "Y", "Z"}},
        "frame: titles: a set has no order; give a list, such as sorted(\u2026)",
    ),
    case("a catalogue", {"items": ["z", "y", "x", "w"]}, Reads(4, 2, 4)),
    case(
        "a catalogue that is too small",
        {"items": ["x"]},
        "frame: item 'y' in row 1 is not among the 1 items given",
    ),
    case(
        "a catalogue with one twice",
        {"items": ["x", "y", "z", "x"]},
        "frame: items must be unique, 1 are repeated",
    ),
    case(
        "a catalogue with a gap", {"items": ["x", "y", "z", None]}, "frame: items: the id in row 3 is missing"
    ),
    case(
        "a catalogue of lists",
        {"items": [["x"], ["y"], ["z"]]},
        "frame: items: expected hashable ids, found ['x'] of type list in",
    ),
    case(
        "a catalogue in a text", {"items": "xyz"}, "frame: item 'x' in row 0 is not among the 1 items given"
    ),
    case("an empty catalogue", {"items": []}, "frame: item 'x' in row 0 is not among the 0 items given"),
    case(
        "features in a number",
        {"features": 3},
        "features: expected a mapping from a modality's name to its",
    ),
    case(
        "features in a list",
        {"features": [np.ones((3, 2))]},
        "features: expected a mapping from a modality's name to its",
    ),
    case(
        "features of nothing",
        {"features": {"f": None}},
        "modality 'f': expected a pandas, polars or Arrow frame, got",
    ),
    case(
        "features of a number",
        {"features": {"f": 3}},
        "modality 'f': expected a pandas, polars or Arrow frame, got int;",
    ),
    case("features of a path that is none", {"features": {"f": "nowhere.npy"}}, "nowhere.npy: no such file"),
    case(
        "features of a text",
        {"features": {"f": "red"}},
        "red: files that end in '' are not read; features may be a matrix",
    ),
    case(
        "features that are too few",
        {"features": {"f": np.ones((2, 2))}},
        "frame: modality 'f': 2 feature rows are fewer than the 3 items;",
    ),
    case(
        "features in three dimensions",
        {"features": {"f": np.ones((3, 2, 2))}},
        "frame: modality 'f': expected a matrix",
    ),
    case(
        "features of objects",
        {"features": {"f": np.full((3, 2), None)}},
        "frame: modality 'f': NaN or infinity in row 0, 1, 2; correct the",
    ),
    case(
        "features of nan",
        {"features": {"f": np.full((3, 2), np.nan)}},
        "frame: modality 'f': NaN or infinity in row 0, 1, 2; correct the",
    ),
    case(
        "features of two lengths",
        {"features": {"f": {"x": [1, 2], "y": [1]}}},
        "modality 'f': expected vectors of one length, 2 as the first, got",
    ),
    case(
        "features of nobody",
        {"features": {"f": {"q": [1, 2]}}},
        "frame: modality 'f': 0 of its 1 keys are among the 3 items; the",
    ),
    case(
        "features of texts", {"features": {"f": {"x": ["a", "b"]}}}, "frame: modality 'f': expected numbers"
    ),
    case("features of an empty mapping", {"features": {"f": {}}}, "frame: modality 'f': expected a matrix"),
    case(
        "features in a set",
        {"features": {"f": {1.0, 2.0, 3.0}}},
        "modality 'f': expected a pandas, polars or Arrow frame, got set;",
    ),
    case(
        "features by a name of nothing",
        {"features": {"": np.ones((3, 2))}},
        "features: expected the name of a modality, found ''",
    ),
    case(
        "features by a number for a name",
        {"features": {3: np.ones((3, 2))}},
        "features: expected the name of a modality, found 3",
    ),
    case("features by a path for a name", {"features": {"../x": np.ones((3, 2))}}, Reads(4, 2, 3)),
    case(
        "features on a device of nothing",
        {"features": {"f": torch.ones(3, 2, device="meta")}},
        "modality 'f': expected numbers, got a tensor on the device",
    ),
    case(
        "features of strange objects",
        {"features": {"f": Loud()}},
        "modality 'f': expected a pandas, polars or Arrow frame, got Loud;",
    ),
    case(
        "a user column that is not there",
        {"user": "colour"},
        "frame: there is no column 'colour' for the user; expected one of:",
    ),
    case(
        "a user column that is a number",
        {"user": 3},
        "frame: there is no column 3 for the user; expected one of:",
    ),
    case("one column for both", {"user": "item"}, "the column 'item' cannot be both the user and the item"),
    case(
        "a split that is a number",
        {"split": 3},
        "split: expected the name of a column or a rule, found 3 of type",
    ),
    case(
        "a split that is not there",
        {"split": "parts"},
        "frame: there is no split column 'parts'; expected one of: 'user',",
    ),
    case(
        "a seed of a word",
        {"split": "random", "seed": "x"},
        "frame: seed must be a whole number, got 'x' of type str",
    ),
    case(
        "a seed of a fraction",
        {"split": "random", "seed": 0.5},
        "frame: seed must be a whole number, got 0.5 of type float",
    ),
    case("a seed below nought", {"split": "random", "seed": -1}, "frame: a part of the split is empty"),
    case(
        "a seed of truth",
        {"split": "random", "seed": True},
        "frame: seed must be a whole number, got True of type bool",
    ),
    case("a seed beyond 64 bits", {"split": "random", "seed": 2**64}, "frame: a part of the split is empty"),
    case(
        "a seed of nothing",
        {"split": "random", "seed": None},
        "frame: seed must be a whole number, got None of type NoneType",
    ),
]

# (users, k) of a popularity model that knows the users a and b and the items x, y and z; expected: how many rows.
ANSWERS = [
    case("one user", "a", 1, 1),
    case("both users", ["a", "b"], 2, 1),
    case("a user twice", ["a", "a"], 2, 1),
    case("nobody", [], 0, 1),
    case("nothing", None, "expected users, or history=", 1),
    case("a stranger", "q", "unknown user ids 'q'; unknown='skip' or 'popular' goes on without", 1),
    case(
        "a thousand strangers",
        [f"q{n}" for n in range(1000)],
        "unknown user ids 'q0', 'q1', 'q2', 'q3', 'q4' and 995 more;",
        1,
    ),
    case(
        "a stranger of a megabyte",
        "q" * (1 << 20),
        "unknown user ids 'qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq",
        1,
    ),
    case("a number", 3, "unknown user ids 3; unknown='skip' or 'popular' goes on without", 1),
    case("a number beyond 64 bits", 2**70, "unknown user ids 1180591620717411303424; unknown='skip' or", 1),
    case("nan", float("nan"), "user ids: the id in row 0 is missing", 1),
    case("a truth value", True, "user ids: found True, and no user of the model has a truth value", 1),
    case(
        "a list in a list", [["a"]], "user ids: expected hashable ids, found ['a'] of type list in row 0", 1
    ),
    case("a dictionary", {"a": 1}, 1, 1),
    case("a set", {"a"}, "user ids: a set has no order; give a list, such as sorted(\u2026)", 1),
    case("bytes", b"a", "unknown user ids b'a'; unknown='skip' or 'popular' goes on without", 1),
    case("a tuple", ("a", "b"), 2, 1),
    case("an array", np.array(["a", "b"]), 2, 1),
    case(
        "an array of two dimensions",
        np.array([["a"], ["b"]]),
        "user ids: expected a list, found ndarray of shape",
        1,
    ),
    case("an array of no dimensions", np.array("a"), 1, 1),
    case(
        "a tensor of numbers",
        torch.tensor([1, 2]),
        "unknown user ids 1, 2; unknown='skip' or 'popular' goes on without",
        1,
    ),
    case("a column", pl.Series(["a", "b"]), 2, 1),
    case("a column with a gap", pl.Series(["a", None]), "user ids: the id in row 1 is missing", 1),
    case("a frame", pl.DataFrame({"user": ["a", "b"]}), 2, 1),
    case("a frame without users", pl.DataFrame({"colour": ["a", "b"]}), 2, 1),
    case(
        "an object of whatever kind",
        Loud(),
        "unknown user ids <Loud object>; unknown='skip' or 'popular' goes",
        1,
    ),
    case("a generator", (user for user in "ab"), 2, 1),
    case("a class", str, "unknown user ids <class 'str'>; unknown='skip' or 'popular' goes", 1),
    case("no items", "a", "k must be from 1 to the 3 items of the catalogue, got 0", 0),
    case("fewer than no items", "a", "k must be from 1 to the 3 items of the catalogue, got -1", -1),
    case("more items than there are", "a", "k must be from 1 to the 3 items of the catalogue, got 4", 4),
    case("items beyond 64 bits", "a", "k must be from 1 to the 3 items of the catalogue, got", 2**70),
    case("half an item", "a", "k must be a whole number, got 0.5 of type float", 0.5),
    case("items of a whole float", "a", "k must be a whole number, got 1.0 of type float", 1.0),
    case("items of truth", "a", "k must be a whole number, got True of type bool", True),
    case("items of a word", "a", "k must be a whole number, got 'many' of type str", "many"),
    case("items of nothing", "a", "k must be a whole number, got None of type NoneType", None),
    case("items of nan", "a", "k must be a whole number, got nan of type float", float("nan")),
    case("items of a list", "a", "k must be a whole number, got [1] of type list", [1]),
    case("items of NumPy", "a", 1, np.int8(1)),
    case("items of a tensor", "a", 1, torch.tensor(1)),
]

# What stands in the file of --users; expected: how many users it names.
USER_FILES = [
    case("two users", b"a\nb\n", 2),
    case("no bytes", b"", "empty, expected one user id in each line"),
    case("blank lines", b"\n \n\n", "empty, expected one user id in each line"),
    case("no line break", b"a", 1),
    case("Windows line ends", b"a\r\nb\r\n", 2),
    case("a byte order mark", b"\xef\xbb\xbfa\n", 1),
    case("UTF-16", "a\nb\n".encode("utf-16"), "not a text file with one user id in each line"),
    case("Latin-1", b"\xe9\n", "not a text file with one user id in each line"),
    case("a PNG", b"\x89PNG\r\n\x1a\n" + bytes(9), "not a text file with one user id in each line"),
    case("bytes of every value", bytes(range(256)), "not a text file with one user id in each line"),
    case("a line of a megabyte", b"u" * (1 << 20), 1),
    case("a folder", "folder", "no such file; expected one with a user id in each line, or ids"),
    case("a pipe", "fifo", "no such file; expected one with a user id in each line, or ids"),
    case("a link to nowhere", "dangling", "no such file; expected one with a user id in each line, or ids"),
    case("nothing may be read", "locked", 1),
]

# A file of settings for lightgcn; expected: None where it is right.
TOML = [
    case("sound", b"dim = 8\n[train]\nepochs = 2\n", None),
    case("no bytes", b"", None),
    case("no TOML", b"dim 8", "not a readable TOML file"),
    case("JSON", b'{"dim": 8}', "not a readable TOML file"),
    case("YAML", b"dim: 8\n", "not a readable TOML file"),
    case("a key twice", b"dim = 8\ndim = 9\n", "not a readable TOML file"),
    case("a key that is not there", b"dmi = 8\n", "s.toml: has no key 'dmi'; did you mean 'dim'?"),
    case(
        "a table that is not there",
        b"[trian]\nepochs = 2\n",
        "s.toml: has no key 'trian'; did you mean 'train'?",
    ),
    case("a number for a table", b"train = 3\n", "s.toml: train = 3"),
    case("a table for a number", b"[dim]\nx = 1\n", "s.toml: dim = {'x': 1}"),
    case("a list of tables", b"[[train]]\nepochs = 2\n", "s.toml: train = [{'epochs': 2}]"),
    case("a word for a number", b'dim = "eight"\n', "s.toml: dim = 'eight'"),
    case("a number in a text", b'dim = "8"\n', None),
    case("a fraction for a whole number", b"dim = 8.5\n", "s.toml: dim = 8.5"),
    case("truth for a number", b"dim = true\n", "dim = True: input should be a number, not a truth value"),
    case("a date for a number", b"dim = 2024-01-01\n", "s.toml: dim = datetime.date(2024, 1, 1)"),
    case("nan", b"[train]\nlearning_rate = nan\n", "s.toml: [train] learning_rate = nan"),
    case("infinity", b"[train]\nlearning_rate = inf\n", "s.toml: [train] learning_rate = inf"),
    case("below nought", b"dim = -8\n", "s.toml: dim = -8"),
    case("nought", b"dim = 0\n", "s.toml: dim = 0"),
    case(
        "a number beyond 64 bits", b"dim = 99999999999999999999999\n", "s.toml: dim = 99999999999999999999999"
    ),
    case("a key of nothing", b'"" = 3\n', "s.toml: has no key ''; expected one of: 'dim', 'layers', 'l2',"),
    case(
        "a key of a megabyte",
        b"k" * (1 << 20) + b" = 3\n",
        "s.toml: has no key 'kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk",
    ),
    case(
        "a value of a megabyte",
        b'dim = "' + b"v" * (1 << 20) + b'"\n',
        "s.toml: dim = 'vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv",
    ),
    case(
        "ten thousand keys",
        b"".join(b"k%d = 1\n" % n for n in range(10_000)),
        "s.toml: has no key 'k0'; expected one of: 'dim', 'layers', 'l2',",
    ),
    case(
        "tables as deep as a well",
        b"a = " + b"[" * 5000 + b"]" * 5000 + b"\n",
        "not a readable TOML file",
    ),
    case("a NUL byte", b"dim\0 = 8\n", "not a readable TOML file"),
    case("Latin-1", b'dim = "\xe9"\n', "not a readable TOML file"),
    case(
        "UTF-16",
        "dim = 8\n".encode("utf-16"),
        "not a readable TOML file",
    ),
    case("a byte order mark", b"\xef\xbb\xbfdim = 8\n", "not a readable TOML file"),
    case(
        "bytes of every value",
        bytes(range(256)),
        "not a readable TOML file",
    ),
    case("a folder", "folder", "s.toml'"),
    case("a link to nowhere", "dangling", "no such configuration file"),
    case("nothing may be read", "locked", "not a readable TOML file"),
]

# --set of lightgcn; expected: None where it is right.
SETTINGS = [
    case("sound", "dim=8", None),
    case("sound, deep", "train.epochs=2", None),
    case("nothing", "", "--set : expected KEY=VALUE, such as train.batch_size=4096"),
    case("an equals sign", "=", "--set =: expected KEY=VALUE, such as train.batch_size=4096"),
    case("no value", "dim=", "--set: dim = ''"),
    case("no key", "=8", "--set =8: expected KEY=VALUE, such as train.batch_size=4096"),
    case("no equals sign", "dim", "--set dim: expected KEY=VALUE, such as train.batch_size=4096"),
    case("two equals signs", "dim==8", "--set: dim = '=8'"),
    case("spaces", "dim = 8", None),
    case("a key that is not there", "dmi=8", "--set: has no key 'dmi'; did you mean 'dim'?"),
    case(
        "a deep key that is not there",
        "train.epochz=8",
        "--set: [train] has no key 'epochz'; did you mean 'epochs'?",
    ),
    case("a key below a number", "dim.x=8", "--set: dim = {'x': 8}"),
    case("a table", "train=8", "--set: train = 8"),
    case("a dot at the end", "train.=8", "--set: [train] has no key ''; expected one of: 'epochs',"),
    case("a dot at the beginning", ".dim=8", "--set: has no key ''; expected one of: 'dim', 'layers', 'l2',"),
    case("two dots", "train..epochs=8", "--set: [train] has no key ''; expected one of: 'epochs',"),
    case("a word", "dim=eight", "--set: dim = 'eight'"),
    case("a number in quotes", 'dim="8"', None),
    case("a fraction", "dim=8.5", "--set: dim = 8.5"),
    case("a power", "dim=1e3", None),
    case("truth", "dim=true", "dim = True: input should be a number, not a truth value"),
    case("nan", "train.learning_rate=nan", "--set: [train] learning_rate = 'nan'"),
    case("infinity", "train.learning_rate=inf", "--set: [train] learning_rate = 'inf'"),
    case("below nought", "train.learning_rate=-1", "--set: [train] learning_rate = -1"),
    case("nought", "dim=0", "--set: dim = 0"),
    case("beyond 64 bits", "dim=" + "9" * 40, "--set: dim = 9999999999999999999999999999999999999999"),
    case(
        "five thousand digits",
        "dim=" + "9" * 5000,
        "--set: dim = '9999999999999999999999999999999999999999999999999999",
    ),
    case("hexadecimal", "dim=0x8", "--set: dim = '0x8'"),
    case("a list", "dim=[8]", "--set: dim = [8]"),
    case("a list that never ends", "dim=[8", "--set: dim = '[8'"),
    case(
        "brackets", "dim=" + "[" * 5000, "--set: dim = '[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
    ),
    case("a table within a line", "train={epochs=2}", "--set: train = '{epochs=2}'"),
    case("JSON", 'train={"epochs": 2}', None),
    case("a line break", "dim=8\nlayers=2", "--set: dim = '8\\nlayers=2'"),
    case("a table by the back door", "dim=8\n[train]\nepochs=1", "--set: dim = '8\\n[train]\\nepochs=1'"),
    case("a comment", "dim=8 # eight", "--set: dim = '8 # eight'"),
    case("a NUL byte", "dim=8\0", "--set: dim = '8\\x00'"),
    case(
        "a megabyte",
        "dim=" + "v" * (1 << 20),
        "--set: dim = 'vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv",
    ),
    case(
        "a key of a megabyte",
        "k" * (1 << 20) + "=8",
        "--set: has no key 'kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk",
    ),
    case(
        "a thousand dots",
        "a" + ".a" * 1000 + "=8",
        "--set: has no key 'a'; expected one of: 'dim', 'layers', 'l2',",
    ),
    case(
        "a name of Python", "__class__=8", "--set: has no key '__class__'; expected one of: 'dim', 'layers',"
    ),
    case(
        "a name of a method", "train.model_dump=8", "--set: [train] has no key 'model_dump'; expected one of:"
    ),
    case("a lone surrogate", "dim=\udc80", "--set: dim = '\\udc80'"),
    case("control characters", "d\x1b[31mim=8", "--set: has no key 'd\u001b[31mim'; did you mean 'dim'?"),
]

_MANIFEST, _CONFIG, _IDS, _STATE = "manifest.json", "config.json", "ids.json", "state.safetensors"


def swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda content: content.replace(old, new, 1)


# What is done to one file of a finished run of popularity; the manifest is made anew where the case says "signed".
RUNS = [
    case("untouched", lambda content: content, None, _CONFIG),
    case("no config", None, "not a run folder, it has no config.json", _CONFIG),
    case("no manifest", None, "the run was interrupted before it finished, so there is no", _MANIFEST),
    case("no ids", None, "run/ids.json: missing; the run folder is damaged, restore it or", _IDS),
    case("no state", None, "run/state.safetensors: missing; the run folder is damaged,", _STATE),
    case("a config of no bytes", lambda _: b"", "run/config.json: damaged, not readable as JSON", _CONFIG),
    case(
        "a config that is a list",
        lambda _: b"[]",
        "run/config.json: damaged, expected a JSON object, found list",
        _CONFIG,
    ),
    case(
        "a config as deep as a well",
        lambda _: b"[" * 100_000,
        "run/config.json: damaged, not readable as JSON",
        _CONFIG,
    ),
    case(
        "a config in UTF-16",
        lambda content: content.decode().encode("utf-16"),
        "run/config.json: damaged, not readable as JSON",
        _CONFIG,
    ),
    case(
        "a config of another kind",
        swap(b"magnet-run", b"other-run"),
        "not a run folder, its config.json was not written by Magnet",
        _CONFIG,
    ),
    case(
        "a config of the future",
        swap(b'"format_version": 1', b'"format_version": 99'),
        "run/config.json: written by a newer Magnet",
        _CONFIG,
    ),
    case(
        "a config of a version of truth",
        swap(b'"format_version": 1', b'"format_version": true'),
        "run/config.json: damaged, format_version is True, expected a",
        _CONFIG,
    ),
    case(
        "a manifest of no bytes", lambda _: b"", "run/manifest.json: damaged, not readable as JSON", _MANIFEST
    ),
    case(
        "a manifest of no files",
        lambda _: b'{"format_version": 1, "files": {}}',
        "run/manifest.json: damaged, it has no checksum of config.json;",
        _MANIFEST,
    ),
    case(
        "a manifest of a list",
        lambda _: b'{"format_version": 1, "files": []}',
        "run/manifest.json: damaged, expected the SHA-256 of every file",
        _MANIFEST,
    ),
    case(
        "a manifest that leaves the folder",
        swap(b'"ids.json"', b'"../ids.json"'),
        "run/manifest.json: damaged, expected the SHA-256 of every file",
        _MANIFEST,
    ),
    case(
        "a manifest of a file that is not there",
        swap(b'"files": {', b'"files": {"x.json": "0",'),
        "run/x.json: missing; the run folder is damaged, restore it or",
        _MANIFEST,
    ),
    case(
        "a manifest with a number for a checksum",
        lambda c: (
            c[: c.index(b'"ids.json": ')] + b'"ids.json": 3' + c[c.index(b",", c.index(b'"ids.json"')) :]
        ),
        "run/ids.json: damaged, its content does not match the checksum in",
        _MANIFEST,
    ),
    case(
        "a manifest of the future",
        swap(b'"format_version": 1', b'"format_version": 99'),
        "run/manifest.json: written by a newer Magnet",
        _MANIFEST,
    ),
    case(
        "other ids",
        swap(b'"a"', b'"q"'),
        "run/ids.json: damaged, its content does not match the checksum in",
        _IDS,
    ),
    case(
        "a model that is not there, signed",
        swap(b'"popularity"', b'"popularitx"'),
        "made by the model 'popularitx', which is not registered here; a",
        _CONFIG,
    ),
    case(
        "a module to import, signed",
        swap(b'"model": "popularity"', b'"model": "evil", "module": "os"'),
        "made by the model 'evil', which is not registered here; import os",
        _CONFIG,
    ),
    case(
        "a setting that is not there, signed",
        swap(b'"config": {', b'"config": {"x": 1'),
        "Popularity: has no key 'x'",
        _CONFIG,
    ),
    case(
        "ids that are a number, signed",
        lambda _: b'{"users": 3, "items": 3, "titles": null}',
        "run/ids.json: damaged, expected lists of 'users', 'items' and",
        _IDS,
    ),
    case(
        "ids that are too few, signed",
        lambda _: b'{"users": ["a"], "items": ["x"], "titles": null}',
        "run/seen.safetensors: damaged, it does not hold the train",
        _IDS,
    ),
    case(
        "ids of dictionaries, signed",
        lambda _: b'{"users": [{}, {}], "items": [{}, {}, {}], "titles": null}',
        "run/ids.json: damaged, expected lists of 'users', 'items' and",
        _IDS,
    ),
    case(
        "ids that are not there, signed",
        lambda _: b"{}",
        "run/ids.json: damaged, expected lists of 'users', 'items' and",
        _IDS,
    ),
    case(
        "a state of no bytes, signed",
        lambda _: b"",
        "run/state.safetensors: damaged, not readable as safetensors",
        _STATE,
    ),
    case(
        "a state that is no safetensors, signed",
        lambda _: b"text" * 9,
        "run/state.safetensors: damaged, not readable as safetensors",
        _STATE,
    ),
    case(
        "a state of another kind, signed",
        lambda _: b'{"kind": "magic"}',
        "run/state.safetensors: damaged, it makes no model state",
        "state.json",
    ),
    case(
        "a state of no kind, signed",
        lambda _: b"{}",
        "run/state.safetensors: damaged, it makes no model state",
        "state.json",
    ),
    case(
        "a kind that is a list, signed",
        lambda _: b'{"kind": [], "type": []}',
        "run/state.safetensors: damaged, it makes no model state",
        "state.json",
    ),
    case(
        "events that are no JSON, signed",
        lambda _: b"epoch 3\n",
        "run/events.jsonl: line 1 is damaged, expected a JSON object;",
        "events.jsonl",
    ),
    case(
        "metrics that are a list, signed",
        lambda _: b"[]",
        "run/metrics.json: damaged, expected a JSON object, found list",
        "metrics.json",
    ),
    case(
        "seen items of no bytes, signed",
        lambda _: b"",
        "run/seen.safetensors: damaged, not readable as safetensors",
        "seen.safetensors",
    ),
    case(
        "values of no users, signed",
        lambda _: b"\x02" + bytes(7) + b"{}",
        "run/valid_per_user.safetensors: damaged, it does not say whose",
        "valid_per_user.safetensors",
    ),
    case(
        "a folder for a file",
        "folder",
        "run/ids.json: missing; the run folder is damaged, restore it or",
        _IDS,
    ),
    case(
        "a pipe for a file", "fifo", "run/ids.json: missing; the run folder is damaged, restore it or", _IDS
    ),
    case(
        "a link to nowhere",
        "dangling",
        "run/ids.json: missing; the run folder is damaged, restore it or",
        _IDS,
    ),
    case("a folder for the config", "folder", "not a run folder, it has no config.json", _CONFIG),
    case("a pipe for the config", "fifo", "not a run folder, it has no config.json", _CONFIG),
    case("a pipe for the manifest", "fifo", "run/manifest.json: damaged, expected a file", _MANIFEST),
]
