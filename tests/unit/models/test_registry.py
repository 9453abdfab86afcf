from __future__ import annotations

import pytest

from magnet.errors import ConfigError
from magnet.models.registry import MODELS, find_model


def test_a_model_is_found_by_its_name():
    entries = [find_model(name) for name in MODELS.own]
    assert [entry.name for entry in entries] == list(MODELS.own)
    assert all((entry.task is None) != (entry.fit is None) for entry in entries)


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
