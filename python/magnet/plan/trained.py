"""Trained models: the work of a step, how many steps there may be, and what MAGNET does beside."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from magnet.nn.losses import LOSSES
from magnet.plan.closed_form import local
from magnet.plan.sizes import GROUND, Need, Sizes
from magnet.roofline.cost import Cost, Shapes, matmul, step_costs

if TYPE_CHECKING:
    from magnet.roofline.steps import Rates

__all__ = ["trained"]

# Measured: a step beside its roofline, and what every step and every epoch takes whatever its size.
_SLOWER, _STEP, _EPOCH = 1.8, 0.005, 0.02
# Patience runs out once after so many times itself, in all.
_STOPS, _STOPS_BACKBONE = 4, 2
_LIBRARY = 20e6  # bytes of torch's threads and caches

# Read the content of all items in each step.
_OF_ITEMS = {"lattice", "freedom", "mgcn", "bm3", "lgmrec", "gume", "smore", "msca"}


class _Steps(NamedTuple):
    """How a training goes on."""

    an_epoch: int
    usual: int
    most: int

    def seconds(self, steps: float, step: float, validation: float, every: int) -> float:
        """Of so many steps, their validations and epochs."""
        return steps * step + steps / max(every, self.an_epoch) * validation + steps / self.an_epoch * _EPOCH


def trained(model: str, sizes: Sizes, config: Any, rates: Rates) -> Need | None:
    """What a trained model needs; of one that is not Magnet's what its width and layers let expect."""
    if model == "magnet":
        return _magnet(sizes, config, rates)
    train, dim = config.train, getattr(config, "dim", 64)
    batch = min(train.batch_size, sizes.pairs)
    content = model in _OF_ITEMS and bool(sizes.widths)
    layers = getattr(config, "layers", 0)
    near = _near(model, sizes, config) if content else 0
    shapes = Shapes(
        users=sizes.users,
        items=sizes.items,
        dim=dim,
        layers=layers,
        # GUME spreads interests as well as embeddings.
        views=(2 * sizes.pairs,) * (2 if model == "gume" else 1) if layers else (),
        near=near,
        spread=sizes.items,
        pool=0,
        gates=sizes.widths if content else (),
        aligned=(),
        pairs=batch,
        negatives=batch,
        shared=False,
        penalised=True,
        weights=(sizes.users + sizes.items) * dim,
        averaged=train.average > 0,
    )
    cost = sum(step_costs(shapes).values(), Cost())
    if model == "vbpr":
        for width in sizes.widths:
            op = matmul(3 * batch, width, dim, grads=1)
            cost += op.forward + op.backward
    step = _STEP + _SLOWER * rates.seconds(cost)
    steps = _steps(train, sizes.pairs, _STOPS)
    validation = 2.0 * sizes.users * sizes.items * dim / rates.gemm
    usual, most = (
        steps.seconds(n, step, validation, train.validate_every) for n in (steps.usual, steps.most)
    )
    return Need(
        _memory(shapes, sizes) + GROUND + _LIBRARY,
        usual,
        most,
        validation,
        (f"that training stops after {steps.usual:,} steps", "a step beside its roofline"),
    )


def _near(model: str, sizes: Sizes, config: Any) -> int:
    """Entries of the graphs of items that a step goes over."""
    graphs = len(sizes.widths) + (model == "msca")  # one more is of shared users
    # SMORE's fused graph has up to as many entries as all others; GUME goes over each in several steps.
    times = 2 if model == "smore" else config.item_layers if model == "gume" else 1
    return int(getattr(config, "neighbours", 10) * sizes.items * graphs * times)


def _steps(train: Any, pairs: int, stops: int) -> _Steps:
    an_epoch = max(1, math.ceil(pairs / train.batch_size))
    most = train.epochs * an_epoch
    return _Steps(an_epoch, min(most, stops * train.patience), most)


def _distinct(draws: int, among: int) -> int:
    """How many different ones there are among so many draws, on average, where all are equally likely."""
    return math.ceil(among * -math.expm1(-draws / max(1, among)))


def _memory(s: Shapes, sizes: Sizes) -> float:
    """Weights with gradient, moments and two copies of them on the way to a file; layers of a step; content."""
    nodes = 4.0 * (s.users + s.items) * s.dim
    views = 12.0 * (sum(s.views) * 2 + s.near * 2)
    batch = 4.0 * s.pairs * ((s.negatives if s.shared else 0) * 4 + 6 * s.dim)
    aligned = sum(12.0 * n * n for n in s.aligned)
    content = 4.0 * sizes.items * sum(sizes.widths) * 2
    return 6 * nodes + (s.layers + 4) * nodes * max(1, len(s.views)) + views + batch + aligned + content


def _magnet(sizes: Sizes, config: Any, rates: Rates) -> Need:
    """Two backbones one after the other, signals for each, and the mixture."""
    train, mixing = config.train, config.mixing
    batch = min(train.batch_size, sizes.pairs)
    n_content = len(sizes.widths)
    shared = LOSSES.find(config.loss.kind).shared
    compared = min(1024, batch)
    near = 15 * config.graph.neighbours * sizes.items // 10 * n_content
    shapes = Shapes(
        users=sizes.users,
        items=sizes.items,
        dim=config.dim,
        layers=config.behaviour.layers,
        views=(2 * sizes.pairs,),
        near=near,
        spread=sizes.items,
        pool=sizes.pairs if n_content and config.behaviour.content_side == "both" else 0,
        gates=(),
        # Half of the items count: the others are rare.
        aligned=(_distinct(compared, sizes.users), _distinct(compared, sizes.items // 2))
        if n_content
        else (),
        pairs=batch,
        negatives=config.loss.negatives if shared else batch,
        shared=shared,
        penalised=config.loss.l2 > 0,
        weights=(sizes.users + sizes.items) * config.dim,
        averaged=train.average > 0,
    )
    step = _STEP + _SLOWER * rates.seconds(sum(step_costs(shapes).values(), Cost()))
    steps = _steps(train, sizes.pairs, _STOPS_BACKBONE)
    dots = 2.0 * sizes.users * sizes.items * config.dim / rates.gemm
    backbone = {n: steps.seconds(n, step, dots, train.validate_every) for n in (steps.usual, steps.most)}
    crossed = mixing.cross_fit == "holdout"
    # The other backbone is trained as long as the best of the first was: until patience began to run.
    again = max(steps.usual - train.patience, steps.usual / 2) * (1 - mixing.share)
    fold = steps.seconds(again, step, 0.0, train.validate_every)
    fold_most = steps.seconds(steps.most * (1 - mixing.share), step, 0.0, train.validate_every)
    signals, held = _signals(sizes, mixing, rates)
    mixture, candidates = _mixture(sizes, config, rates)
    rest = signals + mixture + 4.0 * sum(sizes.items**2 * width for width in sizes.widths) / rates.gemm
    usual = rest + (backbone[steps.usual] + fold if crossed else 0)
    most = rest + (backbone[steps.most] + fold_most if crossed else 0)
    memory = (2 if crossed else 0) * _memory(shapes, sizes) + held + candidates + GROUND + _LIBRARY
    guesses = (
        f"that the backbone stops after {steps.usual:,} steps",
        "a step beside its roofline",
        "which signals are chosen, and their speed",
    )
    return Need(memory, usual, most, dots * 3, guesses)


def _signals(sizes: Sizes, mixing: Any, rates: Rates) -> tuple[float, float]:
    """Every signal of the menus on the rest, then the chosen ones on everything; seconds and bytes."""
    n_content = len(sizes.widths)
    kinds = [choice["kind"] for choice in mixing.behaviour]
    filters = kinds.count("filter")
    memory, ridge = local(sizes, 200, rates)
    solved = sum(kind in ("ease", "l3ae") for kind in kinds) + n_content * sum(
        choice["kind"] in ("ease", "l3ae") for choice in mixing.content
    )
    whole = 4.0 * sizes.items**2 if sizes.items**2 <= 1 << 27 else 0.0
    walks = 16.0 * sizes.pairs * (sizes.items if whole else 2000 + sizes.users) / rates.memory
    content = 4.0 * sizes.items**2 * sum(sizes.widths) / rates.gemm
    tried = 2000 * sizes.items * 4.0
    trials = (len(kinds) + n_content * len(mixing.content)) * 3 * tried * 8 / rates.memory
    seconds = 1.5 * (solved * ridge + filters * walks) + content + trials
    return seconds, (filters + 1) * whole + solved * memory + 6 * tried


def _mixture(sizes: Sizes, config: Any, rates: Rates) -> tuple[float, float]:
    """Steps over candidates and validations of the blend; seconds and bytes."""
    mixing, cues = config.mixing, 1 + len(sizes.widths)
    users = min(mixing.max_users, sizes.users)
    length = min(sizes.items, mixing.top * (cues + 1) + mixing.random)
    experts = cues * 2 + cues * (cues - 1) // 2 + 1
    steps = mixing.global_steps + mixing.steps
    batch = min(mixing.batch_size, max(1.0, mixing.share * sizes.pairs))
    step = batch * length * experts * 4.0 * 25 / rates.memory + _STEP
    validation = sizes.users * sizes.items * 4.0 * (cues + 1) * 4 / rates.memory
    return steps * step + steps / mixing.validate_every * validation, users * length * (14.0 + 4 * cues) * 2
