"""Experts with explicit roles: which cue an expert follows, and the small network it owns."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import AfterValidator, Field
from torch import Tensor, nn

from magnet.config import Config
from magnet.nn.ops.experts import LANES, components_of, expert_products, paired_products, project, unit_shares
from magnet.nn.ops.gather import distinct, take_rows
from magnet.nn.ops.unit import unit_rows
from magnet.nn.roles import ROLES, Patterns, dominance_share

__all__ = ["Cues", "Experts", "ExpertsConfig", "Mixes", "Template", "Towers", "templates"]

# With at most this many cues, a table finds which patterns of existing cues occur; with more, a sort does.
TABLED = 12


class ExpertsConfig(Config):
    """Which experts there are and how they compare a user with an item.

    Attributes:
        kind: ``signals`` mixes scores of signals, as ``mixing`` says, and reads nothing else of this part; ``towers``
            mixes vectors of cues.
        roles: Roles that generate the experts, see :func:`magnet.register_role`.
        towers: ``cosine`` compares unit vectors under one learned scale, so that experts are comparable and the
            router's weight is the contribution; ``plain`` takes the inner product as it is.
        transform: Whether each expert adds its own two-layer network to its mixed cue. Off by default: on our
            validation data it memorises training pairs.
        dropout: Dropout on the cues in training.
        ridge: Strength of the regression behind complementary experts, relative to the number of items.
    """

    kind: Literal["towers", "signals"] = "towers"
    roles: tuple[Annotated[str, AfterValidator(ROLES.known)], ...] = Field(
        ("dominant", "balanced", "complementary"), min_length=1
    )
    towers: Literal["plain", "cosine"] = "cosine"
    transform: bool = False
    dropout: float = Field(0.2, ge=0, lt=1)
    ridge: float = Field(0.01, gt=0)


class Template(NamedTuple):
    """One expert's role and the cues that define it."""

    role: str
    cues: tuple[int, ...]
    name: str


class Cues(NamedTuple):
    """Cues of some users or items, one row of D for each cue."""

    values: Tensor  # (C, n, D), unit rows; zero where absent
    present: Tensor  # (C, n), bool


class Mixes(NamedTuple):
    """Components of some users or items, and how much of each component every expert takes."""

    components: Tensor  # (2C, n, D): the cues, and what each explains of the others
    coefficients: Tensor  # (P, 2C, S), of each pattern of cues that exist, zero from E on
    pattern: Tensor  # (n,), the pattern of each row
    on: Tensor  # (n, E), bool: the defining cues exist


class Towers(NamedTuple):
    """What each expert makes of some users or items."""

    values: Tensor  # (n, E, D)
    on: Tensor  # (n, E), bool: the defining cues exist


def templates(cues: list[str], roles: tuple[str, ...]) -> list[Template]:
    """Generate the experts for any number of cues, behaviour first.

    Example:
        >>> [t.name for t in templates(["behaviour", "text"], ("dominant", "balanced"))]
        ['dominant/behaviour', 'dominant/text', 'balanced/behaviour+text']
    """
    return [
        Template(role, group, f"{role}/{'+'.join(cues[cue] for cue in group)}")
        for role in roles
        for group in ROLES.find(role).groups(len(cues))
    ]


class Experts(nn.Module):
    """All experts at once, as stacked matrices.

    Expert ``e`` mixes unit cues by its template to ``x`` and returns ``h(x) = x``, or ``x + MLP_e(x)`` with
    ``transform``, the same for users and items.

    Args:
        cues: Names of the cues, behaviour first.
        dim: Width D.
        config: Roles and towers.
    """

    def __init__(self, cues: list[str], dim: int, config: ExpertsConfig) -> None:
        super().__init__()
        self.config = config
        self.templates = templates(cues, config.roles)
        n_cues, n_experts = len(cues), len(self.templates)
        self.projections = nn.Parameter(
            torch.stack([nn.init.orthogonal_(torch.empty(dim, dim)) for _ in cues])
        )
        self.dominance = nn.Parameter(torch.zeros(n_cues))
        self.log_scale = nn.Parameter(torch.tensor(5.0).log())
        if config.transform:
            self.inner = nn.Parameter(torch.randn(n_experts, dim, dim) * dim**-0.5)
            self.bias = nn.Parameter(torch.zeros(n_experts, 1, dim))
            self.outer = nn.Parameter(torch.zeros(n_experts, dim, dim))
        self.register_buffer("explained", torch.zeros(n_cues, dim, dim))  # P_c, refreshed once an epoch
        self.explained: Tensor

    def project(self, cues: Cues) -> Cues:
        """Give each cue its own unit-length projection ``y_c = norm(W_c c)``."""
        rows = project(cues.values, self.projections)  # (C, n, D)
        return Cues(unit_rows(rows, cues.present), cues.present)

    @torch.no_grad()
    def refresh(self, items: Cues) -> None:
        """Fit, for each cue, what it explains of the mean of the others, over all items that have both.

        Args:
            items: Projected cues of all items.
        """
        others, has_others = _others(items)
        n_cues, _, dim = items.values.shape
        for cue in range(n_cues):
            rows = items.present[cue] & has_others[cue]
            y, o = items.values[cue][rows], others[cue][rows]
            gram = y.T @ y + self.config.ridge * max(1, len(y)) * torch.eye(dim, device=y.device)
            self.explained[cue] = torch.linalg.solve(gram, y.T @ o)

    def mixes(self, cues: Cues) -> Mixes:
        """The experts' vectors of some users or items as weighted sums, before the sums are computed.

        Args:
            cues: Projected cues of n users or items.
        """
        p = self.config.dropout if self.training else 0.0
        # Only what a cue explains of the others takes a matrix product. The rest is a weighted sum of cues, and its
        # weights depend only on which cues exist.
        components = components_of(cues.values, self.explained, p=p)
        patterns, pattern = _patterns(cues.present)
        coefficients, on = self._coefficients(patterns)
        return Mixes(components, coefficients, pattern, on[pattern])

    def towers(self, mixes: Mixes) -> Tensor:
        """The sums that :meth:`mixes` describes, ``(n, E, D)``."""
        if self._unit_shares:
            # Half of the scale on each side: the product of two towers is then the scaled cosine.
            shares = (
                unit_shares(mixes.components, mixes.coefficients, mixes.pattern)
                * (0.5 * self.log_scale).exp()
            )
        else:
            shares = take_rows(mixes.coefficients, mixes.pattern)
        shares = shares[..., : len(self.templates)].transpose(1, 2)  # (n, E, 2C)
        x = torch.bmm(shares, mixes.components.transpose(0, 1))
        if self.config.transform:
            h = x.transpose(0, 1)
            x = x + torch.bmm(
                F.leaky_relu(torch.baddbmm(self.bias, h, self.inner), 0.2), self.outer
            ).transpose(0, 1)
            if self.config.towers == "cosine":
                x = unit_rows(x) * (0.5 * self.log_scale).exp()
        return x

    def forward(self, cues: Cues) -> Towers:
        """Apply every expert.

        Args:
            cues: Projected cues of n users or items.
        """
        mixes = self.mixes(cues)
        return Towers(self.towers(mixes), mixes.on)

    def products(self, mixes: Mixes, items: Tensor) -> Tensor:
        """Products of the towers of users and items, for given pairs.

        Args:
            mixes: Of B users, and after them of n items.
            items: The items that each user is paired with, from 0: ``(B, P)``.

        Returns:
            ``(B, P, E)``.
        """
        if not self.config.transform:
            unit = self._unit_shares
            components, coefficients, pattern, _ = mixes
            products = expert_products(
                components, coefficients, pattern, items, len(self.templates), unit=unit
            )
            return products * self.log_scale.exp() if unit else products
        towers = self.towers(mixes)
        return paired_products(towers[: len(items)], towers[len(items) :], items)

    @property
    def _unit_shares(self) -> bool:
        return self.config.towers == "cosine" and not self.config.transform

    def _coefficients(self, present: Tensor) -> tuple[Tensor, Tensor]:
        """What each expert takes of each cue, and of what each cue explains of the others.

        Args:
            present: Which cues exist, ``(P, C)``, bool.

        Returns:
            Coefficients ``(P, 2C, S)``, zero in the columns that are padding, and which experts are on, ``(P, E)``.
        """
        n_cues = present.shape[1]
        unit = torch.eye(n_cues, device=present.device)
        # Applied to unit vectors in place of cues, each rule returns its own coefficients: (C, P, C).
        y = unit[:, None] * present.T[..., None]
        others, has_others = _others(Cues(y, present.T))
        seen = Patterns(y, present.T, others, has_others, self.dominance)
        rows, on = [], []
        for role in self.config.roles:
            mix = ROLES.find(role).mix(seen, self._groups(role))
            rows.append(torch.cat([mix.taken, mix.explained], 2))  # (experts of the role, P, 2C)
            on.append(mix.on)
        coefficients = torch.cat(rows).permute(1, 2, 0)  # (P, 2C, E)
        filled = -len(self.templates) % LANES
        return F.pad(coefficients, (0, filled)), torch.cat(on).T

    @torch.no_grad()
    def roles_and_weights(self, cues: list[str]) -> list[dict[str, Any]]:
        """Role and cue weights of each expert, where every cue exists.

        Args:
            cues: Names of the cues, behaviour first.
        """
        n_cues = len(cues)
        shares = dominance_share(self.dominance)
        whole = self._coefficients(torch.ones(1, n_cues, dtype=torch.bool, device=shares.device))[0][0]
        told = []
        for place, template in enumerate(self.templates):
            weights = ROLES.find(template.role).weights
            taken = (
                whole[:n_cues, place].tolist()
                if weights is None
                else weights(template.cues, n_cues, float(shares[template.cues[0]]))
            )
            told.append(
                {
                    "name": template.name,
                    "role": template.role,
                    "cue_weights": dict(zip(cues, taken, strict=True)),
                }
            )
        return told

    def _groups(self, role: str) -> list[tuple[int, ...]]:
        return [template.cues for template in self.templates if template.role == role]


def _patterns(present: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct columns of ``(C, n)`` as rows ``(P, C)``, and which of them each column is, ``(n,)``."""
    powers = 2 ** torch.arange(len(present), device=present.device)
    codes = (present * powers[:, None]).sum(0)
    if len(present) <= TABLED:
        patterns, pattern = distinct(codes, 2 ** len(present))
    else:
        patterns, pattern = torch.unique(codes, return_inverse=True)
    return (patterns[:, None] & powers) > 0, pattern


def _others(cues: Cues) -> tuple[Tensor, Tensor]:
    """Mean of each cue's others ``(C, n, D)``, and whether there are any ``(C, n)``."""
    total = cues.values.sum(0)
    count = cues.present.float().sum(0)  # (n,)
    left = count - cues.present.float()  # (C, n)
    others = (total - cues.values) / left.clamp(min=1)[..., None]
    return others, left > 0.5
