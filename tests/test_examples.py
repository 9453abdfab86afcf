"""Every example runs as it stands, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import magnet

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
# What each of them must have printed.
PRINTED = {
    "notebook.py": "backbone",
    "open_training.py": "stopped after 2 epochs",
    "own_data_reader.py": "True",
    "own_expert.py": "contrarian/text {'behaviour': -0.25, 'image': -0.25, 'text': 1.0}",
    "own_metric.py": "rbp",
    "own_model.py": "user_id",
    "own_trained_model.py": "Recommender('factors'",
}


def test_every_example_is_run():
    if not EXAMPLES.is_dir():
        pytest.skip("no examples beside the tests")
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(PRINTED)


@pytest.mark.parametrize("name", PRINTED)
def test_it_runs(name, tmp_path):
    if not EXAMPLES.is_dir():
        pytest.skip("no examples beside the tests")
    environment = os.environ | {
        "PYTHONPATH": str(Path(magnet.__file__).parents[1]),
        "MAGNET_CACHE": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "error",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert PRINTED[name] in done.stdout
    assert not [path for path in tmp_path.iterdir() if path.name != "cache"], "it leaves something behind"
