"""Which figures a way of drawing cases leaves as they are, weights or forbids."""

from __future__ import annotations

import pytest

from vpack_pipeline.contracts import metrics
from vpack_pipeline.core.evaluation.sampling import standing
from vpack_pipeline.protocol import Sampling, Stratum

KNOWN = (Stratum(name="flagged", fraction=1.0), Stratum(name="cleared", fraction=0.02))
EVEN = tuple(Stratum(name=s.name, fraction=0.5) for s in KNOWN)
ESTIMATING = ("evaluation/", "adjudication/agreement")

# draw by → what stands as it is: conditional on the label, on the score, on nothing
TABLE = [
    ((), True, True, True),
    (("label",), True, False, False),
    (("score",), False, True, False),
    (("covariates",), False, False, False),
    (("label", "score"), False, False, False),
    (("label", "covariates"), False, False, False),
    (("score", "covariates"), False, False, False),
]


@pytest.mark.parametrize(("by", "of_label", "of_score", "of_all"), TABLE)
@pytest.mark.parametrize(("strata", "otherwise"), [((), "refused"), (EVEN, "weighted")])
def test_a_figure_stands_where_it_is_conditional_on_what_was_drawn_by(
    by, of_label, of_score, of_all, strata, otherwise
):
    sampling = Sampling(method="random", depends_on=by, strata=strata)
    stands = {"label": of_label, "score": of_score, "nothing": of_all}
    for condition, is_so in stands.items():
        expected = "stands" if is_so else otherwise
        assert standing(sampling, condition, "nodule") == expected, condition


def test_strata_of_unlike_fractions_are_weighted_whatever_they_are_said_to_depend_on():
    unlike = Sampling(method="random", strata=KNOWN)
    alike = Sampling(method="random", strata=(KNOWN[0], Stratum(name="other", fraction=1.0)))
    for condition in ("label", "score", "nothing"):
        assert standing(unlike, condition, "nodule") == "weighted"
        assert standing(alike, condition, "nodule") == "stands"


def test_one_fraction_that_is_not_known_is_as_none():
    strata = (KNOWN[0], Stratum(name="cleared"))
    sampling = Sampling(method="random", depends_on=("score",), strata=strata)
    assert standing(sampling, "label", "nodule") == "refused"


def test_the_label_of_another_finding_is_a_covariate():
    drawn = Sampling(method="random", depends_on=("label",), finding="nodule")
    assert standing(drawn, "label", "nodule") == "stands"
    assert standing(drawn, "label", "effusion") == "refused"


def test_every_figure_of_evaluation_and_agreement_says_what_it_is_conditional_on():
    silent = [
        m.name
        for m in metrics.load()
        if m.conditional_on is None and any(t.startswith(ESTIMATING) for t in m.tables)
    ]
    assert silent == [], "conditional_on: label, score or nothing, in contracts/metrics.yaml"
