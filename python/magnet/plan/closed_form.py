"""Models in closed form: their matrices and factorisations, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnet.models.signals.ease import WHOLE_UP_TO, ease_bytes
from magnet.plan.sizes import GROUND, Need, Sizes
from magnet.runtime import num_threads

if TYPE_CHECKING:
    from magnet.roofline.steps import Rates

__all__ = ["closed_form", "local"]

# LAPACK's factorisations beside plain products, and float64 beside float32: times as long.
_FACTORISE, _DOUBLE = 2.0, 2.0
_LOCAL = 3.0  # the same of many small systems
_SUPPORT = 200


def closed_form(model: str, sizes: Sizes, config: Any, rates: Rates) -> Need | None:
    """What a model in closed form needs; None of one that is not Magnet's."""
    known = {
        "popularity": _vectors,
        "random": _vectors,
        "ease": _ease,
        "add-ease": _ease,
        "cease": _ease,
        "l3ae": _l3ae,
        "filter": _filter,
        "gf-cf": _filter,
        "chebycf": _filter,
        "item-knn": _neighbours,
        "user-knn": _neighbours,
        "profile": _profile,
        "implicit-als": _implicit,
        "implicit-bpr": _implicit,
    }
    found = known.get(model)
    return None if found is None else found(model, sizes, config, rates)


def _need(memory: float, seconds: float, validation: float, *guesses: str) -> Need:
    return Need(GROUND + memory, seconds, seconds, validation, guesses)


def _dots(sizes: Sizes, width: int, rates: Rates) -> float:
    return 2 * sizes.users * sizes.items * width / rates.gemm


def _votes(sizes: Sizes, rates: Rates) -> float:
    """Sums over histories, of whole rows."""
    return 8 * sizes.pairs * sizes.items / rates.memory


def _vectors(model: str, sizes: Sizes, config: Any, rates: Rates) -> Need:
    width = 1 if model == "popularity" else 64
    return _need(8 * width * (sizes.users + sizes.items), 0.0, _dots(sizes, width, rates))


def _ease(model: str, sizes: Sizes, config: Any, rates: Rates) -> Need:
    """Cholesky and inverse are I³ operations together; add-ease has two of them."""
    n, support = sizes.items, getattr(config, "support", None)
    if model != "cease" and (support or n > WHOLE_UP_TO):
        memory, seconds = local(sizes, support or _SUPPORT, rates)
        times = 2 if model == "add-ease" else 1
        return _need(times * memory, times * seconds, _votes(sizes, rates), "the speed of small systems")
    factors = 2 if model == "add-ease" else 1
    memory = ease_bytes(n) if model == "ease" else (20.0 if model == "add-ease" else 16.0) * n**2
    content = 0.0 if model == "ease" else 2.0 * n**2 * sum(sizes.widths) * _DOUBLE
    seconds = (_FACTORISE * _DOUBLE * factors * float(n) ** 3 + content) / rates.gemm
    return _need(memory, seconds, _votes(sizes, rates), "the speed of factorisations beside products")


def local(sizes: Sizes, support: int, rates: Rates) -> tuple[float, float]:
    """Bytes and seconds of a small system for each item: a Cholesky factor of ``support`` equations."""
    size = min(support, sizes.items)
    memory = 4.0 * size**2 * num_threads() + 20.0 * size * sizes.items
    counts = sizes.items * size * min(size, sizes.pairs / max(1, sizes.items))
    return memory, _LOCAL * (sizes.items * size**3 / 3 + 8 * counts) / rates.gemm


def _l3ae(model: str, sizes: Sizes, config: Any, rates: Rates) -> Need:
    memory, seconds = local(sizes, config.support, rates)
    width = max(sizes.widths, default=0)
    seconds += _DOUBLE * (2.0 * sizes.items**2 * width + 2.0 * sizes.items * width**2) / rates.gemm
    block = 16.0 * min(1 << 24, sizes.items**2) + 16.0 * sizes.items * width
    return _need(memory + block, seconds, _votes(sizes, rates), "the speed of small systems")


def _filter(model: str, sizes: Sizes, config: Any, rates: Rates) -> Need:
    """Walks of every item (or history) over the graph of interactions."""
    hops = len(getattr(config, "coefficients", ())) or getattr(config, "degree", 0) or 4
    whole = 4.0 * sizes.items**2 if sizes.items**2 <= 1 << 27 else 0.0
    rows = sizes.items if whole else sizes.users
    seconds = 8.0 * hops * sizes.pairs * rows / rates.memory
    rank = getattr(config, "rank", 0) or 0
    seconds += 40.0 * rank * sizes.pairs * 16 / rates.memory
    memory = whole + 24.0 * sizes.pairs + 256.0 * sizes.users + 32.0 * rank * sizes.items
    answer = _votes(sizes, rates) if whole else seconds
    return _need(memory, seconds if whole else 0.0, answer, "how well walks use the caches")


def _neighbours(model: str, sizes: Sizes, config: Any, rates: Rates) -> Need:
    of_users = model == "user-knn"
    nodes, others = (sizes.users, sizes.items) if of_users else (sizes.items, sizes.users)
    # Pairs that share something: the mean degree on the other side, for each entry, and more for a skewed catalogue.
    shared = min(4.0 * sizes.pairs**2 / max(1, others), float(nodes) ** 2)
    k = getattr(config, "neighbours", 100)
    block = min(float(1 << 24), float(nodes) ** 2)
    seconds = shared * 40 * 8 / rates.memory
    if getattr(config, "modality", None):
        seconds += 2.0 * nodes**2 * max(sizes.widths, default=0) / rates.gemm
    memory = 40.0 * min(block, shared) + 16.0 * nodes * min(k, nodes)
    votes = 4.0 * 4.0 * sizes.users * min(k * max(1, sizes.pairs // max(1, sizes.users)), sizes.items) * 4
    return _need(memory, seconds, votes / rates.memory, "how many share something")


def _profile(model: str, sizes: Sizes, config: Any, rates: Rates) -> Need:
    width = max(sizes.widths, default=0)
    return _need(8.0 * sizes.items * width, 0.0, _dots(sizes, width, rates))


def _implicit(model: str, sizes: Sizes, config: Any, rates: Rates) -> Need:
    width = config.dim
    steps = config.iterations * 2 if model == "implicit-als" else config.iterations
    work = 4.0 * 2 * sizes.pairs * width * 3 + 4.0 * (sizes.users + sizes.items) * width**2
    memory = 16.0 * width * (sizes.users + sizes.items) + 24.0 * sizes.pairs
    return _need(memory, 4 * steps * work / rates.gemm, _dots(sizes, width, rates), "the speed of implicit")
