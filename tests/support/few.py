"""Fifty users and forty items in four groups: as little as a model must learn on without failing."""

from __future__ import annotations

import numpy as np

from magnet.data import Dataset
from magnet.data.records import Modality

N_USERS, N_ITEMS, N_GROUPS = 50, 40, 4


def few(widths=(6, 9), *, missing=3, seed=0):
    """Users take nine items, eight of them of their own group; features say the group, with noise.

    Args:
        widths: Of each modality; their names are ``m0``, ``m1`` …
        missing: Items that lack each modality, other ones for each.
        seed: Of everything.
    """
    rng = np.random.default_rng(seed)
    group_of = np.arange(N_ITEMS) % N_GROUPS
    users, items, parts = [], [], []
    for user in range(N_USERS):
        own = np.flatnonzero(group_of == user % N_GROUPS)
        other = np.flatnonzero(group_of != user % N_GROUPS)
        taken = np.concatenate([rng.permutation(own)[:8], rng.permutation(other)[:1]])
        users += [user] * 9
        items += taken.tolist()
        parts += [1, 2, *[0] * 7]
    modalities = {}
    for number, width in enumerate(widths):
        centres = rng.standard_normal((N_GROUPS, width))
        rows = (centres[group_of] + 0.5 * rng.standard_normal((N_ITEMS, width))).astype(np.float32)
        present = np.ones(N_ITEMS, bool)
        present[number * missing : (number + 1) * missing] = False
        rows[~present] = 0
        modalities[f"m{number}"] = Modality(f"m{number}", rows, present)
    return Dataset(
        name="few",
        users=np.array(users, np.int32),
        items=np.array(items, np.int32),
        parts=np.array(parts, np.int8),
        user_ids=list(range(N_USERS)),
        item_ids=list(range(N_ITEMS)),
        modalities=modalities,
    )
