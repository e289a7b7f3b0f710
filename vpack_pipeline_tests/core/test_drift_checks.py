"""A monitor that could not be computed is refused when documents load, all of them at once."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from drift_bench import COVARIATES, index_test, monitor, plan_of

from vpack_pipeline.core.drift import MONITORS, check_monitors
from vpack_pipeline.protocol import Disclosure, Monitor, Protocol, Representativeness, Variable

VIEW = {"age_years": "float", "model": "string", "n_series": "int", "in_development": "bool"}


AGE = Variable(name="age_years", title="Age", kind="numeric", edges=(50,))


def told(
    *monitors: Monitor,
    output: str = "probability",
    technical: tuple[str, ...] = ("size_mm", "bedside"),
    granularity: Literal["day", "month", "quarter", "year"] = "month",
) -> list[str]:
    given: dict[str, Any] = {
        "id": "demo",
        "version": "1",
        "covariates": COVARIATES,
        "drift": plan_of(*monitors),
        "index_test": index_test(output),
        "representativeness": Representativeness(variables=(AGE,)),
        "disclosure": Disclosure(technical=technical, date_granularity=granularity),
    }
    return [str(p) for p in check_monitors(Protocol.model_construct(**given), VIEW)]


def test_monitors_that_fit_their_variables_pass() -> None:
    assert told() == []


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (("psi", None), "psi needs a variable — name one under `variable`"),
        (("psi", "age_year"), "no variable 'age_year' — did you mean 'age_years'?"),
        (("psi", "zzz"), "use a covariate, a column of the case view, or score, call, failure"),
        (("ks", "model"), "ks needs numbers, found string — use psi or jensen_shannon"),
        (("mean_shift", "bedside"), "mean_shift needs numbers, found bool"),
        (
            ("rate", "age_years"),
            "rate needs yes or no, found float — use psi, jensen_shannon, ks or mean_shift",
        ),
    ],
)
def test_what_cannot_be_computed_is_named_with_its_remedy(
    given: tuple[str, str | None], what: str
) -> None:
    (found,) = told(monitor("watched", *given))
    assert found.startswith("demo@1 drift.monitors watched: ")
    assert what in found


def test_a_proxy_needs_a_probability() -> None:
    (found,) = told(monitor("expected", "cbpe", None), output="ordinal")
    assert "returns no probability" in found


def test_an_action_that_nobody_answers_is_refused() -> None:
    (found,) = told(monitor("cases", "volume", None, level="L3"))
    assert "nobody answers at level L3 — describe L3 under drift.escalation" in found


def test_every_problem_is_told_at_once_and_unknown_statistics_are_left_to_the_registry() -> None:
    found = told(
        monitor("one", "psi", None),
        monitor("two", "ks", "model", level="L2"),
        monitor("three", "no_such_statistic", None),
    )
    assert len(found) == 3


@pytest.mark.parametrize("name", sorted(MONITORS))
def test_every_statistic_says_what_its_detectable_change_means(name: str) -> None:
    assert len(MONITORS[name].change) > 10


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (("mean_shift", "age_years"), "mean_shift would use single values of people — compare"),
        (("ks", "size_mm"), "size_mm describes people and has no levels — add it to"),
        (("rate", "bedside"), "a covariate that describes nobody is declared in disclosure"),
    ],
)
def test_people_are_watched_in_printed_levels_alone(given: tuple[str, str], what: str) -> None:
    (found,) = told(monitor("watched", *given), technical=())
    assert what in found


@pytest.mark.parametrize(
    "given",
    [
        ("psi", "age_years"),
        ("ks", "age_years"),
        ("missing_rate", "size_mm"),
        ("psi", "model"),
        ("mean_shift", "score"),
        ("volume", None),
    ],
)
def test_what_describes_nobody_or_has_levels_is_watched(given: tuple[str, str | None]) -> None:
    assert told(monitor("watched", *given), technical=()) == []


def test_windows_are_no_finer_than_dates_may_be() -> None:
    assert told(granularity="day") == told(granularity="month") == []
    window, cadence = told(granularity="quarter")
    assert window.startswith("demo@1 drift.window_days: 60 days are finer than")
    assert "use 84 or more" in cadence
