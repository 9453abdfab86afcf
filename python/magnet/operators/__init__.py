"""Item–item operators: what an item of a history says of every other item."""

from magnet.operators.base import Operator
from magnet.operators.dense import DenseOperator
from magnet.operators.factors import FactorOperator
from magnet.operators.filter import FilterOperator
from magnet.operators.kinds import operator_from_tensors, operator_to_tensors
from magnet.operators.sparse import SparseOperator
from magnet.operators.spectral import SpectralOperator

__all__ = [
    "DenseOperator",
    "FactorOperator",
    "FilterOperator",
    "Operator",
    "SparseOperator",
    "SpectralOperator",
    "operator_from_tensors",
    "operator_to_tensors",
]
