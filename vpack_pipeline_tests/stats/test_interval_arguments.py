"""What has an interval computes with no value that is none: the argument is named."""

from __future__ import annotations

import inspect
import re
from functools import partial

import numpy as np
import pytest

from vpack_pipeline.stats import auc_interval, difference, heterogeneity, proportions, roc
from vpack_pipeline.stats import simultaneous as together

N = 12
SCORE = np.linspace(0.0, 1.0, N)
POSITIVE = SCORE * 7 % 1 > 0.4
PATIENT = np.repeat(np.arange(6.0), 2)
PLACED = roc.placements(SCORE, POSITIVE)
SIDE = difference.proportion_side(POSITIVE, PATIENT)

NUMBERS = {
    "score": SCORE,
    "score_a": SCORE,
    "score_b": SCORE[::-1].copy(),
    "values": SCORE,
    "fpr_grid": SCORE,
}
LABELS = dict.fromkeys(("positive", "positive_a", "positive_b", "success"), POSITIVE)
CLUSTERS = {"cluster": PATIENT}
WEIGHTS = {
    "weights": np.ones(N),
    "weight_matrix": np.ones((3, N)),
    "sizes": np.arange(1.0, N + 1),
    "successes": np.ones(N),
}
SHARES = dict.fromkeys(
    ("proportion", "p", "p1", "p2", "sensitivity", "specificity", "prevalence", "share", "level"),
    0.5,
)
COUNTS = {"k": 3, "n": 9, "k1": 3, "n1": 9, "k2": 4, "n2": 8, "b": 3, "c": 4, "n_pos": 9}
COUNTS |= {"tp": 5, "fp": 3, "fn": 2, "tn": 8, "n_neg": 7}
OTHERS = {"margin": -0.1, "half_width": 0.1, "quantile": 2.0, "k_name": "k", "n_name": "n"}
OTHERS |= {"method": "exact", "placed": PLACED, "codes": PATIENT.astype(int), "areas": ()}
OTHERS |= {"first": SIDE, "second": SIDE, "sides": (SIDE, SIDE), "rng": np.random.default_rng(0)}
OTHERS |= {"estimate": SIDE.estimate, "name": "k", "value": 3}
SAMPLES = NUMBERS | LABELS | CLUSTERS | WEIGHTS | SHARES | COUNTS | OTHERS
WHOLE = ("k", "b", "c", "tp", "fp", "fn", "tn")


def public():
    for module in (auc_interval, difference, heterogeneity, proportions, roc, together):
        for name in dir(module):
            found = getattr(module, name)
            if name[0] != "_" and inspect.isfunction(found):
                inside = found.__module__.startswith(module.__name__)
                if inside:
                    yield found


FUNCTIONS = list(public())


def arguments(function):
    return {name: SAMPLES[name] for name in inspect.signature(function).parameters}


def spoilt_array(sample, *values):
    for value in values:
        for place in (0, -1):
            spoilt = sample.astype(object if value is None else float)
            spoilt.reshape(-1)[place] = value
            yield spoilt


def spoilt(name):
    """What no function computes with, by the kind of the argument."""
    sample, none = SAMPLES[name], (np.nan, np.inf, -np.inf)
    if name in NUMBERS:
        yield from spoilt_array(sample, *none)
    elif name in LABELS:
        yield from spoilt_array(sample, *none, -1, 2, 0.5, None)
        yield sample[1:]
    elif name in CLUSTERS:
        yield from spoilt_array(sample, np.nan, None)
        yield sample[1:]
    elif name in WEIGHTS:
        yield from spoilt_array(sample, *none, -1)
        yield sample[..., 1:]
    elif name in SHARES:
        yield from (*none, -0.1, 1.1)
    elif name in COUNTS:
        yield from (*none, -1, np.int8(3), np.int32(3), np.uint16(3))
    elif name in ("margin", "half_width", "quantile"):
        yield from (*none, -2)


SPOILT = [
    pytest.param(function, name, bad, id=f"{function.__name__}-{name}-{i}")
    for function in FUNCTIONS
    for name in inspect.signature(function).parameters
    for i, bad in enumerate(spoilt(name))
    # Where these are effective sizes, their type is no count's.
    if not (name in ("n", "n_pos", "n_neg") and isinstance(bad, np.integer))
]


def test_every_function_accepts_what_it_should():
    assert len(FUNCTIONS) > 25
    for function in FUNCTIONS:
        function(**arguments(function))


@pytest.mark.parametrize(("function", "name", "bad"), SPOILT)
def test_a_spoilt_argument_is_refused_by_its_name(function, name, bad):
    if isinstance(bad, np.integer) and function.__name__ in ("restricted_proportions",):
        pytest.skip("sizes, not counts")
    called = re.sub("_[ab]$", "", name).replace("_", "[_ ]")
    with pytest.raises(ValueError, match=called):
        function(**{**arguments(function), name: bad})


def test_what_holds_of_one_function_alone():
    refuse = partial(pytest.raises, ValueError)
    with refuse(match="both classes"):
        roc.placements(SCORE, np.ones(N, bool))
    with refuse(match="positive and codes"):
        roc.obuchowski_variance(PLACED, POSITIVE, np.arange(N - 1))
    with refuse(match="codes: every code"):
        roc.obuchowski_variance(PLACED, POSITIVE, PATIENT + 0.5)
    with refuse(match="placed"):
        roc.obuchowski_variance((PLACED[0] + 1, PLACED[1]), POSITIVE, PATIENT.astype(int))
    with refuse(match="n is above 0"):
        proportions.wilson_bounds(0.5, 0)
    with refuse(match="n_pos and n_neg are above 0"):
        proportions.predictive_values(0.9, 0.9, 0.1, 0, 5)
    with refuse(match="n1 and n2 are above 0"):
        proportions.comparisons.restricted_proportions(0.5, 0, 0.5, 4, -0.1)
    with refuse(match="no more successes than units"):
        proportions.design_effect(np.array([2.0]), np.array([1.0]))
    with refuse(match="sizes: one patient or more"):
        proportions.design_effect(np.zeros(0), np.zeros(0))
    with refuse(match="sizes: one above 0"):
        heterogeneity.proportions_differ(np.array([0.5, 0.5]), np.array([1.0, 0.0]))
    with refuse(match="influence"):
        difference.correlations([SIDE._replace(influence=np.full(N, np.nan)), SIDE])
    with refuse(match="k is a whole number"):
        proportions.clopper_pearson(2.5, 9)
    counts = np.ones((2, N), dtype=np.int16)
    assert roc.auc_replicates(SCORE, POSITIVE, counts).size == 2
