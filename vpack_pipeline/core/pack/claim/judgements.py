"""How the status of a CLAIM item follows from one study's tables and fixed fields.

Where nothing but an author's statement decides, its form is all that is asked (``attested``). What
does not belong here: which item is judged by what (``items``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from vpack_pipeline.contracts import header_fields
from vpack_pipeline.core.adjudication.basis import NOT_AGREED
from vpack_pipeline.core.pack.claim.attested import NOT_STATED, account, naming
from vpack_pipeline.core.pack.claim.ground import Ground, Judged
from vpack_pipeline.core.variables import MISSING
from vpack_pipeline.stats.codes import Code, code, coded

_TECHNIQUES: Final = (
    "artificial intelligence",
    "machine learning",
    "deep learning",
    "neural",
    "algorithm",
)
_DISJOINT: Final = (
    "disjoint_patients",
    "no_development_patient",
    "no_development_study",
    "no_near_duplicate",
    "training_apart_from_tuning",
    "readers_not_in_development",
)
"""Rules of conduct that say how far the sets are apart."""


def names_technique(g: Ground) -> Judged:
    """Whether the title names the technique."""
    if any(t in g.about.title.lower() for t in _TECHNIQUES):
        return Judged("met")
    return Judged("partial", Code("technique_not_in_title"))


def summary(g: Ground) -> Judged:
    """Whether the first page has its figures."""
    return g.all_or_some(
        "evaluation/operating_points",
        Code("first_page_without_figure"),
        analysis="intention_to_diagnose",
        metric=("sensitivity", "specificity"),
        model_id=g.index_test.primary.id,
    )


def design(g: Ground) -> Judged:
    """Whether a claimed prospective window holds cases."""
    prospective = g.rows("evaluation/performance", window="prospective", metric="n_cases")
    claims_it = g.about.evidence_kind != "retrospective"
    if claims_it and not (prospective["events"].fill_null(0) > 0).any():
        return Judged("partial", Code("no_mature_prospective_case"))
    return Judged("met")


def goal(g: Ground) -> Judged:
    """Whether an endpoint is primary."""
    if any(e.rank == "primary" for e in g.evaluation.endpoints):
        return Judged("met")
    return Judged("partial", Code("no_primary_endpoint"))


def eligibility(g: Ground) -> Judged:
    """Whether rules were fixed before the lock and blind to scores."""
    lock = g.index_test.primary.locked_at.date()
    seen = [r.id for r in g.eligibility.rules if "scores" not in r.blind_to]
    late = [r.id for r in g.eligibility.rules if r.decided_at > lock]
    found = coded(
        code("rules_with_scores_in_sight", rules=tuple(seen)) if seen else None,
        code("rules_after_lock", rules=tuple(late)) if late else None,
    )
    return Judged("partial", found[0], found[1:]) if found else Judged("met")


def subsets(g: Ground) -> Judged:
    """Whether it is said how cases were drawn."""
    notes = [d.note for d in g.sampling.by_window.values() if d.method == "convenience"]
    if not all(notes):
        return Judged("partial", Code("convenience_sample_unexplained"))
    return next((j for j in map(account, notes) if j.status != "met"), Judged("met"))


def missing_data(g: Ground) -> Judged:
    """Whether missing labels are bounded."""
    return g.all_or_some(
        "evaluation/operating_points",
        Code("missing_labels_not_bounded"),
        analysis=("worst_case", "best_case"),
        metric=("sensitivity", "specificity"),
    )


def acquisition(g: Ground) -> Judged:
    """How many acquisition fields are profiled, with a value in some included case."""
    known = {field.name for field in header_fields.load() if field.acquisition}
    profiled = g.rows("representativeness/profile", set="included")
    held = profiled.filter(pl.col("bin") != MISSING, pl.col("n") > 0)["variable"]
    named = sorted(known & {*held})
    if not named:
        return Judged("not_met", Code("no_acquisition_field_profiled"))
    if len(named) < 3:
        return Judged("partial", code("few_acquisition_fields_profiled", fields=tuple(named)))
    return Judged("met")


def readers(g: Ground) -> Judged:
    """How fully the roster describes the readers, in words that are printed."""
    readers = g.rows("cohort/readers", in_force=True)
    columns = ["qualification", "specialty", "years_experience", "training", "conflicts"]
    missing = [c for c in columns if readers[c].null_count() > 0]
    if readers.height == 0 or len(missing) == len(columns):
        return Judged("not_met", Code("no_reader_described"))
    if not g.readers_agreed:
        return Judged("partial", NOT_AGREED)
    printed = g.rows("cohort/printed_words", kind="readers", field=columns)
    unlisted = set(printed.filter(pl.col("word") != pl.col("printed_word"))["field"])
    missing = [c for c in columns if c in unlisted or c in missing]
    if missing:
        return Judged("partial", code("readers_described_in_part", columns=tuple(missing)))
    if "third_reader" in g.adjudication.precedence:
        return Judged("partial", Code("third_reader_not_judged"))
    return Judged("met")


def variability(g: Ground) -> Judged:
    """Whether agreement is given, within readers too."""
    missing = Code("agreement_refused")
    # Pairs, cuts and reduced panels say in parts what the whole panel's figures say.
    return g.all_or_some("adjudication/agreement", missing, stratum="all")


def partition(g: Ground) -> Judged:
    """Whether disjointness from development was checked."""
    if g.rows("cohort/development", in_force=True).height == 0:
        return Judged("partial", Code("no_development_list"))
    broken = g.rows("evaluation/integrity", rule=_DISJOINT, verdict="broken")["rule"].to_list()
    if broken:
        return Judged("partial", code("disjointness_broken", rules=tuple(sorted(broken))))
    return Judged("met")


def size(g: Ground) -> Judged:
    """Whether the size of the set is justified."""
    planned = [e for e in g.evaluation.endpoints if e.margin_rationale]
    if planned:
        return Judged("partial", Code("size_justified_by_margin"))
    return Judged("not_met", Code("size_not_justified"))


def training(g: Ground) -> Judged:
    """What the maker states of training."""
    said = account(g.about.training, Code("not_stated_by_maker"))
    return said if said.reason else Judged("partial", Code("one_statement_for_training"))


def metrics(g: Ground) -> Judged:
    """Whether the area under the curve is given."""
    return g.all_or_some(
        "evaluation/performance",
        Code("auc_not_given"),
        metric="auc",
        model_id=g.index_test.primary.id,
    )


def uncertainty(g: Ground) -> Judged:
    """Whether figures have intervals."""
    given = g.rows(
        "evaluation/operating_points", metric=("sensitivity", "specificity"), status="given"
    )
    if given.height == 0:
        return Judged("not_met", Code("no_figure_at_threshold"))
    without = given["lower"].null_count()
    if without:
        return Judged("partial", Code("some_intervals_missing"))
    return Judged("met")


def robustness(g: Ground) -> Judged:
    """Whether strata have figures."""
    return g.all_or_some(
        "evaluation/subgroups",
        Code("subgroups_refused"),
        metric=("sensitivity", "specificity"),
    )


def internal(g: Ground) -> Judged:
    """Whether the retrospective window has a figure."""
    return g.all_or_some(
        "evaluation/performance",
        Code("no_retrospective_figure"),
        window="retrospective",
        metric="auc",
        model_id=g.index_test.primary.id,
    )


def external(g: Ground) -> Judged:
    """Whether the prospective window has one, apart from development data."""
    judged = g.all_or_some(
        "evaluation/performance",
        Code("no_prospective_figure"),
        window="prospective",
        metric="auc",
        model_id=g.index_test.primary.id,
    )
    if judged.status == "met":
        return Judged("partial", Code("one_site_only"))
    return judged


def characteristics(g: Ground) -> Judged:
    """Whose characteristics are shown."""
    if g.rows("representativeness/profile", set="target")["n_total"].sum() == 0:
        return Judged("partial", Code("no_target_delivered"))
    return Judged("met")


def results(g: Ground) -> Judged:
    """Whether figures at the threshold stand with intervals."""
    given = g.rows(
        "evaluation/operating_points",
        metric=("sensitivity", "specificity"),
        analysis="intention_to_diagnose",
        model_id=g.index_test.primary.id,
    )
    whole = given.filter((pl.col("status") == "given") & pl.col("lower").is_not_null())
    if whole.height == 0:
        return Judged("not_met", Code("no_interval_at_threshold"))
    if whole.height < given.height:
        return Judged("partial", Code("figure_missing_in_window"))
    return Judged("met")


def diagnostic(g: Ground) -> Judged:
    """Whether calibration and subgroups are given."""
    calibration = g.share_given("evaluation/calibration", stratum="all")
    strata = g.share_given("evaluation/subgroups", metric=("sensitivity", "specificity"))
    if calibration and strata:
        return Judged("partial", Code("subgroups_not_singled_out"))
    if calibration or strata:
        what = "calibration" if strata else "subgroups"
        return Judged("partial", code("diagnostic_figure_missing", what=what))
    return Judged("not_met", Code("no_calibration_no_subgroups"))


def registration(g: Ground) -> Judged:
    """Whether the study is registered, and not only said to be nowhere."""
    text = g.about.registration
    if not text or text.lower().startswith(("not registered", "none", "no ")):
        return Judged("not_met", Code("not_registered") if text else NOT_STATED)
    return naming(text)


def funding(g: Ground) -> Judged:
    """Whether it is stated who paid, and what say they had."""
    paid = naming(g.about.funded_by)
    if paid.status == "met" and not g.about.funder_role:
        return Judged("partial", Code("funder_role_not_stated"))
    return account(g.about.funder_role) if paid.status == "met" else paid


def limitations(g: Ground) -> Judged:
    """Whether limitations are told."""
    return account(" ".join(g.about.limitations))


def reference(g: Ground) -> Judged:
    """Whether the rule gave every mature, included case a label."""
    open_cases = g.rows("evaluation/performance", metric="n_undecided")
    if (open_cases["events"].fill_null(0) > 0).any():
        return Judged("partial", Code("cases_without_label"))
    return Judged("met")


def told(field: str) -> Callable[[Ground], Judged]:
    """Judge by the account that the author gives in a field of ``about``."""
    return lambda g: account(getattr(g.about, field))


def named(field: str) -> Callable[[Ground], Judged]:
    """Judge by whether the author names something in a field of ``about``: one word may answer."""
    return lambda g: naming(getattr(g.about, field))
