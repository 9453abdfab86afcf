"""What `import magnet` offers: this list, all of it documented, and cheap until it is used."""

from __future__ import annotations

import inspect
import subprocess
import sys
import types
from pathlib import Path

import pytest

import magnet

PUBLIC = [
    "Config",
    "Dataset",
    "EASE",
    "Evaluation",
    "LightGCN",
    "Magnet",
    "MagnetError",
    "Popularity",
    "Recommender",
    "TrainConfig",
    "Trainer",
    "__version__",
    "ablate",
    "compare",
    "data",
    "errors",
    "graph",
    "load",
    "register",
    "register_loss",
    "register_metric",
    "register_reader",
    "register_role",
    "register_signal",
    "register_state",
    "set_num_threads",
    "synthetic",
    "testing",
    "tune",
]


def test_the_public_names_are_these():
    assert sorted(magnet.__all__) == sorted(PUBLIC)
    assert set(dir(magnet)) >= set(PUBLIC)
    with pytest.raises(AttributeError, match="no attribute 'Lightgcn'"):
        magnet.Lightgcn  # noqa: B018


def public_methods(cls):
    return [member for name, member in vars(cls).items() if inspect.isfunction(member) and name[0] != "_"]


@pytest.mark.parametrize("name", [name for name in PUBLIC if name != "__version__"])
def test_each_is_documented_and_typed(name):
    thing = getattr(magnet, name)
    assert inspect.getdoc(thing)
    if isinstance(thing, types.ModuleType):
        assert thing.__all__
        return
    assert thing.__module__.startswith("magnet.")
    for function in [thing] if inspect.isfunction(thing) else public_methods(thing):
        signature = inspect.signature(function)
        assert inspect.getdoc(function), function
        assert signature.return_annotation is not inspect.Signature.empty, function
        for parameter in signature.parameters.values():
            typed = parameter.annotation is not inspect.Parameter.empty
            assert typed or parameter.name in ("self", "cls"), (function, parameter)


def test_importing_magnet_imports_none_of_the_heavy_ones():
    code = "import sys, magnet; print(*{'torch', 'polars', 'pydantic', 'scipy'} & sys.modules.keys())"
    environment = {"PYTHONPATH": str(Path(magnet.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert not done.stdout.strip()


def test_what_is_made_prints_in_a_few_lines_what_one_wants_to_know(tiny, tmp_path):
    from magnet.run.folder import RunFolder

    data = tiny.dataset
    assert repr(data).splitlines() == [
        "Dataset 'synthetic-tiny': 240 users x 160 items, 2,462 interactions (train 1,851, valid 292, test 319)",
        "  Modality 'image': 64 features in float32, 16 items lack it",
        "  Modality 'text': 96 features in float32, 16 items lack it",
        "  2 remarks on the data: see .messages",
    ]
    model = magnet.EASE(regularization=50.0)
    assert repr(model) == "EASE(regularization=50.0): not fitted"
    model.fit(data, folder=tmp_path / "run")
    value = model.metrics["valid/strict"]["metrics"]["recall@20"]
    assert (
        repr(model) == f"EASE(regularization=50.0): 240 users x 160 items, valid/strict recall@20 {value:.4f}"
    )
    assert (
        repr(magnet.Magnet(router={"top_k": 2}, seed=3)) == "Magnet(router={'top_k': 2}, seed=3): not fitted"
    )
    found = model.evaluate(data, ks=[20], metrics=["recall", "hit"])
    head, line = repr(found).splitlines()
    assert head.startswith(f"Evaluation of part 'test', protocol 'strict': {found.n_users} users")
    assert line == f"  @20: recall {found.metrics['recall@20']:.4f}, hit {found.metrics['hit@20']:.4f}"
    assert repr(RunFolder.open(tmp_path / "run")).endswith("run': ease, seed 0, protocol 'strict', finished")
