"""Several claims at one look: each rule against an independent account of the same procedure."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpack_pipeline.protocol.claims import Evaluation
from vpack_pipeline.stats.multiplicity import p_adjust
from vpack_pipeline.stats.several_endpoints import RULES, ClaimAtLook, claims_at_look

ALPHA = 0.025
# Off the limits, where rounding decides.
P = st.lists(
    st.sampled_from([0.001, 0.006, 0.008, 0.011, 0.013, 0.02, 0.03]), min_size=1, max_size=4
)


def met(rule: str, p: list[float], before: list[bool] | None = None) -> list[bool]:
    found = claims_at_look(rule, ALPHA, before or [False] * len(p), lambda i, alpha: p[i] < alpha)
    return [claim.is_met for claim in found]


@given(P)
def test_holm_is_that_of_adjusted_p_values(p):
    assert met("holm", p) == (p_adjust(np.array(p)) < ALPHA).tolist()


@given(P)
def test_a_sequence_ends_at_the_first_that_is_not_met(p):
    passed = [value < ALPHA for value in p]
    assert met("fixed_sequence", p) == [all(passed[: i + 1]) for i in range(len(p))]


@given(P)
def test_where_all_must_be_met_each_is_tested_alone(p):
    assert met("all_must_be_met", p) == [value < ALPHA for value in p]


def test_the_level_is_the_first_at_which_a_claim_is_met_and_else_the_largest_tried():
    p = [0.02, 0.01, 0.03]
    found = claims_at_look("holm", ALPHA, [False] * 3, lambda i, alpha: p[i] < alpha)
    assert found == [ClaimAtLook(ALPHA / 3, False)] * 3
    p = [0.011, 0.001, 0.03]
    found = claims_at_look("holm", ALPHA, [False] * 3, lambda i, alpha: p[i] < alpha)
    assert [claim.alpha for claim in found] == [ALPHA / 2, ALPHA / 3, ALPHA]
    found = claims_at_look("fixed_sequence", ALPHA, [False] * 3, lambda i, alpha: i != 0)
    assert found == [ClaimAtLook(ALPHA, False), ClaimAtLook(None, False), ClaimAtLook(None, False)]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("before", list(product([False, True], repeat=3)))
def test_what_was_met_stays_met_and_is_not_tested_again(rule, before):
    asked = []

    def is_met(i: int, alpha: float) -> bool:
        asked.append((i, alpha))
        return False

    found = claims_at_look(rule, ALPHA, before, is_met)
    assert [claim.is_met for claim in found] == list(before)
    assert not [i for i, _ in asked if before[i]]
    if rule == "holm" and not all(before):
        assert {alpha for _, alpha in asked} == {ALPHA / before.count(False)}


@pytest.mark.parametrize("rule", RULES)
@given(P)
def test_smaller_p_values_meet_no_less(rule, p):
    smaller = [value / 2 for value in p]
    assert all(b or not a for a, b in zip(met(rule, p), met(rule, smaller), strict=True))


def test_rules_are_those_that_a_protocol_may_name():
    schema = Evaluation.model_json_schema()["properties"]["several_endpoints"]["anyOf"][0]
    assert schema["enum"] == list(RULES)
    with pytest.raises(ValueError, match="all_must_be_met, fixed_sequence, holm"):
        claims_at_look("hochberg", ALPHA, [False], lambda i, alpha: True)
