"""ALS and BPR of the library implicit, as models here: an optional rival that many shops run already."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import Field
from scipy.sparse import csr_matrix

from magnet.config import Config
from magnet.errors import MissingExtraError
from magnet.models.registry import register
from magnet.runtime import num_threads
from magnet.seeds import derive
from magnet.states import DotState

if TYPE_CHECKING:
    from magnet.data import Dataset

__all__ = ["ImplicitALSConfig", "ImplicitBPRConfig", "fit_implicit_als", "fit_implicit_bpr"]


class ImplicitALSConfig(Config):
    """Settings of implicit's ``AlternatingLeastSquares``.

    Attributes:
        dim: Width D; the library calls it ``factors``.
        regularization: λ.
        alpha: Confidence in an interaction; what is not there has 1.
        iterations: Sweeps over users and items.
    """

    dim: int = Field(64, ge=1, le=1024)
    regularization: float = Field(0.01, ge=0)
    alpha: float = Field(1.0, gt=0)
    iterations: int = Field(15, ge=1, le=100_000)


class ImplicitBPRConfig(Config):
    """Settings of implicit's ``BayesianPersonalizedRanking``.

    Attributes:
        dim: Width D without the items' bias; the library calls it ``factors``.
        learning_rate: Of stochastic descent.
        regularization: λ.
        iterations: Passes over the interactions.
    """

    dim: int = Field(64, ge=1, le=1024)
    learning_rate: float = Field(0.01, gt=0)
    regularization: float = Field(0.01, ge=0)
    iterations: int = Field(100, ge=1, le=100_000)


def fit_implicit_als(dataset: Dataset, config: ImplicitALSConfig, *, seed: int = 0) -> DotState:
    """Weighted least squares, users and items in turn.

    (Hu et al., *Collaborative Filtering for Implicit Feedback Datasets*, ICDM 2008, solved by conjugate gradients.)

    Args:
        dataset: Only its training part is read.
        config: See :class:`ImplicitALSConfig`.
        seed: Of the vectors at the start.

    Raises:
        MissingExtraError: If implicit is not installed.
    """
    return _fit(
        "als.AlternatingLeastSquares",
        dataset,
        seed,
        model="implicit-als",
        factors=config.dim,
        regularization=config.regularization,
        alpha=config.alpha,
        iterations=config.iterations,
        num_threads=num_threads(),
    )


def fit_implicit_bpr(dataset: Dataset, config: ImplicitBPRConfig, *, seed: int = 0) -> DotState:
    """Matrix factorisation by stochastic descent on pairs, on one thread: on several, the library races.

    (Rendle et al., *BPR: Bayesian Personalized Ranking from Implicit Feedback*, UAI 2009, with a bias of items.)

    Args:
        dataset: Only its training part is read.
        config: See :class:`ImplicitBPRConfig`.
        seed: Of the vectors at the start and of the pairs.

    Raises:
        MissingExtraError: If implicit is not installed.
    """
    return _fit(
        "bpr.BayesianPersonalizedRanking",
        dataset,
        seed,
        model="implicit-bpr",
        factors=config.dim,
        learning_rate=config.learning_rate,
        regularization=config.regularization,
        iterations=config.iterations,
        num_threads=1,
    )


def _fit(name: str, dataset: Dataset, seed: int, *, model: str, **settings: Any) -> DotState:
    module, cls = name.split(".")
    try:
        library = import_module(f"implicit.cpu.{module}")
        limits = import_module("threadpoolctl")  # which implicit needs itself
    except ImportError:
        raise MissingExtraError(
            f"{model} needs the library implicit: pip install 'magnet-rec[implicit]'"
        ) from None
    taken = csr_matrix(dataset.train, dtype=np.float32)
    # The library has threads of its own, and warns where BLAS has some as well: as soon as the model is made.
    with limits.threadpool_limits(1, "blas"):
        # NumPy's old generators take seeds of 32 bits.
        fitted = getattr(library, cls)(random_state=derive(seed, model) % 2**32, **settings)
        fitted.fit(taken, show_progress=False)
    users, items = (torch.from_numpy(np.array(rows)) for rows in (fitted.user_factors, fitted.item_factors))
    return DotState(users, items)


register(
    "implicit-als",
    ImplicitALSConfig,
    fit=fit_implicit_als,
    space={"regularization": (1e-3, 10.0), "alpha": (1.0, 100.0)},
)
register(
    "implicit-bpr",
    ImplicitBPRConfig,
    fit=fit_implicit_bpr,
    space={"learning_rate": (1e-3, 1e-1), "regularization": (1e-4, 1e-1)},
)
