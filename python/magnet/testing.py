"""The contract of a model, for its author: :func:`check_model` tries what Magnet relies on.

Magnet's own models are held to it first.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from magnet.api import Recommender, load, make
from magnet.engine import Trainer
from magnet.errors import ConfigError, MagnetError
from magnet.evaluate import rank, score
from magnet.states import to_tensors
from magnet.synthetic import generate

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnet.data import Dataset
    from magnet.run.contents import RunContents

__all__ = ["check_model"]

K = 10  # items that are recommended
USERS = 16  # whose scores are compared


def check_model(model: str | type[Recommender], *, dataset: Dataset | None = None, **settings: Any) -> None:
    """Check that a model keeps the contract that everything in Magnet relies on.

    It is fitted several times to a small data set:

    - its settings have defaults, an unknown one is refused, and they survive being written as JSON;
    - the same seed gives the same bits, and neither torch's nor NumPy's global generator is disturbed;
    - only training interactions are looked at: other validation and test interactions change no score of a closed form,
      other test interactions none of a trained model; the data set itself is not written to;
    - scores are finite, of the data's shape, and a ranking is their order;
    - a run folder gives back the same recommendations, and a second fit in the same process does not change the first;
    - an interrupted training that is resumed ends with the same bits as one that was not interrupted.

    Args:
        model: Name of a registered model, or a subclass of :class:`magnet.Recommender`.
        dataset: What to fit to, with validation and test parts; 240 generated users and 160 items by default.
        **settings: Of the model, to make the fits quick.

    Raises:
        AssertionError: Saying what is expected, what was found, and where to look.

    Example:
        >>> check_model("ease", regularization=50.0)
    """
    data = generate("tiny", seed=0).dataset if dataset is None else dataset
    _Contract(model, data, settings).check()


class _Contract:
    def __init__(self, model: str | type[Recommender], data: Dataset, settings: dict[str, Any]) -> None:
        self.model, self.data, self.settings = model, data, settings
        self.name = model if isinstance(model, str) else model.name

    def make(self, seed: int = 0) -> Recommender:
        if isinstance(self.model, str):
            return make(self.model, seed=seed, **self.settings)
        return self.model(seed=seed, **self.settings)

    def fit(self, data: Dataset | None = None, **options: Any) -> RunContents:
        return self.make().fit(self.data if data is None else data, progress=False, **options).contents

    def require(self, holds: bool, text: str) -> None:
        if not holds:
            raise AssertionError(f"model '{self.name}': {text}")

    def check(self) -> None:
        self.check_settings()
        first = self.check_generators()
        bits = _bits(first)
        self.require(
            _bits(self.fit()) == bits, "two fits with one seed differ; draw from seeds made of `seed`"
        )
        self.require(_bits(first) == bits, "a second fit changed the state of the first; states share memory")
        self.check_scores(first)
        self.check_leaks(bits)
        self.check_folder(first, bits)
        if "train" in type(self.make().config).model_fields:
            self.check_resuming(first, bits)

    def check_settings(self) -> None:
        config = self.make().config
        again = type(config).build(json.loads(json.dumps(config.resolved())))
        self.require(
            again == config, f"settings change when they are written as JSON: {config!r}, then {again!r}"
        )
        try:
            type(config).build({"no_such_setting": 1})
        except ConfigError:
            return
        self.require(
            False, "an unknown setting is accepted; subclass magnet.Config and keep its model_config"
        )

    def check_generators(self) -> RunContents:
        numpy_before, torch_before = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002 - it is checked
        kept = {name: getattr(self.data, name).copy() for name in ("users", "items", "parts")}
        contents = self.fit()
        same = all(np.array_equal(a, b) for a, b in zip(numpy_before, np.random.get_state(), strict=True))  # noqa: NPY002
        self.require(
            same, "NumPy's global generator was used; take magnet.seeds.numpy_generator(seed, purpose)"
        )
        self.require(
            torch.equal(torch_before, torch.get_rng_state()),
            "torch's global generator was used; take magnet.seeds.torch_generator(seed, purpose), or fork it",
        )
        unchanged = all(np.array_equal(value, getattr(self.data, name)) for name, value in kept.items())
        self.require(unchanged, "the data set was written to; copy what is to be changed")
        return contents

    def check_scores(self, contents: RunContents) -> None:
        state = contents.state
        shape = (self.data.n_users, self.data.n_items)
        users = np.arange(min(USERS, shape[0]), dtype=np.int32)
        items = np.arange(shape[1], dtype=np.int32)
        scores = score(state, np.repeat(users, shape[1]), np.tile(items, len(users))).reshape(len(users), -1)
        bad = np.argwhere(~np.isfinite(scores))
        if len(bad):
            user, item = bad[0]
            self.require(
                False,
                f"the score of user {user} and item {item} is {scores[user, item]}, not a finite number",
            )
        ranked = rank(state, users, None, min(K, shape[1])).items
        expected = np.argsort(-scores, axis=1, kind="stable")[:, : ranked.shape[1]]
        self.require(
            np.array_equal(ranked, expected),
            "a ranking is not the order of the scores, ties by the lower item",
        )

    def check_leaks(self, bits: bytes) -> None:
        """Other held-out interactions must not change the model."""
        closed = "train" not in type(self.make().config).model_fields
        hidden = (self.data.parts >= 1) if closed else (self.data.parts == 2)
        items = self.data.items.copy()
        rows = np.flatnonzero(hidden)
        # Each hidden interaction takes an item that its user has nowhere.
        for row in rows:
            own = set(items[self.data.users == self.data.users[row]].tolist())
            items[row] = next(item for item in range(self.data.n_items) if item not in own)
        other = self.fit(dataclasses.replace(self.data, items=items))
        parts = "validation and test" if closed else "test"
        self.require(
            _bits(other) == bits, f"other {parts} interactions change the model; look at dataset.train alone"
        )

    def check_folder(self, contents: RunContents, bits: bytes) -> None:
        users = list(self.data.user_ids[:USERS])
        model = self.make()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run"
            try:
                model.fit(self.data, folder=path, progress=False)
                again = load(path)
            except MagnetError as error:
                raise AssertionError(
                    f"model '{self.name}': its run folder cannot be kept: {error}"
                ) from error
            self.require(_bits(again.contents) == bits, "a run folder gives back another state")
            self.require(
                again.recommend(users, K).equals(model.recommend(users, K)),
                "a run folder gives back other recommendations",
            )
            self.require(
                json.loads(json.dumps(contents.facts)) == contents.facts,
                "its facts change when written as JSON",
            )

    def check_resuming(self, whole: RunContents, bits: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run"
            trainer = Trainer(self.make(), self.data, folder=path, progress=False)
            try:
                with _interrupted(trainer, after=1):
                    trainer.fit()
            except KeyboardInterrupt:
                resumed = self.make().fit(self.data, folder=path, resume=True, progress=False)
                self.require(
                    _bits(resumed.contents) == bits and _course(resumed.contents) == _course(whole),
                    "a training that was interrupted and resumed differs; progress() and restore() must keep all "
                    "that is no weight",
                )


class _interrupted:  # noqa: N801 - reads as a statement
    """Interrupts a trainer in the validation that follows the first ``after`` ones."""

    def __init__(self, trainer: Trainer, after: int) -> None:
        self.trainer, self.left = trainer, after

    def __enter__(self) -> None:
        evaluator: Callable[..., Any] = self.trainer.evaluator

        def stopping(state: Any) -> Any:
            found = evaluator(state)
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            return found

        self.trainer.evaluator = stopping

    def __exit__(self, *_: object) -> None:
        pass


def _course(contents: RunContents) -> list[dict[str, Any]]:
    """What each epoch logged, but for the time that it took."""
    return [{key: value for key, value in event.items() if "seconds" not in key} for event in contents.events]


def _bits(contents: RunContents) -> bytes:
    tensors, rest = to_tensors(contents.state)
    parts = [json.dumps(rest, sort_keys=True).encode()]
    for name in sorted(tensors):
        parts += [name.encode(), tensors[name].contiguous().numpy().tobytes()]
    return b"".join(parts)
