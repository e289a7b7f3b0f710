"""From printed figures and documents to one self-contained page of HTML.

No script, no network, no clock: the page follows from what it is given. What does not belong here:
numbers (the book's), the order of chapters (``chapters``), publication (``io.packs``).
"""

from __future__ import annotations

import datetime
import functools
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import jinja2
import polars as pl
from markupsafe import Markup

from vpack_pipeline import contracts
from vpack_pipeline.contracts import codes
from vpack_pipeline.core.calls import primary_point
from vpack_pipeline.core.representativeness.profiled import variable_titles
from vpack_pipeline.errors import ContractError
from vpack_pipeline.io.packs.payload import travelling
from vpack_pipeline.pack_format import documents, expectations, text
from vpack_pipeline.pack_format.quoted import Quote
from vpack_pipeline.protocol import Finding, OperatingPoint, Protocol
from vpack_pipeline.report import (
    adjudicated,
    chapters,
    contradictions,
    labels,
    markup,
    palette,
    reading,
    rows,
    wording,
    words,
)
from vpack_pipeline.report.book import Book, Cell, Row
from vpack_pipeline.report.captions import numbered
from vpack_pipeline.report.drawings import (
    Drawings,
    ordered_rules,
    profile_variables,
    strata_by_variable,
)
from vpack_pipeline.report.provenance import source_line
from vpack_pipeline.report.quoting import Quoting
from vpack_pipeline.report.rows import (
    column_values,
    heading,
    pick,
    removing_rules,
    why_empty,
)
from vpack_pipeline.report.sheet import Subject, sheet
from vpack_pipeline.report.sheet_answers import largest_exclusion
from vpack_pipeline.report.study import (
    EXPLORATORY,
    is_at_untaken_look,
    made_up_readers,
    reference_line,
    rules_set_late,
)
from vpack_pipeline.report.template_text import COMPILED, SYNTAX, Templates
from vpack_pipeline.site import Site

PACKAGE_DATA: Final = ("contracts",)


def render(
    *,
    report: pl.DataFrame,
    claim: pl.DataFrame,
    protocol: Protocol,
    site: Site,
    receipts: Sequence[Mapping[str, Any]],
    cut: str,
    quotes: Mapping[str, Quote] | None = None,
) -> bytes:
    """Render the report.

    Parameters
    ----------
    report : ``pack/report``: every figure that may be printed
    claim : ``pack/claim``
    receipts : the receipts of the tables upstream, in the order to print
    cut : the data cut
    quotes : tables that are those of an earlier release

    Returns
    -------
    one HTML page, UTF-8

    Raises
    ------
    ContractError
        A template asks for a figure that is not in ``report``.
    DocumentError
        The protocol or site would put a forbidden claim into the page.
    """
    quoting = Quoting(Book(report), quotes or {})
    page = _Page(quoting.book, protocol, site, tuple(receipts), cut, quoting)
    try:
        html = page.html(claim)
    except jinja2.UndefinedError as error:
        raise ContractError(f"report: a template names what there is not: {error}") from None
    wording.check(html)
    return html.encode()


def _why(item: Mapping[str, Any]) -> str:
    """Say why an item is not simply met, and what to know beside it."""
    return "; ".join(
        codes.sentences(item[name], item["detail"]) for name in ("reason", "notes") if item[name]
    )


def _attested(item: Mapping[str, Any]) -> str:
    """Say who attests an item and when; empty where nobody does."""
    return text.attested(json.loads(item["attested"] or "[]"))


def _where(item: Mapping[str, Any]) -> str:
    """Name the chapter or appendix where an item is answered, for those who read on paper."""
    place = chapters.place_of(item["evidence"])
    if place is None:
        return "First page"
    return f"{'Chapter' if place in chapters.CHAPTERS else 'Appendix'} {place.number}"


@dataclass(frozen=True, slots=True)
class _Page:
    book: Book
    protocol: Protocol
    site: Site
    receipts: tuple[Mapping[str, Any], ...]
    cut: str
    quoting: Quoting
    _modules: dict[str, Any] = field(default_factory=dict)

    def html(self, claim: pl.DataFrame) -> str:
        environment = self._environment()
        parts = [
            (part, list(items))
            for part, items in itertools.groupby(
                (
                    i | {"why": _why(i), "where": _where(i), "attested": _attested(i)}
                    for i in claim.sort("item").to_dicts()
                ),
                key=lambda i: i["section"],
            )
        ]
        answers = environment.get_template("answers.html.j2").make_module()
        shared: Any = environment.get_template("parts.html.j2").make_module()
        style = environment.get_template("style.css.j2").render()
        shown = {"chapters": chapters.CHAPTERS, "appendices": chapters.APPENDICES}
        body = environment.get_template("chapters.html.j2").render(
            **shown,
            questions={q.chapter: q.text for q in chapters.QUESTIONS},
            answers={
                q.chapter: functools.partial(self.quoting.at_place, getattr(answers, q.answer))
                for q in chapters.QUESTIONS
            },
            block=functools.partial(self._block, environment),
        )
        body, captions = numbered(body)
        return environment.get_template("report.html.j2").render(
            **shown,
            body=Markup(body),
            captions=captions,
            claim_parts=parts,
            style=Markup(style),
            sheet=functools.partial(self.quoting.at_place, self._sheet),
            verdict=shared.verdict,
            stated=shared.stated,
        )

    def _sheet(self) -> str:
        return markup.blocks(sheet(Subject(self.book, self.protocol, self.site, self.cut)))

    def _environment(self) -> jinja2.Environment:
        environment = jinja2.Environment(
            loader=Templates(),
            bytecode_cache=COMPILED,
            undefined=jinja2.StrictUndefined,
            autoescape=True,
            **SYNTAX,
        )
        environment.filters |= {
            "on_first_page": self.book.on_first_page,
            "capitalize_first": words.capital,
            "lower_first": words.small,
        }
        about, evaluation = self.protocol.about, self.protocol.evaluation
        environment.globals |= {
            "about": about,
            "book": self.book,
            "boundary": wording.BOUNDARY,
            "cut": self.cut,
            "dark": palette.DARK,
            "drawings": Drawings(self.book, self.protocol),
            "due": self._due(),
            "evaluation": evaluation,
            "exploratory": EXPLORATORY,
            "light": palette.LIGHT,
            "listed": words.listed,
            "made_up_readers": made_up_readers(self.site),
            "model": self.protocol.index_test.primary,
            "protocol": self.protocol,
            "protocol_sha256": self.protocol.digest,
            "quoted_in_front": self.quoting.in_front(
                self.cut, self.protocol.disclosure.smallest_group
            ),
            "reading": reading,
            "receipt_digest": _receipt_digest,
            "receipts": self.receipts,
            "reference_line": reference_line(self.protocol),
            "rules_set_late": rules_set_late(self.protocol),
            "site": self.site,
            "synthetic_line": words.listed([s.part for s in self.site.synthetic]),
            "set_names": words.sets(about.evidence_kind),
            "windows": words.windows(about.evidence_kind),
            "words": words,
            **_FUNCTIONS,
            **{
                name.removeprefix("at_"): getattr(self, name)
                for name in dir(type(self))
                if name.startswith("at_")
            },
        }
        environment.globals["any_table"] = functools.partial(_any_table, environment, self.book)
        return environment

    def _block(self, environment: jinja2.Environment, block: chapters.Block) -> str:
        make = functools.partial(_block, environment, self._modules, block)
        made = self.quoting.at_place(make)
        return made + source_line(self.book.tables_read, self.receipts)

    def _due(self) -> str:
        cut = datetime.date.fromisoformat(self.cut.partition(".")[0])
        return (cut + datetime.timedelta(days=self.protocol.about.cadence_days)).isoformat()

    def at_first(self, name: str) -> Cell:
        return self.book.first(name)

    def at_first_note(self, name: str) -> Cell | None:
        return self.book.first_note(name)

    def at_adjudicated(self, finding: Finding) -> adjudicated.Adjudicated:
        return adjudicated.Adjudicated(self.book, finding)

    def at_contradictions(self, *fields: str) -> list[Row]:
        """The broken rules of conduct on which what the author declared rests, each once."""
        rules = {r for name in fields for r in contradictions.rules_of(self.protocol, name)}
        is_shown = "evaluation/integrity" in self.book.tables_read
        found = self.book.rows("evaluation/integrity", rule=tuple(rules), verdict="broken")
        if not found and not is_shown:
            # A place that is merely held against them does not come from them.
            self.book.tables_read.discard("evaluation/integrity")
        return found

    def at_misses_label(self, finding: Finding, window: str) -> bool:
        """Whether any case of a window lacks a label."""
        at = f"{finding.name}.{window}"
        counts = [self.book.first(f"{at}.{m}.estimate") for m in ("n_undecided", "n_indeterminate")]
        return any(c.text != "0" for c in counts)

    def at_look_is_untaken(self) -> bool:
        return is_at_untaken_look(self.book, self.cut)

    def at_gave_signal(self, rows: Sequence[Row]) -> bool:
        """Whether any monitor could say anything in any window, be it that nothing is amiss."""
        return any(row["signal"] for row in rows)

    def at_detects_lost_sensitivity(self) -> bool:
        """Whether any monitor looks at labels that are drawn and read for it."""
        return any(m.layer == "truth_audit" for m in self.protocol.drift.monitors)

    def at_point_of(self, finding: Finding) -> OperatingPoint | None:
        model = self.protocol.index_test.primary.id
        return primary_point(self.protocol.evaluation, finding.name, model)

    def at_endpoint_title(self, name: str) -> str:
        return next(e.title for e in self.protocol.evaluation.endpoints if e.id == name)

    def at_point_title(self, name: str) -> str:
        return next(p.title for p in self.protocol.evaluation.operating_points if p.name == name)

    def at_strata_by_variable(self, rows: Sequence[Row]) -> Iterator[tuple[str, list[str]]]:
        return strata_by_variable(self.protocol, rows)

    def at_rule_title(self, name: str) -> str:
        titles = {r.id: r.title for r in self.protocol.eligibility.rules}
        return titles.get(name, name.capitalize())

    def at_ordered_rules(self, rows: Sequence[Row]) -> list[str]:
        return ordered_rules(self.protocol, rows)

    def at_variable_title(self, name: str) -> str:
        titles = variable_titles(self.protocol.representativeness, self.protocol.covariates)
        return titles.get(name, "All variables together" if name.startswith("*") else name)

    def at_stratum_title(self, variable: str, stratum: str) -> str:
        return f"{self.at_variable_title(variable)}: {stratum}"

    def at_monitor_title(self, name: str) -> str:
        return next((m.title for m in self.protocol.drift.monitors if m.name == name), name)

    def at_sets(self) -> list[str]:
        """The sets of the profile, in the order of print; the target only where there is one."""
        rows = self.book.rows("representativeness/profile")
        has_target = any(r.key["set"] == "target" and r.says("n_total") != "0" for r in rows)
        named = words.sets(self.protocol.about.evidence_kind)
        return [s for s in named if s != "target" or has_target]

    def at_profile_variables(self) -> list[str]:
        """Variables of Table 1: the protocol's in its order, then all others."""
        return profile_variables(self.protocol, self.book.rows("representativeness/profile"))

    def at_set_sizes(self) -> list[Row]:
        """Of each set, a row that counts all of it; some variables leave a few cases out."""
        rows = self.book.rows("representativeness/profile")
        by_set = [[r for r in rows if r.key["set"] == name] for name in self.at_sets()]
        return [max(found, key=lambda r: r["n_total"].number or 0) for found in by_set if found]

    def at_profile_bins(self, variable: str) -> list[list[Row]]:
        rows = self.book.rows("representativeness/profile", variable=variable)
        order = self.at_sets()
        bins = [
            [r for s in order for r in rows if r.key["bin_order"] == b and r.key["set"] == s]
            for b in column_values(rows, "bin_order")
        ]
        return [b for b in bins if any(r.says("n") != "0" for r in b)]

    def at_folded_levels(self) -> list[Row]:
        """Levels that are printed as part of another, or of which nobody is described."""
        return [r for r in self.book.rows("representativeness/levels") if r.says("reason")]

    def at_largest_exclusion(self) -> Row | None:
        return largest_exclusion(self.book)

    def at_idle_rules(self, rows: Sequence[Row]) -> list[str]:
        """Rules of the audit that remove no mature case."""
        at_work = removing_rules(rows)
        rules = column_values(rows, "rule")
        return [self.at_rule_title(rule) for rule in rules if rule not in at_work]

    def at_open_checks(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Checks that did not simply pass, each with its table, of tables with rows."""
        return expectations.open_checks(self.receipts)

    def at_tables_without_rows(self) -> list[str]:
        return [r["asset"] for r in self.receipts if expectations.is_empty(r)]


def _block(environment: jinja2.Environment, modules: dict[str, Any], block: chapters.Block) -> str:
    name = f"{block.template}.html.j2"
    if name not in modules:
        modules[name] = environment.get_template(name).make_module()
    made: str = getattr(modules[name], block.name)()
    return made


def _receipt_digest(receipt: Mapping[str, Any]) -> str:
    """Digest a receipt as it travels; that of a quoted table has travelled already."""
    if documents.FILES in receipt:
        return documents.receipt_digest(receipt)
    contract = contracts.load()[receipt["asset"]]
    return documents.receipt_digest(travelling(receipt, contract))


def _any_table(
    environment: jinja2.Environment, book: Book, asset: str, name: str, caption: str, **where: Any
) -> Markup:
    """Print a figure table as it stands: its key columns, metric, figure, n, events."""
    contract = contracts.load()[asset]
    rows = book.rows(asset, **where)
    if not rows:
        return Markup('<p class="quiet">{}</p>').format(why_empty(asset))
    names: dict[str, Any] = {"window": environment.globals["windows"], "model_id": _Own()}
    keys = [c for c in contract.key if c != "metric" and c not in where]
    columns = [(c, heading(c), names.get(c, {})) for c in keys if len(column_values(rows, c)) > 1]
    parts: Any = environment.get_template("parts.html.j2").make_module()
    made: Markup = parts.long(name, caption, rows, columns)
    return made


class _Own(dict[str, str]):
    """Names that are printed as they are: identifiers."""

    def __contains__(self, _name: object) -> bool:
        return True

    def get(self, name: str, _default: str | None = None) -> str:  # type: ignore[override]
        return name


_FUNCTIONS = {
    **adjudicated.FUNCTIONS,
    **labels.FUNCTIONS,
    **rows.FUNCTIONS,
    "by_column": lambda rows, column: sorted(rows, key=lambda r: r[column].number),
    "has": lambda rows, **where: bool(pick(rows, **where)),
    "population": words.population,
    "title": words.title,
    "unit_of": contradictions.unit_of,
}
