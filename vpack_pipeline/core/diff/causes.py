"""What differs in what two packs rest on, and which of it a table can have changed by.

Receipts tell of each table by which code it was made and of which other tables, contracts which
blocks of the protocol it reads. So the causes of a changed table are found by going from it to the
tables that it was made of, as long as these differ. A cause is attributed where it is the only one,
and nothing that could be another is unknown. What does not belong here: fields of the protocol
(``protocol_fields``), figures (``figures``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from vpack_pipeline.core.diff.protocol_fields import FieldChange, changed_fields
from vpack_pipeline.pack_format.planned import primary_model

Cause = Literal["model", "data", "readers", "protocol", "code"]
CAUSES: Final[tuple[Cause, ...]] = ("model", "data", "readers", "protocol", "code")
"""In the order in which they are told."""
DELIVERIES: Final = "cohort/deliveries"
"""The table that lists files: what was read from them tells whether they differ in content."""
PREDICTIONS: Final = "cohort/predictions"
OF_READERS: Final = frozenset({"cohort/readers", "cohort/reads"})
KEYED_SINCE: Final = 3
"""The format from which on digests of tables are keyed with the site's secret."""
_INDEX_TEST: Final = "index_test"
Plain = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Basis:
    """What a pack rests on, as it tells."""

    site: str
    format: int
    protocol: Plain
    """As today's fields say it."""
    receipts: Mapping[str, Plain]
    """By asset."""
    contracts: Mapping[str, Plain]

    @property
    def model(self) -> Plain:
        """The primary model's entry in the protocol."""
        wanted = primary_model(self.protocol)
        return next(m for m in self.protocol[_INDEX_TEST]["models"] if m["id"] == wanted)


@dataclass(frozen=True, slots=True)
class Causes:
    """What a table can have changed by."""

    differ: tuple[Cause, ...]
    unknown: tuple[Cause, ...]
    """Of which the packs do not tell whether they differ."""

    @property
    def attributed(self) -> Cause | None:
        """The cause, where there can be no other."""
        return self.differ[0] if len(self.differ) == 1 and not self.unknown else None


@dataclass(frozen=True, slots=True)
class Ground:
    """What differs between two packs as a whole, cause by cause."""

    model: tuple[Plain, Plain]
    """The entries of both primary models."""
    cuts: tuple[str, ...]
    """Both data cuts where they differ."""
    data: tuple[str, ...]
    """Tables that were read from deliveries and archive, and differ."""
    readers: tuple[str, ...]
    """The same of reads and of the roster."""
    fields: tuple[FieldChange, ...]
    """Fields of the protocol with other values; that of the model is not among them."""
    code: tuple[str, ...]
    """Tables that other code computed."""
    unknown: tuple[Cause, ...]

    @property
    def differ(self) -> tuple[Cause, ...]:
        """The causes that differ, for some table at least."""
        found: Mapping[Cause, object] = {
            "model": self.model[0] != self.model[1],
            "data": self.cuts or self.data,
            "readers": self.readers,
            "protocol": any(not field.is_wording for field in self.fields),
            "code": self.code,
        }
        return tuple(cause for cause in CAUSES if found[cause])


class Comparison:
    """Two packs, held against one another by what they tell of their tables."""

    def __init__(self, a: Basis, b: Basis) -> None:
        self._a, self._b = a, b
        self.is_same_site = a.site == b.site
        self._are_digests_alike = (
            self.is_same_site
            and (a.format >= KEYED_SINCE) == (b.format >= KEYED_SINCE)
            and _ways_to_normalise(a) == _ways_to_normalise(b)
        )
        self._fields = _fields_but_the_model(a, b)
        self._blocks = {field.block for field in self._fields if not field.is_wording}

    @property
    def ground(self) -> Ground:
        """What differs between the packs as a whole."""
        a, b = self._a, self._b
        assets = sorted(a.receipts.keys() | b.receipts.keys())
        # Of another site no input is the same, whatever its digest.
        delivered = [t for t in assets if self._is_delivered(t) and not self._is_same(t)]
        of_data, of_readers = (
            tuple(t for t in delivered if self._source(t) == cause) for cause in ("data", "readers")
        )
        cuts = tuple({receipt["cut"]: None for p in (a, b) for receipt in p.receipts.values()})
        unknown = {cause for asset in assets for cause in self._unknown_of(asset)}
        return Ground(
            model=(a.model, b.model),
            cuts=cuts if len(cuts) > 1 else (),
            data=() if "data" in unknown else of_data,
            readers=() if "readers" in unknown else of_readers,
            fields=self._fields,
            code=tuple(t for t in assets if self._is_of_other_code(t)),
            unknown=tuple(cause for cause in CAUSES if cause in unknown),
        )

    def causes(self, asset: str) -> Causes:
        """Say what a table can have changed by.

        Parameters
        ----------
        asset : a table with a receipt in one pack at least
        """
        differ: set[Cause] = set()
        unknown: set[Cause] = set()
        for table in self._differing_lineage(asset):
            differ |= set(self._differ_in(table))
            unknown |= set(self._unknown_of(table))
        return Causes(
            tuple(cause for cause in CAUSES if cause in differ),
            tuple(cause for cause in CAUSES if cause in unknown - differ),
        )

    def _differing_lineage(self, asset: str) -> Iterator[str]:
        """Give a table and those that it was made of, as far as they differ."""
        seen, waiting = set(), [asset]
        while waiting:
            table = waiting.pop()
            if table in seen or self._is_same(table):
                continue
            seen.add(table)
            yield table
            for pack in (self._a, self._b):
                waiting += pack.receipts.get(table, {"inputs": ()})["inputs"]

    def _differ_in(self, asset: str) -> Iterator[Cause]:
        if self._is_delivered(asset):
            source = self._source(asset)
            if source not in self._unknown_of(asset):
                yield source
        elif self._uses_another_cut(asset):
            yield "data"
        if self._is_of_other_code(asset):
            yield "code"
        blocks = {b for p in self._both(asset) for b in p.contracts[asset].get("protocol", ())}
        if blocks & self._blocks:
            yield "protocol"
        if _INDEX_TEST in blocks and self._a.model != self._b.model:
            yield "model"

    def _unknown_of(self, asset: str) -> Iterator[Cause]:
        """Give the causes of which the packs do not tell whether they differ in a table."""
        is_comparable = self._are_digests_alike or not self.is_same_site
        if self._is_delivered(asset) and not is_comparable:
            yield self._source(asset)
        if any("compute" not in p.receipts[asset] for p in self._both(asset)):
            yield "code"

    def _source(self, asset: str) -> Cause:
        """Say what a delivered table stands for; scores of another model are the model's."""
        if asset in OF_READERS:
            return "readers"
        is_of_model = asset == PREDICTIONS and self._a.model != self._b.model
        return "model" if is_of_model else "data"

    def _is_delivered(self, asset: str) -> bool:
        """Tell whether a table was read from what the site delivered, or from its archive."""
        packs = self._both(asset)
        return any(DELIVERIES in p.contracts[asset]["inputs"].values() for p in packs)

    def _uses_another_cut(self, asset: str) -> bool:
        told = {p.receipts[asset]["cut"] for p in self._both(asset)}
        uses = any(p.contracts[asset].get("uses_cut", True) for p in self._both(asset))
        return asset != DELIVERIES and uses and len(told) > 1

    def _is_of_other_code(self, asset: str) -> bool:
        told = [p.receipts[asset].get("compute") for p in self._both(asset)]
        return None not in told and (len(told) == 1 or told[0] != told[1])

    def _is_same(self, asset: str) -> bool:
        """Tell whether a table holds the same in both packs, as far as digests tell."""
        both = self._both(asset)
        told = {p.receipts[asset]["table_digest"] for p in both}
        return self._are_digests_alike and len(both) > 1 and len(told) == 1

    def _both(self, asset: str) -> list[Basis]:
        """Give the packs that have a table."""
        return [p for p in (self._a, self._b) if asset in p.receipts]


def _ways_to_normalise(pack: Basis) -> set[str]:
    return {receipt["normalisation"] for receipt in pack.receipts.values()}


def _fields_but_the_model(a: Basis, b: Basis) -> tuple[FieldChange, ...]:
    """Compare the protocols without their primary models, which are a cause of their own."""
    found = changed_fields(*(_without_primary_model(p.protocol) for p in (a, b)))
    return tuple(found)


def _without_primary_model(protocol: Plain) -> dict[str, Any]:
    test = protocol[_INDEX_TEST]
    primary = primary_model(protocol)
    others = [model for model in test["models"] if model["id"] != primary]
    return {**protocol, _INDEX_TEST: {**test, "models": others}}
