from __future__ import annotations

import json

import numpy as np
import polars as pl

from magnet.data import Dataset, describe


def test_figures_by_hand():
    frame = pl.DataFrame(
        {
            "user": ["a", "a", "a", "b", "b", "c"],
            "item": ["x", "y", "z", "x", "y", "w"],
            "split": [0, 0, 0, 0, 1, 2],
        }
    )
    features = {"size": {"x": [1.0, 2.0], "y": [3.0, 4.0]}, "look": np.ones((4, 3), dtype=np.float16)}
    data = Dataset.from_frame(frame, split="split", items=["w", "x", "y", "z"], features=features)
    figures = describe(data, lifts={"look": 1.5})
    assert (figures.n_users, figures.n_items, figures.n_interactions) == (3, 4, 6)
    assert figures.density == 0.5
    assert figures.parts == {"train": 4, "valid": 1, "test": 1}
    assert figures.users_in == {"train": 2, "valid": 1, "test": 1}
    assert (figures.cold_users, figures.cold_items) == (1, 1)
    assert figures.user_degrees["min"] == 0
    assert figures.user_degrees["median"] == 1
    assert figures.user_degrees["max"] == 3
    assert figures.item_degrees["max"] == 2
    assert figures.modalities["size"].missing == 2
    assert figures.modalities["size"].lift is None
    assert figures.modalities["look"].lift == 1.5
    assert (figures.modalities["look"].width, figures.modalities["look"].dtype) == (3, "float16")
    assert figures.messages == data.messages
    assert json.loads(json.dumps(figures.as_dict()))["modalities"]["look"]["lift"] == 1.5
