"""What a run folder holds, as records, and the files that keep them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from magnet.errors import DataError, RunError
from magnet.files import read_json, read_tensors, write_json, write_tensors
from magnet.placing import replacing
from magnet.run.events import read_events, write_events
from magnet.run.ids import decode_ids, encode_ids
from magnet.runtime import versions
from magnet.states import from_tensors, to_tensors

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from pathlib import Path

    import polars as pl
    from numpy.typing import NDArray

    from magnet.states import State

__all__ = ["REQUIRED", "RunContents", "RunDescription", "check_contents", "read_contents", "write_contents"]

REQUIRED: Final = frozenset(
    {
        "config.json",
        "content.safetensors",
        "events.jsonl",
        "facts.json",
        "ids.json",
        "metrics.json",
        "seen.safetensors",
        "state.json",
        "state.safetensors",
        "valid_per_user.safetensors",
    }
)
"""Files of every finished run."""

_AXES, _ITEMS = "axes.safetensors", "items.arrow"
"""Files of some: of runs with narrowed content, and with columns of the items."""


@dataclass(frozen=True)
class RunDescription:
    """What was run, on what.

    Attributes:
        model: The model's registered name.
        config: Its resolved configuration.
        content_hash: Of the data set it was trained on.
        protocol: That validation followed, ``"strict"`` or ``"mmrec"``.
        seed: Of everything random.
        source: Where the data can be read again (path, split, modalities…), None if they came from memory.
        versions: Of what the result depends on.
        module: The module that registers the model; None for a model of Magnet's own.
    """

    model: str
    config: Mapping[str, Any]
    content_hash: str
    protocol: str
    seed: int
    source: Mapping[str, Any] | None = None
    versions: Mapping[str, str] = field(default_factory=versions)
    module: str | None = None

    @property
    def identity(self) -> str:
        """A digest of all that the result is made of; equal for equal runs, whatever made them."""
        made_of = (self.model, self.module, self.config, self.content_hash, self.protocol, self.seed)
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data, the attributes by name; ``module`` only where there is one."""
        values = asdict(self)
        if self.module is None:
            del values["module"]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any], path: Path) -> Self:
        """Read back :meth:`to_json`, found in the file ``path``; other keys are ignored.

        Raises:
            RunError: If a key is missing, or the values are not those that were written.
        """
        names = [known.name for known in fields(cls)]
        missing = [name for name in names if name not in values and name != "module"]
        if missing:
            raise RunError(f"{path}: damaged, the key '{missing[0]}' is missing")
        found = cls(**{name: values[name] for name in names if name in values})
        if values.get("identity", found.identity) != found.identity:
            raise RunError(f"{path}: damaged, its 'identity' is of another run; restore it or train again")
        return found


@dataclass(frozen=True, eq=False, repr=False)
class RunContents:
    """What a finished run knows.

    Attributes:
        state: What the model left behind to predict with.
        user_ids: The user's own keys, by user index, ``(U,)``.
        item_ids: The same for items, ``(I,)``.
        titles: Item titles, None where there is none, or None for no titles at all.
        train: Training interactions, ``(U, I)``.
        valid: Validation interactions, ``(U, I)``.
        metrics: JSON-ready results by name, such as ``"valid/strict"``.
        valid_users: Whose validation values these are, ``(n,)`` int32.
        valid_per_user: Their values, ``(n,)`` float64, by metric.
        facts: Facts about the trained model for explanations, JSON-compatible.
        content: Unit rows of each modality, ``(I, d)`` float16, zero where missing; for explanations.
        events: One mapping for each epoch of training.
        axes: Of each modality whose rows were narrowed, the directions that they were turned to, ``(d_m, d)`` float32.
        item_table: Columns of the items beside id and title, a row for each; None where the data have none.
    """

    state: State
    user_ids: list[Hashable]
    item_ids: list[Hashable]
    titles: list[str | None] | None
    train: csr_array
    valid: csr_array
    metrics: dict[str, Any] = field(default_factory=dict)
    valid_users: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, dtype=np.int32))
    valid_per_user: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    content: dict[str, Tensor] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    axes: dict[str, Tensor] = field(default_factory=dict)
    item_table: pl.DataFrame | None = None

    def summary(self) -> str:
        """Sizes, results and epochs in one line."""
        said = [f"{len(self.user_ids):,} users x {len(self.item_ids):,} items"]
        if self.events:
            said.append(f"{len(self.events):,} epochs")
        metric = self.facts.get("chosen_by", "recall@20")
        for name, found in self.metrics.items():
            value = found.get("metrics", {}).get(metric)
            said += [] if value is None else [f"{name} {metric} {value:.4f}"]
        return ", ".join(said)

    def __repr__(self) -> str:
        return f"RunContents of {type(self.state).__name__}: {self.summary()}"

    @property
    def popularity(self) -> NDArray[np.int64]:
        """Training interactions of every item, ``(I,)``."""
        return np.bincount(self.train.indices, minlength=len(self.item_ids)).astype(np.int64)


def write_contents(folder: Path, contents: RunContents) -> None:
    """Write the files of ``contents`` into ``folder``, each whole or not at all.

    Raises:
        RunError: If an id is of a kind that cannot be kept; nothing is written then.
    """
    ids = {
        "users": encode_ids(contents.user_ids, of="user"),
        "items": encode_ids(contents.item_ids, of="item"),
        "titles": contents.titles,
    }
    tensors, meta = _state_tensors(contents.state)
    write_json(folder / "ids.json", ids)
    write_tensors(folder / "state.safetensors", tensors)
    write_json(folder / "state.json", meta)
    seen = _csr_tensors("train", contents.train) | _csr_tensors("valid", contents.valid)
    write_tensors(folder / "seen.safetensors", seen)
    per_user = {"users": contents.valid_users} | contents.valid_per_user
    values = {name: torch.from_numpy(np.array(array)) for name, array in per_user.items()}
    write_tensors(folder / "valid_per_user.safetensors", values)
    write_json(folder / "facts.json", contents.facts)
    write_tensors(folder / "content.safetensors", contents.content)
    write_events(folder / "events.jsonl", contents.events)
    write_json(folder / "metrics.json", contents.metrics)
    if contents.axes:
        write_tensors(folder / _AXES, contents.axes)
    if contents.item_table is not None:
        with replacing(folder / _ITEMS) as temporary:
            # A stream is written without the threads of polars, which a fork does not keep.
            contents.item_table.write_ipc_stream(temporary)


def check_contents(contents: RunContents) -> None:
    """Refuse, before anything is written, what a run folder cannot keep.

    Raises:
        RunError: If an id or the state is of a kind that cannot be kept.
    """
    encode_ids(contents.user_ids, of="user")
    encode_ids(contents.item_ids, of="item")
    _state_tensors(contents.state)


def _state_tensors(state: State) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        return to_tensors(state)
    except DataError as error:
        raise RunError(str(error)) from None


def read_contents(folder: Path) -> RunContents:
    """Read back what :func:`write_contents` wrote.

    Raises:
        RunError: If a file is missing or damaged, or the files do not fit each other.
    """
    ids = read_json(folder / "ids.json")
    try:
        user_ids, item_ids, titles = decode_ids(ids["users"]), decode_ids(ids["items"]), ids["titles"]
    except (KeyError, TypeError):
        raise RunError(
            f"{folder / 'ids.json'}: damaged, expected lists of 'users', 'items' and 'titles'"
        ) from None
    tensors, _ = read_tensors(folder / "state.safetensors")
    try:
        state = from_tensors(tensors, read_json(folder / "state.json"))
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{folder / 'state.safetensors'}: damaged, it makes no model state ({error})"
        ) from None
    seen, _ = read_tensors(folder / "seen.safetensors")
    shape = (len(user_ids), len(item_ids))
    per_user, _ = read_tensors(folder / "valid_per_user.safetensors")
    if "users" not in per_user:
        raise RunError(
            f"{folder / 'valid_per_user.safetensors'}: damaged, it does not say whose values it holds"
        )
    return RunContents(
        state=state,
        user_ids=user_ids,
        item_ids=item_ids,
        titles=titles,
        train=_csr("train", seen, shape, folder / "seen.safetensors"),
        valid=_csr("valid", seen, shape, folder / "seen.safetensors"),
        metrics=read_json(folder / "metrics.json"),
        valid_users=per_user.pop("users").numpy(),
        valid_per_user={name: values.numpy() for name, values in per_user.items()},
        facts=read_json(folder / "facts.json"),
        content=read_tensors(folder / "content.safetensors")[0],
        events=read_events(folder / "events.jsonl"),
        axes=read_tensors(folder / _AXES)[0] if (folder / _AXES).exists() else {},
        item_table=_read_items(folder / _ITEMS, len(item_ids)),
    )


def _read_items(path: Path, n_items: int) -> pl.DataFrame | None:
    if not path.exists():
        return None
    import polars as pl

    try:
        table = pl.read_ipc_stream(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise RunError(f"{path}: damaged, not readable as a stream of Arrow ({error})") from None
    if len(table) != n_items:
        raise RunError(f"{path}: damaged, it has {len(table)} rows and the run has {n_items} items")
    return table


def _csr_tensors(name: str, matrix: csr_array) -> dict[str, Tensor]:
    """The pattern of a matrix; its values are all one."""
    parts = {"indptr": matrix.indptr, "indices": matrix.indices}
    return {f"{name}.{part}": torch.from_numpy(array.astype(np.int32)) for part, array in parts.items()}


def _csr(name: str, tensors: Mapping[str, Tensor], shape: tuple[int, int], path: Path) -> csr_array:
    try:
        indptr, indices = tensors[f"{name}.indptr"].numpy(), tensors[f"{name}.indices"].numpy()
        matrix = csr_array((np.ones(len(indices), dtype=np.float32), indices, indptr), shape=shape)
        matrix.check_format(full_check=True)
    except (KeyError, ValueError) as error:
        raise RunError(
            f"{path}: damaged, it does not hold the {name} interactions of {shape} ({error})"
        ) from None
    return matrix
