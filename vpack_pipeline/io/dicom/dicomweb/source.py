"""One DICOMweb source of a site, brought up to date by the series.

A series whose number of instances is that of the last scan is not read again, unless the server's
feed of changes names it, one of its rows has to be read again, or everything is asked for. What
does not belong here: how a server is asked (``query``), what a cut knows (``ledger``).
"""

from __future__ import annotations

import contextlib
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

import polars as pl

from vpack_pipeline.errors import InputError, Problem
from vpack_pipeline.io.dicom import fields
from vpack_pipeline.io.dicom.dicomweb import feed, model, query
from vpack_pipeline.io.dicom.dicomweb.model import Item
from vpack_pipeline.io.dicom.dicomweb.query import Series, Unnamed
from vpack_pipeline.io.dicom.dicomweb.server import Server
from vpack_pipeline.io.dicom.header import ROW, Header, HeaderReader
from vpack_pipeline.io.dicom.outcomes import READ_FAILURES, HeaderError
from vpack_pipeline.io.dicom.state import HEADERS, MANIFEST, State, parser_of
from vpack_pipeline.io.edge import Edge
from vpack_pipeline.io.identity import Pseudonyms
from vpack_pipeline.site import DicomwebSource

ENGINE: Final = "dicomweb"
"""What stands in the header rows for the reader."""
_SOP_INSTANCE: Final = "00080018"
_STUDY_OF: Final = re.compile(rb"/studies/([^/]+)/")
_NAMED_TWICE: Final = b"#"
_SERIES_OF: Final = r"^(.*)/instances/[^/]*$"


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a source holds now.

    ``manifest``: one row per instance, in the manifest's columns; ``path`` is the instance's place
    below the server's address. ``headers``: the rows that were read, in the columns of the state's
    header rows. ``change``: the last change of the feed that this takes account of; None without.
    """

    manifest: pl.DataFrame
    headers: pl.DataFrame
    change: int | None


@dataclass(frozen=True, slots=True)
class Connected:
    """A source whose servers can be asked.

    ``number``: of the source in site.yaml, from 1. ``orthanc``: the REST interface with the feed.
    """

    number: int
    server: Server
    orthanc: Server | None
    feed_name: str

    def close(self) -> None:
        """Let go of the connections."""
        for server in (self.server, self.orthanc):
            if server is not None:
                server.close()

    def digest_content(self, place: bytes) -> str | None:
        """sha256 of a whole instance as the server stores it; None if it cannot be had alone."""
        if _NAMED_TWICE in place:
            return None
        return query.digest_content(self.server, place.decode("ascii"))

    def ask(self, edge: Edge, old: State, since: int | None, is_deep: bool) -> Refreshed:
        """Bring this source's part of the scanner's state up to date; see :meth:`refresh`."""
        parser = parser_of(edge)
        has_row = old.index.select("file_id", "version", has_row=pl.lit(True))
        known = (
            old.manifest.filter(pl.col("source") == self.number)
            .join(has_row, on=["file_id", "version"], how="left", maintain_order="left")
            .with_columns(
                is_sound=pl.col("has_row").fill_null(False)
                & pl.col("is_settled")
                & (pl.col("parser") == parser)
            )
        )
        reader = RowReader(self.number, edge.pseudonyms, parser)
        return self.refresh(known, reader, since=since, is_deep=is_deep)

    def refresh(
        self, known: pl.DataFrame, reader: RowReader, *, since: int | None, is_deep: bool
    ) -> Refreshed:
        """Read what is new or altered; keep the rest.

        Parameters
        ----------
        known : the manifest's rows of this source and ``is_sound``: false where the row has to be
            read again whatever the server says
        since : the last change that ``known`` takes account of; None if nobody knows
        is_deep : read everything again

        Raises
        ------
        InputError
            The server cannot be asked, or answers with what is no DICOMweb.
        """
        change, modified = self._modified(since)
        place = pl.col("path").cast(pl.String).str.extract(_SERIES_OF)
        held = (
            known.with_columns(place=place)
            .filter(pl.col("place").is_not_null())
            .group_by("place")
            .agg(n=pl.len(), is_sound=pl.col("is_sound").all())
        )
        sound = dict(held.filter("is_sound").select("place", "n").iter_rows())
        kept, rows = [], []
        for found in query.list_series(self.server, _studies(known)):
            if isinstance(found, Unnamed):
                rows.append(reader.unnamed(found))
            elif (
                not is_deep
                and modified is not None
                and found.uid not in modified
                and found.instances is not None
                and found.instances == sound.get(found.place)
            ):
                kept.append(found.place)
            else:
                rows.extend(reader.rows(found, query.read_series(self.server, found, reader.take)))
        manifest, headers = _frames(rows, reader.parser)
        stays = known.with_columns(place=place).filter(pl.col("place").is_in(kept))
        return Refreshed(pl.concat([stays.select(*MANIFEST), manifest]), headers, change)

    def _modified(self, since: int | None) -> tuple[int | None, frozenset[str] | None]:
        """Ask the feed where it stands and what it names; None: it cannot be known what changed."""
        if self.orthanc is None:
            return None, frozenset()
        change = feed.last(self.orthanc)
        if since is None or change < since:  # a feed that starts anew has forgotten
            return change, None
        return change, feed.modified(self.orthanc, since)


@contextlib.contextmanager
def connected(edge: Edge, environment: Mapping[str, str]) -> Iterator[dict[int, Connected]]:
    """Connect the site's DICOMweb sources, by their number; see :func:`connect`."""
    with contextlib.ExitStack() as stack:
        found = {}
        for number, source in enumerate(edge.site.sources, start=1):
            if isinstance(source, DicomwebSource):
                found[number] = connect(number, source, environment)
                stack.callback(found[number].close)
        yield found


def connect(
    number: int,
    source: DicomwebSource,
    environment: Mapping[str, str],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Connected:
    """Make a source's servers askable; nothing is asked yet.

    Parameters
    ----------
    environment : holds the Authorization header under the name that the source gives

    Raises
    ------
    InputError
        The variable is not set, or cannot be a header's value.
    """
    where = f"sources[{number}]"
    variable = source.authorization_variable
    authorization = environment.get(variable, "").strip() if variable else None
    if variable and not authorization:
        what = f"the environment variable {variable} is not set"
        raise InputError(Problem(where, what, "set it to the Authorization header"))
    server = Server(where, source.url, authorization, sleep=sleep)
    if source.orthanc_url is None:
        return Connected(number, server, None, "")
    orthanc = Server(where, source.orthanc_url, authorization, sleep=sleep)
    return Connected(number, server, orthanc, feed.name(number, source.orthanc_url))


@dataclass(frozen=True, slots=True)
class Taken:
    """What is kept of one instance: UID (empty if it has none), digest and length of metadata."""

    instance: str
    digest: bytes
    length: int
    header: Header


class RowReader:
    """Turns the metadata of one source into header rows; whatever happens, each has one outcome.

    Parameters
    ----------
    number : of the source in site.yaml, from 1
    pseudonyms : the site's
    parser : digest of all that a row depends on beside the metadata
    """

    def __init__(self, number: int, pseudonyms: Pseudonyms, parser: str) -> None:
        self.parser = parser
        self._number = number
        self._pseudonyms = pseudonyms
        self._reader = HeaderReader(pseudonyms)
        self._wanted = fields.wanted()

    def take(self, item: Item) -> Taken:
        """Judge one instance, and let its metadata go."""
        digest, length = model.digest(item)
        return Taken(query.text_of(item, _SOP_INSTANCE), digest, length, self._header(item))

    def rows(self, series: Series, taken: list[Taken]) -> Iterator[dict[str, Any]]:
        """Give the rows of a series: the columns of header rows, and ``path``.

        An instance is named by its UID; one that is named twice counts twice, and one without a
        UID is told apart by what it says.
        """
        seen: Counter[str] = Counter()
        for one in sorted(taken, key=lambda t: (t.digest, t.length)):
            named = one.instance or f"unnamed-{one.digest.hex()}"
            place = f"{series.place}/instances/{query.segment(named)}"
            seen[place] += 1
            if seen[place] > 1:
                place += f"{_NAMED_TWICE.decode()}{seen[place]}"
            yield self._row(place, one.header, self._reader.keyed(one.digest), one.length)

    def unnamed(self, found: Unnamed) -> dict[str, Any]:
        """Give the row of a study or series that cannot be asked for."""
        return self._row(found.place, Header("MISSING_UID", None, found.field), None, 0)

    def _header(self, item: Item) -> Header:
        try:
            return self._reader.read(model.structure(item, self._wanted))
        except HeaderError as error:
            return Header(error.code, error.detail, error.field)
        except RecursionError:
            return Header("DEPTH")
        except MemoryError:
            return Header("OOM")
        except Exception as error:  # noqa: BLE001  one instance never stops a scan
            return Header("CRASH", type(error).__name__)

    def _row(self, place: str, header: Header, digest: str | None, length: int) -> dict[str, Any]:
        return {
            **dict(zip(ROW, header.row(), strict=True)),
            "file_id": self._pseudonyms.path(f"{self._number}:{place}"),
            "version": f"{digest or header.outcome}:{length}",
            "source": self._number,
            "outcome": header.outcome,
            "detail": header.detail,
            "field": header.field,
            "bytes": length,
            "header_digest": digest,
            "engine": ENGINE,
            "checked": None,
            "path": place.encode(),
        }


def _frames(rows: list[dict[str, Any]], parser: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Make the manifest's rows and the header rows of what was read."""
    read = pl.DataFrame(rows, schema={**HEADERS, "path": pl.Binary})
    manifest = read.select(
        "file_id", "source", "path", "bytes", "version",
        dev=pl.lit(0, pl.UInt64), inode=pl.lit(0, pl.UInt64),
        mtime_ns=pl.lit(0, pl.Int64), ctime_ns=pl.lit(0, pl.Int64),
        parser=pl.lit(parser), is_settled=~pl.col("outcome").is_in(list(READ_FAILURES)),
    )  # fmt: skip
    return manifest.select(*MANIFEST), read.select(*HEADERS)


def _studies(known: pl.DataFrame) -> frozenset[str]:
    """Name the studies of the last scan."""
    found = (_STUDY_OF.match(path) for path in known["path"].unique().to_list())
    return frozenset(unquote(m[1].decode()) for m in found if m is not None)
