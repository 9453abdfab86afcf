"""The loss of the backbone, with each of its switches, against plain dense float64, gradients included."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from scipy.sparse import csr_array
from torch import Tensor

from magnet.nn import backbone as network
from magnet.nn.losses import LossConfig
from magnet.nn.propagate import Graph
from support.small_world import N_USERS, interactions, pairs, world

USERS, POSITIVES, NEGATIVES = pairs()
SHARED = torch.tensor([1, 4, 9, 4])
SEEN = torch.from_numpy(interactions().toarray() > 0)[USERS][:, SHARED]


def dense(graph: Graph) -> Tensor:
    indptr, indices, values = (part.numpy() for part in graph.forward)
    return torch.from_numpy(
        csr_array((values, indices, indptr), shape=(graph.n_rows, graph.n_cols)).toarray()
    ).double()


def both_sides() -> Graph:
    """Interactions, normalised, from items to users."""
    train = interactions()
    rows = train.toarray() / train.toarray().sum(1, keepdims=True)
    return Graph.from_csr(csr_array(rows.astype("float32")), symmetric=False)


def terms_of(loss: dict[str, Any], side: str = "both", **config: Any) -> tuple[dict[str, Tensor], Tensor]:
    """What the network says: the terms, and the gradient of their sum."""
    model, inputs, views = world(content_weight=0.3, content_side=side, **config)
    if side == "both":
        views = views._replace(users=both_sides())
    settings = LossConfig.build(loss)
    shared = settings.kind != "bpr"
    negatives, seen = (SHARED, SEEN) if shared else (NEGATIVES, None)
    terms = model(views, inputs, USERS, POSITIVES, negatives, seen, loss=settings)
    (slope,) = torch.autograd.grad(sum(terms.values()), [model.behaviour.embeddings])
    return terms, slope


def by_hand(loss: dict[str, Any], side: str = "both", **config: Any) -> tuple[dict[str, Tensor], Tensor]:
    """The same, written down."""
    model, inputs, views = world(content_weight=0.3, content_side=side, **config)
    settings = LossConfig.build(loss)
    e = model.behaviour.embeddings.detach().double().requires_grad_()
    a = dense(views.interactions)
    own = (e + a @ e + a @ a @ e) / 3
    x = dense(views.items) @ e[N_USERS:]
    content = torch.cat(
        [dense(both_sides()) @ x if side == "both" else torch.zeros(N_USERS, x.shape[1]).double(), x]
    )
    z = own + 0.3 * content
    degree = inputs.item_degree.double().clamp(min=1)
    weight = (degree / degree.mean()) ** config.get("popularity", 0.0)
    terms: dict[str, Tensor] = {}
    if settings.kind == "bpr":
        scores = (z[:N_USERS] @ z[N_USERS:].T) * weight
        terms["ranking"] = -F.logsigmoid(scores[USERS, POSITIVES] - scores[USERS, NEGATIVES]).mean()
        rows = torch.cat([USERS, N_USERS + POSITIVES, N_USERS + NEGATIVES])
    else:
        cosine = settings.kind == "softmax"
        x = F.normalize(z, dim=-1) / settings.temperature**0.5 if cosine else z
        scores = (x[:N_USERS] @ x[N_USERS:].T) * weight
        others = scores[USERS][:, SHARED].masked_fill(SEEN, -torch.inf)
        logits = torch.cat([scores[USERS, POSITIVES][:, None], others], 1)
        terms["ranking"] = F.cross_entropy(logits, torch.zeros(len(USERS), dtype=torch.long))
        rows = torch.cat([USERS, N_USERS + POSITIVES])
    if settings.alignment:
        sides = [N_USERS + torch.unique(POSITIVES)] + ([torch.unique(USERS)] if side == "both" else [])
        terms["alignment"] = 0.0
        for index in sides:
            logits = F.normalize(own[index], dim=-1) @ F.normalize(content[index], dim=-1).T
            logits, label = logits / settings.alignment_temperature, torch.arange(len(index))
            both = F.cross_entropy(logits, label) + F.cross_entropy(logits.T, label)
            terms["alignment"] += settings.alignment * both / 2
    if settings.l2:
        held = z if settings.l2_of == "propagated" else e
        terms["l2"] = settings.l2 * (held[rows] ** 2).sum() / (2 * len(USERS))
    (slope,) = torch.autograd.grad(sum(terms.values()), [e])
    return terms, slope


SWITCHES: list[dict[str, Any]] = [
    {},
    {"loss": {"alignment": 0.5}},
    {"loss": {"alignment": 0.5, "alignment_temperature": 0.5}},
    {"loss": {"alignment": 0.5}, "side": "items"},
    {"side": "items"},
    {"loss": {"l2_of": "embeddings"}},
    {"loss": {"l2": 0.2}},
    {"loss": {"l2_of": "embeddings", "l2": 0.2}},
    {"popularity": 0.5},
]


@pytest.mark.parametrize("kind", ["bpr", "softmax", "softmax_products"])
@pytest.mark.parametrize("switch", SWITCHES, ids=str)
def test_the_loss_and_its_gradient_are_those_of_the_formula(kind: str, switch: dict[str, Any]) -> None:
    settings = {**switch, "loss": {"kind": kind, **switch.get("loss", {})}}
    found, slope = terms_of(**settings)
    wanted, want = by_hand(**settings)
    assert found.keys() == wanted.keys()
    for name, term in found.items():
        assert term.item() == pytest.approx(wanted[name].item(), rel=1e-5, abs=1e-6)
    torch.testing.assert_close(slope.double(), want, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("switch", SWITCHES[1:], ids=str)
def test_every_switch_changes_the_loss(switch: dict[str, Any]) -> None:
    plain, _ = terms_of({})
    changed, _ = terms_of(**{"loss": {}, **switch})
    total = [sum(term.item() for term in terms.values()) for terms in (plain, changed)]
    assert abs(total[0] - total[1]) > 1e-6


def test_no_row_of_a_long_batch_is_left_out_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    # The first rows of a batch, not the lowest indices: a batch is in random order.
    monkeypatch.setattr(network, "ALIGNED_ROWS", 3)
    model, _, views = world()
    items = torch.tensor([9, 2, 9, 0, 1])
    users = torch.tensor([11, 3, 4, 0, 1])
    loss = LossConfig(alignment=1.0)
    of_items, of_users = model.compared(users, items, views._replace(users=both_sides()), loss)
    assert (of_items - N_USERS).tolist() == [2, 9]
    assert of_users.tolist() == [3, 4, 11]
    assert len(model.compared(users, items, views, loss)) == 1
