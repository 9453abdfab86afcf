from __future__ import annotations

import numpy as np
import pytest

from magnet.data import Dataset
from magnet.errors import DataError

HEADER = "userID\titemID\tsplit"
ROWS = ["0\t0\t0", "0\t1\t1", "1\t2\t2", "1\t0\t0", "2\t3\t0", "2\t1\t0"]


@pytest.fixture
def folder(tmp_path):
    np.save(tmp_path / "image.npy", np.ones((4, 3), dtype=np.float32))
    np.save(tmp_path / "text.npy", np.ones((4, 3), dtype=np.float32))
    write(tmp_path, ROWS)
    return tmp_path


def write(folder, rows, header=HEADER):
    (folder / "inter.tsv").write_text("\n".join([header, *rows]) + "\n")


def fails(folder, text, **options):
    with pytest.raises(DataError, match=text) as caught:
        Dataset.from_folder(folder, **options)
    assert "\n" not in str(caught.value)


def test_the_folder_itself_is_sound(folder):
    assert Dataset.from_folder(folder).n_items == 4


def test_missing_folder(tmp_path):
    fails(tmp_path / "nowhere", "nowhere: no such folder or file; expected a folder with inter.tsv")


def test_a_name_that_was_mistyped_is_shown(tmp_path):
    (tmp_path / "orders.csv").write_text("user,item\n1,2\n")
    fails(tmp_path / "orders.cvs", r"no such folder or file; did you mean '.*orders\.csv'\?")


def test_missing_interactions(tmp_path):
    fails(tmp_path, r"there is no inter\.tsv or inter\.csv")


def test_both_kinds_of_interactions(folder):
    (folder / "inter.csv").write_text("userID,itemID,split\n0,0,0\n")
    fails(folder, r"both inter\.tsv and inter\.csv")


def test_empty_file(folder):
    (folder / "inter.tsv").write_text("")
    fails(folder, r"inter\.tsv: the file is empty")
    (folder / "inter.tsv").write_text("\n\n")
    fails(folder, r"inter\.tsv: ")


def test_header_alone(folder):
    write(folder, [])
    fails(folder, "not a single interaction")


def test_binary_file(folder):
    (folder / "inter.tsv").write_bytes(bytes(range(256)) * 4)
    fails(folder, r"inter\.tsv: ")


def test_wrong_columns(folder):
    write(folder, ROWS, "who\titemID\tsplit")
    fails(folder, "expected a column of user ids .* found 'who', 'itemID', 'split'; name it with user=")
    fails(folder, "there is no column 'whom' for the user; did you mean 'who'", user="whom")


def test_missing_split_column(folder):
    fails(
        folder,
        "no split column 'splti'; did you mean 'split'.*the columns are 'userID'.*'mmrec' and 'random'",
        split="splti",
    )


def test_strange_split_value(folder):
    write(folder, [*ROWS, "2\t2\t3"])
    fails(folder, "column 'split': expected 0, 1, 2 or train, valid, test, found '3' in row 8")


def test_empty_training_part(folder):
    write(folder, [row for row in ROWS if row[-1] != "0"])
    fails(folder, "a part of the split is empty .*train 0.*split='mmrec'")


@pytest.mark.parametrize(("part", "told"), [("1", True), ("2", False)])
def test_held_out_parts_may_be_empty(folder, part, told):
    write(folder, [row for row in ROWS if row[-1] != part])
    data = Dataset.from_folder(folder)
    assert np.bincount(data.parts, minlength=3).all() == 0
    assert any("no validation part: models in closed form" in message for message in data.messages) == told


def test_too_few_interactions_for_a_rule(folder):
    write(folder, ["0\t0\t0", "1\t1\t0"])
    fails(folder, r"a part of the split is empty \(train 2, valid 0, test 0\)", split="mmrec")


def test_one_user(folder):
    write(folder, ["0\t0\t0", "0\t1\t1", "0\t2\t2"])
    fails(folder, "1 user is too few")


def test_one_item(tmp_path):
    write(tmp_path, ["0\t0\t0", "1\t0\t1", "2\t0\t2"])
    fails(tmp_path, "1 item is too few")


@pytest.mark.parametrize("column", ["userID", "itemID"])
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("abc", "'abc' in line 8"),
        ("1.5", "'1.5' in line 8"),
        ("99999999999999999999", "'99999999999999999999' in line 8"),
        ("-1", "negative id -1 in line 8"),
        ("", "no value in line 8"),
    ],
)
def test_strange_ids(folder, column, value, text):
    row = ["2", "2", "0"]
    row[HEADER.split("\t").index(column)] = value
    write(folder, [*ROWS, "\t".join(row)])
    fails(folder, rf"inter\.tsv: column '{column}': .*{text}")


def test_text_items_beside_row_numbers(folder):
    write(folder, ["0\tx\t0", "0\ty\t1", "1\tz\t2"])
    fails(folder, r"expected row numbers of the feature files.*'x' in line 2; .*items\.tsv")


def test_too_many_fields(folder):
    write(folder, [*ROWS, "2\t2\t0\t5"])
    fails(folder, r"inter\.tsv: not a readable tsv table")


def test_too_few_fields(folder):
    write(folder, ["2\t2", *ROWS])
    fails(folder, r"inter\.tsv: .*(no value|found None).*2")


def test_fewer_feature_rows_than_items(folder):
    for name in ("image", "text"):
        np.save(folder / f"{name}.npy", np.ones((3, 2), dtype=np.float32))
    fails(folder, r"item 3 in line 6 has no row in image\.npy, whose 3 feature rows are fewer")


def test_feature_files_of_different_lengths(folder):
    np.save(folder / "text.npy", np.ones((5, 2), dtype=np.float32))
    fails(folder, r"image\.npy: 4 feature rows are fewer than the 5 items \(as many as text\.npy has rows\)")
    assert Dataset.from_folder(folder, modalities=["image"]).n_items == 4


def test_item_table_of_another_length(folder):
    (folder / "items.tsv").write_text("itemID\n0\n1\n2\n3\n4\n")
    fails(folder, r"image\.npy: 4 feature rows are fewer than the 5 items of items\.tsv")
    (folder / "items.tsv").write_text("itemID\n0\n1\n2\n")
    fails(folder, r"item 3 in line 6 is not in items\.tsv")
    (folder / "items.tsv").write_text("itemID\n0\n1\n2\n3\n1\n")
    fails(folder, r"items\.tsv: column 'itemID': item 1 in line 6 stands there a second time")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_features_that_are_no_numbers(folder, value, kind):
    image = np.ones((4, 3), dtype=kind)
    image[[1, 3], 2] = value
    np.save(folder / "image.npy", image)
    fails(folder, r"image\.npy: NaN or infinity in row 1, 3; ")


def test_numbers_beyond_float32(folder):
    np.save(folder / "image.npy", np.full((4, 3), 1e300))
    fails(
        folder,
        r"image\.npy: the largest number of row 0 is 1e\+300, which float32 cannot hold \(4 such rows\)",
    )


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.ones(4), r"expected a matrix \(items, features\), got an array of shape \(4,\)"),
        (np.ones((4, 0)), r"shape \(4, 0\)"),
        (np.ones((4, 2, 2)), r"shape \(4, 2, 2\)"),
        (np.full((4, 2), "x"), "expected numbers"),
        (np.ones((4, 2), dtype=complex), "expected numbers"),
        (np.zeros((4, 2)), "not a single item has a row that is not all zeros"),
    ],
)
def test_arrays_that_are_no_features(folder, array, text):
    np.save(folder / "image.npy", array)
    fails(folder, text)


def test_arrays_with_objects_are_not_unpickled(folder):
    np.save(folder / "image.npy", np.full((4, 2), None), allow_pickle=True)
    fails(folder, r"image\.npy: not a readable array of numbers")


def test_damaged_array(folder):
    whole = (folder / "image.npy").read_bytes()
    for damaged in (whole[:100], whole[:-8], b"", b"text"):
        (folder / "image.npy").write_bytes(damaged)
        fails(folder, r"image\.npy: not a readable array of numbers")


def test_unknown_modality(folder):
    fails(folder, "there is no modality 'imgae'; did you mean 'image'", modalities=["imgae"])
    fails(folder, "'image' is asked for twice", modalities=["image", "image"])


def test_text_in_a_numeric_column(folder):
    (folder / "tags.tsv").write_text("itemID\tx\ty\n0\t1\t2\n1\t1\tred\n")
    fails(folder, r"tags\.tsv: expected numbers in column 'y', found 'red' in line 3", modalities=["tags"])
    (folder / "tags.tsv").write_text("itemID\tx\ty\n0\t1\t2\n1\t1\t\n")
    fails(folder, "column 'y', found None in line 3", modalities=["tags"])
    (folder / "tags.tsv").write_text("itemID\tx\ty\n0\t1\t2\n1\tnan\t1\n")
    fails(folder, "NaN or infinity in row 3", modalities=["tags"])
    (folder / "tags.tsv").write_text("itemID\n0\n1\n")
    fails(folder, "expected numeric columns", modalities=["tags"])
    (folder / "tags.tsv").write_text("itemID\tx\n0\t1\n0\t2\n")
    fails(folder, "item 0 in line 3 stands there a second time", modalities=["tags"])
