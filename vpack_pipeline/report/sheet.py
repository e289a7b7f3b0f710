"""The sheet: what a committee reads in ten minutes, on one page, as blocks.

The same blocks open the report and make ``summary.pdf``. Every number comes from the book. What
does not belong here: the sentence's rules (``sentence``), layout (``markup``, ``typeset``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from vpack_pipeline.core.calls import primary_point
from vpack_pipeline.core.windows import PROSPECTIVE, RETROSPECTIVE, WINDOWS
from vpack_pipeline.protocol import Finding, OperatingPoint, Protocol
from vpack_pipeline.report import sentence, sheet_answers, study, words
from vpack_pipeline.report.book import Book, Cell, Row
from vpack_pipeline.report.charts.trend import SMALL, Frame, trend
from vpack_pipeline.report.drawings import periods
from vpack_pipeline.report.rows import pick
from vpack_pipeline.report.view import (
    Answers,
    Banner,
    Block,
    Foot,
    Group,
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
_MOST_IN_FULL: Final = 2
"""With more findings there is room for one picture of each, that of sensitivity."""


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
    made: list[Block] = [_masthead(subject)]
    if study.is_at_untaken_look(subject.book, subject.cut):
        made.append(Banner((study.EXPLORATORY,)))
    made.append(_lead(subject))
    made += [_figures(subject), *_pictures(subject)]
    if len(subject.protocol.findings) == 1:
        made.append(_tiles(subject, subject.protocol.findings[0]))
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
    """What happened; where it differs only of a single finding, for which there is room."""
    book, protocol = subject.book, subject.protocol
    found = [m for s in SHARES if (m := sentence.measured(book, protocol, finding, s))]
    if not found:
        return ()
    if len(protocol.findings) > 1:
        return sentence.sentence(found, finding.title)
    places = sentence.strata(book, protocol, finding, SHARES)
    return joined(" ", [sentence.sentence(found), *places])


def _figures(subject: Subject) -> Table:
    level = f"{100 * subject.protocol.evaluation.interval.level:g}%"
    return Table(
        name="sheet-figures",
        caption=(f"At the locked threshold of each finding; {level} intervals by patient.",),
        columns=("Figure", "Goal", *(WINDOW_TITLES[w] for w in WINDOWS), "Change", "Verdict"),
        widths=(1.05, 0.95, 1.5, 1.5, 1.75, 1.05),
        groups=tuple(_group(subject, finding) for finding in subject.protocol.findings),
    )


def _group(subject: Subject, finding: Finding) -> Group:
    """The lines of a finding; of several, with who was counted and what follows of each."""
    point = subject.point(finding)
    at = f", threshold {point.threshold:g}" if point else ""
    lines = [_share(subject, finding, point, m) for m in SHARES if point]
    head: Text = (Strong((f"{finding.title}{at}",)),)
    note: Text = ()
    if len(subject.protocol.findings) > 1:
        head, note = (*head, ". ", *_counted(subject, finding)), _burden_line(subject, finding)
    return Group(head, (*lines, _area(subject, finding)), note)


def _count(subject: Subject, finding: Finding, metric: str) -> Cell:
    return subject.book.first(f"{finding.name}.{PROSPECTIVE}.{metric}.estimate")


def _counted(subject: Subject, finding: Finding) -> Text:
    return filled(
        "After the lock {patients} patients, {n} cases, {positive} positive",
        patients=_count(subject, finding, "n_patients"),
        n=_count(subject, finding, "n_cases"),
        positive=_count(subject, finding, "n_positive"),
    )


def _burden_line(subject: Subject, finding: Finding) -> Text:
    """What follows in one line: per 1,000 cases, and what a call means."""
    said = filled(
        "No answer {failed}, no label {undecided}",
        failed=_count(subject, finding, "n_failed"),
        undecided=_count(subject, finding, "n_undecided"),
    )
    point = subject.point(finding)
    if point is None:
        return said
    per_1000 = filled(
        "; per 1,000 {flagged} flagged, {missed} missed, {false} false alarms",
        flagged=_count(subject, finding, "flagged_per_1000"),
        missed=_count(subject, finding, "missed_per_1000"),
        false=_count(subject, finding, "false_alarms_per_1000"),
    )
    found = _predictive(subject, finding, point)
    ppv: Text = ()
    if found:
        _, values = found
        ppv = filled("; PPV {ppv}, NPV {npv} at {prevalence}", **values)
    return (*said, *per_1000, *ppv)


def _share(subject: Subject, finding: Finding, point: OperatingPoint, metric: str) -> Line:
    book = subject.book
    at = {"finding": finding.name, "model_id": point.model, "operating_point": point.name}
    rows = [
        book.on_first_page(r) for r in book.rows("evaluation/operating_points", **at, metric=metric)
    ]
    changes = book.rows("evaluation/comparison", **at, metric=f"{metric}_difference")
    shown = {
        window: _of_analyses({r.key["analysis"]: r for r in pick(rows, window=window)})
        if sentence.rests_on_bounds(book, finding, window)
        else _estimate(pick(rows, window=window, analysis=_PRIMARY))
        for window in WINDOWS
    }
    return _line(subject, finding, metric.capitalize(), shown, changes, point.name, metric)


_PRIMARY: Final = "intention_to_diagnose"


def _of_analyses(rows: dict[str, Row]) -> Text:
    """The bounds over every missing label, and what stands among labelled cases beside them."""
    worst, best, labelled = (rows[a]["estimate"] for a in ("worst_case", "best_case", _PRIMARY))
    return (worst, " to ", best, " ", Quiet(("labelled ", labelled)))


def _among_labelled(rows: list[Row]) -> Text:
    """What stands among labelled cases, where neither bounds nor an interval are."""
    given = bool(rows) and rows[0].is_given
    return (Quiet(("labelled ", rows[0]["estimate"]) if given else ("not given",)),)


def _area(subject: Subject, finding: Finding) -> Line:
    book, model = subject.book, subject.protocol.index_test.primary.id
    at = {"finding": finding.name, "model_id": model}
    rows = book.rows("evaluation/performance", **at, stratum="all", metric=AREA)
    changes = book.rows("evaluation/comparison", **at, metric=f"{AREA}_difference")
    shown = {
        window: _among_labelled(pick(rows, window=window))
        if sentence.rests_on_bounds(book, finding, window)
        else _estimate(pick(rows, window=window))
        for window in WINDOWS
    }
    return _line(subject, finding, "AUC", shown, changes, "", AREA)


def _line(
    subject: Subject,
    finding: Finding,
    title: str,
    shown: Mapping[str, Text],
    changes: list[Row],
    point: str,
    metric: str,
) -> Line:
    book = subject.book
    judged = sentence.goal_of(book, finding, metric, point)
    goal: Text = ("above ", judged["goal"]) if judged else ("none",)
    verdict: Text = (Verdict(judged["verdict"]),) if judged and judged["verdict"] else ()
    change = _estimate([book.on_first_page(r) for r in changes])
    return Line(
        head=(title,),
        cells=(goal, shown[RETROSPECTIVE], _emphasised(shown[PROSPECTIVE]), change, verdict),
    )


def _emphasised(text: Text) -> Text:
    """Set a figure off, and leave what stands back as it is."""
    return tuple(run if isinstance(run, Quiet) else Strong((run,)) for run in text)


def _estimate(rows: list[Row]) -> Text:
    if not rows or not rows[0].is_given:
        return (Quiet(("not given",)),)
    bounds = bounds_of(rows[0])
    return (rows[0]["estimate"], " ", Quiet(bounds)) if bounds else (rows[0]["estimate"],)


def _pictures(subject: Subject) -> Iterator[Pictures]:
    findings = subject.protocol.findings
    shown = SHARES if len(findings) <= _MOST_IN_FULL else SHARES[:1]
    made = [p for f in findings for m in shown if (p := _picture(subject, f, m))]
    if made:
        key = (
            "By period of at least 30 positives: open before the lock, filled after it. Line: the"
            " lock; dashes: the goal; shaded: a new device."
        )
        yield Pictures(tuple(made), (key,))


def _picture(subject: Subject, finding: Finding, metric: str) -> Picture | None:
    book, protocol = subject.book, subject.protocol
    found = sentence.measured(book, protocol, finding, metric)
    series = periods(book, protocol, finding, metric)
    if found is None or series is None:
        return None
    of = f"{finding.title}: " if len(protocol.findings) > 1 else ""
    where = sentence.direction(found.change) if found.change else None
    title = f"{of}{metric}" if of else f"{metric.capitalize()} {_TOLD[where]}"
    named = replace(series, name=f"sheet-{finding.name}-{metric}", title=title)
    drawing = trend(named, SMALL if of else Frame())
    if drawing is None:
        return None
    if of:
        return Picture((Strong((title,)),), drawing)
    sized = sorted(series.periods, key=lambda r: r["n"].number or 0)
    n = filled("% of {least} to {most}", least=sized[0]["n"], most=sized[-1]["n"])
    key = (*n, f" {sentence.CLASSES[metric]} a point")
    return Picture((Strong((title,)), " ", Quiet(key)), drawing)


_TOLD: Final = {
    "fell": "fell after the lock",
    "rose": "rose after the lock",
    None: "by period",
}


def _tiles(subject: Subject, finding: Finding) -> Tiles:
    """Who was counted and what follows, of a single finding."""

    def count(metric: str) -> Cell:
        return _count(subject, finding, metric)

    failed = words.FAILED[subject.protocol.index_test.failed_counts_as]
    size = filled("patients, {n} cases, {p} positive", n=count("n_cases"), p=count("n_positive"))
    unlabelled = filled("without a label, {n} indeterminate", n=count("n_indeterminate"))
    made = [
        Tile((count("n_patients"),), size),
        Tile((count("n_failed"),), ("without an answer, which ", failed)),
        Tile((count("n_undecided"),), unlabelled),
    ]
    point = subject.point(finding)
    if point is not None:
        errors = (count("missed_per_1000"), " / ", count("false_alarms_per_1000"))
        made.append(Tile((count("flagged_per_1000"),), ("flagged per 1,000 cases",)))
        made.append(Tile(errors, ("missed and false alarms per 1,000",)))
        if found := _predictive(subject, finding, point):
            said, values = found
            figure = (values["ppv"], " / ", values["npv"])
            made.append(Tile(figure, (f"PPV and NPV at {said} ", values["prevalence"])))
    return Tiles((WINDOW_TITLES[PROSPECTIVE],), tuple(made))


_PREVALENCES: Final = {
    "stated": "the stated prevalence of",
    "target": "the target’s prevalence of",
    "own": "this set’s prevalence of",
}
"""Kind of prevalence → its words; the first that there is is shown."""


def _predictive(
    subject: Subject, finding: Finding, point: OperatingPoint
) -> tuple[str, dict[str, Cell]] | None:
    """Predictive values with the prevalence that they are at, and its words."""
    rows = subject.book.rows(
        "evaluation/predictive_values",
        finding=finding.name,
        window=PROSPECTIVE,
        model_id=point.model,
        operating_point=point.name,
    )
    for kind, said in _PREVALENCES.items():
        found = {
            m: subject.book.on_first_page(r)["estimate"]
            for m in ("ppv", "npv", "prevalence")
            for r in pick(rows, stratum_kind=kind, metric=m)
            if r.is_given
        }
        if found.keys() >= {"ppv", "npv", "prevalence"}:
            return said, found
    return None


def _foot(subject: Subject) -> Foot:
    protocol = subject.protocol
    signers = ", ".join(s.role for s in subject.site.signers) or "nobody is named"
    left = (
        f"Protocol {protocol.reference}, sha256 {protocol.digest[:12]} · to be signed by: {signers}"
    )
    return Foot((left,), ("It can feed a regulatory submission; it is none.",))
