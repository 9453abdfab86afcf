"""A fitted model: what it knows, and every answer it gives by the user's own ids."""

from __future__ import annotations

import copy
import functools
from typing import TYPE_CHECKING, Any, Self

from magnet.answers.answers import Answers
from magnet.answers.new_items import grown_contents, new_items
from magnet.data.given import as_whole
from magnet.errors import ConfigError, MagnetError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    import numpy as np
    import polars as pl
    from narwhals.typing import IntoDataFrame
    from numpy.typing import NDArray

    from magnet.answers.choice import Condition
    from magnet.choices import Unknown
    from magnet.config import Config
    from magnet.data.given import Keys
    from magnet.data.vectors import Features
    from magnet.run.folder import RunContents, RunDescription

__all__ = ["Fitted"]


class Fitted:
    """What :class:`magnet.Recommender` does once it is fitted or loaded.

    Attributes:
        name: Registered name of the model.
        config: Its settings.
    """

    name: str
    config: Config

    def __init__(self) -> None:
        self._description: RunDescription | None = None
        self._contents: RunContents | None = None

    def receive(self, description: RunDescription, contents: RunContents) -> None:
        """Take a trained model; what the trainer and :func:`load` call."""
        self._description, self._contents = description, contents
        self.__dict__.pop("_answers", None)

    @property
    def contents(self) -> RunContents:
        """What the fitted model knows.

        Raises:
            MagnetError: If it is not fitted.
        """
        if self._contents is None:
            raise MagnetError(
                f"this {type(self).__name__} is not fitted; call fit(dataset), or magnet.load(folder)"
            )
        return self._contents

    @property
    def description(self) -> RunDescription:
        """What was trained, on what.

        Raises:
            MagnetError: If the model is not fitted.
        """
        if self._description is None:
            raise MagnetError(
                f"this {type(self).__name__} is not fitted; call fit(dataset), or magnet.load(folder)"
            )
        return self._description

    @property
    def metrics(self) -> dict[str, Any]:
        """Results by part and protocol, such as ``metrics["valid/strict"]``."""
        return self.contents.metrics

    @functools.cached_property
    def _answers(self) -> Answers:
        return Answers(self.contents, self.config.resolved())

    @property
    def user_ids(self) -> list[Hashable]:
        """The users' own ids, by user index."""
        return list(self.contents.user_ids)

    @property
    def item_ids(self) -> list[Hashable]:
        """The items' own ids, by item index."""
        return list(self.contents.item_ids)

    def recommend(
        self,
        users: Keys | None = None,
        k: int = 10,
        *,
        history: Keys | Mapping[Hashable, Keys] | None = None,
        exclude_seen: bool = True,
        unknown: Unknown = "error",
        candidates: Keys | Mapping[Hashable, Keys] | None = None,
        exclude: Keys | Mapping[Hashable, Keys] | None = None,
        where: Condition | None = None,
        diversity: float = 0.0,
        calibrate: str | None = None,
        calibration: float = 0.5,
        reasons: bool = False,
        probability: bool = False,
        weights: Mapping[str, float] | None = None,
        roles: Mapping[str, float] | None = None,
        watch: Callable[[int, int], None] | None = None,
    ) -> pl.DataFrame:
        """Rank the catalogue for some users, or for people whom the model has never seen.

        Args:
            users: Their ids: one, or several in a list, an array, a tensor, a column, or a frame with a user column;
                everyone is ``model.user_ids``.
            k: Items for each, from 1 to the size of the catalogue.
            history: Instead of users, what somebody new took: item ids (``users`` may then give the person a name); a
                mapping from person to item ids; or a frame with a user and an item column. Nothing is trained:
                item–item models answer as if the history had always been there, vectors are folded in by the linear map
                that best makes the users' own vectors of their items.
            exclude_seen: Leave out what the user took in the training and validation parts, or in ``history``.
            unknown: What to do about ids the model has never seen: ``error`` names them, ``skip`` leaves them out,
                ``popular`` answers with the most popular items.
            candidates: Item ids that alone may stand in a list; or by user id in a mapping, for these users.
            exclude: Item ids that may not; or by user id.
            where: Conditions on columns of the items, such as ``"price<=10"``, ``["category=tea|cup", "year>2020"]``,
                ``{"category": ["tea", "cup"]}``, or an expression of polars. A missing value meets none.
            diversity: From 0 to 1. Above 0 the list is put together by maximal marginal relevance from the best
                ``max(100, 5 k)`` items: a score counts for less by this share, likeness to the items before it (in
                content, or in users where there is no content) by as much.
            calibrate: A column of the items whose values are to have the shares in the list that they have in the
                user's history (Steck, RecSys 2018).
            calibration: From 0 to 1, how much that counts beside the scores.
            reasons: Whether to say why, in a column ``because``.
            probability: Whether to say how often the item at such a place was right: the share of users who took it
                in the validation part. Null for popular lists.
            weights: Factors on what cues add, such as ``{"text": 2, "image": 0}``: lists turned by hand, of a model
                that mixes signals. Nothing is trained.
            roles: Factors on what the experts of a role add, such as ``{"complementary": 0}``.
            watch: Called with the number of users that are done and of all, now and then.

        Returns:
            Columns ``user_id`` (null for a single history without a name), ``item_id``, ``rank`` from 1, ``score``,
            ``probability`` if asked for, ``title`` if the data have titles, ``reason``: ``model``, or ``popular`` for
            somebody without a history in training, and ``because`` if asked for. Scores are the model's own and can be
            compared within a user only; they are no probabilities. Users in the order given; fewer than k rows where
            fewer items are left, and none where nothing is left. A polars frame; for a frame one of the same library.

        Raises:
            UnknownIdError: If users or items are unknown; always if an id is known in another type, such as ``"7"``
                for 7.
            DataError: If k is no whole number or out of range, an id is missing, no item is left to choose from, or
                probabilities are asked of a model without a validation part.
            ConfigError: If the model has no such cue, role or column, or mixes no signals.
            MagnetError: If the model is from outside and cannot score histories.
        """
        return self._answers.recommend(
            users,
            k,
            history=history,
            exclude_seen=exclude_seen,
            unknown=unknown,
            candidates=candidates,
            exclude=exclude,
            where=where,
            diversity=diversity,
            calibrate=calibrate,
            calibration=calibration,
            reasons=reasons,
            probability=probability,
            weights=weights,
            roles=roles,
            watch=watch,
        )

    def similar_items(
        self, items: Keys, k: int = 10, *, by: str = "model", where: Condition | None = None
    ) -> pl.DataFrame:
        """The items most like some items.

        Args:
            items: Their ids, in whatever holds them.
            k: How many for each.
            by: ``model``: by cosine of the model's vectors; where the model is an item–item operator, by what an item
                says of the others; in a mixture by both, as its experts weigh them on average. ``taken``: by the users
                who took both (cosine). Or a modality, by cosine of its features.
            where: Conditions on columns of the items that are named, as :meth:`recommend` takes them.

        Returns:
            Columns ``item_id``, ``similar_id``, ``rank`` from 1, ``score`` and ``title`` of the similar item. An item
            is never like itself; one without features, or without users, is like none by these.

        Raises:
            UnknownIdError: If an item is unknown.
            ConfigError: If items cannot be compared by that; the text names by what they can.
        """
        return self._answers.similar_items(items, k, by=by, where=where)

    def similar_users(self, users: Keys, k: int = 10, *, by: str = "model") -> pl.DataFrame:
        """The users most like some users.

        Args:
            users: Their ids, in whatever holds them.
            k: How many for each.
            by: ``model``: by cosine of the model's vectors, or where there are none as ``taken``: by the items that
                both took (cosine).

        Returns:
            Columns ``user_id``, ``similar_id``, ``rank`` from 1 and ``score``.

        Raises:
            UnknownIdError: If a user is unknown.
            ConfigError: If users cannot be compared by that.
        """
        return self._answers.similar_users(users, k, by=by)

    def add_items(
        self,
        items: Keys,
        *,
        features: Mapping[str, Features] | None = None,
        titles: Sequence[str | None] | Mapping[Hashable, str | None] | None = None,
        item_table: IntoDataFrame | None = None,
        neighbours: int = 20,
    ) -> Self:
        """A model that knows new items as well, by their content and without training; this one stays as it is.

        Each new item stands for the mean of the ``neighbours`` items of the training that are most like it, weighted by
        the mean cosine over the modalities it has: whoever likes those gets the new one.

        Args:
            items: Ids; or a frame with an item column, whose columns of vectors named like a modality are features and
                whose others are kept as titles and columns of the items.
            features: By modality, as :meth:`magnet.Dataset.from_frame` takes them, made by the encoder that made those
                of the training.
            titles: Likewise.
            item_table: Likewise.
            neighbours: Items that each is made of at most.

        Returns:
            A model of the same kind that recommends, scores, explains and saves the new items like the others.

        Raises:
            DataError: If an id is there already, features do not fit those of the training, or an item is like none.
            ConfigError: If the model knows no such modality, or ranks by what new items cannot have.
        """
        if self.name in ("popularity", "random"):
            raise ConfigError(
                f"the model '{self.name}' does not look at items, so that it can say nothing of new ones"
            )
        contents = self.contents
        new = new_items(contents, items, features=features, titles=titles, item_table=item_table)
        grown = copy.copy(self)
        grown.receive(
            self.description, grown_contents(contents, new, as_whole(neighbours, "neighbours", least=1))
        )
        return grown

    def score(self, users: Keys, items: Keys) -> NDArray[np.float32]:
        """Score every given user with every given item.

        Args:
            users: Ids of n users, as :meth:`recommend` takes them.
            items: Ids of m items, likewise.

        Returns:
            ``(n, m)``; higher is better, comparable within a user.

        Raises:
            UnknownIdError: If an id is unknown.
        """
        return self._answers.score(users, items)
