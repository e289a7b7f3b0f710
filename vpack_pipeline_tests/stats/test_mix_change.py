"""What the change of a proportion is made of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpack_pipeline.stats.mix_change import Change, change_by_cells

MAIN = ("mix", "like", "new_cells", "lost_cells", "new_device")
REVERSED = ("mix_reversed", "like_reversed", *MAIN[2:])


def plain_parts(rows):
    """The parts by loops over cells; a row is (success, is after, cell, is new)."""

    def share(kept):
        kept = list(kept)
        return sum(y for y, *_ in kept) / len(kept)

    before, after = ([r for r in rows if r[1] == side] for side in (False, True))
    old = [r for r in after if not r[3]]
    shared = {r[2] for r in before} & {r[2] for r in old}
    like = [[r for r in side if r[2] in shared] for side in (before, old)]
    parts = dict.fromkeys(("mix", "like", "mix_reversed", "like_reversed"), 0.0)
    for cell in shared:
        own = [[r for r in side if r[2] == cell] for side in like]
        w = [len(o) / len(side) for o, side in zip(own, like, strict=True)]
        p = [share(o) for o in own]
        parts["mix"] += (w[1] - w[0]) * p[0]
        parts["like"] += w[1] * (p[1] - p[0])
        parts["mix_reversed"] += (w[1] - w[0]) * p[1]
        parts["like_reversed"] += w[0] * (p[1] - p[0])
    parts["total"] = share(after) - share(before)
    parts["new_cells"] = share(old) - share(like[1])
    parts["lost_cells"] = -(share(before) - share(like[0]))
    parts["new_device"] = share(after) - share(old)
    return parts


def study(seed, n=200, per_patient=1, p=0.8):
    rng = np.random.default_rng(seed)
    after = rng.random(n) < 0.4
    # Cell 0 is lost and cell 4 is new.
    cell = np.where(after, rng.integers(1, 5, n), rng.integers(0, 4, n))
    new = after & (rng.random(n) < 0.2)
    success = rng.random(n) < p - 0.1 * after + 0.03 * cell
    return success, after, cell, new, np.arange(n) // per_patient


@pytest.mark.parametrize("seed", range(5))
def test_parts_are_those_of_loops_over_cells(seed):
    success, after, cell, new, patient = study(seed)
    found = change_by_cells(success, after, cell, new, patient, 20, np.random.default_rng(1))
    want = plain_parts(list(zip(success, after, cell, new, strict=True)))
    for name in Change._fields:
        assert getattr(found, name).value == pytest.approx(want[name], abs=1e-12), name


@given(st.integers(0, 10_000), st.integers(4, 60))
def test_parts_add_up_in_either_order(seed, n):
    success, after, cell, new, patient = study(seed, n)
    found = change_by_cells(success, after, cell, new, patient, 2, np.random.default_rng(1))
    for names in (MAIN, REVERSED):
        parts = [getattr(found, name).value for name in names]
        if None not in parts:
            assert sum(parts) == pytest.approx(found.total.value, abs=1e-12)


def test_another_mix_with_the_same_results_is_all_mix():
    """Half of the cases easy (all right), half hard (half right); then nine tenths easy."""
    cell = np.repeat([0, 1, 0, 1], [100, 100, 180, 20])
    success = np.concatenate([np.ones(100), np.arange(100) % 2, np.ones(180), np.arange(20) % 2])
    after = np.arange(400) >= 200
    none = np.zeros(400, bool)
    found = change_by_cells(
        success.astype(bool), after, cell, none, np.arange(400), 200, np.random.default_rng(1)
    )
    assert found.mix.value == pytest.approx(0.2)
    assert found.like.value == pytest.approx(0)
    assert found.total.value == pytest.approx(0.2)
    assert found.mix.lower > 0.1
    for part in (found.new_cells, found.lost_cells, found.new_device):
        assert (part.value, part.lower) == (pytest.approx(0), None)
        assert part.notes[0].name == "no_case_gives_this_part"


def test_a_worse_new_device_is_a_part_of_its_own():
    success, after, cell, _, patient = study(3, 600)
    new = after & (np.arange(600) % 3 == 0)
    worse = success & ~(new & (np.arange(600) % 2 == 0))
    found = change_by_cells(worse, after, cell, new, patient, 300, np.random.default_rng(1))
    assert found.new_device.upper < 0
    share = new.sum() / after.sum()
    gap = worse[new].mean() - worse[after & ~new].mean()
    assert found.new_device.value == pytest.approx(share * gap)


def test_spread_is_that_of_patients_drawn_one_by_one():
    """The multinomial over patterns against a bootstrap that copies rows."""
    success, after, cell, new, patient = study(4, 240, per_patient=3)
    found = change_by_cells(success, after, cell, new, patient, 4000, np.random.default_rng(1))
    rows = list(zip(success.astype(float), after, cell, new, strict=True))
    of_patient = [[r for r, w in zip(rows, patient, strict=True) if w == p] for p in range(80)]
    rng = np.random.default_rng(2)
    drawn = []
    for _ in range(400):
        chosen = [r for i in rng.integers(0, 80, 80) for r in of_patient[i]]
        drawn.append(plain_parts(chosen))
    for name in ("total", "like", "mix"):
        reach = (getattr(found, name).upper - getattr(found, name).lower) / 2
        spread = 1.96 * np.std([d[name] for d in drawn])
        # Pseudo-patients widen it, the more the fewer patients there are.
        assert 0.9 * spread < reach < 1.4 * spread, name


def test_interval_of_the_whole_holds_its_truth():
    """Twenty-five patients before and fifteen after, three cases each, alike within patients."""
    held = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        patient = np.repeat(np.arange(40), 3)
        after, cell = patient >= 25, rng.integers(0, 2, 120)
        p = np.where(np.arange(40) >= 25, 0.8, 0.9)
        easy = rng.beta(4 * p, 4 * (1 - p))[patient]
        found = change_by_cells(
            rng.random(120) < easy, after, cell, after & False, patient, 200, rng
        ).total
        held += found.lower <= -0.1 <= found.upper
    assert held >= 300 * 0.95 - 2 * np.sqrt(300 * 0.95 * 0.05)


def test_no_error_on_either_side_leaves_doubt():
    after = np.arange(43) >= 40
    ones = np.ones(43, bool)
    found = change_by_cells(
        ones, after, np.zeros(43, int), ~ones, np.arange(43), 500, np.random.default_rng(1)
    )
    assert found.total.value == 0
    assert found.total.upper - found.total.lower > 0.2


def test_a_case_of_weight_three_is_three_cases_and_no_part_has_an_interval():
    success, after, cell, new, patient = study(2)
    weight = np.random.default_rng(5).choice([1, 3], success.size)
    rng = np.random.default_rng(1)
    found = change_by_cells(success, after, cell, new, patient, 20, rng, weight=weight)
    rows = list(zip(success, after, cell, new, strict=True))
    want = plain_parts([row for row, w in zip(rows, weight, strict=True) for _ in range(w)])
    for name in Change._fields:
        made = getattr(found, name)
        assert made.value == pytest.approx(want[name], abs=1e-12), name
        assert (made.lower, made.upper, made.n) == (None, None, 200)
        assert [note.name for note in made.notes] == ["no_interval_of_weighted_part"]
    with pytest.raises(ValueError, match="weight"):
        change_by_cells(success, after, cell, new, patient, 20, rng, weight=weight[1:])


def test_what_has_no_like_is_refused():
    success, after, cell, new, patient = study(5, 60)
    rng = np.random.default_rng(1)
    apart = change_by_cells(success, after, after.astype(int), new, patient, 10, rng)
    assert {getattr(apart, part).value for part in MAIN} == {None}
    assert apart.mix.reason.name == "no_cell_on_both_sides"
    assert apart.total.value == pytest.approx(success[after].mean() - success[~after].mean())
    alone = change_by_cells(success, after | True, cell, new, patient, 10, rng)
    assert alone.total.reason.name == "no_cases"
    single = change_by_cells(success, after, cell, new, patient, 1, rng)
    assert (single.total.lower, single.total.notes[0].name) == (None, "few_replicates_with_like")
    with pytest.raises(ValueError, match="a new device comes after"):
        change_by_cells(success, after, cell, ~after, patient, 10, rng)
