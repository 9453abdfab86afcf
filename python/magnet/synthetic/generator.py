"""A generator of data with planted truth: which cue drives each user is known, but visible nowhere.

Every item has an independent 8-dimensional latent vector for each cue: behaviour, which no feature shows,
image and text. Image and text features are noisy linear images of theirs. Every user chooses by one cue (or
by image and text alike): of

    utility(u, i) = κ ⟨taste_u, z_driver,i⟩ + popularity_i + Gumbel noise

the user takes the highest n_u, which is sampling without replacement from a softmax.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from magnet.data.dataset import Dataset
from magnet.data.features import make_modality
from magnet.data.split import split_mmrec
from magnet.errors import DataError, nearest
from magnet.seeds import numpy_generator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from magnet.choices import Difficulty, Size
    from magnet.data.records import Modality

__all__ = [
    "CUES",
    "DIFFICULTIES",
    "GROUPS",
    "SIZES",
    "Synthetic",
    "Truth",
    "driver_table",
    "driver_weights",
    "generate",
]

SIZES: dict[Size, tuple[int, int]] = {"tiny": (240, 160), "demo": (3000, 1500)}  # users, items
DIFFICULTIES: dict[Difficulty, float] = {
    "easy": 4.0,
    "standard": 1.0,
    "hard": 0.25,
}  # variance of signal over noise

CUES = ("behaviour", "image", "text")
GROUPS: dict[str, tuple[int, ...]] = {  # the cues that drive each group of users
    "behaviour": (0,),
    "image": (1,),
    "text": (2,),
    "image+text": (1, 2),
}

LATENT_WIDTH = 8
WIDTHS = {"image": 64, "text": 96}
N_CLUSTERS = 12  # of each cue, independent of the others'
CLUSTER_SHARE = 0.7  # of a latent's variance that lies between clusters
MISSING = 0.1  # share of items without a feature row, for each modality
KAPPA = 4.0
ZIPF = 1.0  # popularity of rank r is -ZIPF · log r, over a random order of the items
SHORTEST, LONGEST, LENGTH_EXPONENT = 4, 60, 2.0  # P(n_u = n) ∝ n^-2

_USERS_PER_BLOCK = 512


@dataclass(frozen=True, eq=False)
class Truth:
    """What the generator planted.

    Attributes:
        groups: Position in :data:`GROUPS` of each user's group, ``(U,)``, int8.
        tastes: Unit vector of each user for each cue, ``(U, 3, 8)``, float64; only the driving cues' ones
            matter.
        latents: Of each cue and item, ``(3, I, 8)``, float64, mean 0 and variance 1.
        clusters: Of each cue and item, ``(3, I)``, int8.
        popularity: What every user adds, ``(I,)``, float64.
        kappa: Weight of taste, κ.
        seed: Of the generator.
        difficulty: Of the features.
    """

    groups: NDArray[np.int8]
    tastes: NDArray[np.float64]
    latents: NDArray[np.float64]
    clusters: NDArray[np.int8]
    popularity: NDArray[np.float64]
    kappa: float
    seed: int
    difficulty: str

    def utilities(self, users: ArrayLike, group: int | None = None) -> NDArray[np.float64]:
        """True utility of every item, without the Gumbel noise.

        Args:
            users: User indices, ``(B,)``.
            group: Pretend that these users belong to this group (with the tastes they have); None: their own.

        Returns:
            ``(B, I)``. Two cues that drive alike are weighted by 1/√2 each, so that every group's utilities
            vary as much.
        """
        chosen = np.asarray(users, dtype=np.int64)
        drivers = driver_weights()  # (G, C)
        groups = self.groups[chosen] if group is None else np.full(chosen.size, group)
        utilities = np.tile(self.popularity, (chosen.size, 1))  # (B, I)
        for cue in range(len(CUES)):
            weight = self.kappa * drivers[groups, cue]  # (B,)
            on = np.flatnonzero(weight)
            utilities[on] += (weight[on, None] * self.tastes[chosen[on], cue]) @ self.latents[cue].T
        return utilities


def driver_table(
    groups: Mapping[str, tuple[int, ...]] = GROUPS, n_cues: int = len(CUES)
) -> NDArray[np.bool_]:
    """Which cues drive each group of users, ``(G, C)``.

    Args:
        groups: The positions of the cues that drive each group.
        n_cues: How many cues there are, C.
    """
    return np.array([[cue in drivers for cue in range(n_cues)] for drivers in groups.values()])


def driver_weights() -> NDArray[np.float64]:
    """How much each cue counts in the utility of each group, ``(G, C)``: every row has length 1."""
    drivers = driver_table().astype(np.float64)
    drivers /= np.sqrt(drivers.sum(axis=1, keepdims=True))
    return drivers


@dataclass(frozen=True, eq=False)
class Synthetic:
    """A generated data set and the truth behind it."""

    dataset: Dataset
    truth: Truth


def generate(size: Size = "tiny", *, seed: int = 0, difficulty: Difficulty = "standard") -> Synthetic:
    """Generate a data set with planted truth, split by the MMRec rule.

    Args:
        size: ``"tiny"`` (240 users, 160 items) or ``"demo"`` (3,000 users, 1,500 items).
        seed: Any integer; equal seeds give equal data.
        difficulty: Signal-to-noise ratio of the features: ``"easy"`` 4, ``"standard"`` 1, ``"hard"`` 1/4.

    Raises:
        DataError: If there is no such size or difficulty.

    Example:
        >>> made = generate("tiny")
        >>> made.dataset.n_users, made.dataset.n_items, list(made.dataset.modalities)
        (240, 160, ['image', 'text'])
    """
    if size not in SIZES:
        raise DataError(f"there is no synthetic data of size {size!r}{nearest(str(size), SIZES)}")
    if difficulty not in DIFFICULTIES:
        raise DataError(f"there is no difficulty {difficulty!r}{nearest(str(difficulty), DIFFICULTIES)}")
    n_users, n_items = SIZES[size]
    truth = _plant(n_users, n_items, seed, difficulty)
    users, items = _choose(truth, seed)
    modalities, messages = _observe(truth, seed, difficulty)
    user_digits, item_digits = len(str(n_users - 1)), len(str(n_items - 1))
    dataset = Dataset(
        name=f"synthetic-{size}",
        users=users,
        items=items,
        parts=split_mmrec(users, seed=seed),
        user_ids=[f"u{user:0{user_digits}d}" for user in range(n_users)],
        item_ids=[f"i{item:0{item_digits}d}" for item in range(n_items)],
        titles=[f"look {look + 1}, theme {theme + 1}" for look, theme in truth.clusters[1:].T.tolist()],
        modalities=modalities,
        messages=messages,
    )
    return Synthetic(dataset, truth)


def _plant(n_users: int, n_items: int, seed: int, difficulty: Difficulty) -> Truth:
    random = numpy_generator(seed, "synthetic", "truth")
    shape = (len(CUES), n_items, LATENT_WIDTH)
    centres = random.standard_normal((len(CUES), N_CLUSTERS, LATENT_WIDTH))
    clusters = random.integers(N_CLUSTERS, size=shape[:2], dtype=np.int8)
    between = np.take_along_axis(centres, clusters[:, :, None].astype(np.int64), axis=1)
    latents = np.sqrt(CLUSTER_SHARE) * between + np.sqrt(1 - CLUSTER_SHARE) * random.standard_normal(shape)
    latents -= latents.mean(axis=1, keepdims=True)
    latents /= latents.std(axis=1, keepdims=True)
    tastes = random.standard_normal((n_users, len(CUES), LATENT_WIDTH))
    tastes /= np.linalg.norm(tastes, axis=2, keepdims=True)
    ranks = 1 + random.permutation(n_items)
    groups = random.permutation(np.arange(n_users) % len(GROUPS)).astype(np.int8)
    return Truth(groups, tastes, latents, clusters, -ZIPF * np.log(ranks), KAPPA, seed, difficulty)


def _choose(truth: Truth, seed: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The interactions, sorted by user and item; a block of users at a time to bound memory."""
    random = numpy_generator(seed, "synthetic", "choices")
    n_users = truth.groups.size
    lengths = np.arange(SHORTEST, LONGEST + 1)
    shares = lengths**-LENGTH_EXPONENT
    counts = random.choice(lengths, size=n_users, p=shares / shares.sum())
    items: list[NDArray[np.int64]] = []
    for first in range(0, n_users, _USERS_PER_BLOCK):
        block = np.arange(first, min(first + _USERS_PER_BLOCK, n_users))
        noisy = truth.utilities(block)
        noisy += random.gumbel(size=noisy.shape)
        best = np.argsort(-noisy, axis=1, kind="stable")[:, :LONGEST]
        items.extend(np.sort(row[:count]) for row, count in zip(best, counts[block], strict=True))
    return np.repeat(np.arange(n_users), counts).astype(np.int32), np.concatenate(items).astype(np.int32)


def _observe(truth: Truth, seed: int, difficulty: Difficulty) -> tuple[dict[str, Modality], list[str]]:
    """Features: a random linear image of the latents with variance 1, and noise."""
    modalities, messages = {}, []
    n_items = truth.popularity.size
    for name, width in WIDTHS.items():
        random = numpy_generator(seed, "synthetic", "features", name)
        signal = truth.latents[CUES.index(name)] @ random.standard_normal((LATENT_WIDTH, width))
        signal /= np.sqrt(signal.var(axis=0).mean())
        noise = random.standard_normal((n_items, width)) / np.sqrt(DIFFICULTIES[difficulty])
        features = signal + noise
        features[random.permutation(n_items)[: round(MISSING * n_items)]] = 0.0
        modalities[name], found = make_modality(
            name, features.astype(np.float32), n_items=n_items, where=f"{name}.npy"
        )
        messages.extend(found)
    return modalities, messages
