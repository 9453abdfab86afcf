from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from magnet.data import Dataset

ROWS = ["0\t0\t0", "0\t1\t1", "1\t2\t2", "1\t0\t0", "2\t3\t0", "2\t1\t0"]


def write(folder, rows=ROWS, header="userID\titemID\tsplit", name="inter.tsv"):
    (folder / name).write_text("\n".join([header, *rows]) + "\n")
    return folder


def test_rows_of_arrays_belong_to_item_numbers(tmp_path):
    image = np.arange(10, dtype=np.float64).reshape(5, 2) + 1
    np.save(tmp_path / "image.npy", np.asfortranarray(image))
    np.save(tmp_path / "audio.npy", image.astype(np.float16))
    np.savez(tmp_path / "image_knn10.npz", idx=np.zeros(3))
    data = Dataset.from_folder(write(tmp_path))
    assert data.n_users == 3
    assert data.item_ids == [0, 1, 2, 3, 4]  # item 4 has features and no interaction
    assert list(data.modalities) == ["audio", "image"]
    assert data.modalities["image"].features.dtype == np.float32
    assert data.modalities["audio"].features.dtype == np.float16
    for modality in data.modalities.values():
        assert (modality.features == image).all()
        assert modality.present.all()
        assert modality.features.flags.c_contiguous
        assert modality.features.flags.writeable  # torch warns of read-only memory
    assert data.train.toarray().tolist() == [[1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 1, 0, 1, 0]]
    assert data.name == tmp_path.name


def test_modalities_select_and_order_but_leave_the_catalogue(tmp_path):
    for name in ("a", "b", "c"):
        np.save(tmp_path / f"{name}.npy", np.ones((6, 2), dtype=np.float32))
    write(tmp_path)
    assert list(Dataset.from_folder(tmp_path, modalities=["c", "a"]).modalities) == ["c", "a"]
    assert Dataset.from_folder(tmp_path, modalities=[]).n_items == 6


@pytest.mark.parametrize(
    "header", ["user_id\titem_id\tsplit", "user\titem\tsplit", "user_id:token\tIID\tsplit"]
)
def test_column_names_are_recognised(tmp_path, header):
    assert Dataset.from_folder(write(tmp_path, header=header)).train.nnz == 4


def test_columns_may_be_named_in_a_csv_with_other_columns(tmp_path):
    rows = ["5.0,x,train,7", "4.0,y,val,7", "3.0,x,TEST,8", "1.0,z,train,8"]
    write(tmp_path, rows, "rating,sold,set,who", "inter.csv")
    data = Dataset.from_folder(tmp_path, split="set", user="who", item="sold")
    assert data.user_ids == [7, 8]
    assert data.item_ids == ["x", "y", "z"]
    assert data.train.toarray().tolist() == [[1, 0, 0], [0, 0, 1]]
    assert (data.valid.nnz, data.test.nnz) == (1, 1)


def test_rows_of_arrays_belong_to_rows_of_the_item_table(tmp_path):
    rows = ["ann\tB2\t0", "ann\tA1\t1", "bob\t007\t2", "bob\tB2\t0"]
    write(tmp_path, rows)
    table = 'itemID\tasin\ttitle\nB2\tx\t"Tea, ""green"""\n007\ty\t\nA1\tz\tCup\nC3\tw\tPot\n'
    (tmp_path / "items.tsv").write_text(table)
    np.save(tmp_path / "image.npy", np.arange(1, 5, dtype=np.float32)[:, None])
    data = Dataset.from_folder(tmp_path)
    assert data.item_ids == ["B2", "007", "A1", "C3"]
    assert data.titles == ['Tea, "green"', None, "Cup", "Pot"]
    assert data.modalities["image"].features[data.item_index["A1"], 0] == 3
    assert data.train.toarray().tolist() == [[1, 0, 0, 0], [1, 0, 0, 0]]


def test_item_numbers_match_a_table_of_mixed_ids(tmp_path):
    write(tmp_path)
    (tmp_path / "items.tsv").write_text("itemID\tname\n3\tc\n0\td\n1\te\n2\tf\nX\tg\n")
    data = Dataset.from_folder(tmp_path)
    assert data.item_ids == ["3", "0", "1", "2", "X"]
    assert data.titles == ["c", "d", "e", "f", "g"]


def test_unpaired_quotes_are_characters(tmp_path):
    write(tmp_path)
    (tmp_path / "items.tsv").write_text('itemID\tname\n0\t"Heroes\n1\t"Weird" Al\n2\tc\n3\td\n')
    assert Dataset.from_folder(tmp_path).titles == ['"Heroes', '"Weird" Al', "c", "d"]


def test_a_catalogue_number_is_a_title_only_where_there_is_no_better(tmp_path):
    write(tmp_path)
    (tmp_path / "items.tsv").write_text("itemID\tasin\n0\tA\n1\tB\n2\tC\n3\tD\n")
    assert Dataset.from_folder(tmp_path).titles == ["A", "B", "C", "D"]
    (tmp_path / "items.tsv").write_text("itemID\tprice\n0\t1\n1\t2\n2\t3\n3\t4\n")
    assert Dataset.from_folder(tmp_path).titles is None


@pytest.mark.parametrize("suffix", ["tsv", "csv", "parquet"])
def test_a_table_of_features_is_keyed_by_item(tmp_path, suffix):
    write(tmp_path, ["u\ta\t0", "u\tb\t1", "v\tc\t2", "v\ta\t0"])
    table = pl.DataFrame({"x": [1.5, 2.5, 0.0, 4.0], "item_id": ["c", "a", "b", "z"], "y": [1, 2, 0, 4]})
    if suffix == "parquet":
        table.write_parquet(tmp_path / "text.parquet")
    else:
        table.write_csv(tmp_path / f"text.{suffix}", separator="\t" if suffix == "tsv" else ",")
    assert not Dataset.from_folder(tmp_path).modalities  # tables only where they are asked for
    data = Dataset.from_folder(tmp_path, modalities=["text"])
    assert data.item_ids == ["a", "b", "c", "z"]  # z has features and no interaction
    text = data.modalities["text"]
    assert text.features.tolist() == [[2.5, 2.0], [0.0, 0.0], [1.5, 1.0], [4.0, 4.0]]
    assert text.present.tolist() == [True, False, True, True]
    assert len(data.messages) == 1
    assert "1 of 4 items have a row of zeros" in data.messages[0]


def test_items_without_a_row_of_the_table_lack_the_modality(tmp_path):
    write(tmp_path)
    (tmp_path / "items.tsv").write_text("itemID\n0\n1\n2\n3\n")
    (tmp_path / "text.tsv").write_text("itemID\tx\n3\t1\n9\t1\n0\t\n1\t2\n")
    data = Dataset.from_folder(tmp_path, modalities=["text"])
    assert data.modalities["text"].present.tolist() == [False, True, False, True]
    assert "1 of 4 items have no row" in data.messages[0]
    assert "1 rows name no item" in data.messages[-1]


def test_repeated_pairs_are_merged_into_the_earliest_part_and_counted(tmp_path):
    rows = [*ROWS, "0\t1\t2", "0\t0\t0", "1\t2\t1", "1\t3\t2"]
    data = Dataset.from_folder(write(tmp_path, rows))
    assert data.users.size == 7
    assert data.valid.toarray().tolist() == [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert data.test.toarray().tolist() == [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert len(data.messages) == 1
    assert "3 repeated (user, item) pairs were merged; 2 of them stood in several parts" in data.messages[0]


def test_the_order_of_lines_changes_nothing(tmp_path):
    rows = [f"{user}\t{item}\t0" for user in range(30) for item in range(user % 7, 60, 3)]
    hashes = set()
    for lines in (rows, rows[::-1], [*rows, rows[5]]):
        write(tmp_path, lines)
        for rule in ("mmrec", "random"):
            hashes.add((rule, Dataset.from_folder(tmp_path, split=rule, seed=4).content_hash))
    assert len(hashes) == 2


def test_rows_of_zeros_lack_the_modality_and_are_counted(tmp_path):
    image = np.ones((4, 3), dtype=np.float16)
    image[2] = 0
    np.save(tmp_path / "image.npy", image)
    data = Dataset.from_folder(write(tmp_path))
    assert data.modalities["image"].present.tolist() == [True, True, False, True]
    assert data.modalities["image"].n_missing == 1
    assert "1 of 4 items have a row of zeros" in data.messages[0]


def test_float16_is_never_summed_in_float16(tmp_path):
    np.save(tmp_path / "image.npy", np.full((4, 512), 60_000, dtype=np.float16))  # any sum of two is infinite
    data = Dataset.from_folder(write(tmp_path))
    assert data.modalities["image"].present.all()


def test_a_source_reads_the_same_again(tmp_path):
    np.save(tmp_path / "image.npy", np.ones((4, 3), dtype=np.float32))
    rows = [f"{user}\t{item}\t0" for user in range(4) for item in range(4)]
    data = Dataset.from_folder(write(tmp_path, rows), split="mmrec", modalities=["image"], seed=9)
    assert data.source.path == str(tmp_path)
    assert Dataset.from_source(data.source).content_hash == data.content_hash
