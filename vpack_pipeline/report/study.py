"""Sentences and drawings that are made from the protocol and the book together."""

from __future__ import annotations

import re
from typing import Final

from vpack_pipeline.core.evaluation.verdicts import is_look_untaken
from vpack_pipeline.core.windows import WINDOWS
from vpack_pipeline.protocol import Adjudication, Finding, Protocol, Rule
from vpack_pipeline.report import words
from vpack_pipeline.report.book import Book, Cell
from vpack_pipeline.report.charts.flow import Step, flow
from vpack_pipeline.report.rows import pick
from vpack_pipeline.report.view import Drawing
from vpack_pipeline.site import Site, Synthetic

EXPLORATORY: Final = (
    "No endpoint takes the look at this cut, so every figure after the lock is exploratory here."
)
_OF_READERS: Final = re.compile(
    r"\b(everything|rosters?|readers?|radiologists?|reads?|ratings?)\b", re.IGNORECASE
)


def rules_set_late(protocol: Protocol) -> list[Rule]:
    """List the rules on who is counted that are younger than the protocol."""
    registered = protocol.about.registered_at.date()
    return [r for r in protocol.eligibility.rules if r.decided_at > registered]


def is_at_untaken_look(book: Book, cut: str) -> bool:
    """Whether a cut is that of a look that no endpoint takes."""
    rows = book.rows("evaluation/endpoints", look=cut.partition(".")[0])
    return is_look_untaken([r.says("verdict") for r in rows if r.says("verdict")])


def reference_line(protocol: Protocol) -> str:
    """Say in one line who decides what is correct: the protocol's rules, in their order."""
    rule = protocol.adjudication
    told: list[str] = []
    readers = _readers(rule)
    for name in rule.precedence:
        told.append(_decides(name, protocol, readers))
        if name not in ("independent_reference", "consensus"):
            readers = "the readers"
    line = "; failing that, ".join(told)
    return f"{line[0].upper()}{line[1:]}."


def _readers(rule: Adjudication) -> str:
    sight = (
        "who do not see one another's reads"
        if rule.blind_to_peers
        else "who rate after sight of one another's reads"
    )
    noun = "reader" if rule.minimum_readers == 1 else "readers"
    return f"at least {rule.minimum_readers} {noun} {sight}"


def _decides(name: str, protocol: Protocol, readers: str) -> str:
    """What one rule of ``core.adjudication.rules`` takes as correct."""
    rule = protocol.adjudication
    if name == "independent_reference":
        sources = " or ".join(words.SOURCES[s] for s in rule.reference_sources)
        times = [
            f"{rule.follow_up_minimum_days} days",
            *(
                f"for {f.title}, {f.negative_follow_up.minimum_days} days"
                f" by {f.negative_follow_up.source}"
                for f in protocol.findings
                if f.negative_follow_up is not None
            ),
        ]
        early = f" (a negative follow-up after {'; '.join(times)})"
        has_follow_up = "follow_up" in rule.reference_sources
        return f"{sources} where it has come{early if has_follow_up else ''}"
    if name == "consensus":
        return "what readers settled together in consensus"
    if name == "majority" and rule.vote == "median_then_cut":
        return f"the median rating of {readers}"
    if name == "majority":
        # Of three readers two are a majority: a quorum of two says no more.
        is_more = rule.quorum > rule.minimum_readers // 2 + 1
        return f"the majority of {readers}" + f", {rule.quorum} or more alike" * is_more
    alike = f"what {readers} all say"
    return (
        f"{alike}, and where they differ what a further reader says"
        if (name == "third_reader")
        else alike
    )


def made_up_readers(site: Site) -> tuple[Synthetic, ...]:
    """List the synthetic parts that concern readers or their reads, by a word of the part's name.

    >>> from types import SimpleNamespace as Named
    >>> parts = (Named(part="scores"), Named(part="Reader roster"), Named(part="everything"))
    >>> [s.part for s in made_up_readers(Named(synthetic=parts))]
    ['Reader roster', 'everything']
    """
    return tuple(s for s in site.synthetic if _OF_READERS.search(s.part))


def flow_drawings(book: Book, protocol: Protocol) -> tuple[Drawing, ...]:
    """Draw the participant flow, down to what was counted in each window, page by page."""
    units = (("case", "cases"), ("patient", "patients"))
    rows = {unit: book.rows("eligibility/flow", unit=unit) for unit, _ in units}

    def counts(i: int, column: str) -> tuple[tuple[Cell, str], ...]:
        return tuple((rows[unit][i][column], name) for unit, name in units)

    steps = [
        Step(rows["case"][i].says("title"), counts(i, "removed"), counts(i, "remaining"))
        for i in range(1, len(rows["case"]))
    ]
    ends = [
        _window_end(
            book, finding, window, protocol.index_test.primary.id, protocol.about.evidence_kind
        )
        for finding in protocol.findings
        for window in WINDOWS
    ]
    return flow(counts(0, "remaining"), steps, ends, _outside(book, protocol))


def _outside(book: Book, protocol: Protocol) -> list[str]:
    """Included cases that lie in neither window, where the study counts them."""
    model = protocol.index_test.primary.id
    rows = pick(
        book.rows("evaluation/performance", window="outside"), model_id=model, metric="n_cases"
    )
    shown = [r for r in rows if r.says("estimate") not in ("", "0")]
    if not shown:
        return []
    if len(protocol.findings) == 1:
        return [f"Outside both windows: {shown[0].says('estimate')}"]
    titles = {f.name: f.title for f in protocol.findings}
    counts = [f"{titles[r.key['finding']]}: {r.says('estimate')}" for r in shown]
    return ["Outside both windows", *counts]


def _window_end(book: Book, finding: Finding, window: str, model: str, evidence: str) -> list[str]:
    lines = [words.windows(evidence)[window], finding.title]
    for metric in ("n_immature", "n_cases", "n_positive", "n_negative", "n_indeterminate",
                   "n_undecided", "n_failed"):  # fmt: skip
        row = book.row(
            "evaluation/performance",
            finding=finding.name,
            window=window,
            model_id=model,
            stratum="all",
            metric=metric,
        )
        status = row.says("status")
        shown = row.says("estimate") or words.STATUS_WORDS.get(status, status)
        name = "Label due" if metric == "n_cases" else words.title(words.METRICS, metric)
        lines.append(f"{name}: {shown}")
    return lines
