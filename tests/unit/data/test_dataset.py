from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from magnet.data import Dataset, Modality
from magnet.errors import DataError


def make(**changes):
    fields = {
        "name": "hand-made",
        "users": np.array([0, 0, 1, 2, 2], dtype=np.int32),
        "items": np.array([3, 1, 0, 2, 3], dtype=np.int32),
        "parts": np.array([0, 0, 1, 2, 0], dtype=np.int8),
        "user_ids": ["a", "b", "c"],
        "item_ids": [10, 11, 12, 13],
    }
    return Dataset(**(fields | changes))


def test_matrices_hold_the_parts():
    data = make()
    assert data.train.toarray().tolist() == [[0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 0, 1]]
    assert data.valid.toarray().tolist() == [[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert data.test.toarray().tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]]
    assert (data.train_valid.toarray() == data.train.toarray() + data.valid.toarray()).all()
    assert data.part("test") is data.test


def test_matrices_are_what_kernels_take():
    for matrix in (make().train, make().train_valid):
        assert matrix.data.dtype == np.float32
        assert matrix.indices.dtype == matrix.indptr.dtype == np.int32
        assert matrix.has_sorted_indices


def test_indices_undo_ids():
    data = make()
    assert [data.user_index[key] for key in data.user_ids] == [0, 1, 2]
    assert data.item_index == {10: 0, 11: 1, 12: 2, 13: 3}


def test_nothing_can_be_assigned():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make().name = "other"


def test_hash_ignores_the_order_of_rows_and_nothing_else():
    order = np.array([4, 2, 0, 3, 1])
    data = make()
    shuffled = make(users=data.users[order], items=data.items[order], parts=data.parts[order])
    assert shuffled.content_hash == data.content_hash
    features = np.eye(4, dtype=np.float32)
    present = np.ones(4, dtype=bool)
    with_image = make(modalities={"image": Modality("image", features, present)})
    changed = [
        make(parts=np.array([0, 0, 1, 2, 2], dtype=np.int8)),
        make(items=np.array([3, 2, 0, 2, 3], dtype=np.int32)),
        make(user_ids=["a", "b", "d"]),
        make(item_ids=["10", "11", "12", "13"]),
        with_image,
        make(modalities={"text": Modality("text", features, present)}),
        make(modalities={"image": Modality("image", features.astype(np.float16), present)}),
        make(modalities={"image": Modality("image", 2 * features, present)}),
        make(modalities={"image": Modality("image", features, ~np.eye(4, dtype=bool)[0])}),
    ]
    hashes = {other.content_hash for other in [data, *changed]}
    assert len(hashes) == 1 + len(changed)
    assert make(name="other").content_hash == data.content_hash


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"users": np.array([0, 0, 1, 2, 3], dtype=np.int32)},
            r"users must lie in \[0, 3\), but users\[4\] = 3",
        ),
        ({"items": np.array([0, -1, 1, 2, 3], dtype=np.int32)}, r"items\[1\] = -1"),
        ({"parts": np.array([0, 0, 1, 2, 3], dtype=np.int8)}, r"parts\[4\] = 3"),
        ({"users": np.array([0, 0, 1, 2, 2])}, "users must be a int32 array"),
        ({"items": np.array([0], dtype=np.int32)}, "items must be a int32 array of shape"),
        ({"user_ids": ["a", "b", "a"]}, "user_ids must be unique"),
        ({"titles": ["one"]}, "expected 4 titles"),
        (
            {"modalities": {"image": Modality("image", np.eye(3, dtype=np.float32), np.ones(3, bool))}},
            "got 3",
        ),
    ],
)
def test_contradictions_are_errors(changes, text):
    with pytest.raises(DataError, match=text):
        make(**changes)


def test_unknown_part_names_the_nearest():
    with pytest.raises(DataError, match="no part 'tset'; did you mean 'test'"):
        make().part("tset")
