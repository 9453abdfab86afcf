"""Interactions in every kind of file, in a folder and alone; the layouts of MMRec and RecBole."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pytest
from scipy.sparse import coo_array, csr_array, save_npz

from magnet.data import Dataset
from magnet.errors import DataError

FRAME = pl.DataFrame(
    {
        "user": ["v", "u", "u", "w"],
        "item": ["b", "a", "c", "a"],
        "split": ["train", "train", "valid", "test"],
        "timestamp": [30, 10, 20, 40],
    }
)
# Users u, v, w and items a, b, c.
TRAIN = [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


def stream(frame, path):
    table = frame.to_arrow()
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


WRITERS = {
    "tsv": lambda frame, path: frame.write_csv(path, separator="\t"),
    "csv": lambda frame, path: frame.write_csv(path),
    "parquet": lambda frame, path: frame.write_parquet(path),
    "arrow": stream,
    "feather": lambda frame, path: frame.write_ipc(path),
    "inter": lambda frame, path: frame.write_csv(path, separator="\t"),
    "npz": lambda frame, path: np.savez(path, **{name: frame[name].to_numpy() for name in frame.columns}),
}


def fails(path, text, **options):
    with pytest.raises(DataError, match=text) as caught:
        Dataset.read(path, **options)
    assert "\n" not in str(caught.value)


def as_expected(data):
    assert data.user_ids == ["u", "v", "w"]
    assert data.item_ids == ["a", "b", "c"]
    assert data.train.toarray().tolist() == TRAIN
    assert data.valid.toarray().nonzero() == (np.array([0]), np.array([2]))
    assert data.test.toarray().nonzero() == (np.array([2]), np.array([0]))
    pairs = zip(data.users.tolist(), data.items.tolist(), data.times.tolist(), strict=True)
    assert sorted(pairs) == [(0, 0, 10), (0, 2, 20), (1, 1, 30), (2, 0, 40)]


@pytest.mark.parametrize("ending", WRITERS)
def test_interactions_are_read_from_any_kind_of_file(tmp_path, ending):
    if ending == "npz":  # of texts, NumPy keeps the width
        frame = FRAME.to_pandas().astype(dict.fromkeys(("user", "item", "split"), str))
        arrays = {name: np.array(frame[name].tolist()) for name in frame}
        np.savez(tmp_path / "inter.npz", **arrays)
    else:
        WRITERS[ending](FRAME, tmp_path / f"inter.{ending}")
    folder = Dataset.read(tmp_path)
    alone = Dataset.read(tmp_path / f"inter.{ending}")
    for data in (folder, alone):
        as_expected(data)
        assert data.messages == []
        assert Dataset.from_source(data.source).content_hash == data.content_hash
    assert (folder.name, alone.name) == (tmp_path.name, "inter")


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (
            [],
            r"there is no inter\.tsv or inter\.csv in the folder, no inter\.parquet, \.arrow.*NAME\.inter of MMRec",
        ),
        (
            ["inter.tsv", "inter.parquet"],
            r"both inter\.tsv and inter\.parquet are there; keep the one that counts",
        ),
        (
            ["inter.csv", "inter.feather", "a.inter"],
            r"inter\.csv, inter\.feather and a\.inter are there; keep the one",
        ),
    ],
)
def test_there_is_one_file_of_interactions(tmp_path, names, text):
    for name in names:
        WRITERS[name.rpartition(".")[2]](FRAME, tmp_path / name)
    fails(tmp_path, text)


@pytest.mark.parametrize("ending", ["parquet", "arrow", "feather", "npz"])
def test_damaged_files_are_named(tmp_path, ending):
    (tmp_path / f"inter.{ending}").write_bytes(b"no such thing" * 9)
    fails(tmp_path, rf"inter\.{ending}: not (a )?readable")


def test_a_matrix_has_users_as_rows_and_items_as_columns(tmp_path):
    taken = csr_array(np.array([[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 1, 0]], dtype=np.float32))
    save_npz(tmp_path / "shop.npz", taken)
    data = Dataset.read(tmp_path / "shop.npz", split=None)
    assert data.user_ids == [0, 1, 2]
    assert data.item_ids == [0, 1, 2, 3]  # also those that nobody took
    assert (data.train.toarray() == taken.toarray()).all()
    assert data.messages == []


def test_a_matrix_in_a_folder_goes_with_feature_rows_and_an_item_table(tmp_path):
    taken = coo_array(([5.0, 0.0, 2.0], ([0, 1, 1], [2, 2, 0])), shape=(2, 3))
    save_npz(tmp_path / "inter.npz", taken)
    np.save(tmp_path / "image.npy", np.eye(3, dtype=np.float32))
    data = Dataset.read(tmp_path, split=None)
    assert list(data.modalities) == ["image"]
    assert (data.n_items, data.users.tolist(), data.items.tolist()) == (3, [0, 1], [2, 0])
    assert "1 entries that are stored as zeros are no interactions" in data.messages[0]
    assert "column 'rating' is not read, every row is an interaction" in data.messages[1]
    (tmp_path / "items.tsv").write_text("item\ttitle\nx\tX\ny\tY\nz\tZ\n")
    data = Dataset.read(tmp_path, split=None, min_rating=3)
    assert data.item_ids == ["x", "y", "z"]
    assert data.train.toarray().tolist() == [[0, 0, 1], [0, 0, 0]]
    (tmp_path / "items.tsv").write_text("item\nx\ny\n")
    fails(tmp_path, r"its 3 columns do not fit the 2 items of items\.tsv; column j of the matrix", split=None)
    (tmp_path / "items.tsv").unlink()
    np.save(tmp_path / "image.npy", np.eye(4, dtype=np.float32))
    fails(
        tmp_path,
        r"4 feature rows are more than the 3 items \(as many as inter\.npz has columns\)",
        split=None,
    )


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({}, "expected a matrix of users and items as scipy.sparse.save_npz writes it, .*; found nothing"),
        (
            {"user": np.arange(3), "item": np.arange(2)},
            r"found 'user' of shape \(3,\), 'item' of shape \(2,\)",
        ),
        ({"x": np.eye(2)}, r"found 'x' of shape \(2, 2\)"),
    ],
)
def test_arrays_that_are_no_interactions(tmp_path, arrays, text):
    np.savez(tmp_path / "inter.npz", **arrays)
    fails(tmp_path / "inter.npz", text)


def test_not_a_number_in_a_matrix_is_refused(tmp_path):
    save_npz(tmp_path / "inter.npz", csr_array(np.array([[1, np.nan], [1, 1]])))
    fails(tmp_path, r"inter\.npz: NaN or infinity at row 0, column 1 \(1 such entries\)", split=None)


def test_the_layout_of_mmrec(tmp_path):
    rows = ["0\t1\t4.0\t7\t0", "0\t0\t5.0\t8\t1", "1\t3\t1.0\t9\t2", "1\t1\t2.0\t9\t0"]
    (tmp_path / "baby.inter").write_text(
        "userID\titemID\trating\ttimestamp\tx_label\n" + "\n".join(rows) + "\n"
    )
    image, text = np.arange(1, 9, dtype=np.float32).reshape(4, 2), np.ones((4, 3), dtype=np.float64)
    text[2] = 0
    np.save(tmp_path / "image_feat.npy", image)
    np.save(tmp_path / "text_feat.npy", text)
    data = Dataset.read(tmp_path)
    assert data.train.toarray().tolist() == [[0, 1, 0, 0], [0, 1, 0, 0]]
    assert data.valid.toarray().tolist() == [[1, 0, 0, 0], [0, 0, 0, 0]]
    assert data.test.toarray().tolist() == [[0, 0, 0, 0], [0, 0, 0, 1]]
    assert (data.modalities["image_feat"].features == image).all()
    assert data.modalities["text_feat"].present.tolist() == [True, True, False, True]
    assert "column 'rating' is not read" in " ".join(data.messages)
    assert "x_label" not in " ".join(data.messages)
    assert np.bincount(Dataset.read(tmp_path, split="k-fold:1/3").parts).tolist() == [
        1,
        1,
        2,
    ]  # a rule goes over it
    assert Dataset.read(tmp_path, split=None).content_hash == data.content_hash


def atomic(folder, inter=None, item=None):
    head = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    rows = ["1\t20\t4.0\t10.0", "1\t30\t3.0\t11.0", "2\t20\t5.0\t12.0", "2\t40\t1.0\t13.0"]
    (folder / "ml.inter").write_text(inter or head + "\n".join(rows) + "\n")
    (folder / "ml.item").write_text(
        item
        or "item_id:token\tmovie_title:token_seq\tyear:token\tclass:token_seq\tvector:float_seq\n"
        "40\tHeat\t1995\tAction Crime\t0.5 1.5\n20\tToy Story\t1996\t\t\n99\t\t1\tDrama\t2\n"
    )
    (folder / "ml.user").write_text("user_id:token\tage:float\n1\t20\n2\t30\n")
    return folder


def test_atomic_files_of_recbole(tmp_path):
    data = Dataset.read(atomic(tmp_path), split=None)
    assert data.user_ids == [1, 2]
    assert data.item_ids == [20, 30, 40, 99]  # 99 is known and nobody took it
    assert data.titles == ["Toy Story", None, "Heat", None]
    assert data.item_table.to_dict(as_series=False) == {
        "year": [1996, None, 1995, 1],
        "class": [None, None, ["Action", "Crime"], ["Drama"]],
        "vector": [None, None, [0.5, 1.5], [2.0]],
    }
    assert data.train.toarray().tolist() == [[1, 1, 0, 0], [1, 0, 1, 0]]
    assert data.times.tolist() == [10, 11, 12, 13]
    assert "1 file is not read: 'ml.user'" in data.messages[-1]
    assert "column 'rating' is not read" in data.messages[0]
    fails(
        tmp_path,
        "there is no split column 'split'; .*the columns are 'user_id', 'item_id', 'rating', 'timestamp'",
    )


def test_items_of_recbole_may_be_text_in_one_file_alone(tmp_path):
    data = Dataset.read(atomic(tmp_path, item="item_id:token\tprice:float\n20\t1.5\nX\t2\n"), split=None)
    assert data.item_ids == ["20", "30", "40", "X"]
    assert data.titles is None
    assert data.item_table["price"].to_list() == [1.5, None, None, 2.0]
    np.save(tmp_path / "image.npy", np.ones((41, 2), dtype=np.float32))
    numbered = Dataset.read(tmp_path, split=None)  # rows of features are numbered by item id
    assert numbered.n_items == 41
    assert numbered.item_table["price"][20] == 1.5
    assert Dataset.read(tmp_path, split=None, modalities=[]).item_ids == numbered.item_ids


@pytest.mark.parametrize(
    ("inter", "item", "text"),
    [
        ("user_id:token\titem_id:token\titem_id:float\n1\t2\t3\n", None, "differ by their type alone"),
        (
            None,
            "item_id:token\tv:float_seq\n20\t1 x\n30\t1\n",
            r"column 'v': .*\(float_seq\), found '1 x' in line 2",
        ),
        (None, "item_id:token\tv:float\n20\t1\n20\t1\n", "item 20 in line 3 stands there a second time"),
        (None, "thing:token\tv:float\n20\t1\n", "expected a column of item ids .* found 'thing', 'v'"),
    ],
)
def test_wrong_atomic_files(tmp_path, inter, item, text):
    fails(atomic(tmp_path, inter, item), text, split=None)


def test_a_single_file_has_no_features(tmp_path):
    FRAME.write_csv(tmp_path / "taken.csv")
    fails(
        tmp_path / "taken.csv",
        r"a single file has no features, and 'image' were asked for; .* as inter\.csv",
        modalities=["image"],
    )
    assert Dataset.read(tmp_path / "taken.csv", modalities=[]).n_items == 3
    fails(tmp_path / "gone.csv", r"gone\.csv: no such file")
    fails(tmp_path / "gone.npz", r"gone\.npz: no such file")
    (tmp_path / "taken.txt").write_text("user,item\n")
    fails(
        tmp_path / "taken.txt",
        r"files that end in '\.txt' hold no interactions .* ends in \.tsv, .* or \.inter",
    )
    with pytest.raises(DataError, match=r"found a file; .*read it alone with Dataset\.read"):
        Dataset.from_folder(tmp_path / "taken.csv")


def test_no_split_is_a_column_of_that_name_or_training_alone(tmp_path):
    FRAME.write_csv(tmp_path / "inter.csv")
    assert np.bincount(Dataset.read(tmp_path, split=None).parts).tolist() == [2, 1, 1]
    FRAME.drop("split").write_csv(tmp_path / "inter.csv")
    data = Dataset.read(tmp_path, split=None)
    assert not data.parts.any()
    assert Dataset.from_source(data.source).content_hash == data.content_hash
    fails(tmp_path, "split must be the name of a column or of a rule, or None for no split; got 7", split=7)
