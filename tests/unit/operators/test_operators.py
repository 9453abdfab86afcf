"""Every operator is the matrix it stands for, row by row and column by column."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array
from tests.oracles.operators import filter_matrix, spectral_matrix

import magnet
from magnet.errors import DataError
from magnet.evaluate.rank import rank, score
from magnet.graph.spectrum import low_frequencies, no_frequencies
from magnet.operators import (
    DenseOperator,
    FactorOperator,
    FilterOperator,
    SparseOperator,
    SpectralOperator,
    operator_from_tensors,
    operator_to_tensors,
    spectral,
)
from magnet.operators import filter as filters
from magnet.states import ItemItemState, from_tensors, to_tensors

N_USERS, N_ITEMS = 40, 23


def history(seed=0, density=0.2):
    rng = np.random.default_rng(seed)
    taken = rng.random((N_USERS, N_ITEMS)) < density
    taken[:, 5] = False  # an item that nobody has
    taken[7] = False  # a user who has nothing
    return csr_array(taken.astype(np.float32))


def dense():
    return np.random.default_rng(1).standard_normal((N_ITEMS, N_ITEMS)).astype(np.float32)


def sparse():
    made = random_array((N_ITEMS, N_ITEMS), density=0.2, random_state=np.random.default_rng(2))
    return made.tocsr().astype(np.float32)


def spectral_pair(coefficients, exponent, rank, weight, vectors_exponent):
    def response(values):
        return np.polynomial.chebyshev.chebval(2 * values - 1, coefficients)

    low = low_frequencies(history(), rank) if rank else no_frequencies(history())
    return (
        SpectralOperator(history(), coefficients, exponent, low, weight, vectors_exponent),
        spectral_matrix(history(), response, exponent, rank, weight, vectors_exponent),
    )


def table(seed):
    return np.random.default_rng(seed).standard_normal((N_ITEMS, 4)).astype(np.float32)


OPERATORS = {
    "dense": lambda: (DenseOperator(dense()), dense()),
    "sparse": lambda: (SparseOperator(sparse()), sparse().toarray()),
    "factors": lambda: (FactorOperator(table(3), table(4)), table(3) @ table(4).T),
    "one hop": lambda: (FilterOperator(history(), [1], 0.5), filter_matrix(history(), [1], 0.5)),
    "three hops": lambda: (FilterOperator(history(), [0, 0, 1], 0), filter_matrix(history(), [0, 0, 1], 0)),
    "less than one hop": lambda: (
        FilterOperator(history(), [2, -1], 0.25),
        filter_matrix(history(), [2, -1], 0.25),
    ),
    "series": lambda: spectral_pair([0.5, 0.3, -0.1, 0.0, 0.7], 0.2, 4, 0.5, 0.4),
    "constant": lambda: spectral_pair([0.8], 0.0, 3, 0.5, 0.0),
    "series alone": lambda: spectral_pair([0.5, 0.3, -0.1], 0.2, 0, 0.0, 0.4),
    "two terms": lambda: spectral_pair([0.5, 0.5], 0.0, 5, 0.3, 0.5),
}


@pytest.fixture(params=["whole", "hop by hop"])
def way(request, monkeypatch):
    if request.param == "hop by hop":
        for module in (filters, spectral):
            monkeypatch.setattr(module, "WHOLE_UP_TO", 0)
            monkeypatch.setattr(module, "COLUMNS", 7)
    return request.param


@pytest.mark.parametrize("name", OPERATORS)
def test_rows_and_columns_are_those_of_the_matrix(name, way):
    operator, matrix = OPERATORS[name]()
    taken = history(seed=5)
    found = operator.apply(taken)
    assert (found.dtype, found.flags.c_contiguous, operator.n_items) == (np.float32, True, N_ITEMS)
    np.testing.assert_allclose(found, taken.toarray().astype(np.float64) @ matrix, rtol=1e-4, atol=2e-5)
    for item in range(N_ITEMS):
        np.testing.assert_allclose(operator.column(item), matrix[:, item], rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("name", OPERATORS)
def test_sources_and_targets_are_the_rows_and_columns_that_are_not_empty(name):
    operator, matrix = OPERATORS[name]()
    np.testing.assert_array_equal(operator.sources, (matrix != 0).any(axis=1))
    np.testing.assert_array_equal(operator.targets, (matrix != 0).any(axis=0))


@pytest.mark.parametrize("name", OPERATORS)
def test_a_row_is_the_same_in_any_batch_and_with_any_number_of_threads(name, way):
    operator, _ = OPERATORS[name]()
    taken = history(seed=5)
    whole = operator.apply(taken)
    for rows in ([3], [3, 3, 9], list(range(N_USERS))[::-1]):
        np.testing.assert_array_equal(operator.apply(taken[rows]), whole[rows])
    magnet.set_num_threads(1)
    try:
        np.testing.assert_array_equal(operator.apply(taken), whole)
    finally:
        magnet.set_num_threads(2)


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_survives_being_kept(name):
    operator, _ = OPERATORS[name]()
    tensors, meta = operator_to_tensors(operator)
    again = operator_from_tensors(tensors, meta, history())
    np.testing.assert_array_equal(again.apply(history(5)), operator.apply(history(5)))
    state = ItemItemState(history(), operator)
    read = from_tensors(*to_tensors(state))
    np.testing.assert_array_equal(read.scores(np.arange(5)), state.scores(np.arange(5)))


def test_a_matrix_of_an_older_run_is_read():
    state = ItemItemState(history(), dense())
    tensors, meta = to_tensors(state)
    tensors["weights"] = tensors.pop("operator/weights")
    meta.pop("operator")
    np.testing.assert_array_equal(from_tensors(tensors, meta).operator.weights, dense())


@pytest.mark.parametrize("name", OPERATORS)
def test_ranking_and_scoring_agree_to_the_bit(name, way):
    state = ItemItemState(history(), OPERATORS[name]()[0])
    users = np.repeat(np.arange(N_USERS, dtype=np.int32), 4)
    found = rank(state, np.arange(N_USERS), None, 4)
    np.testing.assert_array_equal(score(state, users, found.items.ravel()), found.scores.ravel())


def test_users_and_items_without_interactions_get_nothing_of_a_filter():
    found = FilterOperator(history(), [1], 0.5).apply(history())
    assert not found[7].any()
    assert not found[:, 5].any()
    assert found.any()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: DenseOperator(dense()[:3]), r"square matrix in float32, got \(3, 23\)"),
        (lambda: SparseOperator(csr_array((3, 4))), "square csr_array"),
        (lambda: FactorOperator(table(1), table(1)[:5]), "alike on both sides"),
        (lambda: FilterOperator(history(), [], 0.5), "at least one coefficient"),
        (lambda: FilterOperator(history(), [np.nan], 0.5), "all finite"),
        (lambda: SpectralOperator(history(), [], 0, table(1), 1, 0), "at least one coefficient"),
        (
            lambda: SpectralOperator(history(), [1], 0, table(1)[:5], 1, 0),
            r"\(23, rank\) in float32; got \(5, 4\)",
        ),
        (lambda: DenseOperator(dense()).apply(csr_array((2, 9))), r"csr_array of 23 columns.*\(2, 9\)"),
    ],
)
def test_what_does_not_fit_is_said(make, said):
    with pytest.raises(DataError, match=said):
        make()


@pytest.mark.parametrize("name", [name for name in OPERATORS if hasattr(OPERATORS[name]()[0], "core_matrix")])
def test_what_the_core_gets_is_the_matrix(name):
    """Blends are ranked by it, and scored by rows: they have to be one and the same."""
    operator, matrix = OPERATORS[name]()
    given = operator.core_matrix
    if not isinstance(given, np.ndarray):
        pointers, indices, values = given
        given = csr_array((values, indices, pointers), shape=matrix.shape).toarray()
    np.testing.assert_allclose(given, matrix, atol=1e-5)
