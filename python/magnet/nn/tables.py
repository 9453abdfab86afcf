"""Vectors of users and items whose scores have a part that only items have."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from magnet.nn.ops.gather import take_rows

__all__ = ["Encoded", "Tables"]


class Tables(nn.Module):
    """A vector for each user and each item, as two parameters, each with Xavier's spread.

    Of one parameter, a slice would have a gradient as large as the whole, almost all of it zeros.

    Args:
        n_users: U.
        n_items: I.
        dim: Width D.
    """

    def __init__(self, n_users: int, n_items: int, dim: int) -> None:
        super().__init__()
        self.users, self.items = (
            nn.Parameter(nn.init.xavier_uniform_(torch.empty(n, dim))) for n in (n_users, n_items)
        )

    def joined(self) -> Tensor:
        """All of them, ``(U + I, D)``, users first."""
        return torch.cat([self.users, self.items])


class Encoded(NamedTuple):
    """Users and items in two parts: ``z_u = nodes_u`` and ``z_i = nodes_i + items_i``."""

    nodes: Tensor  # (U + I, D), users first
    items: Tensor  # (I, D)

    def rows(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Some users, ``(n, D)``, and some items, ``(m, D)``; one gather of each part."""
        n_users = len(self.nodes) - len(self.items)
        found = take_rows(self.nodes, torch.cat([users, n_users + items]))
        own, theirs = found.split_with_sizes([len(users), len(items)])
        return own, theirs + take_rows(self.items, items)

    def whole(self) -> tuple[Tensor, Tensor]:
        """All users, ``(U, D)``, and all items, ``(I, D)``."""
        n_users = len(self.nodes) - len(self.items)
        return self.nodes[:n_users].contiguous(), self.nodes[n_users:] + self.items
