"""Splits by name: what the text after ``split=`` means, such as ``leave-last:2`` or ``temporal:2024-01-01``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from magnet.data.split import (
    split_cold,
    split_folds,
    split_leave_last,
    split_mmrec,
    split_random,
    split_temporal,
)
from magnet.data.times import is_number, parse_time
from magnet.errors import DataError, nearest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["RULES", "Rule", "find_rule", "in_units_of", "no_such_split"]

# Name and what may stand behind the colon.
RULES = {
    "mmrec": "",
    "random": "",
    "leave-last": "N, interactions of each user for test and as many for validation; 1 by default",
    "temporal": "SHARE of the interactions for each held-out part, .1 by default, or the DATE at which test begins, or "
    "two dates, VALID,TEST",
    "cold-items": "SHARE of the items for each held-out part, .1 by default",
    "cold-users": "SHARE of the users for each held-out part, .1 by default",
    "k-fold": "F/K, fold F of K, counted from 1; the next one is for validation",
}
TIMED = ("leave-last", "temporal")


class Rule(NamedTuple):
    """A way to draw a split, with its option as it was written."""

    name: str
    option: str

    @property
    def timed(self) -> bool:
        """Whether it needs to know when interactions took place."""
        return self.name in TIMED

    def draw(
        self,
        users: NDArray[np.int32],
        items: NDArray[np.int32],
        times: NDArray[np.int64] | None,
        *,
        seed: int,
    ) -> NDArray[np.int8]:
        """The parts of interactions that are sorted by user and item and occur once, ``(N,)``.

        Raises:
            DataError: If the option is none of this rule.
        """
        if self.name == "mmrec":
            return split_mmrec(users, seed=seed)
        if self.name == "random":
            return split_random(users.size, seed=seed)
        if self.name == "leave-last":
            assert times is not None
            return split_leave_last(users, times, n=self._whole())
        if self.name == "temporal":
            assert times is not None
            return self._temporal(times)
        if self.name == "k-fold":
            return split_folds(users.size, *self._fold(), seed=seed)
        return split_cold(
            users if self.name == "cold-users" else items, seed=seed, share=self._share(), of=self.name
        )

    def _refuse(self) -> DataError:
        return DataError(
            f"the split rule {self.name!r} takes {RULES[self.name] or 'no option'}; got {self.option!r}"
        )

    def _whole(self) -> int:
        if not self.option:
            return 1
        if not self.option.isdecimal() or int(self.option) < 1:
            raise self._refuse()
        return int(self.option)

    def _share(self) -> float:
        if not self.option:
            return 0.1
        try:
            share = float(self.option)
        except ValueError:
            raise self._refuse() from None
        if not 0 < share < 0.5:
            raise self._refuse()
        return share

    def _fold(self) -> tuple[int, int]:
        fold, _, folds = self.option.partition("/")
        if not (fold.isdecimal() and folds.isdecimal() and 1 <= int(fold) <= int(folds) and int(folds) >= 3):
            raise self._refuse()
        return int(fold), int(folds)

    def _temporal(self, times: NDArray[np.int64]) -> NDArray[np.int8]:
        try:
            return split_temporal(times, share=self._share())
        except DataError:
            dates = [in_units_of(times, text) for text in self.option.split(",")]
        if None in dates or len(dates) > 2:
            raise self._refuse()
        test = dates[-1]
        assert test is not None
        return split_temporal(times, share=0.1, test=test, valid=dates[0] if len(dates) == 2 else None)


def in_units_of(times: NDArray[np.int64], text: str) -> int | None:
    """A date in the units of some times, told by their size: seconds, or thousandths and so on; a number as it is."""
    moment = parse_time(text)
    if moment is None or is_number(text):
        return moment
    largest = abs(int(times.max())) if times.size else 0
    exponent = next((e for bound, e in ((1e11, -6), (1e14, -3), (1e17, 0)) if largest < bound), 3)
    return moment * 1000 if exponent == 3 else moment // int(10**-exponent)


def find_rule(split: str, columns: list[str]) -> Rule | None:
    """The rule of that name, None if it is a column of the data.

    Raises:
        DataError: If it has an option and takes none.
    """
    if not isinstance(split, str):
        raise DataError(
            f"split: expected the name of a column or a rule, found {split!r} of type {type(split).__name__}"
        )
    if split in columns and split not in ("mmrec", "random"):
        return None
    name, _, option = split.partition(":")
    if name not in RULES:
        return None
    rule = Rule(name, option.strip())
    if option and not RULES[name]:
        raise rule._refuse()
    return rule


def no_such_split(split: str, columns: list[str], where: str, shown: str) -> DataError:
    """The error about a split that is neither a column nor a rule."""
    return DataError(
        f"{where}: there is no split column {split!r}{nearest(split, [*columns, *RULES])}; the columns are {shown}, "
        "the rules 'mmrec' and 'random' draw a split, and so do 'leave-last', 'temporal', 'cold-items', 'cold-users' "
        "and 'k-fold'"
    )
