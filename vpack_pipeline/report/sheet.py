"""The sheet: what a committee reads in ten minutes, on one page, as blocks.

The same blocks open the report and make ``summary.pdf``. Every number comes from the book. What
does not belong here: the sentence's rules (``sentence``), layout (``markup``, ``typeset``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vpack_pipeline.core.calls import primary_point
from vpack_pipeline.core.windows import PROSPECTIVE, RETROSPECTIVE, WINDOWS
from vpack_pipeline.protocol import Finding, OperatingPoint, Protocol
from vpack_pipeline.report import sentence, sheet_answers, words
from vpack_pipeline.report.book import Book, Row
from vpack_pipeline.report.charts.trend import Series, trend
from vpack_pipeline.report.rows import pick
from vpack_pipeline.report.view import (
    Answers,
    Block,
    Foot,
    Lead,
    Line,
    Masthead,
    Picture,
    Pictures,
    Quiet,
    Strong,
    Table,
    Text,
    Tile,
    Tiles,
    Verdict,
    bounds_of,
    filled,
    joined,
)
from vpack_pipeline.site import Site

SHARES: Final = ("sensitivity", "specificity")
AREA: Final = "auc"
WINDOW_TITLES: Final = {RETROSPECTIVE: "Before the lock", PROSPECTIVE: "After the lock"}
_MOST_WITH_PICTURES: Final = 2
"""With more findings their pictures would not leave room for the lines below; they stand in the
chapter on performance."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a sheet is of."""

    book: Book
    protocol: Protocol
    site: Site
    cut: str

    def point(self, finding: Finding) -> OperatingPoint | None:
        """The primary operating point of a finding; None where none is planned."""
        model = self.protocol.index_test.primary.id
        return primary_point(self.protocol.evaluation, finding.name, model)


def sheet(subject: Subject) -> tuple[Block, ...]:
    """Make the sheet of one pack."""
    made: list[Block] = [_masthead(subject), _lead(subject)]
    for finding in subject.protocol.findings:
        made.append(_figures(subject, finding))
        if len(subject.protocol.findings) <= _MOST_WITH_PICTURES:
            made += _pictures(subject, finding)
        made += _burden(subject, finding)
    made += [Answers(tuple(sheet_answers.answers(subject.book, subject.protocol, subject.site)))]
    return (*made, _foot(subject))


def _masthead(subject: Subject) -> Masthead:
    about, model = subject.protocol.about, subject.protocol.index_test.primary
    kind = words.EVIDENCE[about.evidence_kind].partition(",")[0].partition(":")[0]
    return Masthead(
        title=f"{about.product}, {model.id} version {model.version}",
        purpose=about.intended_use,
        place=(subject.site.title,),
        facts=(f"Data to {subject.cut} · {words.small(kind)}",),
    )


def _lead(subject: Subject) -> Lead:
    return Lead(tuple(t for f in subject.protocol.findings if (t := _sentences(subject, f))))


def _sentences(subject: Subject, finding: Finding) -> Text:
    book, protocol = subject.book, subject.protocol
    said: list[Text] = []
    for metric in SHARES:
        found = sentence.measured(book, protocol, finding, metric)
        if found is not None and (text := sentence.sentence(found)) not in said:
            said.append(text)
            said += sentence.strata(book, protocol, finding, metric)
    return joined(" ", said)


def _figures(subject: Subject, finding: Finding) -> Table:
    point = subject.point(finding)
    at = f"at the threshold {point.threshold:g}, " if point else ""
    level = f"{100 * subject.protocol.evaluation.interval.level:g}%"
    caption = f"{finding.title}: {at}{level} intervals by patient."
    lines = [_share(subject, finding, point, m) for m in SHARES if point]
    return Table(
        name=f"sheet-{finding.name}",
        caption=(caption,),
        columns=("Figure", "Goal", *(WINDOW_TITLES[w] for w in WINDOWS), "Change", "Verdict"),
        lines=(*lines, _area(subject, finding)),
    )


def _share(subject: Subject, finding: Finding, point: OperatingPoint, metric: str) -> Line:
    rows = subject.book.rows(
        "evaluation/operating_points",
        finding=finding.name,
        model_id=point.model,
        operating_point=point.name,
        analysis="intention_to_diagnose",
        metric=metric,
    )
    changes = subject.book.rows(
        "evaluation/comparison",
        finding=finding.name,
        model_id=point.model,
        operating_point=point.name,
        metric=f"{metric}_difference",
    )
    return _line(subject, finding, metric.capitalize(), rows, changes, point.name, metric)


def _area(subject: Subject, finding: Finding) -> Line:
    model = subject.protocol.index_test.primary.id
    rows = subject.book.rows(
        "evaluation/performance", finding=finding.name, model_id=model, stratum="all", metric=AREA
    )
    changes = subject.book.rows(
        "evaluation/comparison", finding=finding.name, model_id=model, metric=f"{AREA}_difference"
    )
    return _line(subject, finding, "Area under the ROC curve", rows, changes, "", AREA)


def _line(
    subject: Subject,
    finding: Finding,
    title: str,
    rows: list[Row],
    changes: list[Row],
    point: str,
    metric: str,
) -> Line:
    book = subject.book
    by_window = {w: [book.on_first_page(r) for r in pick(rows, window=w)] for w in WINDOWS}
    goals = [
        book.on_first_page(r)
        for r in book.rows(
            "evaluation/endpoints",
            finding=finding.name,
            metric=metric,
            window=PROSPECTIVE,
            comparison="absolute",
            is_headline="yes",
        )
        if r.says("operating_point") == point
    ]
    goal: Text = ("above ", goals[0]["goal"]) if goals else ("none",)
    verdict: Text = (Verdict(goals[0]["verdict"]),) if goals and goals[0]["verdict"] else ()
    return Line(
        head=(title,),
        cells=(
            goal,
            _estimate(by_window[RETROSPECTIVE], is_strong=False),
            _estimate(by_window[PROSPECTIVE], is_strong=True),
            _estimate([book.on_first_page(r) for r in changes], is_strong=False),
            verdict,
        ),
    )


def _estimate(rows: list[Row], *, is_strong: bool) -> Text:
    if not rows or not rows[0].is_given:
        return (Quiet(("not given",)),)
    estimate: Text = (rows[0]["estimate"],)
    bounds = bounds_of(rows[0])
    shown: Text = (Strong(estimate),) if is_strong else estimate
    return (*shown, " ", Quiet(bounds)) if bounds else shown


def _pictures(subject: Subject, finding: Finding) -> Iterator[Pictures]:
    made = [p for m in SHARES if (p := _picture(subject, finding, m))]
    if made:
        yield Pictures(
            tuple(made),
            (
                "Points with intervals, by period of at least 30 positives: open before the lock,"
                " filled after it. Band: the interval of the whole window before the lock.",
            ),
        )


def _picture(subject: Subject, finding: Finding, metric: str) -> Picture | None:
    point = subject.point(finding)
    if point is None:
        return None
    book = subject.book
    rows = book.rows("evaluation/trend", finding=finding.name, model_id=point.model)
    periods = [r for r in pick(rows, stratum_kind="all", metric=metric) if r.key["period"] != "all"]
    new = [r.key["period"] for r in pick(rows, metric="cases_of_new_level") if r["estimate"].number]
    before = book.rows(
        "evaluation/operating_points",
        finding=finding.name,
        window=RETROSPECTIVE,
        model_id=point.model,
        operating_point=point.name,
        analysis="intention_to_diagnose",
        metric=metric,
    )
    found = sentence.measured(book, subject.protocol, finding, metric)
    goal = found.goal.number if found and found.goal else None
    where = sentence.direction(found.change) if found and found.change else None
    title = f"{metric.capitalize()} {_TOLD[where]}"
    ordered = sorted(periods, key=lambda r: str(r.key["period"]))
    drawing = trend(
        Series(
            name=f"trend-{finding.name}-{metric}",
            title=title,
            periods=ordered,
            before=before[0] if before else None,
            goal=None if goal is None else goal / 100,
            new_from=min(new, default=None),
        )
    )
    if drawing is None:
        return None
    sized = sorted(ordered, key=lambda r: r["n"].number or 0)
    n = filled("% of {least} to {most}", least=sized[0]["n"], most=sized[-1]["n"])
    key = (*n, f" {sentence.CLASSES[metric]} a point")
    return Picture((Strong((title,)), " ", Quiet(key)), drawing)


_TOLD: Final = {
    "fell": "fell after the lock",
    "rose": "rose after the lock",
    None: "by period: no change shown",
}


def _burden(subject: Subject, finding: Finding) -> Iterator[Tiles]:
    point = subject.point(finding)
    book, name = subject.book, finding.name
    counts = {
        m: book.first(f"{name}.{PROSPECTIVE}.{m}.estimate")
        for m in (
            "n_patients",
            "n_cases",
            "n_positive",
            "n_failed",
            "n_indeterminate",
            "n_undecided",
        )
    }
    failed = words.FAILED[subject.protocol.index_test.failed_counts_as]
    positive = counts["n_positive"]
    size = filled("patients, {n} cases, {p} positive", n=counts["n_cases"], p=positive)
    unlabelled = filled("without a label, {n} indeterminate", n=counts["n_indeterminate"])
    tiles = [
        Tile((counts["n_patients"],), size),
        Tile((counts["n_failed"],), ("without an answer, which ", failed)),
        Tile((counts["n_undecided"],), unlabelled),
    ]
    if point is not None:
        at = f"{name}.{PROSPECTIVE}."
        flagged, missed, false = (
            book.first(f"{at}{m}.estimate")
            for m in ("flagged_per_1000", "missed_per_1000", "false_alarms_per_1000")
        )
        tiles.append(Tile((flagged,), ("flagged per 1,000 cases",)))
        tiles.append(Tile((missed, " / ", false), ("missed and false alarms per 1,000",)))
        tiles += _predictive(subject, finding, point)
    yield Tiles((f"{finding.title}, {words.small(WINDOW_TITLES[PROSPECTIVE])}",), tuple(tiles))


_PREVALENCES: Final = {
    "stated": "PPV and NPV at the stated prevalence of ",
    "target": "PPV and NPV at the target’s prevalence of ",
    "own": "PPV and NPV at this set’s prevalence of ",
}
"""The prevalence to show, the first that there is."""


def _predictive(subject: Subject, finding: Finding, point: OperatingPoint) -> Iterator[Tile]:
    rows = subject.book.rows(
        "evaluation/predictive_values",
        finding=finding.name,
        window=PROSPECTIVE,
        model_id=point.model,
        operating_point=point.name,
    )
    for kind, said in _PREVALENCES.items():
        found = {
            m: subject.book.on_first_page(r)
            for m in ("ppv", "npv", "prevalence")
            for r in pick(rows, stratum_kind=kind, metric=m)
            if r.is_given
        }
        if found.keys() >= {"ppv", "npv", "prevalence"}:
            figure: Text = (found["ppv"]["estimate"], " / ", found["npv"]["estimate"])
            yield Tile(figure, (said, found["prevalence"]["estimate"]))
            return


def _foot(subject: Subject) -> Foot:
    protocol = subject.protocol
    signers = ", ".join(s.role for s in subject.site.signers) or "nobody is named"
    left = (
        f"Protocol {protocol.reference}, sha256 {protocol.digest[:12]} · to be signed by: {signers}"
    )
    return Foot((left,), ("It can feed a regulatory submission; it is none.",))
