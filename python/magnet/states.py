"""What a trained model leaves behind: enough to predict, nothing that needs the training data.

Every state is one of three kinds, whatever model made it: a dot product, an item–item matrix, or a dot
product with a pair-conditioned mixture of experts on top.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from magnet.errors import DataError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "DotState",
    "ItemItemState",
    "MixtureState",
    "State",
    "from_tensors",
    "popularity_state",
    "to_tensors",
]


@dataclass(frozen=True, eq=False)
class DotState:
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
    """Score: ``Σ_j history_uj · weights_ji``.

    Attributes:
        history: What each user has, ``(U, I)``, float32.
        weights: ``(I, I)``, float32, C order.
    """

    history: csr_array
    weights: NDArray[np.float32]

    def __post_init__(self) -> None:
        n_items = self.history.shape[1]
        if self.weights.shape != (n_items, n_items) or self.weights.dtype != np.float32:
            raise DataError(
                f"weights must be ({n_items}, {n_items}) in float32, "
                f"got {self.weights.shape} in {self.weights.dtype}"
            )
        if not self.weights.flags.c_contiguous:
            object.__setattr__(self, "weights", np.ascontiguousarray(self.weights))

    @property
    def shape(self) -> tuple[int, int]:
        """Users and items."""
        return self.history.shape[0], self.history.shape[1]


@dataclass(frozen=True, eq=False)
class MixtureState:
    r"""Score: :math:`⟨z_u, z_i⟩ + λ · \sum_{e∈T} p_e s_e / \sum_{e∈T} p_e`.

    ``s_e = ⟨user_towers_ue, item_towers_ie⟩``; ``r_e = ⟨user_keys_ue, item_keys_ie⟩``; p is the softmax of r
    over the experts that are on, those with ``r_e > -inf``; T are the ``top_experts`` of highest r, lower
    experts first among equals. Without any expert on, the second term is 0.

    Attributes:
        users: z_u, ``(U, D)``, float32.
        items: z_i, ``(I, D)``, float32.
        user_towers: ``(U, E, D)``, float32.
        item_towers: ``(I, E, D)``, float32.
        user_keys: ``(U, E, R)``, float32; a bias takes a column that is 1 on the other side. May hold -inf
            against such a column of ones: the expert is off for that user.
        item_keys: ``(I, E, R)``, float32; the same for items.
        weight: λ, any sign.
        top_experts: From 1 to E.
        experts: Their names, E of them.
    """

    users: Tensor
    items: Tensor
    user_towers: Tensor
    item_towers: Tensor
    user_keys: Tensor
    item_keys: Tensor
    weight: float
    top_experts: int
    experts: list[str]

    def __post_init__(self) -> None:
        n, width = len(self.experts), self.users.shape[-1]
        _expect(self, "users", (None, None))
        _expect(self, "items", (None, width))
        _expect(self, "user_towers", (self.users.shape[0], n, width))
        _expect(self, "item_towers", (self.items.shape[0], n, width))
        _expect(self, "user_keys", (self.users.shape[0], n, None))
        _expect(self, "item_keys", (self.items.shape[0], n, self.user_keys.shape[2]))
        if not 1 <= self.top_experts <= n:
            raise DataError(
                f"top_experts must be from 1 to {n}, the number of experts; got {self.top_experts}"
            )
        if not np.isfinite(self.weight):
            raise DataError(f"the weight of the mixture must be finite, got {self.weight}")

    @property
    def shape(self) -> tuple[int, int]:
        """Users and items."""
        return self.users.shape[0], self.items.shape[0]


State = DotState | ItemItemState | MixtureState

_KINDS: dict[str, Callable[..., State]] = {
    "dot": DotState,
    "item_item": ItemItemState,
    "mixture": MixtureState,
}


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
    """Split a state into tensors, for safetensors, and the rest, for JSON; :func:`from_tensors` undoes it."""
    if isinstance(state, ItemItemState):
        history = state.history
        tensors = {
            "indptr": torch.from_numpy(np.array(history.indptr, dtype=np.int64)),
            "indices": torch.from_numpy(np.array(history.indices, dtype=np.int32)),
            "values": torch.from_numpy(np.array(history.data, dtype=np.float32)),
            "weights": torch.from_numpy(state.weights),
        }
        return tensors, {"kind": "item_item", "shape": list(state.shape)}
    values = {field.name: getattr(state, field.name) for field in fields(state)}
    tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
    rest = {name: value for name, value in values.items() if name not in tensors}
    return tensors, {"kind": "mixture" if isinstance(state, MixtureState) else "dot", **rest}


def from_tensors(tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> State:
    """Put a state together again.

    Raises:
        DataError: If the kind is unknown, a part is missing, or the parts do not fit together.
    """
    rest = dict(meta)
    kind = rest.pop("kind", None)
    if kind not in _KINDS:
        raise DataError(f"unknown kind of state {kind!r}{nearest(str(kind), _KINDS)}")
    try:
        if kind == "item_item":
            entries = (tensors["values"].numpy(), tensors["indices"].numpy(), tensors["indptr"].numpy())
            history = csr_array(entries, shape=tuple(rest["shape"]))
            return ItemItemState(history, tensors["weights"].numpy())
        return _KINDS[kind](**tensors, **rest)
    except (KeyError, TypeError) as error:
        raise DataError(f"the parts of a {kind} state are not complete: {error}") from None
    except ValueError as error:
        raise DataError(f"the parts of a {kind} state do not fit together: {error}") from None


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
