"""The command as a process: what it costs to ask for help, and what Ctrl-C leaves behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from magnet.api import load
from magnet.run.checkpoint import Checkpoints, load_checkpoint

LONG = ["--set", "dim=8", "--set", "train.epochs=100000", "--set", "train.patience=100000"]
SHORT = ["--set", "dim=8", "--set", "train.epochs=6", "--set", "train.patience=100000"]


def wait_for(condition, process, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


def test_help_does_not_wait_for_torch():
    code = (
        "import sys\nfrom magnet.cli import main\nsys.argv = ['magnet', '--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "slow = {'torch', 'polars', 'scipy', 'pydantic', 'numpy', 'safetensors'} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_the_answer_goes_to_standard_output_and_progress_does_not(process, folder, tmp_path):
    answer = process(
        "train", "--data", folder, "--model", "lightgcn", *SHORT, "--out", tmp_path / "run", "--json"
    )
    out, err = answer.communicate(timeout=120)
    assert answer.returncode == 0, err
    assert json.loads(out)["epochs"] == 6
    assert "lightgcn epoch 0" in err
    assert "note: " in err


def test_errors_leave_standard_output_empty_and_no_traceback(process, tmp_path):
    answer = process("evaluate", tmp_path / "none", "--part", "test", "--json")
    out, err = answer.communicate(timeout=60)
    assert (answer.returncode, out) == (1, "")
    assert err.splitlines() == [f"error: {tmp_path / 'none'}: no such run folder"]


def test_ctrl_c_keeps_the_last_checkpoint_and_resuming_ends_where_an_uninterrupted_run_ends(
    process, magnet, folder, tmp_path
):
    common = ["train", "--data", folder, "--model", "lightgcn", "--threads", 1]
    run, whole = tmp_path / "run", tmp_path / "whole"
    last = Checkpoints(run / "checkpoints", "any run")
    training = process(*common, *LONG, "--out", run, "--json")
    wait_for(lambda: last.exists("last"), training)
    training.send_signal(signal.SIGINT)
    out, err = training.communicate(timeout=60)
    assert (training.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert str(last.path("last")) in err.splitlines()[-1]
    assert load_checkpoint(last.path("last")).meta["epoch"] >= 1
    refused = magnet("recommend", run, "--users", "u001")
    assert refused.code == 1
    assert "--resume" in refused.err
    other = magnet(*common, *SHORT, "--out", run, "--resume")
    assert other.code == 1
    assert "cannot resume, its config differs" in other.err
    assert load_checkpoint(last.path("last")).meta["epoch"] >= 1

    # The same interruption, at a known epoch, of a run that is short enough to be finished.
    interrupted = tmp_path / "interrupted"
    assert magnet(*common, *SHORT, "--out", whole).code == 0
    code = (
        "from magnet.cli import app\nfrom magnet.train import loop\nkept = loop._Loop._epoch\n"
        "def epoch(self):\n    if self.epoch == 3:\n        raise KeyboardInterrupt\n    return kept(self)\n"
        f"loop._Loop._epoch = epoch\napp({[*map(str, common), *SHORT, '--out', str(interrupted)]!r})"
    )
    stopped = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert stopped.returncode == 130, stopped.stderr
    assert magnet(*common, *SHORT, "--out", interrupted, "--resume").code == 0
    ours, theirs = load(interrupted).contents, load(whole).contents
    assert ours.state.users.equal(theirs.state.users)
    assert ours.state.items.equal(theirs.state.items)
    assert [e["terms"] for e in ours.events] == [e["terms"] for e in theirs.events]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_being_asked_to_end_is_answered_like_ctrl_c(process, folder, tmp_path, number, code):
    run = tmp_path / "run"
    # What this process ignores, as under nohup, its children ignore too.
    before = signal.signal(number, signal.SIG_DFL)
    try:
        training = process("train", "--data", folder, "--model", "lightgcn", *LONG, "--out", run)
    finally:
        signal.signal(number, before)
    wait_for((run / "checkpoints" / "last.safetensors").exists, training)
    training.send_signal(number)
    _, err = training.communicate(timeout=60)
    assert training.returncode == code
    assert err.splitlines()[-1].startswith("interrupted; the last checkpoint is kept in ")
    assert "Traceback" not in err


@pytest.mark.parametrize("delay", [0.05, 0.15, 0.4])
def test_a_signal_at_any_moment_ends_in_one_sentence(tmp_path, delay):
    arguments = ["magnet", "data", "synthetic", "--out", str(tmp_path / "made"), "--size", "demo"]
    code = (
        "import os, signal, sys, threading\nfrom magnet.cli import main\n"
        f"sys.argv = {arguments!r}\n"
        f"threading.Timer({delay}, os.kill, (os.getpid(), signal.SIGTERM)).start()\nmain()"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (made.returncode, made.stderr) in ((143, "interrupted\n"), (0, made.stderr))
    assert [file.name for file in tmp_path.iterdir()] == ([] if made.returncode else ["made"])


def test_a_disk_that_refuses_a_file_ends_a_training_in_one_line(folder, tmp_path):
    # One process for all: importing torch takes longer than the rest.
    limits = (100, 5_000, 20_000)
    common = ["train", "--data", str(folder), "--model", "lightgcn", *SHORT, "--out"]
    code = (
        "import resource, sys\nfrom magnet.cli import app\n"
        "_, most = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        f"for limit in {limits!r}:\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))\n"
        "    try:\n"
        f"        app([*{common!r}, {str(tmp_path)!r} + f'/run-{{limit}}'])\n"
        "    except SystemExit as end:\n"
        "        print('ended with', end.code, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.stderr.count("ended with 1\n") == len(errors) == len(limits), done.stderr
    for limit, error in zip(limits, errors, strict=True):
        assert error.startswith(f"error: {tmp_path}/run-{limit}")
        assert "File too large" in error
    assert "Traceback" not in done.stderr


def test_two_trainings_in_one_folder_and_an_overwriting_one_that_fails(process, magnet, folder, tmp_path):
    common = ["train", "--data", folder, "--model", "lightgcn", "--threads", 1]
    run = tmp_path / "run"
    assert magnet(*common, *SHORT, "--out", run).code == 0
    before = {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()}
    # The one that is to take its place goes on beside it.
    training = process(*common, *LONG, "--out", run, "--overwrite")
    beside = tmp_path / "run.unfinished"
    wait_for((beside / "checkpoints" / "last.safetensors").exists, training)
    for second in ("--overwrite", "--resume"):
        refused = magnet(*common, *(LONG if second == "--resume" else SHORT), "--out", run, second)
        assert refused.code == 1
        assert f"{beside}: process {training.pid} is writing here; wait until it ends" in refused.err
    assert magnet("evaluate", run, "--part", "test").code == 0
    training.send_signal(signal.SIGINT)
    _, err = training.communicate(timeout=60)
    assert training.returncode == 130
    assert err.splitlines()[-1].endswith(f"; the run that was there is still in {run}")
    assert {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()} == before
    diverging = magnet(*common, "--set", "train.learning_rate=1e30", "--out", run, "--overwrite")
    assert diverging.code == 1
    assert {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()} == before


def test_ctrl_c_before_the_first_checkpoint_says_so(process, folder, tmp_path):
    run = tmp_path / "run"
    slow = ["--set", "dim=1024", "--set", "train.batch_size=1", "--set", "layers=8"]
    training = process("train", "--data", folder, "--model", "lightgcn", *slow, "--out", run)
    wait_for((run / "config.json").exists, training)
    training.send_signal(signal.SIGINT)
    _, err = training.communicate(timeout=60)
    assert training.returncode == 130
    assert err.splitlines()[-1] == "interrupted before the first checkpoint"


def test_a_reader_that_goes_away_is_no_error(process, ease_run):
    users = ",".join(f"u{user:03d}" for user in range(240))
    answer = process("recommend", ease_run, "--users", users, "-k", 100)
    answer.stdout.readline()
    answer.stdout.close()
    err = answer.stderr.read()
    answer.stderr.close()
    answer.wait(timeout=60)
    assert "Traceback" not in err
