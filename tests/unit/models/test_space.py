"""Search spaces: what is read, what is declared, and what is refused."""

from __future__ import annotations

import pytest

from magnet.errors import ConfigError
from magnet.models.lightgcn import LightGCNConfig
from magnet.models.magnet import MagnetConfig
from magnet.models.popularity import PopularityConfig
from magnet.models.registry import MODELS, find_model, register
from magnet.models.signals.ease import EASEConfig
from magnet.models.space import Choice, Range, check_space, read_space, value_at


def test_texts_are_ranges_choices_or_one_value():
    found = read_space(
        [
            "l2=1e-4..0.1",
            "train.epochs=5..9",
            "layers=1| 2",
            "on=true|false",
            "dim=64",
            'weights={"a": 1}|lift',
            "x=null|a.b",
        ]
    )
    assert found == {
        "l2": (1e-4, 0.1),
        "train.epochs": (5, 9),
        "layers": [1, 2],
        "on": [True, False],
        "dim": [64],
        "weights": [{"a": 1}, "lift"],
        "x": [None, "a.b"],
    }


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["l2"], "--space l2: expected KEY=LOW..HIGH or KEY=A|B|C"),
        (["l2="], "expected KEY=LOW"),
        (["=1..2"], "expected KEY=LOW"),
        (["l2=1.."], "expected two numbers, LOW..HIGH"),
        (["l2=a..b"], "expected two numbers, LOW..HIGH"),
        (["l2=1..2..3"], "expected two numbers, LOW..HIGH"),
        (["l2=true..2"], "expected two numbers, LOW..HIGH"),
        (["l2=1..2", "l2=1|2"], "l2 is given twice"),
    ],
)
def test_texts_that_are_neither_are_refused(texts, said):
    with pytest.raises(ConfigError) as error:
        read_space(texts)
    assert said in str(error.value)


def test_kinds_come_from_the_configuration():
    found = check_space(
        MagnetConfig,
        {
            "loss.l2": (1, 10),
            "behaviour.layers": (1.0, 3.0),
            "loss.kind": ["bpr", "softmax"],
            "controller.switch_at": (2, 30),
        },
    )
    assert found["loss.l2"] == Range("loss.l2", 1.0, 10.0, whole=False)
    assert isinstance(found["loss.l2"].low, float)
    assert found["behaviour.layers"] == Range("behaviour.layers", 1, 3, whole=True)
    assert found["controller.switch_at"].whole
    assert found["loss.kind"] == Choice("loss.kind", ("bpr", "softmax"))
    assert [str(one) for one in found.values()] == [
        "loss.l2=1..10",
        "behaviour.layers=1..3",
        "loss.kind=bpr|softmax",
        "controller.switch_at=2..30",
    ]


def test_sizes_count_where_ends_are_far_apart():
    ends = {(1e-4, 1e-1): True, (5e-4, 5e-3): True, (0.1, 0.9): False, (0.0, 1.0): False, (-1.0, 1.0): False}
    for (low, high), log in ends.items():
        assert Range("x", low, high, whole=False).log is log, (low, high)


def test_what_lies_within():
    whole = Range("x", 1, 3, whole=True)
    assert [whole.holds(value) for value in (1, 3, 4, 0.5, True, None, "2")] == [
        True,
        True,
        False,
        False,
        False,
        False,
        False,
    ]
    assert Choice("x", ([1.0], None)).holds([1.0])
    assert not Choice("x", ([1.0], None)).holds(1.0)


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"l3": (0, 1)}, "here: l3: there is no setting 'l3'; did you mean 'l2'?"),
        ({"train.epoch": (1, 2)}, "train.epoch: there is no setting 'epoch'; did you mean 'epochs'?"),
        ({"l2.x": (1, 2)}, "l2.x: there is no setting 'x'"),
        ({"train": [1]}, "train is a part with settings of its own, such as train.epochs"),
        ({"l2": (1, 0)}, "l2 = (1, 0): expected two numbers, the smaller one first"),
        ({"l2": (0, float("inf"))}, "expected two numbers"),
        ({"l2": (0, 1, 2)}, "expected two numbers"),
        ({"l2": (0, True)}, "expected two numbers"),
        ({"layers": (1, 2.5)}, "expected whole numbers, which this setting takes"),
        ({"layers": (1, 9)}, "here: layers = 9: input should be less than or equal to 8"),
        ({"layers": [1, "x"]}, "here: layers = 'x'"),
        ({"l2": "1..2"}, "expected a tuple of two ends or a list of values"),
        ({"l2": []}, "expected a tuple of two ends or a list of values"),
        ({"l2": [0.1, 0.1]}, "a value is given twice"),
    ],
)
def test_spaces_that_do_not_fit_are_refused(space, said):
    with pytest.raises(ConfigError) as error:
        check_space(LightGCNConfig, space, where="here")
    assert said in str(error.value)


def test_a_range_of_words_is_refused():
    with pytest.raises(ConfigError, match=r"loss\.kind is no number; give its values"):
        check_space(MagnetConfig, {"loss.kind": (0, 1)})


def test_every_model_declares_what_to_search_around_its_defaults():
    without = set()
    for name in MODELS.own:
        entry = find_model(name)
        default = entry.config.build().resolved()
        assert all(one.holds(value_at(default, key)) for key, one in entry.space.items()), name
        if entry.task is not None:
            assert "train.learning_rate" in entry.space, name
        if not entry.space:
            without.add(name)
    # The first two have no settings, the last one nothing but the modality.
    assert without == {"popularity", "random", "profile"}
    assert not PopularityConfig.model_fields


def test_a_model_is_registered_with_its_space():
    with pytest.raises(ConfigError, match="space of mine: regularisation: there is no setting"):
        register("mine", EASEConfig, fit=lambda: None, space={"regularisation": (1, 2)})
    assert "mine" not in MODELS
