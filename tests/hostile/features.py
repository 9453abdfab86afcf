"""Files of features, in formats that others made, and some that nobody did."""

from __future__ import annotations

import datetime
import io
import pickle
import struct
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.numpy import save as safetensors

from hostile.case import Reads, case

if TYPE_CHECKING:
    from collections.abc import Callable

# The items of the data set that they are read with are x, y and z, in this order.
ROWS = np.arange(1, 7, dtype=np.float32).reshape(3, 2)
IDS = ["x", "y", "z"]


def npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def header(text: str, body: bytes = ROWS.tobytes(), version: bytes = b"\x01\x00") -> bytes:
    """A .npy file with any header."""
    line = text.encode("latin-1") + b"\n"
    size = struct.pack("<H" if version == b"\x01\x00" else "<I", len(line))
    return b"\x93NUMPY" + version + size + line + body


def shape(shape: str, kind: str = "<f4", order: str = "False") -> bytes:
    return header(f"{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}")


def zipped(**files: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def torched(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def tensors(header: bytes, body: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file with any header."""
    return struct.pack("<Q", len(header) if length is None else length) + header + body


def one(dtype: str, shape: str, offsets: str) -> bytes:
    return tensors(
        b'{"v":{"dtype":"%s","shape":%s,"data_offsets":%s}}'
        % (dtype.encode(), shape.encode(), offsets.encode()),
        bytes(24),
    )


def arrow(**columns: Any) -> Callable[[], bytes]:
    def make() -> bytes:
        file = io.BytesIO()
        pq.write_table(pa.table(columns), file)
        return file.getvalue()

    return make


def polars(**columns: Any) -> Callable[[], bytes]:
    def make() -> bytes:
        file = io.BytesIO()
        pl.DataFrame(columns, strict=False).write_parquet(file)
        return file.getvalue()

    return make


def compressed() -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls these tensors a beta
        return torched(torch.from_numpy(ROWS).to_sparse_csr())


class Runs:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('it ran')",))


FEATURES = [
    case("sound", npy(ROWS), Reads(6, 3, 3), "f.npy"),
    case("sound, float16", npy(ROWS.astype(np.float16)), Reads(6, 3, 3), "f.npy"),
    case("sound, big-endian", npy(ROWS.astype(">f4")), Reads(6, 3, 3), "f.npy"),
    case("sound, in Fortran's order", npy(np.asfortranarray(ROWS)), Reads(6, 3, 3), "f.npy"),
    case("sound, whole numbers", npy(ROWS.astype(np.int64)), Reads(6, 3, 3), "f.npy"),
    case("sound, truth values", npy(ROWS > 2), Reads(6, 3, 3), "f.npy"),
    case("no bytes", b"", "not a readable array of numbers", "f.npy"),
    case(
        "the magic alone",
        b"\x93NUMPY",
        "not a readable array of numbers",
        "f.npy",
    ),
    case(
        "a version of the future",
        b"\x93NUMPY\x09\x00" + npy(ROWS)[8:],
        "not a readable array of numbers",
        "f.npy",
    ),
    case(
        "a header that is longer than the file",
        b"\x93NUMPY\x01\x00\xff\xff{",
        "not a readable array of numbers",
        "f.npy",
    ),
    case(
        "a header of four gigabytes",
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff{",
        "not a readable array of numbers",
        "f.npy",
    ),
    case(
        "a header that is no text of Python",
        header("{'descr': "),
        "not a readable array of numbers",
        "f.npy",
    ),
    case(
        "a header that is a list",
        header("[1, 2]"),
        "not a readable array of numbers",
        "f.npy",
    ),
    case(
        "a header that calls",
        header("__import__('os').system('true')"),
        "not a readable array of numbers",
        "f.npy",
    ),
    case(
        "a header of a megabyte",
        header("{'descr': '<f4', " + " " * (1 << 20) + "}", version=b"\x02\x00"),
        "not a readable array of numbers",
        "f.npy",
    ),
    case(
        "a header of brackets",
        header("(" * 20_000, version=b"\x02\x00"),
        "not a readable array of numbers",
        "f.npy",
    ),
    case(
        "a header without a shape",
        header("{'descr': '<f4', 'fortran_order': False}"),
        "not a readable array of numbers",
        "f.npy",
    ),
    case(
        "a header with a key too many",
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), 'x': 1}"),
        "not a readable array of numbers",
        "f.npy",
    ),
    case(
        "a negative dimension",
        shape("(-3, 2)"),
        "not a readable array of numbers",
        "f.npy",
    ),
    case(
        "two negative dimensions",
        shape("(-3, -2)"),
        "not a readable array of numbers",
        "f.npy",
    ),
    case(
        "a dimension of two to the sixty",
        shape("(1152921504606846976, 2)"),
        "not a readable array of numbers",
        "f.npy",
    ),
    case(
        "dimensions whose product overflows",
        shape("(4294967296, 4294967296)"),
        "not a readable array of numbers",
        "f.npy",
    ),
    case(
        "a dimension of a fraction",
        shape("(3.0, 2)"),
        "not a readable array of numbers",
        "f.npy",
    ),
    case(
        "a dimension of a word",
        shape("('3', 2)"),
        "not a readable array of numbers",
        "f.npy",
    ),
    case(
        "a dimension of a truth value",
        shape("(True, 6)"),
        "not a readable array of numbers",
        "f.npy",
    ),
    case(
        "more rows than the file has",
        shape("(300, 2)"),
        "not a readable array of numbers",
        "f.npy",
    ),
    case("no rows", npy(ROWS[:0]), "0 feature rows are fewer than the 3 items of items.tsv; every", "f.npy"),
    case("no columns", npy(ROWS[:, :0]), "expected a matrix", "f.npy"),
    case("a vector", npy(ROWS[:, 0]), "expected a matrix", "f.npy"),
    case("a number", npy(np.float32(3)), "expected a matrix", "f.npy"),
    case("three dimensions", npy(ROWS[None]), "expected a matrix", "f.npy"),
    case(
        "sixty-five dimensions",
        shape("(" + "1, " * 65 + ")"),
        "not a readable array of numbers",
        "f.npy",
    ),
    case(
        "a kind that is not there",
        shape("(3, 2)", "<f3"),
        "not a readable array of numbers",
        "f.npy",
    ),
    case(
        "objects",
        npy(np.array([[Runs()] * 2] * 3, object), allow_pickle=True),
        "not a readable array of numbers",
        "f.npy",
    ),
    case("texts", npy(np.array([["a", "b"]] * 3)), "expected numbers", "f.npy"),
    case("bytes", npy(np.array([[b"a", b"b"]] * 3)), "expected numbers", "f.npy"),
    case("complex numbers", npy(ROWS.astype(complex)), "expected numbers", "f.npy"),
    case("dates", npy(ROWS.astype("datetime64[D]")), "expected numbers", "f.npy"),
    case("durations", npy(ROWS.astype("timedelta64[s]")), "expected numbers", "f.npy"),
    case("records", npy(np.zeros(3, [("a", "f4"), ("b", "f4")])), "expected a matrix", "f.npy"),
    case("raw memory", npy(np.zeros((3, 2), "V4")), "expected numbers", "f.npy"),
    case(
        "nan",
        npy(np.where(ROWS == 3, np.nan, ROWS)),
        "NaN or infinity in row 1; correct the features, or write a row of",
        "f.npy",
    ),
    case(
        "infinity",
        npy(np.where(ROWS == 3, np.inf, ROWS)),
        "NaN or infinity in row 1; correct the features, or write a row of",
        "f.npy",
    ),
    case(
        "beyond float32",
        npy(ROWS.astype(np.float64) * 1e300),
        "the largest number of row 0 is 2e+300, which float32 cannot hold",
        "f.npy",
    ),
    case(
        "below float32",
        npy(ROWS.astype(np.float64) * 1e-300),
        "the largest number of row 0 is 2e-300, which float32 cannot hold",
        "f.npy",
    ),
    case("all zero", npy(ROWS * 0), "not a single item has a row that is not all zeros", "f.npy"),
    case("a row of zeros", npy(ROWS * [[1], [0], [1]]), Reads(6, 3, 3), "f.npy"),
    case(
        "a row too few",
        npy(ROWS[:2]),
        "2 feature rows are fewer than the 3 items of items.tsv; every",
        "f.npy",
    ),
    case(
        "a row too many",
        npy(np.ones((4, 2), np.float32)),
        "4 feature rows are more than the 3 items of items.tsv; every item",
        "f.npy",
    ),
    case("a zip by that name", npz(v=ROWS), Reads(6, 3, 3), "f.npy"),
    case(
        "a pickle by that name",
        pickle.dumps(Runs()),
        "not a readable array of numbers",
        "f.npy",
    ),
    case(
        "a text by that name",
        b"1 2\n3 4\n5 6\n",
        "not a readable array of numbers",
        "f.npy",
    ),
    case("bytes too many", npy(ROWS) + b"more", Reads(6, 3, 3), "f.npy"),
    case(
        "a byte too few",
        npy(ROWS)[:-1],
        "not a readable array of numbers",
        "f.npy",
    ),
    case("a folder of that name", "folder", "no such file", "f.npy"),
    case("a pipe of that name", "fifo", "no such file", "f.npy"),
    case("a link to nowhere", "dangling", "no such file", "f.npy"),
    case("sound", npz(v=ROWS), Reads(6, 3, 3), "f.npz"),
    case("sound, with ids", npz(v=ROWS, ids=np.array(IDS)), Reads(6, 3, 3), "f.npz"),
    case("no bytes", b"", "not readable arrays of numbers", "f.npz"),
    case(
        "an array by that name",
        npy(ROWS),
        "not readable arrays of numbers",
        "f.npz",
    ),
    case("an empty archive", zipped(), "expected one matrix", "f.npz"),
    case(
        "an archive cut short",
        npz(v=ROWS)[:-30],
        "not readable arrays of numbers",
        "f.npz",
    ),
    case("an archive of texts", zipped(a=b"text"), "expected one matrix", "f.npz"),
    case("an archive that leaves its folder", zipped(**{"../../x.npy": npy(ROWS)}), Reads(6, 3, 3), "f.npz"),
    case("an archive with a name of nothing", zipped(**{".npy": npy(ROWS)}), Reads(6, 3, 3), "f.npz"),
    case("two matrices", npz(a=ROWS, b=ROWS), "expected one matrix", "f.npz"),
    case(
        "ids that are too few",
        npz(v=ROWS, ids=np.array(IDS[:2])),
        "2 ids in 'ids' do not fit the 3 rows of 'v'",
        "f.npz",
    ),
    case(
        "ids that repeat",
        npz(v=ROWS, ids=np.array(["x", "x", "z"])),
        "1 rows repeat the id of an earlier one",
        "f.npz",
    ),
    case(
        "ids of others",
        npz(v=ROWS, ids=np.array(["p", "q", "r"])),
        "0 of its 3 keys are among the 3 items; the keys are 'p', 'q',",
        "f.npz",
    ),
    case(
        "ids of objects",
        npz(v=ROWS, ids=np.array(IDS, object)),
        "not readable arrays of numbers",
        "f.npz",
    ),
    case("ids of nan", npz(v=ROWS, ids=np.array([np.nan, 1, 2])), "ids: the id in row 0 is missing", "f.npz"),
    case(
        "a matrix of objects",
        npz(v=np.array([[Runs()]], object)),
        "not readable arrays of numbers",
        "f.npz",
    ),
    case(
        "a vector alone",
        npz(v=ROWS[0]),
        "0 of its 1 keys are among the 3 items; the keys are 'v', the",
        "f.npz",
    ),
    case(
        "a sparse matrix that is broken",
        npz(
            format=np.array(b"csr"),
            indptr=np.array([0, 9]),
            indices=np.array([1]),
            data=np.array([1.0]),
            shape=np.array([3, 2]),
        ),
        "not readable arrays of numbers",
        "f.npz",
    ),
    case(
        "a sparse matrix of a strange kind",
        npz(format=np.array(b"xyz"), indptr=np.array([0])),
        "not readable arrays of numbers",
        "f.npz",
    ),
    case(
        "a negative dimension within",
        zipped(**{"v.npy": shape("(-3, 2)")}),
        "not readable arrays of numbers",
        "f.npz",
    ),
    case(
        "a huge dimension within",
        zipped(**{"v.npy": shape("(1152921504606846976, 2)")}),
        "not readable arrays of numbers",
        "f.npz",
    ),
    case(
        "a byte of the checksum flipped",
        npz(v=ROWS).replace(ROWS.tobytes(), ROWS.tobytes()[:-1] + b"\x01"),
        "not readable arrays of numbers",
        "f.npz",
    ),
    case("sound", safetensors({"v": ROWS}), Reads(6, 3, 3), "f.safetensors"),
    case(
        "sound, a vector for each",
        safetensors(dict(zip(IDS, ROWS, strict=True))),
        Reads(6, 3, 3),
        "f.safetensors",
    ),
    case("no bytes", b"", "damaged, not readable as safetensors", "f.safetensors"),
    case("seven bytes", b"1234567", "damaged, not readable as safetensors", "f.safetensors"),
    case("a header of nothing", tensors(b""), "damaged, not readable as safetensors", "f.safetensors"),
    case(
        "a header of an exabyte",
        tensors(b"{}", length=1 << 60),
        "damaged, not readable as safetensors",
        "f.safetensors",
    ),
    case(
        "a header that is longer than the file",
        tensors(b"{}", length=99),
        "damaged, not readable as safetensors",
        "f.safetensors",
    ),
    case(
        "a header that is no JSON",
        tensors(b"{not json}"),
        "damaged, not readable as safetensors",
        "f.safetensors",
    ),
    case("a header of no tensors", tensors(b"{}"), "expected one matrix", "f.safetensors"),
    case("a header that is a list", tensors(b"[]"), "damaged, not readable as safetensors", "f.safetensors"),
    case(
        "a header that is no UTF-8",
        tensors(b'{"\xff":1}'),
        "damaged, not readable as safetensors",
        "f.safetensors",
    ),
    case(
        "a tensor beyond the file",
        one("F32", "[3,2]", "[0,2400]"),
        "damaged, not readable as safetensors",
        "f.safetensors",
    ),
    case(
        "offsets the wrong way",
        one("F32", "[3,2]", "[24,0]"),
        "damaged, not readable as safetensors",
        "f.safetensors",
    ),
    case(
        "a negative offset",
        one("F32", "[3,2]", "[-24,0]"),
        "damaged, not readable as safetensors",
        "f.safetensors",
    ),
    case(
        "a negative dimension",
        one("F32", "[-3,2]", "[0,24]"),
        "damaged, not readable as safetensors",
        "f.safetensors",
    ),
    case(
        "dimensions that overflow",
        one("F32", "[4294967296,4294967296]", "[0,24]"),
        "damaged, not readable as safetensors",
        "f.safetensors",
    ),
    case(
        "a kind that is not there",
        one("F33", "[3,2]", "[0,24]"),
        "damaged, not readable as safetensors",
        "f.safetensors",
    ),
    case(
        "a kind that has other sizes",
        one("F64", "[3,2]", "[0,24]"),
        "damaged, not readable as safetensors",
        "f.safetensors",
    ),
    case(
        "vectors of two lengths",
        safetensors({"x": ROWS[0], "y": ROWS[0, :1], "z": ROWS[0]}),
        "expected vectors of one length, 2 as the first, got shape",
        "f.safetensors",
    ),
    case(
        "ids that are no items",
        safetensors({"p": ROWS[0], "q": ROWS[1]}),
        "0 of its 2 keys are among the 3 items; the keys are 'p', 'q', the",
        "f.safetensors",
    ),
    case("sound", torched(torch.from_numpy(ROWS)), Reads(6, 3, 3), "f.pt"),
    case("sound, with ids", torched({"ids": IDS, "v": torch.from_numpy(ROWS)}), Reads(6, 3, 3), "f.pt"),
    case("no bytes", b"", "damaged, not readable as tensors", "f.pt"),
    case("a text", b"hello", "damaged, not readable as tensors", "f.pt"),
    case(
        "something that runs",
        torched(Runs()),
        "holds more than tensors, lists, texts and numbers, and such a",
        "f.pt",
    ),
    case(
        "something that runs, as a plain pickle",
        pickle.dumps(Runs()),
        "holds more than tensors, lists, texts and numbers, and such a",
        "f.pt",
    ),
    case(
        "something that runs beside a tensor",
        torched({"v": torch.ones(3, 2), "w": Runs()}),
        "holds more than tensors, lists, texts and numbers, and such a",
        "f.pt",
    ),
    case(
        "a pickle cut short",
        pickle.dumps([1, 2, 3])[:-4],
        "holds more than tensors, lists, texts and numbers, and such a",
        "f.pt",
    ),
    case("a tensor cut short", torched(torch.ones(3, 2))[:-40], "damaged, not readable as tensors", "f.pt"),
    case("a number", torched(3), "expected a matrix", "f.pt"),
    case("nothing", torched(None), "expected a matrix", "f.pt"),
    case("a text in a tensor's place", torched("v"), "expected a matrix", "f.pt"),
    case("an empty list", torched([]), "expected a matrix", "f.pt"),
    case("an empty dictionary", torched({}), "expected one matrix", "f.pt"),
    case(
        "a dictionary in a dictionary",
        torched({"v": {"w": torch.ones(3, 2)}}),
        "expected arrays, found a dictionary in a dictionary; save the",
        "f.pt",
    ),
    case(
        "vectors of two lengths",
        torched([torch.ones(2), torch.ones(3), torch.ones(2)]),
        "expected a matrix",
        "f.pt",
    ),
    case("a sparse tensor", torched(torch.from_numpy(ROWS).to_sparse()), Reads(6, 3, 3), "f.pt"),
    case("a sparse tensor in rows", compressed, Reads(6, 3, 3), "f.pt"),
    case("bfloat16", torched(torch.from_numpy(ROWS).bfloat16()), Reads(6, 3, 3), "f.pt"),
    case(
        "complex numbers",
        torched(torch.ones(3, 2, dtype=torch.complex64)),
        "expected a tensor of real numbers, got torch.complex64",
        "f.pt",
    ),
    case(
        "a tensor of nothing at all",
        torched(torch.ones(3, 2, device="meta")),
        "expected numbers, got a tensor on the device 'meta', which holds",
        "f.pt",
    ),
    case(
        "a text that takes from an empty stack",
        b"user\titem\tsplit\n",
        "damaged, not readable as tensors",
        "f.pt",
    ),
    case(
        "the beginning of an archive",
        b"PK",
        "holds more than tensors, lists, texts and numbers, and such a",
        "f.pt",
    ),
    case("a tensor with a gradient", torched(torch.ones(3, 2, requires_grad=True)), Reads(6, 3, 3), "f.pt"),
    case("an archive of something else", zipped(a=b"b"), "damaged, not readable as tensors", "f.pt"),
    case("sound", polars(item=IDS, a=[1.0, 2, 3]), Reads(6, 3, 3), "f.parquet"),
    case("lists", polars(item=IDS, v=ROWS.tolist()), Reads(6, 3, 3), "f.parquet"),
    case(
        "lists of two lengths",
        polars(item=IDS, v=[[1.0], [1.0, 2.0], [3.0]]),
        "column 'v': expected lists of one length, 1 as the first, found 2",
        "f.parquet",
    ),
    case(
        "lists of nothing",
        polars(item=IDS, v=[[], [], []]),
        "column 'v': expected lists of numbers, found List(Null)",
        "f.parquet",
    ),
    case(
        "lists with a gap",
        polars(item=IDS, v=[[1.0, None], [1.0, 2.0], [3.0, 1.0]]),
        "column 'v': a number is missing in the list of row 0",
        "f.parquet",
    ),
    case(
        "a list that is missing",
        polars(item=IDS, v=[[1.0, 2.0], None, [3.0, 1.0]]),
        Reads(6, 3, 3),
        "f.parquet",
    ),
    case(
        "lists of lists",
        polars(item=IDS, v=[[[1.0]], [[2.0]], [[3.0]]]),
        "column 'v': expected lists of numbers, found List(List(Float64))",
        "f.parquet",
    ),
    case(
        "lists of texts",
        polars(item=IDS, v=[["a"], ["b"], ["c"]]),
        "column 'v': expected lists of numbers, found List(String)",
        "f.parquet",
    ),
    case(
        "texts",
        polars(item=IDS, v=["1", "2", "red"]),
        "expected numbers in column 'v', found 'red' in row 2",
        "f.parquet",
    ),
    case("texts that are numbers", polars(item=IDS, v=["1", "2", "3"]), Reads(6, 3, 3), "f.parquet"),
    case(
        "binary",
        polars(item=IDS, v=[b"a", b"b", b"\xff"]),
        "column 'v': expected numbers, found Binary; the columns are",
        "f.parquet",
    ),
    case(
        "categories",
        lambda: polars(item=IDS, v=pl.Series(["a", "b", "a"], dtype=pl.Categorical))(),
        "column 'v': expected numbers, found Categorical; the columns are",
        "f.parquet",
    ),
    case(
        "structs",
        polars(item=IDS, v=[{"a": 1}, {"a": 2}, {"a": 3}]),
        "column 'v': expected numbers, found Struct({'a': Int64}); the",
        "f.parquet",
    ),
    case(
        "dates",
        polars(item=IDS, v=[datetime.date(2024, 1, 1)] * 3),
        "column 'v': expected numbers, found Date; the columns are 'item',",
        "f.parquet",
    ),
    case(
        "moments",
        polars(item=IDS, v=[datetime.datetime(2024, 1, 1)] * 3),
        "column 'v': expected numbers, found Datetime(time_unit='us',",
        "f.parquet",
    ),
    case(
        "durations",
        polars(item=IDS, v=[datetime.timedelta(1)] * 3),
        "column 'v': expected numbers, found Duration(time_unit='us'); the",
        "f.parquet",
    ),
    case(
        "times of day",
        polars(item=IDS, v=[datetime.time(1)] * 3),
        "column 'v': expected numbers, found Time; the columns are 'item',",
        "f.parquet",
    ),
    case(
        "decimals",
        lambda: polars(item=IDS, v=pl.Series([1, 2, 3]).cast(pl.Decimal(10, 2)))(),
        Reads(6, 3, 3),
        "f.parquet",
    ),
    case("truth values", polars(item=IDS, v=[True, False, True]), Reads(6, 3, 3), "f.parquet"),
    case("gaps", polars(item=IDS, v=[1.0, None, 3.0]), Reads(6, 3, 3), "f.parquet"),
    case(
        "gaps alone",
        polars(item=IDS, v=[None, None, None]),
        "not a single item has a row that is not all zeros",
        "f.parquet",
    ),
    case(
        "nan",
        polars(item=IDS, v=[1.0, float("nan"), 3.0]),
        "NaN or infinity in row 1; correct the features, or write a row of",
        "f.parquet",
    ),
    case(
        "infinity",
        polars(item=IDS, v=[1.0, float("inf"), 3.0]),
        "NaN or infinity in row 1; correct the features, or write a row of",
        "f.parquet",
    ),
    case(
        "beyond float32",
        polars(item=IDS, v=[1.0, 1e300, 3.0]),
        "NaN or infinity in row 1; correct the features, or write a row of",
        "f.parquet",
    ),
    case(
        "maps",
        arrow(item=IDS, v=pa.array([[("a", 1)]] * 3, pa.map_(pa.string(), pa.int32()))),
        "column 'v': expected numbers, found Map(String, Int32); the",
        "f.parquet",
    ),
    case(
        "a dictionary of Arrow",
        arrow(item=IDS, v=pa.array(["a", "b", "a"]).dictionary_encode()),
        "column 'v': expected numbers, found Categorical; the columns are",
        "f.parquet",
    ),
    case("half floats", arrow(item=IDS, v=pa.array(np.float16([1, 2, 3]))), Reads(6, 3, 3), "f.parquet"),
    case(
        "large lists",
        arrow(item=IDS, v=pa.array(ROWS.tolist(), pa.large_list(pa.float32()))),
        Reads(6, 3, 3),
        "f.parquet",
    ),
    case(
        "large texts as ids",
        arrow(item=pa.array(IDS, pa.large_string()), v=[1.0, 2.0, 3.0]),
        Reads(6, 3, 3),
        "f.parquet",
    ),
    case(
        "binary ids", arrow(item=pa.array([b"x", b"y", b"z"]), v=[1.0, 2.0, 3.0]), Reads(6, 3, 3), "f.parquet"
    ),
    case(
        "an id that is missing",
        polars(item=["x", None, "z"], v=[1.0, 2.0, 3.0]),
        "column 'item': no value in row 1",
        "f.parquet",
    ),
    case(
        "an id twice",
        polars(item=["x", "x", "z"], v=[1.0, 2.0, 3.0]),
        "column 'item': item 'x' in row 1 stands there a second time",
        "f.parquet",
    ),
    case("ids alone", polars(item=IDS), "expected numeric columns beside the item's", "f.parquet"),
    case(
        "no item column",
        polars(a=[1.0, 2, 3]),
        "expected a column of item ids with a name like itemID, item_id or",
        "f.parquet",
    ),
    case(
        "no rows",
        polars(item=pl.Series([], dtype=pl.String), v=pl.Series([], dtype=pl.Float32)),
        "0 of its 0 keys are among the 3 items; the keys are , the items",
        "f.parquet",
    ),
    case(
        "no columns",
        polars(),
        "expected a column of item ids with a name like itemID, item_id or",
        "f.parquet",
    ),
    case("no bytes", b"", "not a readable parquet table", "f.parquet"),
    case(
        "the magic alone",
        b"PAR1PAR1",
        "not a readable parquet table",
        "f.parquet",
    ),
    case(
        "a footer of four gigabytes",
        b"PAR1" + b"\xff" * 4 + b"PAR1",
        "not a readable parquet table",
        "f.parquet",
    ),
    case(
        "a footer of zeros",
        b"PAR1" + bytes(64) + struct.pack("<I", 64) + b"PAR1",
        "not a readable parquet table",
        "f.parquet",
    ),
    case(
        "a text by that name",
        b"item,v\nx,1\n",
        "not a readable parquet table",
        "f.parquet",
    ),
    case("sound", b"item,a,b\nx,1,2\ny,3,4\nz,5,6\n", Reads(6, 3, 3), "f.csv"),
    case(
        "a word",
        b"item,a\nx,1\ny,red\nz,5\n",
        "expected numbers in column 'a', found 'red' in line 3",
        "f.csv",
    ),
    case("a gap", b"item,a\nx,1\ny,\nz,5\n", Reads(6, 3, 3), "f.csv"),
    case(
        "nan",
        b"item,a\nx,1\ny,nan\nz,5\n",
        "NaN or infinity in row 3; correct the features, or write a row of",
        "f.csv",
    ),
    case(
        "infinity",
        b"item,a\nx,1\ny,-inf\nz,5\n",
        "NaN or infinity in row 3; correct the features, or write a row of",
        "f.csv",
    ),
    case(
        "beyond float64",
        b"item,a\nx,1\ny,1e999\nz,5\n",
        "NaN or infinity in row 3; correct the features, or write a row of",
        "f.csv",
    ),
    case(
        "hexadecimal",
        b"item,a\nx,1\ny,0x10\nz,5\n",
        "expected numbers in column 'a', found '0x10' in line 3",
        "f.csv",
    ),
    case(
        "decimal commas",
        b"item;a\nx;1,5\ny;2,5\nz;3,5\n",
        "expected numbers in column 'a', found '1,5' in line 2",
        "f.csv",
    ),
    case(
        "an id twice",
        b"item,a\nx,1\nx,2\n",
        "column 'item': item 'x' in line 3 stands there a second time",
        "f.csv",
    ),
    case(
        "a megabyte of a word",
        b"item,a\nx,1\ny," + b"r" * (1 << 20) + b"\nz,5\n",
        "expected numbers in column 'a', found",
        "f.csv",
    ),
    case("no bytes", b"", "the file is empty; expected a line of column names and one line", "f.csv"),
    case(
        "header alone",
        b"item,a\n",
        "0 of its 0 keys are among the 3 items; the keys are , the items",
        "f.csv",
    ),
    case(
        "a list as text",
        b'item,v\nx,"[1.0, 2.0]"\ny,"[1.0, 2.0]"\nz,"[1.0, 2.0]"\n',
        "expected numbers in column 'v', found '[1.0, 2.0]' in line 2",
        "f.csv",
    ),
]
