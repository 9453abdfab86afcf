"""Operators by name, as a run folder keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnet.errors import DataError
from magnet.operators.dense import DenseOperator
from magnet.operators.factors import FactorOperator
from magnet.operators.filter import FilterOperator
from magnet.operators.grown import GrownOperator
from magnet.operators.sparse import SparseOperator
from magnet.operators.spectral import SpectralOperator
from magnet.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scipy.sparse import csr_array
    from torch import Tensor

    from magnet.operators.base import Operator

__all__ = ["OPERATORS", "operator_from_tensors", "operator_to_tensors"]

OPERATORS: Registry[type[Any]] = Registry("kind of operator")
for _kind, _class in {
    "dense": DenseOperator,
    "sparse": SparseOperator,
    "filter": FilterOperator,
    "factors": FactorOperator,
    "spectral": SpectralOperator,
    "grown": GrownOperator,
}.items():
    OPERATORS.add(_kind, _class, module=__name__)


def operator_to_tensors(operator: Operator) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split an operator into tensors and JSON-compatible data, its kind among them.

    Raises:
        DataError: If its class is none of Magnet's.
    """
    kind = next((kind for kind in OPERATORS if OPERATORS.find(kind) is type(operator)), None)
    if kind is None:
        raise DataError(f"a run folder cannot keep a {type(operator).__name__}")
    tensors, meta = operator.to_tensors()
    return tensors, {"kind": kind, **meta}


def operator_from_tensors(
    tensors: Mapping[str, Tensor], meta: Mapping[str, Any], history: csr_array
) -> Operator:
    """Put an operator together again.

    Raises:
        ConfigError: If the kind is unknown.
    """
    made: Operator = OPERATORS.find(meta["kind"]).from_tensors(tensors, meta, history)
    return made
