"""A backbone and the signals of several cues, mixed for each pair of user and item: the state MAGNET leaves behind."""

from __future__ import annotations

import numbers
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from magnet import core
from magnet.errors import ConfigError, DataError, nearest
from magnet.operators import operator_from_tensors, operator_to_tensors
from magnet.operators.base import arrays, dot_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from magnet.operators import Operator
    from magnet.operators.base import Triple

__all__ = ["BlendParts", "BlendState", "history_of_tensors", "history_tensors"]

# Rows of scores that operators compute for the ranking are made for at most this many numbers at a time.
_ROWS = 1 << 22

_TENSORS = ("users", "items", "user_logits", "item_logits", "roles")


class BlendParts(NamedTuple):
    """The score of one pair taken apart: ``score = base + Σ_c weights_c · cues_c``, to the bit of a fused sum."""

    score: float
    base: float  # standardised score of the backbone
    cues: NDArray[np.float32]  # (C,), standardised score of each cue, compressed if the blend compresses
    dense: NDArray[np.float32]  # (E,), what the router gives each expert
    kept: NDArray[np.float32]  # (E,), the same after the top k
    weights: NDArray[np.float32]  # (C,), λ Σ_e kept_e · roles_ec
    by_history: list[NDArray[np.float64]]  # of each cue, what each item of the history adds to its raw score


@dataclass(frozen=True, eq=False)
class BlendState:
    r"""Score: :math:`\hat z_{ui} + \sum_c w_c(u, i) \, \hat s_c(u, i)` with :math:`w_c = λ \sum_e p_e ω_{ec}`.

    ``ẑ`` is ``⟨users_u, items_i⟩`` and ``ŝ_c`` the score that cue c's operator gives the user's history, each
    standardised over the catalogue for each user; with ``compress`` the cues' are then ``sign · log1p|·|`` of that. p
    is the softmax of ``user_logits_ue + item_logits_ie`` over the experts that are on, those above -inf on both sides,
    cut to the ``top_experts`` largest and divided by their sum.

    Attributes:
        users: z_u, ``(U, D)``, float32.
        items: z_i, ``(I, D)``, float32.
        history: What each user has, ``(U, I)``, float32.
        cues: The operator of each cue, by name.
        user_logits: The users' half of the router, ``(U, E)``, float32; -inf switches an expert off for that user.
        item_logits: The items' half, ``(I, E)``.
        roles: ω, what each expert takes of each cue, ``(E, C)``, float32.
        weight: λ.
        top_experts: From 1 to E.
        experts: Their names.
        compress: Whether the cues' scores are compressed.

    Raises:
        DataError: If the parts do not fit together.
    """

    users: Tensor
    items: Tensor
    history: csr_array
    cues: dict[str, Operator]
    user_logits: Tensor
    item_logits: Tensor
    roles: Tensor
    weight: float
    top_experts: int
    experts: list[str]
    compress: bool = False

    def __post_init__(self) -> None:
        (n_users, n_items), n_experts = self.history.shape, len(self.experts)
        wanted = {
            "users": (n_users, self.users.shape[-1]),
            "items": (n_items, self.users.shape[-1]),
            "user_logits": (n_users, n_experts),
            "item_logits": (n_items, n_experts),
            "roles": (n_experts, len(self.cues)),
        }
        for name, shape in wanted.items():
            tensor: Tensor = getattr(self, name)
            if tuple(tensor.shape) != shape or tensor.dtype != torch.float32:
                raise DataError(
                    f"{name} must be {shape} in float32, got {tuple(tensor.shape)} in {tensor.dtype}"
                )
            object.__setattr__(self, name, tensor.detach().cpu().contiguous())
        for cue, operator in self.cues.items():
            if operator.n_items != n_items:
                raise DataError(f"the operator of {cue} has {operator.n_items} items, the history {n_items}")
        if not 1 <= self.top_experts <= max(1, n_experts) or not np.isfinite(self.weight):
            raise DataError(
                f"top_experts must be from 1 to {n_experts} and the weight finite; "
                f"got {self.top_experts} and {self.weight}"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Users and items."""
        return self.history.shape[0], self.history.shape[1]

    def raw(self, users: NDArray[np.int32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Scores of the backbone ``(B, I)`` and of each cue ``(C, B, I)``, as they come."""
        base = dot_rows(self.users.numpy(), self.items.numpy(), users)
        cues = np.empty((len(self.cues), *base.shape), np.float32)
        histories = self.history[users]
        for out, operator in zip(cues, self.cues.values(), strict=True):
            out[...] = operator.apply(histories)
        return base, cues

    def scores(self, users: NDArray[np.int32]) -> NDArray[np.float32]:
        """Scores of all items, ``(B, I)``, for users ``(B,)``."""
        base, cues = self.raw(users)
        out = np.empty_like(base)
        logits = np.ascontiguousarray(self.user_logits.numpy()[users])
        core.blend_scores(base, cues, logits, self.item_logits.numpy(), *self._mixing, out)
        return out

    @property
    def _mixing(self) -> tuple[NDArray[np.float32], float, int, bool]:
        return self.roles.numpy(), float(self.weight), int(self.top_experts), self.compress

    def rank(
        self,
        users: NDArray[np.int32],
        seen: tuple[NDArray[Any], NDArray[np.int32]] | None,
        items: NDArray[np.int32],
        scores: NDArray[np.float32],
    ) -> None:
        """Write the best items of users ``(B,)`` and their :meth:`scores`, to the bit, into ``(B, k)`` each.

        All that a user's list takes is done in one go, in the caches. Only cues whose operator hands no matrix to the
        core bring rows of scores, for some users at a time.

        Args:
            users: Indices, in range.
            seen: Row pointers and columns of the items to leave out; None for none.
            items: Best first, -1 where there are none left.
            scores: Theirs, -inf there.
        """
        operators = list(self.cues.values())
        matrices = [getattr(operator, "core_matrix", None) for operator in operators]
        foreign = [operator for operator, matrix in zip(operators, matrices, strict=True) if matrix is None]
        step = max(1, _ROWS // max(1, len(foreign) * self.shape[1])) if foreign else len(users)
        for start in range(0, len(users), max(1, step)):
            block = slice(start, start + step)
            own = users[block]
            rows = np.empty((len(foreign), len(own), self.shape[1]), np.float32)
            for row, operator in zip(rows, foreign, strict=True):
                row[...] = operator.apply(self.history[own])
            core.rank_blend(
                (self.users.numpy(), self.items.numpy()),
                self._history,
                matrices,
                rows,
                (self.user_logits.numpy(), self.item_logits.numpy()),
                self._mixing,
                own,
                seen,
                items[block],
                scores[block],
            )

    @cached_property
    def _history(self) -> Triple:
        return arrays(self.history)

    def parts(
        self, user: int, item: int, *, raw: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
    ) -> BlendParts:
        """Take the score of one pair apart.

        Args:
            user: Index.
            item: Index.
            raw: :meth:`raw` of the user, where several items are asked for.

        Raises:
            DataError: If the user or the item is out of range.
        """
        for name, index, size in zip(("user", "item"), (user, item), self.shape, strict=True):
            if not 0 <= index < size:
                raise DataError(f"{name} must lie inside 0..{size}, got {index}")
        base, cues = self.raw(np.array([user], np.int32)) if raw is None else raw
        found = core.blend_pair(
            base[0],
            np.ascontiguousarray(cues[:, 0]),
            self.user_logits.numpy()[user],
            self.item_logits.numpy()[item],
            *self._mixing,
            int(item),
        )
        row = slice(self.history.indptr[user], self.history.indptr[user + 1])
        taken, values = self.history.indices[row], self.history.data[row].astype(np.float64)
        added = [values * operator.column(item)[taken] for operator in self.cues.values()]
        score, base_score, cue_scores, dense, kept, mixed = found
        return BlendParts(score, base_score, cue_scores, dense, kept, mixed, added)

    def turned(
        self, weights: Mapping[str, float] | None = None, roles: Mapping[str, float] | None = None
    ) -> Self:
        """The same model turned by hand: nothing is trained.

        Args:
            weights: Factors on what cues add, by name; 0 switches a cue off, 2 doubles it.
            roles: Factors on what the experts of a role add, by role.

        Raises:
            ConfigError: If there is no such cue or role, or a factor is not finite.
        """
        weights, roles = dict(weights or {}), dict(roles or {})
        kinds = [name.split("/")[0] for name in self.experts]
        for named, known, what in ((weights, list(self.cues), "cue"), (roles, kinds, "role")):
            for name, factor in named.items():
                if name not in known:
                    raise ConfigError(f"no {what} '{name}'{nearest(str(name), sorted(set(known)))}")
                if not isinstance(factor, numbers.Real) or not np.isfinite(factor):
                    raise ConfigError(
                        f"the factor of {what} '{name}' must be a finite number, got {factor!r}"
                    )
        by_cue = torch.tensor([float(weights.get(cue, 1.0)) for cue in self.cues])
        by_expert = torch.tensor([float(roles.get(kind, 1.0)) for kind in kinds])
        return replace(self, roles=self.roles * by_cue * by_expert[:, None])

    def to_tensors(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors by name, and the rest."""
        tensors = {name: getattr(self, name) for name in _TENSORS} | history_tensors(self.history)
        metas = {}
        for number, (cue, operator) in enumerate(self.cues.items()):
            own, metas[cue] = operator_to_tensors(operator)
            tensors |= {f"cue/{number}/{name}": tensor for name, tensor in own.items()}
        rest = {name: getattr(self, name) for name in ("weight", "top_experts", "experts", "compress")}
        return tensors, {"shape": list(self.shape), "cues": metas, **rest}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> Self:
        """The state of these parts."""
        rest = dict(meta)
        history = history_of_tensors(tensors, rest.pop("shape"))
        cues = {}
        for number, (cue, about) in enumerate(rest.pop("cues").items()):
            prefix = f"cue/{number}/"
            own = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
            cues[cue] = operator_from_tensors(own, about, history)
        return cls(
            users=tensors["users"],
            items=tensors["items"],
            history=history,
            cues=cues,
            user_logits=tensors["user_logits"],
            item_logits=tensors["item_logits"],
            roles=tensors["roles"],
            **rest,
        )


def history_tensors(history: csr_array) -> dict[str, Tensor]:
    """The arrays of a history, for a run folder."""
    return {
        "indptr": torch.from_numpy(np.array(history.indptr, dtype=np.int64)),
        "indices": torch.from_numpy(np.array(history.indices, dtype=np.int32)),
        "values": torch.from_numpy(np.array(history.data, dtype=np.float32)),
    }


def history_of_tensors(tensors: Mapping[str, Tensor], shape: list[int]) -> csr_array:
    """Put a history together again."""
    entries = (tensors["values"].numpy(), tensors["indices"].numpy(), tensors["indptr"].numpy())
    n_users, n_items = shape
    return csr_array(entries, shape=(n_users, n_items))
