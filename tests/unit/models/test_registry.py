from __future__ import annotations

import pytest

from magnet.errors import ConfigError
from magnet.models.registry import MODELS, find_model


def test_a_model_is_found_by_its_name():
    assert [find_model(name).name for name in MODELS] == list(MODELS)
    assert all((entry.task is None) != (entry.solve is None) for entry in MODELS.values())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lightgnc", "no model 'lightgnc'; did you mean 'lightgcn'"),
        ("transformer", "no model 'transformer'"),
    ],
)
def test_a_wrong_name_is_refused_and_the_nearest_suggested(name, message):
    with pytest.raises(ConfigError) as caught:
        find_model(name)
    assert message in str(caught.value)
