from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnet import _core
from magnet.errors import DataError
from oracles import blend as oracle


@pytest.fixture(autouse=True)
def _keep_threads():
    threads = _core.num_threads()
    yield
    _core.set_num_threads(threads)


def logits(draw, rng, *shape):
    """Ties, experts that are off, or logits so far apart that their powers underflow."""
    kind = draw(st.sampled_from(["quarters", "normal", "far"]))
    made = {
        "quarters": lambda: rng.integers(-2, 3, shape) / 4,
        "normal": lambda: rng.standard_normal(shape),
        "far": lambda: rng.uniform(-45, 45, shape),
    }[kind]()
    made[rng.random(shape) < draw(st.sampled_from([0.0, 0.3, 1.0]))] = -np.inf
    return made.astype(np.float32)


@st.composite
def blends(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    b, i = draw(st.integers(1, 5)), draw(st.sampled_from([1, 2, 15, 16, 17, 40]))
    c, e = draw(st.sampled_from([0, 1, 3, 32])), draw(st.sampled_from([0, 1, 2, 9, 17, 64]))
    signals = rng.standard_normal((1 + c, b, i)) * 10.0 ** rng.integers(-6, 7, (1 + c, b, 1))
    signals += draw(st.sampled_from([0.0, 3.0, -100.0])) * np.abs(signals).max()
    constant = rng.random((1 + c, b)) < draw(st.sampled_from([0.0, 0.5]))
    signals[constant] = signals[constant][:, :1]
    signals = signals.astype(np.float32)
    return (
        signals[0].copy(),
        signals[1:].copy(),
        logits(draw, rng, b, e),
        logits(draw, rng, i, e),
        rng.standard_normal((e, c)).astype(np.float32),
        draw(st.sampled_from([1.0, 0.3, 0.0, -2.0])),
        draw(st.integers(1, max(1, e)) | st.just(100)),
        draw(st.booleans()),
    )


def scores(request):
    out = np.full_like(request[0], np.nan)
    _core.blend_scores(*request, out)
    return out


@given(blends())
def test_scores_are_those_of_the_definition(request_):
    expected, *_, weights = oracle.blend(*request_)
    found = scores(request_)
    # Sums of up to 32 products: what rounding may do grows with the products.
    size = 1 + np.abs(weights).sum(axis=-1)
    assert (np.abs(found - expected) < 2e-5 * size).all()


@given(blends(), st.integers(0, 2**32 - 1))
def test_a_pair_alone_has_the_same_bits_and_its_parts_are_right(request_, seed):
    base, cues, user_logits, item_logits, *rest = request_
    rng = np.random.default_rng(seed)
    b, i = rng.integers(0, base.shape[0]), rng.integers(0, base.shape[1])
    score, own, own_cues, dense, kept, weights = _core.blend_pair(
        base[b], np.ascontiguousarray(cues[:, b]), user_logits[b], item_logits[i], *rest, int(i)
    )
    assert np.float32(score).tobytes() == scores(request_)[b, i].tobytes()
    chain = np.float32(own)
    for weight, cue in zip(weights, own_cues, strict=True):
        chain = fused(weight, cue, chain)
    assert chain == np.float32(score)
    _, o_base, o_cues, o_dense, o_kept, o_weights = oracle.blend(*request_)
    np.testing.assert_allclose(own, o_base[b, i], rtol=3e-7, atol=1e-9)
    np.testing.assert_allclose(own_cues, o_cues[:, b, i], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(dense, o_dense[b, i], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(kept, o_kept[b, i], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(weights, o_weights[b, i], rtol=1e-4, atol=3e-5)
    # Which experts take part is exact, but for shares that are too small for float32.
    assert ((kept > 0) == (o_kept[b, i] > 0))[o_kept[b, i] > 1e-12].all()
    assert (o_kept[b, i][kept > 0] > 0).all()


def fused(a, b, c):
    """a · b + c rounded once, by exact fractions."""
    exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
    near = np.float32(float(exact))
    best = [np.nextafter(near, np.float32(-np.inf)), near, np.nextafter(near, np.float32(np.inf))]
    distance = [abs(Fraction(float(x)) - exact) for x in best]
    return best[int(np.argmin(distance))]


@given(blends(), st.integers(1, 4), st.integers(0, 5))
def test_neither_threads_nor_blocks_of_users_change_a_bit(request_, threads, cut):
    base, cues, user_logits, *rest = request_
    expected = scores(request_)
    _core.set_num_threads(threads)
    cut = min(cut, len(base))
    parts = [
        scores((base[part], np.ascontiguousarray(cues[:, part]), user_logits[part], *rest))
        for part in (slice(0, cut), slice(cut, None))
    ]
    assert np.concatenate(parts).tobytes() == expected.tobytes()


def request(b=2, i=20, c=2, e=3):
    rng = np.random.default_rng(0)
    made = [
        rng.standard_normal(shape).astype(np.float32) for shape in ((b, i), (c, b, i), (b, e), (i, e), (e, c))
    ]
    return [*made, 0.5, 2, True]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("signal", "at", "name"), [(0, (1, 19), "base"), (1, (1, 1, 3), "cue 1")])
def test_a_score_that_is_not_finite_is_an_error_that_names_it(value, signal, at, name):
    broken = request()
    broken[signal][at] = value
    with pytest.raises(DataError, match=f"row 1 of {name} has .* for item {at[-1]}"):
        scores(broken)
    base, cues, user_logits, item_logits, *rest = broken
    one = base[1], cues[:, 1].copy(), user_logits[1], item_logits[0]
    with pytest.raises(DataError, match=f"of {name} has .* for item {at[-1]}"):
        _core.blend_pair(*one, *rest, 0)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (0, np.zeros((3, 20), np.float32), "cues must have the shape"),
        (1, np.zeros((2, 20, 2), np.float32), "cues must have the shape"),
        (2, np.zeros((3, 3), np.float32), "user_logits must have the shape"),
        (3, np.zeros((20, 4), np.float32), "item_logits must have the shape"),
        (4, np.zeros((2, 3), np.float32), "roles must have the shape"),
        (2, np.full((2, 3), np.nan, np.float32), "expert 0 of user 0 has NaN"),
        (3, np.full((20, 3), np.inf, np.float32), "expert 0 of item 0 has inf"),
        (4, np.full((3, 2), np.inf, np.float32), "must be finite"),
        (5, np.nan, "must be finite"),
        (6, 0, "at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(place, value, message):
    broken = request()
    broken[place] = value
    with pytest.raises(DataError, match=message):
        _core.blend_scores(*broken, np.empty((2, 20), np.float32))


def test_limits_are_refused_and_so_is_an_item_that_is_not_there():
    for sizes, message in (({"c": 33}, "32 cues"), ({"e": 65}, "64 experts")):
        with pytest.raises(DataError, match=message):
            scores(request(**sizes))
    base, cues, user_logits, item_logits, *rest = request()
    with pytest.raises(DataError, match=r"item 20 is outside 0\.\.20"):
        _core.blend_pair(base[0], cues[:, 0].copy(), user_logits[0], item_logits[0], *rest, 20)
    with pytest.raises(DataError, match="out must have the shape"):
        _core.blend_scores(*request(), np.empty((2, 19), np.float32))


@pytest.mark.parametrize("sizes", [{"b": 0}, {"i": 0}, {"b": 0, "i": 0, "c": 0, "e": 0}])
def test_nothing_is_blended_to_nothing(sizes):
    assert scores(request(**sizes)).size == 0
