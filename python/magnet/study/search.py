"""What tuning tries next, and what it gives up on: Optuna's sampler and pruner, without memory of their own."""

from __future__ import annotations

import contextlib
import itertools
import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

from magnet.errors import MissingExtraError
from magnet.models.space import Range
from magnet.seeds import derive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from magnet.models.space import Dimension
    from magnet.study.trials import Trial

__all__ = ["COMPARED", "EARLIEST", "STARTUP", "Search", "need"]

STARTUP = 8
"""Trials that are drawn at random before earlier ones say where to look."""

COMPARED = 5
"""Finished trials before any is given up."""

EARLIEST = 5
"""Validations of a trial before it is given up."""

_AT_LEAST = 3  # finished trials that got as far, for a median
_DRAWS = 100  # before a space counts as used up


def need(name: str) -> Any:
    """A library of the extra ``tune``: optuna, or tomli_w, which writes what was chosen.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        return import_module(name)
    except ImportError:
        raise MissingExtraError(
            f"tuning needs the library {name.replace('_', '-')}: pip install 'magnet-rec[tune]'"
        ) from None


class Search:
    """A tree-structured Parzen estimator over a space, and pruning by the median of earlier trials.

    (Bergstra et al., *Algorithms for Hyper-Parameter Optimization*, NIPS 2011, in Optuna's form.) Each trial has a
    sampler of its own, seeded by the trial's number: what is tried depends on the trials before and on nothing else, so
    that a tuning that was interrupted goes on as if it had not been.

    Args:
        space: What to search, by key.
        seed: Of all draws.

    Raises:
        MissingExtraError: If Optuna or tomli-w is not installed.
    """

    def __init__(self, space: Mapping[str, Dimension], *, seed: int) -> None:
        self.optuna = need("optuna")
        need("tomli_w")  # which is used when all is done: too late to find out
        self.space, self.seed = dict(space), seed
        self._distributions = {key: self._distribution(one) for key, one in self.space.items()}

    def next(self, trials: Sequence[Trial]) -> dict[str, Any] | None:
        """Settings that none of the trials had, by key; None if there seem to be none.

        Args:
            trials: All so far.
        """
        known = [trial.params for trial in trials]
        seed = derive(self.seed, "tune", len(trials)) % 2**32
        samplers = self.optuna.samplers
        # The settings that tuning begins with may lie outside the space, and say nothing about it then.
        within = [
            trial for trial in trials if all(one.holds(trial.params[key]) for key, one in self.space.items())
        ]
        guided = samplers.TPESampler(seed=seed, n_startup_trials=STARTUP)
        study = self._study(within, self._distributions, sampler=guided)
        for draw in range(_DRAWS):
            found = self._params(study.ask(self._distributions).params)
            if found not in known:
                return found
            if not draw:
                # In a small space the estimator asks for the best ones again and again.
                study = self._study(within, self._distributions, sampler=samplers.RandomSampler(seed=seed))
        return None

    def pruning(self, trials: Sequence[Trial]) -> Callable[[float], bool]:
        """What says, of one trial, whether it has fallen behind.

        Args:
            trials: Those before it.

        Returns:
            To be called with the value of each validation: whether the best so far is below the median of what finished
            trials had at the same validation.
        """
        pruner = self.optuna.pruners.MedianPruner(
            n_startup_trials=COMPARED, n_warmup_steps=EARLIEST - 1, n_min_trials=_AT_LEAST
        )
        trial = self._study(trials, {}, pruner=pruner).ask()
        steps = itertools.count()

        def falls_behind(value: float) -> bool:
            trial.report(value, next(steps))
            return bool(trial.should_prune())

        return falls_behind

    def _study(self, trials: Sequence[Trial], distributions: Mapping[str, Any], **parts: Any) -> Any:
        """A study that knows these trials; of their settings, those that have a distribution."""
        states = self.optuna.trial.TrialState
        state_of = {"complete": states.COMPLETE, "pruned": states.PRUNED, "failed": states.FAIL}
        with _quiet(self.optuna):
            study = self.optuna.create_study(direction="maximize", **parts)
        for trial in trials:
            params = {
                key: trial.params[key] if isinstance(self.space[key], Range) else _written(trial.params[key])
                for key in distributions
            }
            study.add_trial(
                self.optuna.trial.create_trial(
                    state=state_of[trial.state],
                    value=trial.value if trial.state == "complete" else None,
                    params=params,
                    distributions=dict(distributions),
                    intermediate_values=dict(enumerate(trial.steps)),
                )
            )
        return study

    def _distribution(self, one: Dimension) -> Any:
        kinds = self.optuna.distributions
        if not isinstance(one, Range):
            return kinds.CategoricalDistribution([_written(value) for value in one.values])
        kind = kinds.IntDistribution if one.whole else kinds.FloatDistribution
        return kind(one.low, one.high, log=one.log)

    def _params(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        found = {}
        for key, one in self.space.items():
            value = drawn[key]
            if not isinstance(one, Range):
                found[key] = json.loads(value)
            elif one.whole:
                found[key] = int(value)
            else:
                # Three digits are as good as seventeen, and can be read and written down.
                found[key] = min(max(float(f"{value:.3g}"), one.low), one.high)
        return found


def _written(value: Any) -> str:
    """Optuna takes few kinds of values; a text stands for any."""
    return json.dumps(value, sort_keys=True)


@contextlib.contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Without the library's own lines, which would stand between ours."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
