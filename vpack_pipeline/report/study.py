"""Sentences and drawings that are made from the protocol and the book together."""

from __future__ import annotations

from markupsafe import Markup

from vpack_pipeline.core.pack.headline import WINDOWS
from vpack_pipeline.protocol import Finding, Protocol
from vpack_pipeline.report import figures, words
from vpack_pipeline.report.book import Book, Cell
from vpack_pipeline.report.rows import pick


def reference_line(protocol: Protocol) -> str:
    """Say in one line who decides what is correct."""
    rule = protocol.adjudication
    sources = [words.SOURCES[s] for s in rule.reference_sources]
    sight = (
        "who do not see one another's reads"
        if rule.blind_to_peers
        else "who rate after sight of one another's reads"
    )
    noun = "reader" if rule.minimum_readers == 1 else "readers"
    panel = f"at least {rule.minimum_readers} {noun} {sight}, of whom {rule.quorum} must concur"
    if "third_reader" in rule.precedence:
        panel += ", else a further reader decides"
    elif "consensus" in rule.precedence:
        panel += ", else they settle it in consensus"
    has_panel = any(name != "independent_reference" for name in rule.precedence)
    first = " or ".join(sources)
    if not first:
        return f"{panel[0].upper()}{panel[1:]}."
    text = f"{first[0].upper()}{first[1:]} where it has come"
    if "follow_up" in rule.reference_sources:
        text += f" (a negative follow-up after {rule.follow_up_minimum_days} days)"
    return f"{text}; otherwise {panel}." if has_panel else f"{text}."


def flow_drawing(book: Book, protocol: Protocol) -> Markup:
    """Draw the participant flow, down to what was counted in each window."""
    units = (("case", "cases"), ("patient", "patients"))
    rows = {unit: book.rows("eligibility/flow", unit=unit) for unit, _ in units}

    def counts(i: int, column: str) -> tuple[tuple[Cell, str], ...]:
        return tuple((rows[unit][i][column], name) for unit, name in units)

    steps = [
        figures.Step(rows["case"][i].says("title"), counts(i, "removed"), counts(i, "remaining"))
        for i in range(1, len(rows["case"]))
    ]
    ends = [
        _window_end(
            book, finding, window, protocol.index_test.primary.id, protocol.about.evidence_kind
        )
        for finding in protocol.findings
        for window in WINDOWS
    ]
    return figures.flow(counts(0, "remaining"), steps, ends, _outside(book, protocol))


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
        shown = row.says("estimate") or row.says("status")
        name = "Label due" if metric == "n_cases" else words.title(words.METRICS, metric)
        lines.append(f"{name}: {shown}")
    return lines
