"""Trainings in several threads of a process: each gives the bits that it gives alone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

import magnet
from magnet.config import Config
from magnet.models.registry import MODELS
from magnet.nn import losses
from magnet.nn.losses import bpr, register_loss
from magnet.seeds import seeded
from magnet.states import DotState
from magnet.train.config import TrainConfig
from magnet.train.one_phase import OnePhaseTask
from magnet.train.task import Terms

QUICK = {"train": {"epochs": 2, "batch_size": 512}}
FEW = {
    "dim": 16,
    "controller": {"earliest": 1, "cap": 2, "ramp": 1},
    "mixing": {
        "steps": 1,
        "global_steps": 1,
        "behaviour": [{"kind": "filter"}],
        "content": [{"kind": "item-knn"}],
    },
}
SEEDS = (0, 1, 2)


def fitted(name, data, seed):
    """What a model scores by, as bytes."""
    settings = QUICK | (FEW if name == "magnet" else {})
    state = magnet.Recommender(name, seed=seed, **settings).fit(data, progress=False).contents.state
    return [part.detach().numpy().tobytes() for part in (state.users, state.items)]


@pytest.mark.parametrize("name", ["magnet", "vbpr", "bm3", "lgmrec", "gume", "smore"])
def test_three_trainings_at_once_give_the_bits_of_three_in_turn(name, tiny):
    alone = [fitted(name, tiny.dataset, seed) for seed in SEEDS]
    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(lambda seed: fitted(name, tiny.dataset, seed), SEEDS)) == alone
    assert alone[0] != alone[1] != alone[2]


class DropoutConfig(Config):
    train: TrainConfig = TrainConfig()


class WithDropout(OnePhaseTask):
    """A model of a user's own, which draws from torch's generator and knows nothing of threads."""

    def __init__(self, dataset, config, *, seed):
        self.sizes = dataset.n_users, dataset.n_items
        make = lambda: nn.Sequential(nn.Embedding(sum(self.sizes), 8), nn.Dropout(0.5))  # noqa: E731
        super().__init__(config.train, make, seed=seed)

    def step(self, batch):
        u, i, j = (
            self.module(at)
            for at in (batch.users, *(self.sizes[0] + x for x in (batch.positives, batch.negatives)))
        )
        return Terms.of({"ranking": bpr((u * i).sum(-1), (u * j).sum(-1))})

    @torch.no_grad()
    def state(self):
        return DotState(*self.module[0].weight.detach().clone().split(self.sizes))


@pytest.fixture
def own_model():
    magnet.register("with dropout", DropoutConfig, task=WithDropout)
    yield "with dropout"
    del MODELS._added["with dropout"]


def test_trainings_that_draw_by_torch_take_turns(own_model, tiny):
    alone = [fitted(own_model, tiny.dataset, seed) for seed in SEEDS]
    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(lambda seed: fitted(own_model, tiny.dataset, seed), SEEDS)) == alone


def test_a_subclass_that_draws_is_seeded_whatever_its_base_says(tiny):
    from magnet.models.lightgcn import LightGCNConfig, LightGCNTask
    from magnet.train.loop import train

    drawn = []

    class Noisy(LightGCNTask):
        def step(self, batch):
            drawn.append(float(torch.rand(())))
            return super().step(batch)

    for _ in range(2):
        task = Noisy(tiny.dataset, LightGCNConfig(), seed=0)
        config = TrainConfig(epochs=1, batch_size=1024)
        train(task, tiny.dataset, config, seed=0, evaluate=lambda _: {"recall@20": 0.0})
    half = len(drawn) // 2
    assert half
    assert drawn[:half] == drawn[half:]


def test_a_registered_loss_may_draw_by_torch(tiny):
    from magnet.models.backbone import BackboneConfig, BackboneTask

    register_loss("a loss with noise", lambda p, n, seen: bpr(p, n) + torch.rand(()))
    try:
        drawing = BackboneTask(tiny.dataset, BackboneConfig(loss={"kind": "a loss with noise"}), seed=0)
        assert drawing.draws_by_torch
        assert not BackboneTask(tiny.dataset, BackboneConfig(), seed=0).draws_by_torch
    finally:
        del losses.LOSSES._added["a loss with noise"]


def test_one_thread_at_a_time_has_torch_s_generators():
    entered, leave, inside = threading.Event(), threading.Event(), []

    def second():
        entered.set()
        with seeded(2):
            inside.append(float(torch.rand(())))

    with seeded(1):
        expected = float(torch.rand(()))
        after = float(torch.rand(()))
    thread = threading.Thread(target=second)
    with seeded(1):
        assert float(torch.rand(())) == expected
        thread.start()
        assert entered.wait(5)
        leave.wait(0.05)
        assert inside == []
        assert float(torch.rand(())) == after
    thread.join(5)
    with seeded(2):
        assert inside == [float(torch.rand(()))]
