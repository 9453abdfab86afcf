"""What holds of every trained baseline: it learns on little data, and takes any number of modalities."""

from __future__ import annotations

import numpy as np
import pytest

import magnet
from magnet.errors import DataError
from support.few import few

BEHAVIOUR = ["bpr-mf", "lightgcn"]
QUICK = ["gume", "smore", "msca"]  # they learn as much in a quarter of the steps
MULTIMODAL = ["vbpr", "lattice", "bm3", "freedom", "mgcn", "lgmrec", *QUICK]
TRAIN = {"epochs": 150, "batch_size": 128, "learning_rate": 1e-2, "validate_every": 9}
FEWER = TRAIN | {"epochs": 40, "learning_rate": 2e-2, "validate_every": 20}


def recall(model, data, **settings):
    settings = {"train": FEWER if model in QUICK else TRAIN} | settings
    fitted = magnet.Recommender(model, **settings).fit(data, progress=False)
    return fitted.evaluate(data, "test", ks=[5]).metrics["recall@5"], fitted


@pytest.mark.parametrize("model", BEHAVIOUR + MULTIMODAL)
def test_it_learns_on_fifty_users_and_forty_items(model):
    found, fitted = recall(model, few())
    # Five of 32 open items: .16 by chance; the user's group alone has three open items.
    assert found > 0.5
    first, *others = (event["terms"] for event in fitted.contents.events)
    assert min(terms["loss"] for terms in others) < 0.9 * first["loss"]
    if model not in ("bm3", "lgmrec"):  # one ranks nothing, the other begins with what content says
        assert first["ranking"] == pytest.approx(np.log(2), abs=0.1)


@pytest.mark.parametrize("widths", [(4,), (5, 3, 8)])
@pytest.mark.parametrize("model", MULTIMODAL)
def test_it_takes_any_number_of_modalities(model, widths):
    found, _ = recall(model, few(widths))
    assert found > 0.5


@pytest.mark.parametrize("model", MULTIMODAL)
def test_it_says_so_where_there_is_no_modality(model):
    with pytest.raises(DataError, match=f"few: {model} needs at least one modality and the data have none"):
        magnet.Recommender(model).fit(few(()), progress=False)


@pytest.mark.filterwarnings("ignore:content neighbours share no more users:magnet.errors.MagnetWarning")
@pytest.mark.parametrize("model", MULTIMODAL)
def test_items_without_any_content_are_scored_all_the_same(model):
    data = few((4,), missing=40)
    found, fitted = recall(model, data, train={"epochs": 3})
    assert 0 <= found <= 1
    assert np.isfinite(fitted.score(data.user_ids[:3], data.item_ids[:3])).all()
