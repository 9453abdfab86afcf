"""A cheap rival in naming what drives a user: a linear probe on how coherent the history is in each cue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import diags_array
from scipy.sparse.linalg import svds

from magnet.errors import DataError
from magnet.seeds import numpy_generator
from magnet.synthetic.generator import CUES, driver_table
from magnet.synthetic.recovery import recovery

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from magnet.data.dataset import Dataset
    from magnet.synthetic.generator import Synthetic
    from magnet.synthetic.recovery import Recovery

__all__ = ["coherence", "linear_probe_recovery"]

_BEHAVIOUR_WIDTH = 16
_RIDGE = 1.0  # on standardised inputs


def coherence(dataset: Dataset) -> NDArray[np.float64]:
    """How much more alike the items of each user's history are than items at random, cue by cue.

    That is the mean cosine over all pairs of training items that have the cue, less the mean over pairs drawn
    by popularity. The behaviour of an item is its row in a truncated SVD of the normalised training matrix.

    Args:
        dataset: Any data set.

    Returns:
        ``(U, 1 + M)``: behaviour, then the modalities in their order; 0 for users with fewer than two such
        items.
    """
    train = dataset.train
    behaviour = _embed(train)
    columns = [_coherence(train, behaviour, np.asarray(behaviour.any(axis=1)))]
    columns += [
        _coherence(train, modality.features.astype(np.float64), modality.present)
        for modality in dataset.modalities.values()
    ]
    return np.stack(columns, axis=1)


def linear_probe_recovery(synthetic: Synthetic, *, folds: int = 5) -> Recovery:
    """Recovery of a ridge regression from coherence to planted cues, cross-validated over users.

    Unlike a model's router the probe is taught with the truth about other users.

    Args:
        synthetic: Generated data.
        folds: Into how many parts the users are cut.

    Raises:
        DataError: If there are fewer than two folds, or more than users.
    """
    truth, train = synthetic.truth, synthetic.dataset.train
    n_users = truth.groups.size
    if not 2 <= folds <= n_users:
        raise DataError(f"folds must lie between 2 and the number of users, {n_users}, got {folds}")
    alike = coherence(synthetic.dataset)  # (U, 3)
    counts = np.diff(train.indptr)[:, None]
    # A mean over many pairs is more certain than one over few: the probe gets it with and without its rough
    # significance.
    inputs = np.concatenate([alike, alike * np.sqrt(counts * (counts - 1.0)), np.log(1.0 + counts)], axis=1)
    inputs = (inputs - inputs.mean(axis=0)) / np.maximum(inputs.std(axis=0), 1e-12)
    inputs = np.concatenate([inputs, np.ones((n_users, 1))], axis=1)
    targets = driver_table()[truth.groups].astype(np.float64)  # (U, 3)
    fold = numpy_generator(truth.seed, "probe").permutation(np.arange(n_users) % folds)
    scores = np.zeros((n_users, len(CUES)))
    for held_out in range(folds):
        seen = inputs[fold != held_out]
        gram = seen.T @ seen + _RIDGE * np.eye(seen.shape[1])
        weights = np.linalg.solve(gram, seen.T @ targets[fold != held_out])
        scores[fold == held_out] = inputs[fold == held_out] @ weights
    return recovery(truth.groups, scores.argmax(axis=1))


def _embed(train: csr_array) -> NDArray[np.float64]:
    degrees = [np.maximum(train.sum(axis=axis), 1.0).astype(np.float64) for axis in (1, 0)]
    normalised = diags_array(degrees[0] ** -0.5) @ train.astype(np.float64) @ diags_array(degrees[1] ** -0.5)
    width = min(_BEHAVIOUR_WIDTH, min(train.shape) - 1)
    start = np.ones(min(train.shape))  # otherwise the solver draws a start at random
    _, values, vectors = svds(normalised, k=width, v0=start)
    embedding: NDArray[np.float64] = vectors.T * values
    return embedding


def _coherence(
    train: csr_array, vectors: NDArray[np.float64], present: NDArray[np.bool_]
) -> NDArray[np.float64]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = np.where(present[:, None], vectors / np.maximum(lengths, 1e-300), 0.0)
    counts = (train @ present.astype(np.float64))[:, None]  # (U, 1)
    sums = train @ units  # (U, d)
    pairs = counts * (counts - 1.0)
    between = ((sums**2).sum(axis=1, keepdims=True) - counts) / np.maximum(pairs, 1.0)
    shares = train.sum(axis=0) * present
    average = shares @ units / max(float(shares.sum()), 1.0)
    result: NDArray[np.float64] = np.where(pairs > 0, between - average @ average, 0.0)[:, 0]
    return result
