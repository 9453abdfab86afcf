from __future__ import annotations

import numpy as np
import pytest

from magnet.data import Dataset
from magnet.data.split import split_mmrec, split_random
from magnet.errors import DataError


@pytest.mark.parametrize(
    ("n", "valid", "test"),
    [
        (1, 0, 0),
        (2, 0, 1),
        (3, 1, 1),
        (9, 1, 1),
        (10, 1, 1),
        (14, 1, 1),
        (15, 1, 2),
        (20, 2, 2),
        (25, 2, 3),
        (99, 9, 10),
    ],
)
def test_mmrec_holds_out_by_the_published_rule(n, valid, test):
    parts = split_mmrec(np.zeros(n, dtype=np.int32), seed=3)
    assert np.bincount(parts, minlength=3).tolist() == [n - valid - test, valid, test]


def test_mmrec_draws_by_seed():
    users = np.repeat(np.arange(50, dtype=np.int32), 20)
    first, again, other = (split_mmrec(users, seed=seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other)[first > 0].mean() > 0.2


def test_mmrec_is_uniform_over_positions():
    users = np.repeat(np.arange(4000, dtype=np.int32), 10)
    held_out = (split_mmrec(users, seed=0) > 0).reshape(4000, 10).mean(axis=0)
    assert (np.abs(held_out - 0.2) < 5 * np.sqrt(0.2 * 0.8 / 4000)).all()


def test_random_holds_out_exact_shares():
    parts = split_random(1003, seed=0)
    assert np.bincount(parts).tolist() == [803, 100, 100]
    assert (parts == split_random(1003, seed=0)).all()
    assert (parts != split_random(1003, seed=1)).any()


def test_random_shares_must_leave_something():
    with pytest.raises(DataError, match=r"sum to less than 1, got 0\.5 and 0\.5"):
        split_random(10, seed=0, valid=0.5, test=0.5)


def test_a_folder_may_be_split_by_cold_items(tmp_path):
    lines = [f"{user}\t{item}\n" for user in range(12) for item in range(20) if (user + item) % 3]
    (tmp_path / "inter.tsv").write_text("user_id\titem_id\n" + "".join(lines))
    data = Dataset.from_folder(tmp_path, split="cold-items", seed=123)
    taken = [np.bincount(data.part(part).indices, minlength=20) > 0 for part in ("train", "valid", "test")]
    assert [int(some.sum()) for some in taken] == [16, 2, 2]
    assert (sum(taken) == 1).all()


@pytest.mark.parametrize("seed", [0, 7])
def test_mmrec_gives_the_published_counts_on_baby(real_data, seed):
    data = Dataset.from_folder(real_data / "baby", split="mmrec", seed=seed)
    assert [data.part(part).nnz for part in ("train", "valid", "test")] == [118_551, 20_559, 21_682]
    # and for every user the same numbers as the split that comes with the data, which follows the same rule
    published = Dataset.from_folder(real_data / "baby", modalities=[])
    for part in ("train", "valid", "test"):
        assert (np.diff(data.part(part).indptr) == np.diff(published.part(part).indptr)).all()


REAL = {
    "tiktok": (9308, 6710, [59_541, 3_051, 6_130], {"audio_feat": 128, "image_feat": 128}),
    "lfm2k": (
        1858,
        1425,
        [44_327, 4_799, 7_219],
        {
            "audio_vggish": 128,
            "audio_whisper": 512,
            "image_vgg_recon128": 128,
            "image_vitcls_recon128": 128,
            "text_feat": 384,
        },
    ),
    "baby": (19_445, 7050, [118_551, 20_559, 21_682], {"image_recon128": 128, "text_recon128": 128}),
    "mlsmall": (
        610,
        3627,
        [72_273, 8_753, 9_049],
        {"image_handcrafted": 840, "image_mobilenetv2": 1280, "text_lsa256": 256},
    ),
}
# Nothing is odd in these data but what is not read of them, and an abstract of two lines.
NOTES = {
    "tiktok": [],
    "lfm2k": [": 2 files are not read: 'image_vgg_knn10.npz', 'image_vitcls_knn10.npz'"],
    "baby": [
        "inter.tsv: 2 columns are not read: 'split_diffmm', 'split_mmrec'",
        ": 2 files are not read: 'image_knn10.npz', 'text_knn10.npz'",
    ],
    "mlsmall": [
        "items.tsv: rows in which text in quotes runs over several lines: 1 (line 553)",
        "inter.tsv: column 'rating' is not read, every row is an interaction",
    ],
}


@pytest.mark.parametrize("name", REAL)
def test_real_folders_have_the_known_sizes(real_data, name):
    data = Dataset.from_folder(real_data / name)
    users, items, parts, widths = REAL[name]
    assert (data.n_users, data.n_items) == (users, items)
    assert [data.train.nnz, data.valid.nnz, data.test.nnz] == parts
    assert {key: modality.width for key, modality in data.modalities.items()} == widths
    assert data.user_ids == list(range(users))
    assert data.item_ids == list(range(items))
    said = [
        message.replace(f"{real_data / name}/", "").replace(str(real_data / name), "")
        for message in data.messages
    ]
    assert said == NOTES[name]


def test_real_titles_and_the_split_of_diffmm(real_data):
    assert Dataset.from_folder(real_data / "mlsmall", modalities=[]).titles[0] == "Toy Story (1995)"
    assert Dataset.from_folder(real_data / "lfm2k", modalities=[]).titles[1] == "Faithless"
    baby = Dataset.from_folder(real_data / "baby", split="split_diffmm", modalities=["text_recon128"])
    assert [baby.train.nnz, baby.valid.nnz, baby.test.nnz] == [118_551, 21_682, 20_559]
    assert list(baby.modalities) == ["text_recon128"]
