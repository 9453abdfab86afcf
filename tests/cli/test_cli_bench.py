"""``magnet bench step``: the table and the document."""

from __future__ import annotations

import json

import pytest
import torch

from magnet.runtime import num_threads

QUICK = ["--set", "dim=8", "--batch-size", "256", "--steps", "2"]


def test_every_part_has_counts_times_and_a_roofline(magnet, folder):
    before = num_threads(), torch.get_num_threads()
    answer = magnet("bench", "step", "--data", folder, *QUICK, "--threads", "1,2", "--json")
    assert answer.code == 0, answer.err
    assert (num_threads(), torch.get_num_threads()) == before
    found = json.loads(answer.out)
    assert found["batch_size"] == 256
    assert [one["threads"] for one in found["measured"]] == [1, 2]
    for one in found["measured"]:
        parts, step = one["parts"], one["step"]
        assert {"backward", "optimiser"} < {part["part"] for part in parts}
        for row in [*parts, step]:
            assert row["milliseconds"] > 0, row
            assert row["megabytes"] > 0
            # By hand: arithmetic at the rate of products, and traffic at that of memory.
            floor = row["gflop"] / one["gemm_gflops"] + row["megabytes"] / 1e3 / one["memory_gbytes"]
            assert row["roofline_milliseconds"] == pytest.approx(floor * 1e3)
            assert row["ratio"] == pytest.approx(row["milliseconds"] / row["roofline_milliseconds"])
        assert step["gflop"] == pytest.approx(sum(part["gflop"] for part in parts))
        # Medians of two steps are means: all parts together are the step, but for zeroing and reading the loss.
        assert 0.5 < sum(part["milliseconds"] for part in parts) / step["milliseconds"] <= 1.001
    assert next(part["part"] for part in found["measured"][0]["parts"]) == "propagation"


def test_a_table_for_each_number_of_threads(magnet, folder):
    answer = magnet("bench", "step", "--data", folder, *QUICK, "--threads", "1")
    assert answer.code == 0, answer.err
    assert answer.out.count("whole step") == 1
    assert "1 thread:" in answer.out
    assert "propagation" in answer.out


@pytest.mark.parametrize("threads", ["", "0", "1,x", "-1", "1,,2"])
def test_numbers_of_threads_are_numbers(magnet, threads):
    answer = magnet("bench", "step", "--threads", threads)
    assert (answer.code, answer.out) == (2, "")
    assert "1,2" in answer.err
