"""The lines of the sheet: one question of a reviewer each, answered from tables and the protocol.

What does not belong here: figures of performance (``sheet``), the chapters that the lines lead to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vpack_pipeline.core.windows import PROSPECTIVE
from vpack_pipeline.protocol import Protocol
from vpack_pipeline.report import words
from vpack_pipeline.report.book import Book, Cell, Row
from vpack_pipeline.report.study import reference_line, rules_set_late
from vpack_pipeline.report.view import Answer, Link, Strong, Text, filled, interval, joined
from vpack_pipeline.site import Site


def answers(book: Book, protocol: Protocol, site: Site) -> Iterator[Answer]:
    """Give the lines in the order of print."""
    yield Answer("How the set was built", _built(book, protocol))
    yield Answer(
        "Who decided",
        (*_decided(book, protocol), " ", Link(("Readers and labels",), "#adjudication")),
    )
    yield Answer("Conduct", _conduct(book))
    yield Answer("Watching", _watching(book, protocol))
    yield Answer("Whom it stands for", _stands_for(book, protocol, site))
    yield Answer("Readers", _readers(book, protocol))
    yield Answer("Biggest limitation", (protocol.about.limitations[0],))
    yield Answer("Not shown", (" ".join(protocol.about.does_not_show),))
    yield Answer(
        "What to do next",
        (
            "Hold it against your own patients, then test it on your own scanners: ",
            Link(("compare with your counts",), "compare.html"),
            "; ",
            Link(("limitations",), "#limitations"),
            ".",
        ),
    )


def largest_exclusion(book: Book) -> Row | None:
    """The rule that removed most cases; None where none removed any."""
    rows = book.rows("eligibility/flow", unit="case")
    sized = [(n, r) for r in rows if (n := r["removed"].number)]
    return max(sized, key=lambda pair: pair[0])[1] if sized else None


def _built(book: Book, protocol: Protocol) -> Text:
    rows = book.rows("eligibility/flow", unit="case")
    drawn = words.drawn(protocol.sampling)
    counts = filled(
        " {delivered} cases delivered, {included} included.",
        delivered=rows[0]["remaining"],
        included=rows[-1]["remaining"],
    )
    largest = largest_exclusion(book)
    most: Text = (
        filled(f" Largest exclusion: “{largest.says('title')}”, {{n}} cases.", n=largest["removed"])
        if largest
        else (" No rule removed a case.",)
    )
    return (drawn, *counts, *most, *_late(protocol), " ", Link(("Participant flow",), "#flow"))


def _late(protocol: Protocol) -> Text:
    late = rules_set_late(protocol)
    if not late:
        return ()
    told = words.listed([f"“{r.title}”" for r in late])
    return (" ", Strong((f"{told} came after the protocol was fixed.",)))


def _decided(book: Book, protocol: Protocol) -> Text:
    shares: list[Cell] = []
    for finding in protocol.findings:
        found = book.rows(
            "evaluation/error_attribution",
            finding=finding.name,
            window=PROSPECTIVE,
            model_id=protocol.index_test.primary.id,
            metric="share_not_separable",
            assumption="none",
        )
        given = [book.on_first_page(r)["estimate"] for r in found if r.is_given]
        shares += given
    told: Text = ()
    if shares:
        told = (" ", *_range(shares), " of the disagreements with the model could be label errors.")
    return (reference_line(protocol), *told, *_floor(book, protocol))


def _floor(book: Book, protocol: Protocol) -> Text:
    """Where readers did not agree as far as was asked for: that it is so, by finding."""
    asked = protocol.adjudication.floor
    if asked is None:
        return ()
    found = [
        row
        for finding in protocol.findings
        for row in book.rows(
            "adjudication/agreement",
            finding=finding.name,
            stratum="all",
            metric="prespecified_floor",
        )
        if any(row.has_code(name) for name in _SHORT_OF_FLOOR) and row.note
    ]
    if not found:
        return ()
    several = len(protocol.findings) > 1
    titles = {f.name: f.title for f in protocol.findings}
    told = joined(
        "; ",
        (
            (
                f"{titles[row.key['finding']]}: " if several else "",
                *(interval(row) if row.is_given else ("not given",)),
                ", ",
                Strong((row.note,) if row.note else ()),
            )
            for row in found
        ),
    )
    what = words.small(words.title(words.METRICS, asked.statistic))
    return (f" Agreement of readers ({what}), at least {asked.value:g} asked for: ", *told, ".")


_SHORT_OF_FLOOR: Final = ("floor_not_reached", "floor_reached_by_guessing")


def _range(cells: list[Cell]) -> Text:
    """The lowest to the highest where there are several findings, or the one there is."""
    ordered = sorted(cells, key=lambda c: c.number or 0.0)
    least, most = ordered[0], ordered[-1]
    return (least,) if len(cells) == 1 else (least, " to ", most, ", by finding,")


def _conduct(book: Book) -> Text:
    return (
        *filled(
            "{broken} of {rules} rules of conduct broken, {open} not assessable. ",
            broken=(Strong((book.first("conduct.broken"),)),),
            rules=book.first("conduct.rules"),
            open=book.first("conduct.not_assessable"),
        ),
        Link(("Rule by rule",), "#integrity"),
    )


def _watching(book: Book, protocol: Protocol) -> Text:
    since = book.first("drift.since")
    acted: Text = (
        filled(
            " {n} called for action, first in the window from {since}.",
            n=(Strong((book.first("drift.action"),)),),
            since=since,
        )
        if since
        else (" None has called for action so far.",)
    )
    audits = any(m.layer == "truth_audit" for m in protocol.drift.monitors)
    blind = "" if audits else " A fall in sensitivity would not be noticed by this plan."
    return (
        book.first("drift.monitors"),
        " monitors.",
        *acted,
        blind,
        " ",
        Link(("Drift plan",), "#drift"),
    )


def _stands_for(book: Book, protocol: Protocol, site: Site) -> Text:
    made: list[Text] = []
    for finding in protocol.findings:
        for row in book.rows(
            "evaluation/transport",
            finding=finding.name,
            model_id=protocol.index_test.primary.id,
            window=PROSPECTIVE,
            metric="share_weight_zero_not_in_target",
        ):
            if row.is_given and not made:
                share = book.on_first_page(row)["estimate"]
                made.append(
                    (
                        share,
                        " of cases after the lock have no counterpart in the target population.",
                    )
                )
    if not made:
        made.append(("No target population is stated, or nothing here can be held against it.",))
    return (*joined(" ", made), " ", Link(("Compare with yours",), "compare.html"))


def _readers(book: Book, protocol: Protocol) -> Text:
    at = [f"{f.name}.{PROSPECTIVE}.readers." for f in protocol.findings]
    given = [p for p in at if book.first(f"{p}sensitivity.estimate")]
    if not given:
        return ("Not compared: ", book.first(f"{at[0]}sensitivity.reason"), ".")
    sensitivity = _range([book.first(f"{p}sensitivity.estimate") for p in given])
    specificity = _range([book.first(f"{p}specificity.estimate") for p in given])
    told = "On cases with an independent reference, unaided readers had sensitivity "
    return (told, *sensitivity, " and specificity ", *specificity, ".")
