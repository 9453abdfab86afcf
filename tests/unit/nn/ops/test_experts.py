"""What training does in Rust beside torch's own operations, gradients included."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.sparse import csr_array

from magnet.errors import DataError
from magnet.nn.ops.dropout import drop
from magnet.nn.ops.experts import components_of, expert_products, paired_products, unit_shares
from magnet.nn.ops.gather import distinct, gather_cues, take_rows
from magnet.nn.ops.unit import unit_rows
from magnet.nn.propagate import Graph, multiply


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def same_with_gradients(mine, theirs, *inputs, atol=1e-5):
    """Compare outputs and gradients under the same random gradient."""
    found = []
    for run in (mine, theirs):
        leaves = [x.clone().requires_grad_() for x in inputs]
        out = run(*leaves)
        found.append([out, *torch.autograd.grad(out, leaves, normal(*out.shape, seed=9))])
    for own, other in zip(*found, strict=True):
        torch.testing.assert_close(own, other, atol=atol, rtol=1e-4)


@pytest.mark.parametrize("shape", [(5, 3, 64), (40, 7), (0, 4), (3, 1)])
def test_unit_rows_are_torch_s(shape):
    x = normal(*shape)
    present = normal(*shape[:-1], seed=1) > -0.5
    same_with_gradients(unit_rows, lambda x: F.normalize(x, dim=-1), x)
    same_with_gradients(
        lambda x: unit_rows(x, present), lambda x: F.normalize(x, dim=-1) * present[..., None], x
    )
    strided = normal(*shape[::-1]).permute(*reversed(range(len(shape))))
    torch.testing.assert_close(unit_rows(strided), F.normalize(strided, dim=-1))


def test_a_row_of_zeros_has_no_direction_and_no_gradient():
    x = torch.zeros(2, 4, requires_grad=True)
    out = unit_rows(x)
    out.sum().backward()
    assert not out.any()
    assert not x.grad.any()


def test_dropout_keeps_its_share_by_its_seed():
    x = torch.ones(200, 301)
    out = drop(x, 0.2, 3)
    assert set(out.unique().tolist()) == {0.0, 1.25}
    assert float((out > 0).float().mean()) == pytest.approx(0.8, abs=0.01)
    assert not torch.equal(drop(x, 0.2, 4), out)
    assert torch.equal(drop(x, 0.2, 3, out=torch.empty_like(x)), out)


def test_dropout_of_nothing_neither_copies_nor_draws():
    x = torch.ones(3, 4)
    assert drop(x, 0.0, 3) is x
    out = torch.empty_like(x)
    assert drop(x, 0.0, 3, out=out) is out
    assert torch.equal(out, x)
    before = torch.get_rng_state()
    components_of(normal(2, 3, 4), normal(2, 4, 4), p=0.0)
    assert torch.equal(torch.get_rng_state(), before)
    components_of(normal(2, 3, 4), normal(2, 4, 4), p=0.5)
    assert not torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("p", [0.0, 0.3])
def test_parts_are_cues_and_what_they_explain_and_drop_the_gradient_where_they_did_a_cue(p):
    cues, explained = normal(3, 5, 8), normal(3, 8, 8, seed=1)

    def theirs(cues):
        y = cues * drop(torch.ones_like(cues), p, 7)
        return torch.cat([y, torch.bmm(y, explained)])

    same_with_gradients(lambda cues: components_of(cues, explained, p=p, seed=7), theirs, cues)


def test_cues_are_gathered_side_by_side_with_their_gradients():
    z, profile, smoothed = normal(20, 4), normal(2, 3, 4, seed=1), normal(2, 9, 4, seed=2)
    rows, ids = torch.tensor([2, 5, 2, 11, 18]), torch.tensor([0, 7])

    def theirs(z, profile, smoothed):
        return torch.cat([z[rows][None], torch.cat([profile, smoothed[:, ids]], 1)])

    same_with_gradients(lambda *x: gather_cues(*x, rows, ids), theirs, z, profile, smoothed)


@pytest.mark.parametrize("ids", [[], [3], [4, 0, 4, 2]])
def test_distinct_ids_are_those_of_torch_s_unique(ids):
    ids = torch.tensor(ids, dtype=torch.int64)
    for mine, theirs in zip(distinct(ids, 5), torch.unique(ids, return_inverse=True), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize(
    ("n_components", "dim", "n_experts", "per_user"), [(6, 64, 9, 2), (2, 5, 1, 1), (8, 12, 16, 3)]
)
def test_products_are_those_of_the_towers(n_components, dim, n_experts, per_user, unit):
    n_users, n_items = 30, 50
    components = normal(n_components, n_users + n_items, dim)
    coefficients = F.pad(normal(3, n_components, n_experts, seed=1), (0, 16 - n_experts))
    pattern = torch.arange(n_users + n_items) % 3
    items = (torch.arange(n_users * per_user) * 7 % 40).reshape(n_users, per_user)

    def mine(components, coefficients):
        return expert_products(components, coefficients, pattern, items, n_experts, unit=unit)

    def theirs(components, coefficients):
        shares = take_rows(coefficients, pattern)[..., :n_experts].transpose(1, 2)
        towers = torch.bmm(shares, components.transpose(0, 1))
        towers = F.normalize(towers, dim=-1) if unit else towers
        return paired_products(towers[:n_users], towers[n_users:], items)

    same_with_gradients(mine, theirs, components, coefficients, atol=1e-4)

    def shares(components, coefficients):
        return unit_shares(components, coefficients, pattern)

    def lengths(components, coefficients):
        own = take_rows(coefficients, pattern)
        return own / torch.einsum("nke,knd->ned", own, components).norm(dim=-1).clamp(min=1e-3)[:, None]

    if unit:
        same_with_gradients(shares, lengths, components, coefficients, atol=1e-3)


def test_a_sum_that_cancels_has_a_length_all_the_same():
    components = normal(1, 1, 8).expand(2, 2, 8).contiguous().requires_grad_()
    coefficients, pattern = F.pad(torch.tensor([[[1.0], [-1.0]]]), (0, 15)), torch.zeros(2, dtype=torch.int64)
    shares = unit_shares(components, coefficients, pattern)
    torch.testing.assert_close(shares[..., 0], torch.tensor([[1e3, -1e3]]).expand(2, 2))
    expert_products(components, coefficients, pattern, torch.tensor([[0]]), 1, unit=True).sum().backward()
    assert components.grad.isfinite().all()


def test_some_rows_of_a_graph_are_a_graph_with_its_gradient():
    dense = np.array([[0, 2, 1], [0, 0, 0], [3, 0, 4]], dtype=np.float32)
    index = torch.tensor([2, 0, 0, 1])
    rows = Graph.from_csr(csr_array(dense), symmetric=False).rows(index)
    full = torch.from_numpy(dense)[index]
    same_with_gradients(lambda x: multiply(rows, x), lambda x: full @ x, normal(3, 5))
    less = Graph.from_csr(csr_array(dense), symmetric=False).rows(index, without=torch.tensor([0, 2, 1, 1]))
    full = full.clone()
    full[[0, 1, 2], [0, 2, 1]] = 0.0
    planes = normal(2, 3, 5)
    same_with_gradients(lambda x: multiply(less, x), lambda x: full @ x, planes)
    with pytest.raises(DataError, match=r"row 3 at position 1 is outside 0\.\.3"):
        Graph.from_csr(csr_array(dense), symmetric=False).rows(torch.tensor([0, 3]))
