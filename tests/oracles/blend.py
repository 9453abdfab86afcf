"""Slow and obviously right: the blend of signals in dense NumPy and float64."""

from __future__ import annotations

import numpy as np


def standardised(rows):
    """Each row less its mean, over its population standard deviation; a constant row becomes zeros."""
    rows = np.asarray(rows, dtype=np.float64)
    centred = rows - rows.mean(axis=-1, keepdims=True)
    constant = (rows == rows[..., :1]).all(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True))
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, deviation))


def softmax(logits):
    """Over the last axis; where all are -inf, zeros."""
    highest = np.maximum(logits.max(axis=-1, keepdims=True, initial=-np.inf), np.finfo(np.float32).min)
    powers = np.exp(logits - highest)
    total = powers.sum(axis=-1, keepdims=True)
    return powers / np.where(total > 0, total, 1.0)


def shares(user_logits, item_logits, top):
    """Softmax before and after the cut, each `(B, I, E)`."""
    # The cut follows the sums in float32, so that what ties there ties here.
    logits = (user_logits[:, None] + item_logits[None]).astype(np.float64)  # (B, I, E)
    order = np.argsort(-logits, axis=-1, kind="stable")  # lower experts first among equals
    rank = np.argsort(order, axis=-1, kind="stable")
    return softmax(logits), softmax(np.where(rank < top, logits, -np.inf))


def blend(base, cues, user_logits, item_logits, roles, weight, top, compress):
    """Scores `(B, I)`, standardised base `(B, I)`, cues `(C, B, I)`, both shares, cue weights `(B, I, C)`."""
    base, cues = standardised(base), standardised(cues)
    if compress:
        cues = np.sign(cues) * np.log1p(np.abs(cues))
    dense, kept = shares(user_logits, item_logits, top)
    weights = weight * (kept @ roles.astype(np.float64))
    return base + np.einsum("bic,cbi->bi", weights, cues), base, cues, dense, kept, weights
