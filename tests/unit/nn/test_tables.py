from __future__ import annotations

import torch

from magnet.nn.tables import Encoded, Tables


def test_rows_are_those_of_the_whole_and_so_are_their_gradients():
    nodes, items = torch.randn(7, 3, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    encoded = Encoded(nodes, items)
    users, everything = encoded.whole()
    assert (users.shape, everything.shape) == ((3, 3), (4, 3))
    torch.testing.assert_close(everything, nodes[3:] + items)
    some_users, some_items = torch.tensor([2, 0]), torch.tensor([1, 3, 1])
    found = encoded.rows(some_users, some_items)
    for rows, expected in zip(found, (users[some_users], everything[some_items]), strict=True):
        torch.testing.assert_close(rows, expected)
    torch.cat(found).sum().backward()
    assert nodes.grad[:, 0].tolist() == [1, 0, 1, 0, 2, 0, 1]
    assert items.grad[:, 0].tolist() == [0, 2, 0, 1]


def test_users_and_items_each_have_their_own_spread():
    tables = Tables(1000, 10, 50)
    assert tables.users.abs().max() <= (6 / 1050) ** 0.5 < tables.items.abs().max() <= (6 / 60) ** 0.5
    torch.testing.assert_close(tables.joined(), torch.cat([tables.users, tables.items]))
