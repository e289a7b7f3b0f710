"""The rules by which evidence becomes a label; a protocol names them in order of precedence.

A rule is a set of polars expressions over :func:`evidence.evidence`: no case is visited one by one.
No rule breaks a tie by the order of classes, rows or readers; where it cannot decide it says why,
and the next rule is asked. What does not belong here: how reads are counted (``evidence``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from vpack_pipeline.core.adjudication.evidence import (
    INDETERMINATE,
    NEGATIVE,
    NON_DIAGNOSTIC,
    POSITIVE,
    count_of,
)
from vpack_pipeline.protocol import Adjudication

METHODS: Final = (
    "independent_reference",
    "consensus",
    "third_reader",
    "agreement",
    "majority",
    "median",
    "single_reader",
    "unresolved",
    "no_reads",
)
"""How a label can have come about, or why there is none; every case × finding has one."""

PANEL: Final = "panel"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rule says of each case × finding; all of it null where it does not decide.

    ``why`` is the code of why it does not decide, null where it does or has nothing to go by.
    ``margin`` is (reads for the label − reads against it) / deciding reads; null where no vote was
    counted.
    ``gives_way`` marks labels that stand only where no other rule decides; None where none does.
    """

    label: pl.Expr
    method: pl.Expr
    margin: pl.Expr
    source: pl.Expr
    established_at: pl.Expr
    why: pl.Expr
    gives_way: pl.Expr | None = None


Rule = Callable[[Adjudication], Decision]


def first_to_decide(rules: Sequence[Decision], part: str) -> pl.Expr:
    """What the first deciding rule says; a rule decides where it gives a label.

    A label that gives way is taken only where no rule gives one that does not.
    """
    firm = [(rule, _stands(rule)) for rule in rules]
    giving_way = [(rule, rule.label.is_not_null()) for rule in rules if rule.gives_way is not None]
    found: pl.Expr = pl.lit(None)
    for rule, decides in reversed([*firm, *giving_way]):
        found = pl.when(decides).then(getattr(rule, part)).otherwise(found)
    return found


def _stands(rule: Decision) -> pl.Expr:
    decides = rule.label.is_not_null()
    return decides if rule.gives_way is None else decides & ~rule.gives_way


def independent_reference(adjudication: Adjudication) -> Decision:
    """Take the label of the most trusted independent source that counts.

    An indeterminate label, or a negative follow-up that came too early, leaves the word to the
    next source, and after the last to the next rule.
    """
    return Decision(
        label=pl.col("reference_label"),
        method=pl.lit("independent_reference"),
        margin=pl.lit(None, pl.Float64),
        source=pl.col("reference_source"),
        established_at=pl.col("reference_at"),
        why=pl.col("reference_why"),
    )


def consensus(adjudication: Adjudication) -> Decision:
    """Take what the readers said together.

    All consensus reads must say one thing, and ``minimum_readers`` distinct readers must stand
    behind it: those with an independent or a consensus read of the case.
    """
    votes = _Votes.of("consensus")
    why = _first(
        (votes.n == 0, None),
        (_is_spoilt(adjudication, "consensus"), _SPOILT),
        (pl.col("n_readers") < adjudication.minimum_readers, "few_readers_in_consensus"),
        (~votes.concur, "consensus_contradicts_itself"),
        (_is_unsettled(votes, adjudication), "consensus_indeterminate"),
    )
    decides = (votes.n > 0) & why.is_null()
    at = pl.col("consensus_at")
    return _panel(decides, votes.common, "consensus", pl.lit(None, pl.Float64), at, why)


def unanimity(adjudication: Adjudication) -> Decision:
    """Take what all of two or more independent reads say."""
    votes = _Votes.of("independent")
    why = _first(
        (votes.n == 0, None),
        *_too_few(adjudication, 2),
        (~votes.concur, "reads_differ"),
        (_is_unsettled(votes, adjudication), "reads_concur_on_indeterminate"),
    )
    decides = (votes.n > 0) & why.is_null()
    at = pl.col("independent_at")
    return _panel(decides, votes.common, "agreement", pl.lit(1.0), at, why)


def third_reader(adjudication: Adjudication) -> Decision:
    """Let a further reader decide where independent reads differ; where they concur they decide.

    Needs two independent reads at least, and a tiebreak reader who is none of theirs. A tiebreak
    read where the reads concur is not used. Where several tiebreak reads differ, none decides.
    """
    first, last = _Votes.of("independent"), _Votes.of("tiebreak")
    agreed = unanimity(adjudication)
    differ = (first.n >= max(2, adjudication.minimum_readers)) & ~first.concur
    why = _first(
        (first.n == 0, None),
        *_too_few(adjudication, 2),
        (first.concur, agreed.why),
        (_is_spoilt(adjudication, "tiebreak"), _SPOILT),
        ((last.n == 0) & (pl.col("n_own_tiebreak") > 0), "own_tiebreak"),
        (last.n == 0, "no_tiebreak"),
        (~last.concur, "tiebreaks_contradict"),
        (_is_unsettled(last, adjudication), "tiebreak_indeterminate"),
    )
    breaks = differ & why.is_null()
    decided = agreed.label.is_not_null()
    broken = _panel(
        breaks,
        last.common,
        "third_reader",
        _margin(last.common, first, last),
        _latest("independent_at", "tiebreak_at"),
        why,
    )
    return Decision(
        label=pl.coalesce(agreed.label, broken.label),
        method=pl.when(decided).then(agreed.method).otherwise(broken.method),
        margin=pl.when(decided).then(agreed.margin).otherwise(broken.margin),
        source=pl.lit(PANEL),
        established_at=pl.when(decided)
        .then(agreed.established_at)
        .otherwise(broken.established_at),
        why=why,
    )


def majority(adjudication: Adjudication) -> Decision:
    """Let independent reads vote, each once.

    ``cut_then_vote``: reads are cut to positive, negative or indeterminate; a class decides that
    holds more than half of the deciding reads and at least ``quorum`` of them. Where indeterminate
    reads count to quorum they are deciding reads; else they are left out, and if nothing else is
    left the deciding reads are indeterminate. ``median_then_cut``: see :func:`_median`.
    """
    return (_median if adjudication.vote == "median_then_cut" else _vote)(adjudication)


def _vote(adjudication: Adjudication) -> Decision:
    votes = _Votes.of("independent")
    counts = adjudication.indeterminate_counts_to_quorum
    sure = votes.positive + votes.negative
    deciding = votes.n if counts else pl.when(sure > 0).then(sure).otherwise(votes.n)
    is_undetermined = (
        _wins(votes.indeterminate, deciding, adjudication.quorum) if counts else sure == 0
    )
    label = _first(
        (_wins(votes.positive, deciding, adjudication.quorum), POSITIVE),
        (_wins(votes.negative, deciding, adjudication.quorum), NEGATIVE),
        (is_undetermined, INDETERMINATE),
    )
    leading = pl.max_horizontal(votes.positive, votes.negative, votes.indeterminate)
    is_unsure = (label == INDETERMINATE) & (adjudication.indeterminate_policy == "undecided")
    why = _first(
        (votes.n == 0, None),
        *_too_few(adjudication, 1),
        (is_unsure.fill_null(value=False), "deciding_reads_indeterminate"),
        (label.is_not_null(), None),
        (leading * 2 <= deciding, "no_majority"),
        (pl.lit(value=True), "few_concurring_reads"),
    )
    method = _first(
        (votes.n == 1, "single_reader"),
        (votes.concur, "agreement"),
        (pl.lit(value=True), "majority"),
    )
    for_label = _of_label(label, votes)
    margin = (2 * for_label - deciding) / deciding
    decides = (votes.n > 0) & why.is_null()
    return _panel(decides, label, method, margin, pl.col("independent_at"), why)


def _median(adjudication: Adjudication) -> Decision:
    """Cut the median of the ratings; of an even number both middle ratings must be cut alike.

    No vote is counted, so that ``quorum`` is the fewest reads, as ``minimum_readers`` is.

    Where readers lie on both sides, the median may be indeterminate though most reads are not.
    Such a label gives way to any other rule: else a further negative read could move the median
    there, and take away the negative label of a consensus of lower rank.
    """
    votes = _Votes.of("independent")
    label = pl.when(pl.col("median_low") == pl.col("median_high")).then("median_low")
    is_unsure = (label == INDETERMINATE) & (adjudication.indeterminate_policy == "undecided")
    why = _first(
        (votes.n == 0, None),
        *_too_few(adjudication, adjudication.quorum),
        (label.is_null(), "middle_ratings_differ"),
        (is_unsure.fill_null(value=False), "median_indeterminate"),
    )
    method = _first(
        (votes.n == 1, "single_reader"),
        (votes.concur, "agreement"),
        (pl.lit(value=True), "median"),
    )
    decides = (votes.n > 0) & why.is_null()
    margin = _margin(label, votes)
    found = _panel(decides, label, method, margin, pl.col("independent_at"), why)
    is_of_few = (label == INDETERMINATE) & (votes.indeterminate * 2 <= votes.n)
    return replace(found, gives_way=is_of_few.fill_null(value=False))


_SPOILT: Final = "non_diagnostic_read"


@dataclass(frozen=True, slots=True)
class _Votes:
    """Diagnostic reads of one role, by class."""

    positive: pl.Expr
    negative: pl.Expr
    indeterminate: pl.Expr

    @classmethod
    def of(cls, role: str) -> _Votes:
        names = (count_of(role, kind) for kind in (POSITIVE, NEGATIVE, INDETERMINATE))
        return cls(*(pl.col(name) for name in names))

    @property
    def n(self) -> pl.Expr:
        return self.positive + self.negative + self.indeterminate

    @property
    def concur(self) -> pl.Expr:
        """Whether all reads, one or more, are of one class."""
        return pl.max_horizontal(self.positive, self.negative, self.indeterminate) == self.n

    @property
    def common(self) -> pl.Expr:
        """The class of all reads; null where they differ or there is none."""
        return _first(
            (~self.concur | (self.n == 0), None),
            (self.positive > 0, POSITIVE),
            (self.negative > 0, NEGATIVE),
            (pl.lit(value=True), INDETERMINATE),
        )


def _first(*branches: tuple[pl.Expr, str | pl.Expr | None]) -> pl.Expr:
    """The text of the first condition that holds, else null."""
    chain: pl.Expr = pl.lit(None, pl.String)
    for condition, text in reversed(branches):
        value = text if isinstance(text, pl.Expr) else pl.lit(text, pl.String)
        chain = pl.when(condition).then(value).otherwise(chain)
    return chain


def _panel(
    decides: pl.Expr,
    label: pl.Expr,
    method: str | pl.Expr,
    margin: pl.Expr,
    established_at: pl.Expr,
    why: pl.Expr,
) -> Decision:
    method = pl.lit(method) if isinstance(method, str) else method
    return Decision(
        label=pl.when(decides).then(label),
        method=pl.when(decides).then(method),
        margin=pl.when(decides).then(margin),
        source=pl.when(decides).then(pl.lit(PANEL)),
        established_at=pl.when(decides).then(established_at),
        why=why,
    )


def _is_spoilt(adjudication: Adjudication, *roles: str) -> pl.Expr:
    """Whether a non-diagnostic read, independent or of these roles, forbids a decision."""
    if adjudication.non_diagnostic_policy == "drop_read":
        return pl.lit(value=False)
    names = [count_of(role, NON_DIAGNOSTIC) for role in ("independent", *roles)]
    return pl.sum_horizontal(names) > 0


def _too_few(adjudication: Adjudication, needed: int) -> list[tuple[pl.Expr, str]]:
    least = max(needed, adjudication.minimum_readers)
    return [
        (_is_spoilt(adjudication), _SPOILT),
        (_Votes.of("independent").n < least, "few_diagnostic_reads"),
    ]


def _is_unsettled(votes: _Votes, adjudication: Adjudication) -> pl.Expr:
    if adjudication.indeterminate_policy == "indeterminate":
        return pl.lit(value=False)
    return (votes.n > 0) & (votes.indeterminate == votes.n)


def _wins(votes: pl.Expr, deciding: pl.Expr, quorum: int) -> pl.Expr:
    return (votes * 2 > deciding) & (votes >= quorum)


def _of_label(label: pl.Expr, *panels: _Votes) -> pl.Expr:
    """Reads, of any of the panels, that said the label."""
    return (
        pl.when(label == POSITIVE)
        .then(sum((v.positive for v in panels), pl.lit(0)))
        .when(label == NEGATIVE)
        .then(sum((v.negative for v in panels), pl.lit(0)))
        .otherwise(sum((v.indeterminate for v in panels), pl.lit(0)))
    )


def _margin(label: pl.Expr, *panels: _Votes) -> pl.Expr:
    total = sum((v.n for v in panels), pl.lit(0))
    return (2 * _of_label(label, *panels) - total) / total


def _latest(*names: str) -> pl.Expr:
    """The latest of several times; null where one is unknown."""
    known = pl.all_horizontal(pl.col(n).is_not_null() for n in names)
    return pl.when(known).then(pl.max_horizontal(names))


RULES: Final[Mapping[str, Rule]] = {
    "independent_reference": independent_reference,
    "consensus": consensus,
    "third_reader": third_reader,
    "unanimity": unanimity,
    "majority": majority,
}
