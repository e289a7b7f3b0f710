"""What the chapter on the reference standard needs: its strata in order, its drawings.

Everything comes from printed rows. What does not belong here: layout (``templates``), the shapes of
drawings (``charts``, ``figures``), words for names (``words``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from vpack_pipeline.core.adjudication.ambiguity import kind_metric, undecided_metric
from vpack_pipeline.core.adjudication.reader_performance import rating_metric
from vpack_pipeline.protocol import Finding
from vpack_pipeline.report import figures, markup, reader_figures, reading, words
from vpack_pipeline.report.book import Book, Cell, Row
from vpack_pipeline.report.charts.counted import Group, counted
from vpack_pipeline.report.charts.cut_points import SHAPES, Cut, cut_points
from vpack_pipeline.report.rows import but, column_values, pick

AGREEMENT = "adjudication/agreement"
NOISE = "adjudication/label_noise"
READERS = "adjudication/reader_performance"
_USABLE = "label_usable"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two readers: the stratum of their rows, their pseudonyms."""

    stratum: str
    one: str
    other: str

    @property
    def title(self) -> str:
        """Both, by their short names."""
        return f"{short(self.one)} and {short(self.other)}"


def short(reader: str) -> str:
    """Name a reader by the first eight characters of the pseudonym.

    >>> short("0123456789abcdef"), short("all")
    ('01234567', 'All')
    """
    return "All" if reader == "all" else reader[:8]


@dataclass(frozen=True, slots=True)
class Adjudicated:
    """The adjudication's tables of one finding."""

    book: Book
    finding: Finding

    def agreement(self, **where: str) -> list[Row]:
        """List rows of agreement."""
        return self.book.rows(AGREEMENT, finding=self.finding.name, **where)

    def noise(self, stratum_kind: str) -> list[Row]:
        """List rows of one kind of stratum of the label noise."""
        return self.book.rows(NOISE, finding=self.finding.name, stratum_kind=stratum_kind)

    def roster(self) -> list[Row]:
        """List the rows of everyone who gave a reference read."""
        return self.book.rows(READERS, finding=self.finding.name)

    def roster_ids(self) -> list[str]:
        """List everyone who gave a reference read, all of them together last."""
        return _all_last(self.roster())

    def readers(self) -> list[Row]:
        """List the rows of readers with independent reads, and of these together."""
        counts = pick(self.roster(), metric="n_reads")
        unread = {r.key["reader_id"] for r in counts if r.says("estimate") == "0"} - {"all"}
        return [r for r in self.roster() if r.key["reader_id"] not in unread]

    def reader_ids(self) -> list[str]:
        """List readers with independent reads, all of them together last."""
        return _all_last(self.readers())

    def answers(self) -> list[tuple[str, str]]:
        """List what a read may say, each metric with its words: the scale, then no answer."""
        at = {rating_metric(c.value): words.capital(c.label) for c in self.finding.categories}
        return [*at.items(), ("share_non_diagnostic", "Not diagnostic")]

    def answer_rows(self) -> list[Row]:
        """List the rows of what readers said, with how many reads each made."""
        metrics = ("n_reads", *dict(self.answers()))
        return [r for r in self.readers() if r.key["metric"] in metrics]

    def qualified(self) -> list[Row]:
        """List one row for each qualification and specialty among the readers."""
        return _kinds(but(pick(self.readers(), metric="n_reads"), reader_id="all"))

    def further(self) -> list[Row]:
        """List the same of those who adjudicated and gave no independent read."""
        own = set(self.reader_ids())
        deciding = pick(self.roster(), metric="n_adjudicating_reads")
        return _kinds([r for r in deciding if r.key["reader_id"] not in own])

    def has_adjudicated(self) -> bool:
        """Whether any case got its label by a further reader or in consensus."""
        ways = ("path_third_reader", "path_consensus")
        rows = [r for r in self.agreement(stratum="all") if r.key["metric"] in ways]
        return any(r.says("events") != "0" for r in rows)

    def sight(self) -> str:
        """Say whether adjudicating reads followed sight of peers, by the method of their count."""
        return self._said_of("n_adjudicators", reading.SIGHT)

    def labels(self) -> list[tuple[str, Row]]:
        """List what labels say, each with its words and its row, in the order of print."""
        rows = {r.key["metric"]: r for r in self.agreement(stratum="all")}
        parts = [(name, said) for name, said in reading.LABELS.items() if name != _USABLE]
        return [(said, rows[name]) for name, said in parts if name in rows]

    def basis(self) -> str:
        """Say whether readers saw one another's reads, by the method of the counts."""
        return self._said_of("n_readers", reading.BASES)

    def _said_of(self, metric: str, words_by_code: Mapping[str, str]) -> str:
        row = pick(self.agreement(stratum="all"), metric=metric)[0]
        return next((said for name, said in words_by_code.items() if row.has_code(name)), "")

    def paths(self) -> list[tuple[str, Row]]:
        """List the ways to a label, each with its words and its row, in the order of print."""
        rows = {r.key["metric"]: r for r in self.agreement(stratum="all")}
        return [(said, rows[name]) for name, said in reading.PATHS.items() if name in rows]

    def used_paths(self) -> list[tuple[str, Row]]:
        """List the ways that any case took."""
        return [(said, row) for said, row in self.paths() if row.says("events") != "0"]

    def commonest_path(self) -> tuple[str, Row] | None:
        """Find the way that most cases took; None where no case took any."""
        sized = [(row["events"].number or 0, said, row) for said, row in self.used_paths()]
        _, said, row = max(sized, key=lambda k: k[0], default=(0, "", None))
        return None if row is None else (said, row)

    def cuts(self) -> list[str]:
        """List the strata of cut points, by their value."""
        return sorted(column_values(self.agreement(stratum_kind="cut"), "stratum"), key=float)

    def cut_title(self, cut: str) -> str:
        """Say from which category on a rating is positive at a cut point."""
        labels = {c.value: c.label for c in self.finding.categories}
        return f"from “{labels.get(float(cut), cut)}” up"

    def pairs(self) -> list[Pair]:
        """List the pairs of readers."""
        found = column_values(self.agreement(stratum_kind="reader_pair"), "stratum")
        return [Pair(s, *s.split("|")) for s in found]

    def without(self) -> list[str]:
        """List the readers who are left out one by one."""
        return column_values(self.agreement(stratum_kind="without_reader"), "stratum")

    def correlations(self) -> list[str]:
        """List the correlations of errors that are assumed, by their size."""
        return sorted(column_values(self.noise("error_correlation"), "stratum"), key=float)

    def certainty(self) -> list[tuple[str, Row]]:
        """List the states of the votes on a case, each with its words and its row."""
        rows = {r.key["metric"]: r for r in self.noise("all")}
        return [(said, rows[name]) for name, said in reading.VOTES.items() if name in rows]

    def kinds(self) -> list[tuple[str, Row, Row]]:
        """List the kinds of case: its words, how many there are, how many of them lack a label."""
        rows = {r.key["metric"]: r for r in self.agreement(stratum="all")}
        return [
            (said, rows[kind_metric(kind)], rows[undecided_metric(kind)])
            for kind, said in reading.KINDS.items()
            if kind_metric(kind) in rows
        ]

    def uncertain(self) -> Row | None:
        """Find the share of cases whose soft label is uncertain, where it has a figure."""
        found = pick(self.noise("dawid_skene"), metric="share_uncertain")
        return found[0] if found and found[0].is_given else None

    def path_drawing(self) -> Markup | None:
        """Draw by which way how many cases came to their label, and to which."""
        ways = [(words.capital(said), row) for said, row in self.used_paths()]
        labels = [(words.capital(said), row) for said, row in self.labels()]
        groups = [("Way to the label", ways), ("Label", labels)]
        drawing = counted(f"paths-{self.finding.name}-drawing", "Ways to a label", groups)
        return markup.drawing(drawing) if ways and drawing else None

    def certainty_drawing(self) -> Markup | None:
        """Draw how many cases readers were of one mind on, and how many soft labels are unsure."""
        groups: list[Group] = [("Votes of the readers", self.certainty())]
        soft = self.uncertain()
        if soft is not None:
            groups.append(("Soft labels", [("Uncertain", soft)]))
        name = f"certainty-{self.finding.name}-drawing"
        drawing = counted(name, "Certainty of cases", groups)
        return markup.drawing(drawing) if drawing else None

    def answers_drawing(self) -> Markup | None:
        """Draw what each reader said, as shares of their reads."""
        rows = {
            metric: {r.key["reader_id"]: r for r in pick(self.readers(), metric=metric)}
            for metric, _ in self.answers()
        }
        if not is_given([r for of_metric in rows.values() for r in of_metric.values()]):
            return None
        styles = dict.fromkeys(rows, "w0") | {"share_non_diagnostic": "w1"}
        # What nobody said needs no colour.
        said = [
            (answer, styles[m])
            for m, answer in self.answers()
            if any(r.says("events") != "0" for r in rows[m].values())
        ]
        bars = [
            (short(reader), [rows[m][reader] for m, w in self.answers() if (w, styles[m]) in said])
            for reader in self.reader_ids()
        ]
        return figures.stacked(
            f"answers-{self.finding.name}-drawing",
            "What each reader said",
            said,
            bars,
            "All reads of one reader, parted by what they said",
        )

    def pair_drawing(self) -> Markup | None:
        """Draw kappa of readers two at a time."""
        pairs = self.pairs()
        names = sorted({r for p in pairs for r in (p.one, p.other)})
        places = {r: i for i, r in enumerate(names)}
        found = {p: pick(self.agreement(stratum=p.stratum), metric="cohen_kappa") for p in pairs}
        cells = {(places[p.one], places[p.other]): rows[0] for p, rows in found.items() if rows}
        if not cells:
            return None
        return reader_figures.matrix(
            f"pairs-{self.finding.name}-drawing",
            "Cohen's kappa, reader against reader",
            [short(r) for r in names],
            cells,
            "One field for each two readers; the stronger the colour, the more alike their reads",
        )

    def cut_drawings(self) -> list[Markup]:
        """Draw three coefficients over the cut points, page by page."""
        cuts = [
            Cut(
                self.cut_title(cut),
                [r for m in SHAPES for r in self.agreement(stratum=cut, metric=m)],
                is_own=float(cut) == self.finding.positive_from,
            )
            for cut in self.cuts()
        ]
        name = f"cuts-{self.finding.name}-drawing"
        return [markup.drawing(d) for d in cut_points(name, "Agreement over the cut points", cuts)]


def _all_last(rows: Sequence[Row]) -> list[str]:
    return sorted(column_values(rows, "reader_id"), key=lambda r: (r == "all", r))


def _kinds(rows: Sequence[Row]) -> list[Row]:
    """Keep the first row of each qualification and specialty, in their order."""
    kinds = {(r.says("qualification"), r.says("specialty")): r for r in reversed(rows)}
    return [r for kind, r in sorted(kinds.items()) if any(kind)]


def shared_reason(rows: Sequence[Row]) -> Cell | None:
    """Find the reason that stands beside every figure but counts, so that it is printed once."""
    shown = [r for r in rows if not r.key["metric"].startswith("n_")]
    notes = {r.note.text if r.note is not None else "": r.note for r in shown}
    return next(iter(notes.values())) if len(notes) == 1 and len(shown) > 1 else None


def why_none(rows: Sequence[Row]) -> list[tuple[Cell, list[Row]]]:
    """Sort rows that have no figure by the reason."""
    sorted_by: dict[str, list[Row]] = {}
    for row in rows:
        if not row.is_given:
            sorted_by.setdefault(row.says("reason"), []).append(row)
    return [(found[0]["reason"], found) for found in sorted_by.values()]


def is_given(rows: Sequence[Row]) -> bool:
    """Whether any of the rows has a figure."""
    return any(r.is_given for r in rows)


def split_metrics(
    rows: Sequence[Row], metrics: Sequence[str]
) -> tuple[list[str], list[tuple[Cell, list[str]]]]:
    """Part metrics into those with any figure and those without, the latter by their reason."""
    here = {m: pick(rows, metric=m) for m in metrics}
    given = [m for m, found in here.items() if is_given(found)]
    lacking: dict[str, tuple[Cell, list[str]]] = {}
    for metric, found in here.items():
        if found and metric not in given:
            reason = found[-1]["reason"]
            lacking.setdefault(reason.text, (reason, []))[1].append(metric)
    return given, list(lacking.values())


FUNCTIONS: Mapping[str, object] = {
    "is_given": is_given,
    "shared_reason": shared_reason,
    "short": short,
    "split_metrics": split_metrics,
    "why_none": why_none,
}
"""What templates may call."""
