"""Controls: each changes what it says and nothing else, and stands against what it controls."""

from __future__ import annotations

import pytest

import magnet
from magnet.config import changed, merged
from magnet.errors import ConfigError
from magnet.models.registry import find_model
from magnet.study.controls import BACKBONE, MIXTURE, ablation, control_names
from magnet.study.plan import plan
from support.study_data import QUICK, quick

CONFIG = find_model("magnet").config


@pytest.mark.parametrize("name", [*MIXTURE, *BACKBONE])
def test_a_control_changes_the_defaults_where_it_says(name):
    control = (MIXTURE | BACKBONE)[name]
    whole = CONFIG.build(control).resolved()
    assert changed(whole, CONFIG.build().resolved()) == control


def test_controls_of_the_mixture_share_the_backbone_of_the_plain_model_and_others_do_not(tiny):
    rows = ablation(QUICK, tiny.dataset.modalities)
    experiments = plan(rows, {"tiny": tiny.dataset}, [0], protocol="strict")
    plain = experiments[0].backbone()
    shared = {one.contender.name for one in experiments if one.backbone() == plain}
    assert shared == {"magnet", *MIXTURE}
    assert {one.contender.name for one in experiments if one.backbone() is None} == {"signals alone"}
    assert [one.contender.name for one in experiments] == [
        "magnet",
        *control_names(tiny.dataset.modalities),
    ]
    # A backbone is of one seed.
    assert plan(rows[:1], {"tiny": tiny.dataset}, [1], protocol="strict")[0].backbone() != plain
    alone = plan(
        ablation(merged(QUICK, {"mixture": False}), []), {"tiny": tiny.dataset}, [0], protocol="strict"
    )
    assert alone[0].backbone() is None


def test_controls_keep_the_settings_of_the_model():
    rows = {row.name: row for row in ablation({"dim": 8, "router": {"top_k": 2}}, ["image"])}
    assert rows["router uniform"].settings == {"dim": 8, "router": {"kind": "uniform", "top_k": 2}}
    assert rows["magnet"].settings == {"dim": 8, "router": {"top_k": 2}}
    # An only modality cannot be taken away.
    assert "without image" not in rows


def test_names_and_groups_are_chosen():
    assert [row.name for row in ablation({}, ["a", "b"], ["modalities", "dense", "without a"])] == [
        "magnet",
        "without a",
        "without b",
        "dense",
    ]
    assert len(ablation({}, ["a"], "none")) == 1
    with pytest.raises(ConfigError, match="no control 'router shufled'; did you mean 'router shuffled'"):
        ablation({}, ["a"], "router shufled")


def test_an_ablation_is_a_comparison_of_magnet_with_itself(tiny, tmp_path):
    options = {"seeds": (0,), "store": tmp_path / "store", "progress": False}
    found = magnet.ablate(
        tiny.dataset, quick(), controls=["router uniform", "one layer", "without image"], **options
    )
    labels = [row.label for row in found.rows]
    assert labels == [
        "magnet",
        "magnet: backbone",
        "magnet: global",
        "magnet: coverage",
        "magnet: specialisation",
        "magnet: routed",
        "router uniform",
        "router uniform: routed",
        "one layer",
        "one layer: backbone",
        "without image",
    ]
    against = {gap.row: gap.against for gap in found.gaps if gap.against != "magnet"}
    assert against == {
        "router uniform: routed": "magnet: routed",
        "one layer: backbone": "magnet: backbone",
        "magnet: routed": "magnet: global",
    }
    by_label = {row.label: row.metrics["test"]["recall@20"] for row in found.rows}
    fewer = magnet.Dataset(
        **{
            name: getattr(tiny.dataset, name)
            for name in ("name", "users", "items", "parts", "user_ids", "item_ids")
        },
        modalities={"text": tiny.dataset.modalities["text"]},
    )
    model = quick().fit(fewer, progress=False)
    assert by_label["without image"] == [model.evaluate(fewer, ks=[20]).metrics["recall@20"]]
    # The same store serves a comparison: the plain model and its control are there.
    both = {"a": quick(), "b": quick(router={"kind": "uniform"})}
    again = magnet.compare(both, tiny.dataset, **options)
    assert [row.metrics["test"]["recall@20"] for row in again.rows] == [
        by_label["magnet"],
        by_label["router uniform"],
    ]


def test_only_magnet_has_controls(tiny):
    with pytest.raises(ConfigError, match="only MAGNET has controls, and 'ease' was given"):
        magnet.ablate(tiny.dataset, magnet.EASE())
