"""Small data sets for the tests of evaluation and what is written of it."""

from __future__ import annotations

import numpy as np

from magnet.data import Dataset


def make_dataset(*, train, valid, test, n_users, n_items, name="small"):
    """A data set from ``{user: {item, …}}`` for each part, users and items being indices."""
    rows = [
        (user, item, number)
        for number, part in enumerate((train, valid, test))
        for user, items in part.items()
        for item in sorted(items)
    ]
    users, items, parts = (np.array(column) for column in zip(*rows, strict=True))
    return Dataset(
        name=name,
        users=users.astype(np.int32),
        items=items.astype(np.int32),
        parts=parts.astype(np.int8),
        user_ids=[f"u{user}" for user in range(n_users)],
        item_ids=[f"i{item}" for item in range(n_items)],
    )
