from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from magnet.data.split import split_mmrec, split_random


@given(counts=st.lists(st.integers(0, 40), min_size=1, max_size=30), seed=st.integers(0, 2**32))
def test_mmrec_counts_follow_the_rule_for_every_user(counts, seed):
    users = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    parts = split_mmrec(users, seed=seed)
    for user, n in enumerate(counts):
        held_out = int(0.2 * n) if n >= 10 else {0: 0, 1: 0, 2: 1}.get(n, 2)
        valid = held_out // 2
        expected = [n - held_out, valid, held_out - valid]
        assert np.bincount(parts[users == user], minlength=3).tolist() == expected


@given(n=st.integers(0, 500), valid=st.floats(0, 0.49), test=st.floats(0, 0.49), seed=st.integers(0, 2**32))
def test_random_shares_are_exact(n, valid, test, seed):
    parts = split_random(n, seed=seed, valid=valid, test=test)
    assert parts.dtype == np.int8
    assert np.count_nonzero(parts == 1) == round(valid * n)
    assert np.count_nonzero(parts == 2) == min(round(test * n), n - round(valid * n))
