"""kNN graphs kept on disk under a name made of everything that they depend on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import time
import warnings
import zipfile
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.sparse import csr_array

from magnet.caching import ABOUT, building, cache_folder, cache_limit, in_words, make_room, reading
from magnet.errors import DataError, MagnetWarning, StorageError
from magnet.files import as_path
from magnet.graph.approximate import approximate_knn_graph
from magnet.graph.arrays import checked_features, checked_present
from magnet.graph.knn import knn_graph
from magnet.placing import replacing, storing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["cache_folder", "cached_knn", "content_name"]

# Part of the name: raise it when the definition of the graph or the layout of the file changes.
_VERSION = 2
_METRIC = "cosine"
# Exact search is used up to this many products of two features: about two minutes on two threads.
_AFFORDABLE = 2e13
_log = logging.getLogger("magnet.cache")


def cached_knn(
    features: NDArray[np.float32 | np.float16],
    k: int,
    *,
    present: NDArray[np.bool_] | None = None,
    search: Literal["auto", "exact", "approximate"] = "auto",
    folder: str | Path | None = None,
) -> csr_array:
    """Read the kNN graph of these very features from the cache, or build and keep it.

    A file that is damaged, or holds something else than such a graph, is built anew, and a
    :class:`~magnet.errors.MagnetWarning` says so. Files appear whole or not at all, so several processes may share a
    folder: of those that want the same graph one builds it, and the others wait and read it. Where the folder cannot be
    written, the graph is returned all the same, with another such warning. Together the graphs of a folder take at most
    ``$MAGNET_CACHE_LIMIT``, by default 10 GiB: those that were used longest ago are removed, which is logged (logger
    ``magnet.cache``).

    An approximate graph says so in a :class:`~magnet.errors.MagnetWarning`, with the share of true neighbours
    that it holds.

    Args:
        features: ``(I, d)``, float32 or float16.
        k: Neighbours of a row, at least 1.
        present: Which rows have features, ``(I,)``; all of them by default.
        search: ``"exact"`` compares all pairs; ``"approximate"`` those of
            :func:`~magnet.graph.approximate.approximate_knn_graph`; ``"auto"`` is approximate where all pairs
            would take more than ``I² d = 2e13`` products, some two minutes on two threads.
        folder: Where graphs are kept; ``$MAGNET_CACHE`` or ``~/.cache/magnet`` by default.

    Returns:
        What :func:`~magnet.graph.knn.knn_graph` returns.

    Raises:
        DataError: As :func:`~magnet.graph.knn.knn_graph` does, or if ``search`` is none of the three.
        ConfigError: If ``$MAGNET_CACHE_LIMIT`` is no size.
    """
    features = checked_features(features)
    present = checked_present(present, features.shape[0])
    if search not in ("auto", "exact", "approximate"):
        raise DataError(f"search must be 'auto', 'exact' or 'approximate', got {search!r}")
    exact = search == "exact" or (
        search == "auto" and float(features.shape[0]) * features.size <= _AFFORDABLE
    )
    name = content_name(features, k, present, exact=exact)
    path = (cache_folder() if folder is None else as_path(folder)) / name
    limit = cache_limit()
    kept = _read(path, present, k)
    if kept is None:
        with building(path) as mine:
            # What somebody else has built meanwhile is read, and built here after all should it be of no use.
            kept = None if mine else _read(path, present, k)
            if kept is None:
                kept = _build(features, k, present, exact=exact)
                about = {
                    "rows": features.shape[0],
                    "width": features.shape[1],
                    "dtype": str(features.dtype),
                    "present": int(present.sum()),
                    "k": k,
                    "search": "exact" if exact else "approximate",
                    "built": time.time(),
                }
                _keep(path, kept, about, limit)
    graph, recall = kept
    if not exact:
        warnings.warn(
            f"the neighbours of {features.shape[0]:,} rows of {features.shape[1]} were searched approximately: about "
            f"{recall:.1%} of the true ones are found; search = 'exact' finds all",
            MagnetWarning,
            stacklevel=2,
        )
    return graph


def _build(
    features: NDArray[np.float32 | np.float16], k: int, present: NDArray[np.bool_], *, exact: bool
) -> tuple[csr_array, float]:
    if exact:
        return knn_graph(features, k, present=present), 1.0
    found = approximate_knn_graph(features, k, present=present)
    return found.graph, found.recall


def content_name(
    features: NDArray[np.float32 | np.float16], k: int, present: NDArray[np.bool_], *, exact: bool
) -> str:
    """The file's name: a hash of the features, which rows are present, k, the search, the metric and the version."""
    search = "exact" if exact else "approximate"
    digest = hashlib.sha256(
        f"{_VERSION} {_METRIC} {search} {k} {features.dtype.str} {features.shape}".encode()
    )
    digest.update(np.ascontiguousarray(present).data)
    digest.update(np.ascontiguousarray(features).data.cast("B") if features.size else b"")
    return f"knn-{digest.hexdigest()[:40]}.npz"


def _read(path: Path, present: NDArray[np.bool_], k: int) -> tuple[csr_array, float] | None:
    """The graph of a file and its recall; None if the file is missing, or with a note if it is of no use."""
    if not path.is_file():
        return None
    n_rows = len(present)
    try:
        # NumPy would leave the file of a broken archive open, so it is opened here.
        with reading(path), path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            matrix = csr_array(
                (arrays["values"], arrays["indices"], arrays["indptr"]), shape=(n_rows, n_rows), copy=False
            )
            recall = float(arrays["recall"])
        _check(matrix, recall, present, k)
    # A damaged archive fails in as many ways as zip and NumPy have: whatever it is, the graph can be built again.
    except Exception as error:
        warnings.warn(
            f"{path}: the graph that was kept here is damaged ({error}) and is built anew",
            MagnetWarning,
            stacklevel=3,
        )
        with contextlib.suppress(OSError):
            path.unlink()
        return None
    return matrix, recall


def _check(matrix: csr_array, recall: float, present: NDArray[np.bool_], k: int) -> None:
    """Refuse what cannot be the graph of these rows, however sound its file is."""
    matrix.check_format(full_check=True)
    sizes = np.diff(matrix.indptr)
    rules = {
        "types": matrix.data.dtype == np.float32 and matrix.indices.dtype == np.int32,
        "recall": 0 <= recall <= 1,
        "order": bool(matrix.has_sorted_indices) and matrix.has_canonical_format,
        "values": bool((np.abs(matrix.data) <= 1.001).all()),  # NaN is not
        "neighbours": bool((sizes <= k).all()) and (matrix.nnz > 0 or present.sum() < 2),
        "rows without features": not sizes[~present].any() and bool(present[matrix.indices].all()),
    }
    broken = [name for name, kept in rules.items() if not kept]
    if broken:
        raise ValueError(f"not such a graph: {', '.join(broken)}")


def _keep(path: Path, kept: tuple[csr_array, float], about: dict[str, Any], limit: int) -> None:
    """Write a graph, unless it alone is over the limit, and make room for it."""
    graph, recall = kept
    size = sum(part.nbytes for part in (graph.indptr, graph.indices, graph.data))
    if size > limit:
        if limit:
            _log.info(
                "%s: not kept, %s is over MAGNET_CACHE_LIMIT, %s", path, in_words(size), in_words(limit)
            )
        return
    try:
        _write(path, graph, recall, about)
    except StorageError as error:
        warnings.warn(
            f"the graph cannot be kept in {path.parent} ({error.reason}); point MAGNET_CACHE to another folder",
            MagnetWarning,
            stacklevel=3,
        )
    else:
        make_room(path.parent, limit=limit, but=path)


def _write(path: Path, graph: csr_array, recall: float, about: dict[str, Any]) -> None:
    with storing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        np.savez(temporary, indptr=graph.indptr, indices=graph.indices, values=graph.data, recall=recall)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(ABOUT, json.dumps(about))
