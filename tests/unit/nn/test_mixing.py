"""What training does in Rust beside torch's own operations, gradients included."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.sparse import csr_array

from magnet.errors import DataError
from magnet.nn.dropout import dropout
from magnet.nn.mixing import expert_products, paired_products, unit_shares
from magnet.nn.propagate import Graph, multiply
from magnet.nn.rows import take_rows
from magnet.nn.unit import unit_rows


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


def test_dropout_keeps_its_share_and_passes_the_gradient_where_it_did():
    x = torch.ones(200, 301, requires_grad=True)
    torch.manual_seed(3)
    out = dropout(x, 0.2, training=True)
    out.sum().backward()
    assert set(out.unique().tolist()) == {0.0, 1.25}
    assert float((out > 0).float().mean()) == pytest.approx(0.8, abs=0.01)
    torch.testing.assert_close(x.grad, out.detach())
    assert not torch.equal(dropout(x, 0.2, training=True), out)
    torch.manual_seed(3)
    assert torch.equal(dropout(x, 0.2, training=True), out)
    assert dropout(x, 0.2, training=False) is x
    assert dropout(x, 0.0, training=True) is x


@pytest.mark.parametrize(
    ("n_parts", "dim", "n_experts", "per_user"), [(6, 64, 9, 2), (2, 5, 1, 1), (8, 12, 16, 3)]
)
def test_products_are_those_of_the_towers(n_parts, dim, n_experts, per_user):
    n_users, n_items = 30, 50
    parts = normal(n_users + n_items, n_parts, dim)
    coefficients = normal(3, n_experts, n_parts, seed=1)
    which = torch.arange(n_users + n_items) % 3
    items = (torch.arange(n_users * per_user) * 7 % 40).reshape(n_users, per_user)

    def mine(parts, coefficients):
        return expert_products(parts, unit_shares(parts, coefficients, which), items)

    def theirs(parts, coefficients):
        towers = F.normalize(torch.bmm(take_rows(coefficients, which), parts), dim=-1)
        return paired_products(towers[:n_users], towers[n_users:], items)

    same_with_gradients(mine, theirs, parts, coefficients, atol=1e-4)


def test_a_sum_that_cancels_has_a_length_all_the_same():
    parts = normal(1, 1, 8).expand(2, 2, 8).contiguous().requires_grad_()
    shares = unit_shares(parts, torch.tensor([[[1.0, -1.0]]]), torch.zeros(2, dtype=torch.int64))
    torch.testing.assert_close(shares, torch.tensor([[[1e3, -1e3]]]).expand(2, 1, 2))
    expert_products(parts, shares, torch.tensor([[0]])).sum().backward()
    assert parts.grad.isfinite().all()


def test_some_rows_of_a_graph_are_a_graph_with_its_gradient():
    dense = np.array([[0, 2, 1], [0, 0, 0], [3, 0, 4]], dtype=np.float32)
    index = torch.tensor([2, 0, 0, 1])
    rows = Graph.from_csr(csr_array(dense), symmetric=False).rows(index)
    full = torch.from_numpy(dense)[index]
    same_with_gradients(lambda x: multiply(rows, x), lambda x: full @ x, normal(3, 5))
    with pytest.raises(DataError, match=r"row 3 at position 1 is outside 0\.\.3"):
        Graph.from_csr(csr_array(dense), symmetric=False).rows(torch.tensor([0, 3]))
