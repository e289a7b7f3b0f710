"""What a release says where it prints tables of an earlier one: once in front, and at each place.

Which places these are follows from the tables that are read while each is rendered. What does not
belong here: which tables are quoted, and why (``assets.release``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from vpack_pipeline.pack_format.quoted import Quote
from vpack_pipeline.report.book import Book

_IN_FRONT = Markup(
    '<p class="quoted"><strong>Tables about people are those of an earlier release:</strong>'
    " {release}, data cut {cut}. Held beside them, newer ones would describe a group of fewer than"
    " {smallest} patients, by subtraction. All other tables are of the data cut {own}. Each place"
    " that shows a quoted table says so.</p>"
)
_AT_PLACE = Markup(
    '<p class="quoted"><strong>Of an earlier release</strong>, {release}: {tables}</p>'
)
_TABLE = Markup('<a href="gates/{file}.receipt.json">{asset}</a> (data cut {cut})')


@dataclass(frozen=True, slots=True)
class Quoting:
    """The quoted tables of one report, and the book that knows which are read."""

    book: Book
    quotes: Mapping[str, Quote]

    def in_front(self, own_cut: str, smallest: int) -> Markup:
        """Say that tables about people are quoted; nothing where none is."""
        said = [
            _IN_FRONT.format(release=q.release, cut=q.cut, own=own_cut, smallest=smallest)
            for q in dict.fromkeys(self.quotes.values())
        ]
        return Markup("").join(said)

    def at_place(self, make: Callable[[], str]) -> str:
        """Render one place, and say before it which of its tables are quoted."""
        self.book.tables_read.clear()
        made = make()
        tables = sorted(self.book.tables_read & self.quotes.keys())
        return self._note(tables) + made if tables else made

    def _note(self, tables: list[str]) -> Markup:
        by_release: dict[str, list[Markup]] = {}
        for asset in tables:
            quote = self.quotes[asset]
            link = _TABLE.format(file=asset.replace("/", "."), asset=asset, cut=quote.cut)
            by_release.setdefault(quote.release, []).append(link)
        notes = [
            _AT_PLACE.format(release=release, tables=Markup(", ").join(links))
            for release, links in by_release.items()
        ]
        return Markup("").join(notes)
