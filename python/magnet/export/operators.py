"""The item–item operators of a model as sparse matrices in SciPy's ``.npz``."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from magnet.errors import DataError
from magnet.export.measure import Agreement, agreement
from magnet.operators import SparseOperator
from magnet.states import BlendState, ItemItemState, NeighbourState

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from magnet.operators import Operator
    from magnet.run.contents import RunContents

__all__ = ["Operators", "cut", "make_operators"]

_ROWS = 1024


@dataclass(frozen=True, eq=False)
class Operators:
    """Operators of a model, cut where they are dense.

    Attributes:
        matrices: By name, ``(I, I)`` or of the users ``(U, U)``, float32 CSR.
        kept: Share of the sum of absolute weights that each has kept.
        top: Weights of a column that were kept at most.
        agreement: Of the model with these operators and with its own.
    """

    matrices: dict[str, sp.csr_array]
    kept: dict[str, float]
    top: int
    agreement: Agreement

    def write(self, folder: Path) -> list[str]:
        """Write a file for each; their names."""
        names: list[str] = []
        for name, matrix in self.matrices.items():
            plain = re.sub(r"[^\w.-]+", "_", name) or "_"
            file = f"operator-{plain}.npz"
            if file in names:
                file = f"operator-{plain}-{len(names)}.npz"
            sp.save_npz(folder / file, matrix)
            names.append(file)
        return names

    def text(self) -> str:
        """What was kept."""
        kept = ", ".join(
            f"{name} {matrix.nnz:,} entries, {self.kept[name]:.1%} of its weight"
            for name, matrix in self.matrices.items()
        )
        return f"at most {self.top:,} weights in a column: {kept}; with them {self.agreement.text()}"

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data."""
        return {
            "top": self.top,
            "operators": {
                name: {"shape": list(m.shape), "entries": int(m.nnz), "kept_weight": self.kept[name]}
                for name, m in self.matrices.items()
            },
            "agreement": self.agreement.to_json(),
        }


def make_operators(contents: RunContents, *, top: int) -> Operators:
    """The operator of a linear model, of each cue of a mixture, or the users' neighbours.

    Args:
        contents: What the model knows.
        top: Weights of a column to keep of an operator that is not sparse.

    Raises:
        DataError: If the model has none.
    """
    state = contents.state
    seen = (contents.train + contents.valid).tocsr()
    seen.sort_indices()
    if isinstance(state, NeighbourState):
        exact = agreement(state, state, train=contents.train, seen=seen)
        return Operators({"users": state.neighbours}, {"users": 1.0}, top, exact)
    if isinstance(state, ItemItemState):
        found = {"model": cut(state.operator, top)}
        cheaper: Any = replace(state, operator=SparseOperator(found["model"][0]))
    elif isinstance(state, BlendState):
        found = {cue: cut(operator, top) for cue, operator in state.cues.items()}
        cheaper = replace(state, cues={cue: SparseOperator(matrix) for cue, (matrix, _) in found.items()})
    else:
        raise DataError(
            f"operators are asked for, and this model has none: it is a {type(state).__name__}; export its vectors"
        )
    return Operators(
        {name: matrix for name, (matrix, _) in found.items()},
        {name: kept for name, (_, kept) in found.items()},
        top,
        agreement(state, cheaper, train=contents.train, seen=seen),
    )


def cut(operator: Operator, top: int) -> tuple[sp.csr_array, float]:
    """The largest weights of each column of an operator, a block of rows at a time.

    Args:
        operator: W; one that is sparse stays whole.
        top: Weights of a column to keep: the largest by magnitude, the lower row first among equals.

    Returns:
        The matrix ``(I, I)`` and the share of ``Σ|W|`` that it holds.
    """
    if isinstance(operator, SparseOperator):
        return operator.weights, 1.0
    n, top = operator.n_items, min(top, operator.n_items)
    # Of each column, what was kept so far: (I, top), the best first.
    values: NDArray[Any] = np.zeros((n, 0), np.float32)
    rows: NDArray[Any] = np.zeros((n, 0), np.int32)
    everything = 0.0
    for start in range(0, n, _ROWS):
        block = np.arange(start, min(start + _ROWS, n), dtype=np.int32)
        unit = sp.csr_array(
            (np.ones(len(block), np.float32), block, np.arange(len(block) + 1, dtype=np.int32)),
            shape=(len(block), n),
        )
        more: NDArray[np.float32] = operator.apply(unit).T  # (I, B)
        everything += float(np.abs(more, dtype=np.float64).sum())
        values = np.concatenate([values, more], axis=1)
        rows = np.concatenate([rows, np.broadcast_to(block, more.shape)], axis=1)
        best = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :top]
        values, rows = (np.take_along_axis(part, best, axis=1) for part in (values, rows))
    columns = np.broadcast_to(np.arange(n, dtype=np.int32)[:, None], rows.shape)
    matrix = sp.csr_array((values.ravel(), (rows.ravel(), columns.ravel())), shape=(n, n))
    matrix.eliminate_zeros()
    matrix.sort_indices()
    kept = float(np.abs(matrix.data, dtype=np.float64).sum())
    return matrix, kept / everything if everything else 1.0
