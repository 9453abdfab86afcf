"""Templates and towers: roles hold, missing cues are masked, not zeroed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from magnet.nn.experts import Cues, Experts, ExpertsConfig, templates

NAMES = ["behaviour", "image", "text"]


def cues(n: int = 6, n_cues: int = 3, dim: int = 8, seed: int = 0) -> Cues:
    values = torch.randn(n_cues, n, dim, generator=torch.Generator().manual_seed(seed))
    return Cues(F.normalize(values, dim=-1), torch.ones(n_cues, n, dtype=torch.bool))


def masked(whole: Cues, *absent: tuple[int, int]) -> Cues:
    present = whole.present.clone()
    for cue, row in absent:
        present[cue, row] = False
    return Cues(whole.values * present[..., None], present)


def experts(**config: object) -> Experts:
    made = Experts(NAMES, 8, ExpertsConfig(**config))
    return made.eval()


@pytest.mark.parametrize(("n_cues", "expected"), [(2, 5), (3, 9), (4, 14)])
def test_the_rule_generates_the_experts_for_any_number_of_modalities(n_cues: int, expected: int) -> None:
    found = templates(["behaviour", "a", "b", "c"][:n_cues], ("dominant", "balanced", "complementary"))
    assert len(found) == expected
    assert len({t.name for t in found}) == expected


def test_dominant_and_balanced_mix_as_their_role_says() -> None:
    y = cues()
    towers = experts(towers="plain", transform=False)(y)
    alpha = 0.6 + 0.35 * 0.5
    v = y.values
    torch.testing.assert_close(towers.values[:, 0], alpha * v[0] + (1 - alpha) * (v[1] + v[2]) / 2)
    torch.testing.assert_close(towers.values[:, 3], (v[0] + v[1]) / 2)
    assert towers.on.all()


def test_complementary_takes_out_what_its_cue_explains() -> None:
    y = cues(n=400)
    # The second cue is a function of the first, so given the first it has nothing to add.
    turned = y.values[0] @ torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(5))).Q
    y = Cues(torch.stack([y.values[0], turned]), y.present[:2])
    made = Experts(NAMES[:2], 8, ExpertsConfig(towers="plain", transform=False, ridge=1e-6)).eval()
    made.refresh(y)
    towers = made(y)
    complementary = towers.values[:, -2]
    assert complementary.norm(dim=-1).max() < 1e-3
    # Against NumPy's own solution of the ridge regression.
    a, b = y.values[0].double().numpy(), y.values[1].double().numpy()
    expected = np.linalg.solve(a.T @ a + 1e-6 * 400 * np.eye(8), a.T @ b)
    np.testing.assert_allclose(made.explained[0].numpy(), expected, atol=1e-4)


def test_the_dominant_share_stays_inside_its_bounds() -> None:
    made = experts(towers="plain", transform=False)
    y = cues()
    for extreme in (-100.0, 100.0):
        with torch.no_grad():
            made.dominance.fill_(extreme)
        share = 0.6 if extreme < 0 else 0.95
        v = y.values
        torch.testing.assert_close(made(y).values[:, 0], share * v[0] + (1 - share) * (v[1] + v[2]) / 2)


def test_missing_cues_switch_their_experts_off_and_leave_no_trace_in_the_others() -> None:
    made = experts(towers="plain", transform=False)
    whole = cues()
    towers = made(masked(whole, (2, 0)))
    names = [t.name for t in made.templates]
    off = {name for name, on in zip(names, towers.on[0], strict=True) if not on}
    assert off == {"dominant/text", "balanced/behaviour+text", "balanced/image+text", "complementary/text"}
    alpha = 0.6 + 0.35 * 0.5
    v = whole.values
    # The others' mean is over what exists: the image alone.
    torch.testing.assert_close(towers.values[0, 0], alpha * v[0, 0] + (1 - alpha) * v[1, 0])
    assert towers.on[1:].all()


def test_an_item_with_one_cue_keeps_that_cue_whole() -> None:
    made = experts(towers="plain", transform=False)
    whole = cues()
    towers = made(masked(whole, (1, 0), (2, 0)))
    on = [t.name for t, flag in zip(made.templates, towers.on[0], strict=True) if flag]
    assert on == ["dominant/behaviour"]
    torch.testing.assert_close(towers.values[0, 0], whole.values[0, 0])


def test_the_regression_sees_only_rows_that_have_both_sides() -> None:
    made = experts(ridge=0.01)
    whole = cues(n=50)
    made.refresh(masked(whole, *[(2, row) for row in range(25)], *[(1, row) for row in range(25)]))
    from_part = made.explained[0].clone()
    made.refresh(Cues(whole.values[:, 25:], whole.present[:, 25:]))
    torch.testing.assert_close(from_part, made.explained[0])


def test_cosine_towers_multiply_to_the_scaled_cosine() -> None:
    made = experts(towers="cosine")
    y = cues()
    h = made(y).values
    torch.testing.assert_close(h.norm(dim=-1) ** 2, torch.full(h.shape[:2], 5.0))


def test_towers_and_gradients_follow_the_roles_for_every_pattern_of_cues() -> None:
    made = experts(towers="plain")
    made.explained.copy_(torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(2)))
    patterns = torch.tensor([[row >> c & 1 for row in range(8)] for c in range(3)], dtype=torch.bool)
    values = (cues(n=8).values * patterns[..., None]).requires_grad_()
    towers = made(Cues(values, patterns))
    weight = torch.randn(8, 9, 8, generator=torch.Generator().manual_seed(3)) * towers.on[..., None]
    (towers.values * weight).sum().backward()

    # One row and one expert at a time, from the definition, in float64.
    v = values.detach().double().requires_grad_()
    dominance = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    total = torch.zeros((), dtype=torch.float64)
    for row in range(8):
        there = [c for c in range(3) if patterns[c, row]]
        for e, template in enumerate(made.templates):
            c = template.cues[0]
            rest = [v[other, row] for other in there if other != c]
            if template.role == "dominant":
                on = c in there
                share = 0.6 + 0.35 * torch.sigmoid(dominance[c]) if rest else 1.0
                x = share * v[c, row] + ((1 - share) * sum(rest) / len(rest) if rest else 0)
            elif template.role == "balanced":
                on = set(template.cues) <= set(there)
                x = (v[c, row] + v[template.cues[1], row]) / 2
            else:
                on = c in there and bool(rest)
                x = sum(rest) / max(1, len(rest)) - v[c, row] @ made.explained[c].double()
            assert bool(towers.on[row, e]) is on
            if on:
                torch.testing.assert_close(towers.values[row, e].double(), x, rtol=1e-5, atol=1e-6)
                total = total + (x * weight[row, e].double()).sum()
    total.backward()
    # The gradient of an absent cue goes nowhere: its value is a constant zero.
    grad = torch.where(patterns[..., None], values.grad.double(), v.grad)
    torch.testing.assert_close(grad, v.grad, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(made.dominance.grad.double(), dominance.grad, rtol=1e-5, atol=1e-5)


def test_projection_keeps_unit_length_and_absence() -> None:
    made = experts()
    projected = made.project(masked(cues(), (1, 2)))
    norms = projected.values.norm(dim=-1)
    assert norms[1, 2] == 0
    norms[1, 2] = 1
    torch.testing.assert_close(norms, torch.ones_like(norms))


def test_cue_weights_are_told_as_they_are_used() -> None:
    told = {row["name"]: row["cue_weights"] for row in experts().roles_and_weights(NAMES)}
    assert told["dominant/image"]["image"] == pytest.approx(0.775)
    assert sum(told["dominant/image"].values()) == pytest.approx(1.0)
    assert told["balanced/behaviour+text"] == {"behaviour": 0.5, "image": 0.0, "text": 0.5}
    assert told["complementary/text"] == {"behaviour": 0.5, "image": 0.5, "text": 0.0}
