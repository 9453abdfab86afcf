"""What a trained model leaves behind: enough to predict, nothing that needs the training data.

Magnet's own models leave one of four kinds: a dot product, an item–item operator, users who vote for a user, or a dot
product with a pair-conditioned mixture of experts over signals beside it. A model from outside may leave any object
that scores, see :class:`Scorer`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from magnet.blend import BlendState, history_of_tensors, history_tensors
from magnet.errors import ConfigError, DataError
from magnet.operators import DenseOperator, operator_from_tensors, operator_to_tensors
from magnet.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray
    from scipy.sparse import csr_array

    from magnet.operators import Operator

__all__ = [
    "STATES",
    "BlendState",
    "DotState",
    "ItemItemState",
    "NeighbourState",
    "Scorer",
    "State",
    "from_tensors",
    "popularity_state",
    "register_state",
    "to_tensors",
]


@runtime_checkable
class Scorer(Protocol):
    """Whatever scores every item for some users: what :func:`magnet.evaluate.rank` and all that uses it can rank.

    To be kept in a run folder, its class is registered by :func:`register_state` and has two more methods::

        def to_tensors(self) -> tuple[dict[str, Tensor], dict[str, Any]]: ...

        @classmethod
        def from_tensors(cls, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> Self: ...

    The first splits it into tensors and JSON-compatible data, the second puts it together again.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """Users and items."""

    def scores(self, users: NDArray[np.int32]) -> NDArray[np.float32]:
        """Scores of all items for some users.

        Args:
            users: Indices, ``(B,)``, in range; a user may occur twice.

        Returns:
            ``(B, I)``; higher is better. NaN and -inf are never recommended.
        """


class _Tensors:
    """A state whose fields are tensors and JSON-compatible data."""

    def to_tensors(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors by name, and the rest."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
        return tensors, {name: value for name, value in values.items() if name not in tensors}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> Self:
        """The state of these parts."""
        return cls(**tensors, **meta)


@dataclass(frozen=True, eq=False)
class DotState(_Tensors):
    """Score: ``⟨users_u, items_i⟩``.

    Attributes:
        users: ``(U, D)``, float32.
        items: ``(I, D)``, float32.
    """

    users: Tensor
    items: Tensor

    def __post_init__(self) -> None:
        _expect(self, "users", (None, None))
        _expect(self, "items", (None, self.users.shape[1]))

    @property
    def shape(self) -> tuple[int, int]:
        """Users and items."""
        return self.users.shape[0], self.items.shape[0]


@dataclass(frozen=True, eq=False)
class ItemItemState:
    """Score: ``Σ_j history_uj · W_ji`` with the item–item operator W.

    Attributes:
        history: What each user has, ``(U, I)``, float32.
        operator: W; a matrix ``(I, I)`` in float32 will do.

    Raises:
        DataError: If the operator has another number of items than the history.
    """

    history: csr_array
    operator: Operator

    def __post_init__(self) -> None:
        if isinstance(self.operator, np.ndarray):
            object.__setattr__(self, "operator", DenseOperator(self.operator))
        if self.operator.n_items != self.history.shape[1]:
            raise DataError(
                f"the operator must have as many items as the history, {self.history.shape[1]}; "
                f"it has {self.operator.n_items}"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Users and items."""
        return self.history.shape[0], self.history.shape[1]

    def scores(self, users: NDArray[np.int32]) -> NDArray[np.float32]:
        """Scores of all items, ``(B, I)``, for users ``(B,)``."""
        return self.operator.apply(self.history[users])

    def to_tensors(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """History and operator."""
        tensors, meta = operator_to_tensors(self.operator)
        history = history_tensors(self.history)
        named = {f"operator/{name}": tensor for name, tensor in tensors.items()}
        return history | named, {"shape": list(self.shape), "operator": meta}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> Self:
        """The state of these parts; older run folders hold a whole matrix called ``weights``."""
        history = history_of_tensors(tensors, meta["shape"])
        if "operator" not in meta:
            return cls(history, DenseOperator(tensors["weights"].numpy()))
        prefix = "operator/"
        parts = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        return cls(history, operator_from_tensors(parts, meta["operator"], history))


@dataclass(frozen=True, eq=False)
class NeighbourState:
    """Score: ``Σ_v neighbours_uv · history_vi``.

    Attributes:
        neighbours: Weight of each neighbour v of a user u, ``(U, U)``, float32; of B people who are not among those
            that vote ``(B, U)``.
        history: What each user has, ``(U, I)``, float32.

    Raises:
        DataError: If they do not fit each other.
    """

    neighbours: csr_array
    history: csr_array

    def __post_init__(self) -> None:
        n_users = self.history.shape[0]
        if self.neighbours.ndim != 2 or self.neighbours.shape[1] != n_users:
            raise DataError(
                f"neighbours must be (…, {n_users}), as many users as the history has; got {self.neighbours.shape}"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Users and items."""
        return self.neighbours.shape[0], self.history.shape[1]

    def scores(self, users: NDArray[np.int32]) -> NDArray[np.float32]:
        """Scores of all items, ``(B, I)``, for users ``(B,)``; a row is the same in any batch."""
        votes: NDArray[np.float32] = (self.neighbours[users] @ self.history).toarray()
        return votes

    def to_tensors(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Both matrices."""
        near = {f"neighbours/{name}": tensor for name, tensor in history_tensors(self.neighbours).items()}
        return history_tensors(self.history) | near, {"shape": list(self.history.shape)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> Self:
        """Put it together again."""
        history = history_of_tensors(tensors, meta["shape"])
        prefix = "neighbours/"
        near = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        return cls(history_of_tensors(near, [history.shape[0]] * 2), history)


State: TypeAlias = DotState | ItemItemState | NeighbourState | BlendState | Scorer

STATES: Registry[type[Any]] = Registry("kind of state")
_OWN: dict[str, type[Any]] = {
    "dot": DotState,
    "item_item": ItemItemState,
    "neighbours": NeighbourState,
    "blend": BlendState,
}
for _kind, _class in _OWN.items():
    STATES.add(_kind, _class, module=__name__)


def register_state(kind: str, state: type[Any], *, replace: bool = False) -> None:
    """Let run folders keep a kind of state.

    Args:
        kind: Its name in the run folder.
        state: Its class, with the methods that :class:`Scorer` names.
        replace: Whether a kind of that name may be replaced, as when a notebook's cell runs again.

    Raises:
        ConfigError: If the name is taken, or the class lacks a method.
    """
    # An instance may set its shape itself.
    lacking = [name for name in ("scores", "to_tensors", "from_tensors") if not hasattr(state, name)]
    if lacking and state not in _OWN.values():  # Magnet ranks its own without their rows of scores
        raise ConfigError(
            f"state {kind!r}: {state.__name__} has no {', no '.join(lacking)}; see magnet.states.Scorer"
        )
    STATES.add(kind, state, module=state.__module__, replace=replace)


def popularity_state(counts: ArrayLike, n_users: int) -> DotState:
    """Score every item by its number of training interactions, alike for all users.

    Counts are exact in float32 up to 16,777,216 interactions an item.

    Args:
        counts: Of each item, ``(I,)``.
        n_users: U.
    """
    items = torch.from_numpy(np.array(counts, dtype=np.float32)[:, None])
    return DotState(torch.ones(n_users, 1), items)


def to_tensors(state: State) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split a state into tensors, for safetensors, and the rest, for JSON; :func:`from_tensors` undoes it.

    Raises:
        DataError: If its class was not registered.
    """
    kind = next((kind for kind in STATES if STATES.find(kind) is type(state)), None)
    if kind is None:
        name = type(state).__name__
        raise DataError(
            f"a run folder cannot keep a {name}: its class is not registered; call magnet.register_state(NAME, {name})"
        )
    tensors, rest = state.to_tensors()  # type: ignore[union-attr]
    module = type(state).__module__
    return tensors, {"kind": kind, **rest} | ({} if module.startswith("magnet.") else {"module": module})


def from_tensors(tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> State:
    """Put a state together again.

    Raises:
        DataError: If the kind is unknown, a part is missing, or the parts do not fit together.
    """
    rest = dict(meta)
    kind, module = rest.pop("kind", None), rest.pop("module", None)
    try:
        cls = STATES.find(kind)
    except ConfigError as error:
        raise DataError(
            f"{error}" + (f"; import {module} first, which registers it" if module else "")
        ) from None
    try:
        state: State = cls.from_tensors(tensors, rest)
    except (KeyError, TypeError) as error:
        raise DataError(f"the parts of a {kind} state are not complete: {error}") from None
    except ValueError as error:
        raise DataError(f"the parts of a {kind} state do not fit together: {error}") from None
    return state


def _expect(state: object, name: str, shape: tuple[int | None, ...]) -> None:
    """Check a tensor and store it detached, contiguous and on the CPU."""
    tensor: Tensor = getattr(state, name)
    fits = tensor.ndim == len(shape) and all(
        expected in (None, size) for expected, size in zip(shape, tensor.shape, strict=True)
    )
    if not fits or tensor.dtype != torch.float32:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise DataError(f"{name} must be ({wanted}) in float32, got {tuple(tensor.shape)} in {tensor.dtype}")
    object.__setattr__(state, name, tensor.detach().cpu().contiguous())
