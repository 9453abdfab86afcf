"""Features in files: arrays and tensors with numbered rows, and with the ids of their items."""

from __future__ import annotations

import pickle

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
import torch
from safetensors.torch import save_file

from magnet.data import Dataset
from magnet.data.feature_files import read_array
from magnet.errors import DataError

ROWS = np.arange(1, 9, dtype=np.float32).reshape(4, 2)
IDS = ["d", "c", "b", "a"]
PAIRS = {"user": [0, 0, 1, 1], "set": [0, 1, 0, 2]}


def safetensors(path, tensors):
    save_file({name: torch.as_tensor(value) for name, value in tensors.items()}, path)


def tensors(path, value):
    torch.save(value, path)


NUMBERED = {
    ".npy": lambda path: np.save(path, ROWS),
    ".npz": lambda path: np.savez(path, embeddings=ROWS),
    "compressed.npz": lambda path: np.savez_compressed(path, ROWS),
    "sparse.npz": lambda path: sp.save_npz(path, sp.csr_array(ROWS)),
    ".safetensors": lambda path: safetensors(path, {"weight": ROWS}),
    ".pt": lambda path: tensors(path, torch.from_numpy(ROWS)),
    ".pth": lambda path: tensors(
        path, torch.nn.Embedding.from_pretrained(torch.from_numpy(ROWS)).state_dict()
    ),
    "list.pt": lambda path: tensors(path, list(torch.from_numpy(ROWS))),
}


def folder(tmp_path, items, name="inter.tsv"):
    pl.DataFrame({**PAIRS, "item": items}).write_csv(tmp_path / name, separator="\t")
    return tmp_path


def written(tmp_path, kind, write):
    path = tmp_path / f"x.{kind.rpartition('.')[2]}"
    write(path)
    return path


@pytest.mark.parametrize("kind", NUMBERED)
def test_rows_are_numbered_where_a_file_has_no_ids(tmp_path, kind):
    path = written(tmp_path, kind, NUMBERED[kind])
    data = Dataset.from_folder(folder(tmp_path, [0, 3, 1, 2]), split="set")
    assert data.item_ids == [0, 1, 2, 3]
    assert (data.modalities["x"].features == ROWS).all()
    frame = pl.DataFrame({**PAIRS, "item": [0, 3, 1, 2]})
    for given in (path, str(path)):
        assert (Dataset.from_frame(frame, features={"x": given}).modalities["x"].features == ROWS).all()


TEXTS = np.array(IDS)
BY_ID = {
    ".npz": lambda path: np.savez(path, vectors=ROWS, item_ids=TEXTS),
    "names.npz": lambda path: np.savez(path, **dict(zip(IDS, ROWS, strict=True))),
    ".safetensors": lambda path: safetensors(path, dict(zip(IDS, torch.from_numpy(ROWS), strict=True))),
    ".pt": lambda path: tensors(path, {"ids": IDS, "vectors": torch.from_numpy(ROWS)}),
    "names.pt": lambda path: tensors(path, dict(zip(IDS, torch.from_numpy(ROWS), strict=True))),
    "lists.parquet": lambda path: pl.DataFrame({"item": IDS, "v": ROWS.tolist()}).write_parquet(path),
    "arrays.parquet": lambda path: pl.DataFrame({"item": IDS, "v": ROWS}).write_parquet(path),
    "mixed.parquet": lambda path: pl.DataFrame(
        {"item": IDS, "v": ROWS[:, :1].tolist(), "w": ROWS[:, 1]}
    ).write_parquet(path),
}


@pytest.mark.parametrize("kind", BY_ID)
def test_rows_go_to_their_items_where_a_file_has_ids(tmp_path, kind):
    path = written(tmp_path, kind, BY_ID[kind])
    data = Dataset.from_folder(folder(tmp_path, list("abcb")), split="set", modalities=["x"])
    assert data.item_ids == list("abcd")
    assert (data.modalities["x"].features == ROWS[::-1]).all()
    frame = pl.DataFrame({**PAIRS, "item": list("abcb")})
    assert (Dataset.from_frame(frame, features={"x": path}).modalities["x"].features == ROWS[::-1]).all()


def test_numbers_as_ids_are_the_numbers_of_the_table(tmp_path):
    safetensors(tmp_path / "x.safetensors", {"v": ROWS[:3], "ids": torch.tensor([30, 10, 20])})
    data = Dataset.from_folder(folder(tmp_path, [10, 20, 30, 40]), split="set")
    assert data.item_ids == [10, 20, 30, 40]
    assert data.modalities["x"].features.tolist() == [*ROWS[[1, 2, 0]].tolist(), [0, 0]]


def test_an_item_table_gives_the_order_of_any_file(tmp_path):
    (tmp_path / "items.tsv").write_text("item\ttitle\n" + "".join(f"{i}\tT{i}\n" for i in "cdab"))
    torch.save(torch.from_numpy(ROWS), tmp_path / "x.pt")
    np.savez(tmp_path / "y.npz", ids=TEXTS, v=ROWS)
    data = Dataset.from_folder(folder(tmp_path, list("abcb")), split="set")
    assert data.item_ids == list("cdab")
    assert (data.modalities["x"].features == ROWS).all()
    assert data.modalities["y"].features.tolist() == ROWS[[1, 0, 3, 2]].tolist()


def test_truth_values_of_parquet_are_features(tmp_path):
    pl.DataFrame({"item": IDS, "p": ROWS[:, 0] > 2, "q": [True] * 4}).write_parquet(tmp_path / "x.parquet")
    data = Dataset.from_folder(folder(tmp_path, list("abcb")), split="set", modalities=["x"])
    assert data.modalities["x"].features.tolist() == [[1, 1], [1, 1], [1, 1], [0, 1]]


def test_beside_arrays_other_kinds_are_read_when_they_are_named(tmp_path):
    np.save(tmp_path / "x.npy", ROWS)
    torch.save({"optimizer": [], "epoch": 3}, tmp_path / "run.pt")
    torch.save(torch.from_numpy(ROWS), tmp_path / "x.pt")
    torch.save(torch.from_numpy(2 * ROWS), tmp_path / "y.pt")
    folder(tmp_path, [0, 3, 1, 2])
    data = Dataset.from_folder(tmp_path, split="set")
    assert list(data.modalities) == ["x"]
    assert any("x.pt: not read, since x.npy is there as well" in message for message in data.messages)
    both = Dataset.from_folder(tmp_path, split="set", modalities=["y", "x"])
    assert (both.modalities["y"].features == 2 * ROWS).all()


def test_the_catalogue_is_that_of_the_files_even_if_none_is_chosen(tmp_path):
    torch.save(torch.from_numpy(ROWS), tmp_path / "x.pt")
    torch.save({"epoch": 3}, tmp_path / "run.pt")
    assert Dataset.from_folder(folder(tmp_path, [0, 1, 0, 1]), split="set", modalities=[]).n_items == 4


class Trap:
    def __reduce__(self):
        return (exec, ("raise SystemExit('opened')",))


def damaged(path):
    torch.save(torch.from_numpy(ROWS), path)
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.parametrize(
    ("kind", "write", "text"),
    [
        (".pt", lambda p: p.write_bytes(pickle.dumps(Trap())), "can run code when it is opened"),
        (".pt", lambda p: torch.save(Trap(), p), "can run code when it is opened"),
        (".pt", lambda p: torch.save(torch.nn.Linear(2, 2), p), "can run code .*save tensors alone"),
        (".pt", damaged, "damaged, not readable as tensors"),
        (".pt", lambda p: p.write_bytes(b""), "damaged, not readable as tensors"),
        (".pt", lambda p: torch.save({"a": {"b": ROWS.tolist()}}, p), "a dictionary in a dictionary"),
        (".pt", lambda p: torch.save({}, p), "expected one matrix .* found nothing"),
        (".npz", lambda p: p.write_bytes(b"text"), "not readable arrays of numbers"),
        (".npz", lambda p: np.savez(p, a=ROWS, b=ROWS), r"'a' of shape \(4, 2\), 'b' of shape \(4, 2\)"),
        (".npz", lambda p: np.savez(p, a=ROWS, labels=TEXTS), r"'labels' of shape \(4,\)"),
        (".npz", lambda p: np.savez(p, a=ROWS, ids=TEXTS[:3]), "3 ids in 'ids' do not fit the 4 rows of 'a'"),
        (".npz", lambda p: np.savez(p, a=ROWS, ids=np.array(list("abca"))), "1 rows repeat the id"),
        (".npz", lambda p: np.savez(p, a=np.array([None] * 4)), "not readable arrays of numbers"),
        (".npz", lambda p: np.savez(p, a=ROWS[0], b=ROWS[0, :1]), r"2 as the first, got shape \(1,\)"),
        (".safetensors", lambda p: p.write_bytes(b"text"), "damaged, not readable as safetensors"),
        (".h5", lambda p: p.write_bytes(b"text"), r"end in '\.h5' are not read; features may be a matrix"),
        (".npy", lambda p: None, "no such file"),
        (
            ".parquet",
            lambda p: pl.DataFrame({"item": ["a", "a"], "v": [[1.0]] * 2}).write_parquet(p),
            "second time",
        ),
        (
            ".parquet",
            lambda p: pl.DataFrame({"item": ["a", "b"], "v": [[1.0, 2.0], [1.0]]}).write_parquet(p),
            r"column 'v': expected lists of one length, 2 as the first, found 1 numbers in row 1",
        ),
        (
            ".parquet",
            lambda p: pl.DataFrame({"v": [[1.0]]}).write_parquet(p),
            "expected a column of item ids",
        ),
    ],
)
def test_what_is_refused(tmp_path, kind, write, text):
    path = tmp_path / f"x{kind}"
    write(path)
    with pytest.raises(DataError, match=text) as caught:
        Dataset.from_frame(pl.DataFrame({**PAIRS, "item": list("abcd")}), features={"x": path})
    assert f"x{kind}" in str(caught.value)


def test_whichever_byte_of_an_array_changes_it_is_read_or_refused_in_a_line(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, ROWS)
    whole = path.read_bytes()
    changed = [
        whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :] for at in range(128) for bit in (1, 16, 128)
    ]
    changed += [
        whole.replace(b"(4, 2), }", b"(99999999"),
        b"\x93NUMPY\x02\x00" + (300_000).to_bytes(4, "little") + b"x" * 300_000,
    ]
    said = []
    for content in changed:
        path.write_bytes(content)
        try:
            read_array(path)
        except DataError as error:
            said.append(str(error))
    assert len(said) > len(changed) / 2
    assert [
        text for text in said if not text.startswith(f"{path}: ") or "\n" in text or len(text) > 300
    ] == []


def test_a_file_without_features_is_refused_with_what_to_do(tmp_path):
    torch.save({"epoch": 3, "loss": [1.0]}, tmp_path / "run.pt")
    with pytest.raises(DataError, match=r"run\.pt: expected one matrix.*name those that are \(modalities\)"):
        Dataset.from_folder(folder(tmp_path, [0, 1, 0, 1]), split="set")
