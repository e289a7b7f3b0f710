"""A PACS that fails on command: what is tried again, what stops the scan, what costs one instance."""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest
from dicom_bench import Bench, image
from dicomweb_bench import ROOT, Answer, FakePacs, cell, copied, fake_pacs, reply

from vpack_pipeline.errors import InputError
from vpack_pipeline.io.dicom import scanner
from vpack_pipeline.io.dicom.dicomweb import query
from vpack_pipeline.io.dicom.dicomweb import server as servers
from vpack_pipeline.io.dicom.dicomweb.query import Series, Unnamed
from vpack_pipeline.io.dicom.dicomweb.source import connect
from vpack_pipeline.io.dicom.header import HeaderReader
from vpack_pipeline.site import DicomwebSource, FolderSource

LATER, LATEST = "2026-02-05", "2026-03-05"
CANARY = "1.99.31337"


@pytest.fixture
def pacs() -> Iterator[FakePacs]:
    with fake_pacs() as made:
        yield made


@pytest.fixture
def bench(tmp_path: Path, pacs: FakePacs) -> Bench:
    return Bench(tmp_path, sources=(pacs.source,))


def fill(pacs: FakePacs, studies: int = 3, series: int = 2, instances: int = 2) -> None:
    for n in range(studies * series * instances):
        study, rest = divmod(n, series * instances)
        uid = f"{CANARY}.{study}"
        pacs.add(
            image(
                n, StudyInstanceUID=uid, SeriesInstanceUID=f"{uid}.{rest // instances}",
                SOPInstanceUID=f"{uid}.{rest // instances}.{n}",
            )
        )  # fmt: skip


def listed(pacs: FakePacs, sleeps: list[float] | None = None) -> list[Series | Unnamed]:
    waits: list[float] = [] if sleeps is None else sleeps
    source = connect(1, pacs.source, {}, sleep=waits.append)
    try:
        return query.list_series(source.server)
    finally:
        source.close()


def refused(pacs: FakePacs, sleeps: list[float] | None = None) -> str:
    with pytest.raises(InputError) as caught:
        listed(pacs, sleeps)
    said = str(caught.value)
    assert said.startswith("sources[1]: ")
    assert " — " in said
    assert CANARY not in said
    assert "127.0.0.1" not in said
    return said


def outcomes(bench: Bench, cut: str | None = None, **how: Any) -> list[tuple[str, str | None]]:
    files = scanner.scan(bench.edge(cut), clock=lambda: bench.now, **how).files
    return sorted(files.select("outcome", "field").iter_rows(), key=str)


# --- lists --------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [1, 2, 500])
@pytest.mark.parametrize("gives_study_count", [True, False])
def test_every_page_is_read_also_where_the_server_gives_less_than_it_is_asked_for(
    pacs: FakePacs, page: int, gives_study_count: bool
) -> None:
    fill(pacs, studies=5, series=3)
    pacs.page, pacs.gives_study_count = page, gives_study_count
    found = listed(pacs)
    assert len(found) == len(set(found)) == 15
    assert all(isinstance(s, Series) and s.instances == 2 for s in found)


def test_a_page_that_repeats_itself_is_an_error(pacs: FakePacs) -> None:
    fill(pacs)
    pacs.honours_offset, pacs.page = False, 2
    assert "the same page again and again" in refused(pacs)


def test_an_empty_archive_stops_the_scan(pacs: FakePacs, bench: Bench) -> None:
    with pytest.raises(InputError, match="the server lists no study"):
        bench.scan()
    pacs.faults = [("/studies", (204, {}, b""))]
    assert listed(pacs) == []


# --- failures that pass -------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_passes_is_tried_again_with_growing_patience(pacs: FakePacs, status: int) -> None:
    fill(pacs)
    sleeps: list[float] = []
    pacs.faults = [("/studies", (status, {}, b"busy"))] * 2 + [("/series", (status, {}, b""))]
    assert len(listed(pacs, sleeps)) == 6
    assert sleeps == [0.5, 1.0, 0.5]


def test_patience_is_bounded(pacs: FakePacs) -> None:
    sleeps: list[float] = []
    pacs.faults = [("/studies", (500, {}, b""))] * 9
    assert "the list of studies: the server answered 500 (5 attempts)" in refused(pacs, sleeps)
    assert sleeps == [0.5, 1.0, 2.0, 4.0]
    assert len(pacs.asked) == servers.ATTEMPTS


@pytest.mark.parametrize(
    ("asked", "waited"), [("7", 7.0), ("0", 0.0), ("86400", 60.0), ("soon", 0.5)]
)
def test_retry_after_is_honoured_and_capped(pacs: FakePacs, asked: str, waited: float) -> None:
    fill(pacs)
    sleeps: list[float] = []
    pacs.faults = [("/studies", (429, {"retry-after": asked}, b""))]
    listed(pacs, sleeps)
    assert sleeps == [waited]


def test_a_drop_in_mid_page_is_tried_again(pacs: FakePacs) -> None:
    fill(pacs)
    whole = json.dumps([{"0020000D": cell("UI", "1.2")}]).encode()
    broken: Answer = (200, {"Content-Type": query.JSON, "X-Length": "4096"}, whole[:20])
    sleeps: list[float] = []
    pacs.faults = [("/studies", broken), ("/series", broken)]
    assert len(listed(pacs, sleeps)) == 6
    assert sleeps == [0.5, 0.5]
    pacs.faults = [("/studies", broken)] * 5
    assert "broke off (IncompleteRead) (5 attempts)" in refused(pacs)


def test_a_server_that_is_not_there_is_told_without_its_address(pacs: FakePacs) -> None:
    with fake_pacs() as gone:
        pass
    sleeps: list[float] = []
    assert "the connection failed or broke off (ConnectionRefusedError)" in refused(gone, sleeps)
    assert len(sleeps) == 4


def test_a_certificate_that_is_not_trusted_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: Any) -> None:
        raise ssl.SSLCertVerificationError(1, CANARY)

    monkeypatch.setattr(http.client.HTTPSConnection, "connect", refuse)
    sleeps: list[float] = []
    said = refused(FakePacs(url="https://127.0.0.1/dicom-web"), sleeps)
    assert "certificate is not trusted — name the issuer's certificate in SSL_CERT_FILE" in said
    assert sleeps == []


def test_a_kept_connection_that_the_server_closed_is_opened_again(pacs: FakePacs) -> None:
    fill(pacs)
    whole = pacs.answer("/dicom-web/studies?limit=9&offset=0", {})
    sleeps: list[float] = []
    source = connect(1, pacs.source, {}, sleep=sleeps.append)
    pacs.faults = [("/studies", (whole[0], {**whole[1], "X-Hangs-Up": "yes"}, whole[2]))]
    assert len(query.list_series(source.server)) == 6
    assert sleeps == []
    source.close()


def test_a_reply_without_end_is_given_up(pacs: FakePacs, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(pacs)
    ticks = iter(range(0, 10**9, 1000))
    made = servers.Server(
        "sources[1]", pacs.url, None, sleep=lambda _: None, clock=lambda: next(ticks)
    )
    with pytest.raises(InputError, match="TimeoutError"):
        made.get("/studies?limit=9&offset=0", "the list", query.JSON)
    made.close()
    monkeypatch.setattr(servers, "LARGEST_REPLY", 10)
    assert "larger than" in refused(pacs)


# --- failures that do not pass ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (401, "`authorization_variable`"), (403, "let this account"), (404, "correct `url`"),
        (400, "look at the server"), (302, "the address to which it redirects"),
    ],
)  # fmt: skip
def test_a_refusal_is_told_at_once(pacs: FakePacs, status: int, remedy: str) -> None:
    sleeps: list[float] = []
    pacs.faults = [("/studies", (status, {"Location": f"/{CANARY}"}, CANARY.encode()))]
    said = refused(pacs, sleeps)
    assert f"the list of studies: the server answered {status}" in said
    assert remedy in said
    assert (sleeps, len(pacs.asked)) == ([], 1)


@pytest.mark.parametrize(
    "body", [b'[{"0020000D": {"vr": "UI", "Value": ["1.99.31337', b"[{}", b"{}"]
)
def test_json_that_is_cut_short_is_an_error(pacs: FakePacs, body: bytes) -> None:
    pacs.faults = [("/studies", (200, {"Content-Type": query.JSON}, body))]
    assert "is no DICOM JSON, or is cut short" in refused(pacs)


def test_another_content_type_is_an_error(pacs: FakePacs) -> None:
    pacs.faults = [("/studies", reply([], content_type=f"text/html; x={CANARY}"))]
    assert "another type than application/dicom+json" in refused(pacs)


def test_a_failing_scan_leaves_the_state_as_it_was(pacs: FakePacs, bench: Bench) -> None:
    fill(pacs)
    before = bench.scan().files
    pacs.faults = [("/series", (401, {}, b""))]
    with pytest.raises(InputError, match="401"):
        bench.scan(LATER)
    assert bench.scan(LATER).files.equals(before)


# --- authorisation ------------------------------------------------------------------------------


def test_the_authorization_comes_from_the_environment(
    pacs: FakePacs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(pacs)
    named = DicomwebSource(kind="dicomweb", url=pacs.url, authorization_variable="PACS_AUTH")
    bench = Bench(tmp_path, sources=(named,))
    monkeypatch.delenv("PACS_AUTH", raising=False)
    with pytest.raises(InputError, match="PACS_AUTH is not set"):
        bench.scan()
    monkeypatch.setenv("PACS_AUTH", "Bearer hush\r\nX-Other: 1")
    with pytest.raises(InputError, match="characters that no HTTP header may") as caught:
        bench.scan()
    assert "hush" not in str(caught.value)
    assert pacs.asked == []
    monkeypatch.setenv("PACS_AUTH", "Bearer hush\n")
    assert bench.scan().files.height == 12
    assert {h.get("Authorization") for h in pacs.headers} == {"Bearer hush"}
    assert not any(b"hush" in p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())


# --- UIDs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("uid", ["../../admin", "1/2?x=1#y", "1.2 3", "%2e%2e", "1.2.3" * 13, "ü"])
def test_a_strange_uid_stays_one_segment_of_the_path(
    pacs: FakePacs, bench: Bench, uid: str
) -> None:
    pacs.add(image(1, StudyInstanceUID="1.2.1"))
    for tag in ("0020000D", "0020000E", "00080018"):
        pacs.items[0][tag] = cell("UI", uid)
    assert outcomes(bench) == [("PARSED", None)]
    assert all(path.count("/") in (1, 3, 5) for path in pacs.asked)
    assert not any(".." in path.split("/") for path in pacs.asked)
    assert {p.name for p in bench.root.iterdir()} == {"state"}


@pytest.mark.parametrize("uid", ["", ".", ".."])
def test_what_cannot_be_asked_for_is_counted_and_never_asked(
    pacs: FakePacs, bench: Bench, uid: str
) -> None:
    fill(pacs, studies=1, series=1, instances=1)
    pacs.add(image(8, SeriesInstanceUID="1.2.1.8"))
    pacs.items[1]["0020000E"] = cell("UI", uid)
    pacs.add(image(9, StudyInstanceUID="1.2.9"))
    pacs.items[2]["0020000D"] = cell("UI", uid)
    assert outcomes(bench) == [
        ("MISSING_UID", "SeriesInstanceUID"),
        ("MISSING_UID", "StudyInstanceUID"),
        ("PARSED", None),
    ]
    assert not any("//" in p or "/./" in p or "/../" in p for p in pacs.asked)
    assert outcomes(bench, LATER) == outcomes(bench)


def test_instances_without_a_uid_or_with_the_same_are_each_counted(
    pacs: FakePacs, bench: Bench
) -> None:
    fill(pacs, studies=1, series=1, instances=1)
    for number, change in enumerate(({"00080018": cell("UI")}, {"00080018": cell("UI")}, {}, {})):
        pacs.items.append({**copied(pacs.items[0]), **change, "00200013": cell("IS", number)})
    found = outcomes(bench)
    assert found == [("DUP_SOP_CONFLICT", None)] * 3 + [("MISSING_UID", "SOPInstanceUID")] * 2


# --- one bad instance ---------------------------------------------------------------------------


def test_a_bad_instance_costs_only_itself(
    pacs: FakePacs, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(pacs, studies=1, series=1, instances=3)
    pacs.items[1]["00280010"] = cell("US", "many")
    assert outcomes(bench) == [("BAD_VR", None), ("PARSED", None), ("PARSED", None)]

    def fail(*_: Any) -> None:
        raise ValueError(CANARY)

    monkeypatch.setattr(HeaderReader, "read", fail)
    files = bench.scan(LATER, is_deep=True).files
    crashed = files.filter(pl.col("outcome") == "CRASH")
    assert crashed["detail"].to_list() == ["ValueError"] * 2


# --- what is read again -------------------------------------------------------------------------


def test_only_series_whose_number_changed_are_read_again(pacs: FakePacs, bench: Bench) -> None:
    fill(pacs)
    assert bench.scan().read == 12
    pacs.asked.clear()
    assert bench.scan().read == pacs.metadata_asked() == 0
    extra = copied(pacs.items[0])
    extra["00080018"] = cell("UI", "1.2.77")
    pacs.items.append(extra)
    del pacs.items[5]
    found = bench.scan(LATER)
    assert (found.read, pacs.metadata_asked(), found.files.height) == (4, 2, 12)
    fresh = Bench(bench.root / "other", sources=bench.sources)
    same = [c for c in found.files.columns if c != "first_seen"]
    assert found.files.select(same).equals(fresh.scan(LATER).files.select(same))


def test_an_edit_that_leaves_the_number_alone_is_found_by_the_deep_check(
    pacs: FakePacs, bench: Bench
) -> None:
    fill(pacs)
    before = bench.scan().files
    pacs.items[0]["00180060"] = cell("DS", 90)
    assert bench.scan(LATER).files.equals(before)
    deep = bench.scan(LATEST, is_deep=True)
    assert deep.read == 12
    changed = bench.with_headers(deep).filter(pl.col("kvp") == 90)
    assert changed["first_seen"].to_list() == [LATEST]
    assert bench.scan(LATER).files.equals(before)


def test_a_series_that_the_server_does_not_count_is_always_read(
    pacs: FakePacs, bench: Bench
) -> None:
    fill(pacs, studies=1, series=1)
    pacs.counts = lambda _: None
    assert (bench.scan().read, bench.scan().read) == (2, 2)


def test_metadata_that_are_fewer_than_the_server_counts_are_an_error(
    pacs: FakePacs, bench: Bench
) -> None:
    fill(pacs, studies=1, series=1)
    pacs.counts = lambda n: n + 1
    with pytest.raises(InputError, match="fewer instances than the server counts"):
        bench.scan()


def test_a_series_that_goes_while_it_is_read_is_gone(pacs: FakePacs, bench: Bench) -> None:
    fill(pacs, studies=2, series=1)
    last = pacs.items[-2:]
    asked = pacs.answer

    def lose(target: str, headers: dict[str, str]) -> Answer:
        if target.endswith("/metadata") and last[0] in pacs.items and f"{CANARY}.1" in target:
            del pacs.items[-2:]
        return asked(target, headers)

    pacs.answer = lose  # type: ignore[method-assign]
    assert outcomes(bench) == [("PARSED", None)] * 2


def test_a_study_that_is_gone_is_asked_for_by_name_once(pacs: FakePacs, bench: Bench) -> None:
    fill(pacs)
    bench.scan()
    del pacs.items[:4]
    gone = f"/studies/{CANARY}.0/series"
    pacs.faults = [(gone, (404, {}, b""))]
    pacs.asked.clear()
    assert bench.scan(LATER).files.height == 8
    assert pacs.asked.count(gone) == 1


def test_a_study_that_a_moving_list_passes_over_is_asked_for_by_name(
    pacs: FakePacs, bench: Bench
) -> None:
    fill(pacs)
    before = bench.scan().files
    short = reply(
        [{"0020000D": cell("UI", f"{CANARY}.{n}"), "00201206": cell("IS", 2)} for n in (0, 2)]
    )
    pacs.faults = [("/studies", short), ("/studies", reply([]))]
    assert bench.scan(LATER).files.equals(before)
    assert pacs.faults == []


def test_most_of_a_server_gone_stops_the_scan(pacs: FakePacs, bench: Bench) -> None:
    fill(pacs)
    bench.scan()
    del pacs.items[4:]
    with pytest.raises(InputError, match="8 of 12 known image files have vanished"):
        bench.scan(LATER)


# --- beside folders -----------------------------------------------------------------------------


def test_a_server_beside_a_folder_and_its_copies(tmp_path: Path, pacs: FakePacs) -> None:
    bench = Bench(tmp_path, sources=(FolderSource(path="dicom"), pacs.source))
    bench.add("a.dcm", 1)
    bench.add("b.dcm", 2)
    pacs.add(image(2))
    pacs.add(image(3))
    found = bench.scan().files
    told = sorted(found.select("source", "outcome").iter_rows())
    assert told == [
        (1, "DUP_SOP_CONFLICT"), (1, "PARSED"), (2, "DUP_SOP_CONFLICT"), (2, "PARSED"),
    ]  # fmt: skip
    # Of the two that share a UID alone is the whole object ever asked for.
    taken = pl.read_parquet(bench.root / "state" / "images" / "contents.parquet")
    assert taken.height == 2


def test_the_whole_instance_settles_what_is_a_copy(pacs: FakePacs, tmp_path: Path) -> None:
    twice = DicomwebSource(kind="dicomweb", url=f"{pacs.url}/")
    bench = Bench(tmp_path, sources=(pacs.source, twice))
    fill(pacs, studies=1, series=1, instances=1)
    assert outcomes(bench) == [("COPY", None), ("PARSED", None)]
    assert sum("/instances/" in path for path in pacs.asked) == 2


@pytest.mark.parametrize("length", [0, 10, 2000, 700_000])
def test_the_digest_is_of_the_instance_and_not_of_its_wrapping(pacs: FakePacs, length: int) -> None:
    content = bytes(range(256)) * (length // 256) + b"\r\n--x" * (length % 256)
    body = b"\r\n--x y\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n--x y--\r\n"
    source = connect(1, pacs.source, {}, sleep=lambda _: None)
    head = {"Content-Type": "multipart/related"}
    pacs.faults = [("/instances/1", (200, head, body)), ("/instances/1", (200, head, body[:-20]))]
    pacs.faults += [("/instances/1", (200, head, content))]
    place = b"/studies/1/series/1/instances/1"
    assert source.digest_content(place) == hashlib.sha256(content).hexdigest()
    assert [source.digest_content(place) for _ in range(2)] == [None, None]
    assert (pacs.faults, len(pacs.asked)) == ([], 3)
    source.close()


# --- Orthanc's feed of changes ------------------------------------------------------------------


class Feed:
    """Stands in for Orthanc's REST interface: the changes, and who owns what."""

    def __init__(self) -> None:
        self.changes: list[dict[str, Any]] = []
        self.last = 0
        self.page = 1000
        self.is_stuck = False

    def wrote(self, series: str, kind: str = "Instance") -> None:
        self.last += 1
        self.changes.append({"Seq": self.last, "ResourceType": kind, "ID": series})

    def __call__(self, path: str, query_: dict[str, str]) -> Any:
        if path == "/changes" and "last" in query_:
            return {"Last": self.last, "Done": True}
        if path == "/changes":
            later = [c for c in self.changes if c["Seq"] > int(query_["since"])]
            page = later[: self.page]
            reached = page[-1]["Seq"] if page and not self.is_stuck else int(query_["since"])
            return {"Changes": page, "Done": len(page) == len(later), "Last": reached}
        if path.startswith("/instances/"):
            return {"ParentSeries": path.removeprefix("/instances/")}
        return {"MainDicomTags": {"SeriesInstanceUID": path.removeprefix("/series/")}}


@pytest.fixture
def feed(pacs: FakePacs) -> Feed:
    made = Feed()
    asked = pacs.answer

    def answer(target: str, headers: dict[str, str]) -> Answer:
        parts = urlsplit(target)
        if parts.path.startswith(ROOT):
            return asked(target, headers)
        named = parts.path.rpartition("/")[2]
        if named == "gone":
            return 404, {}, b""
        given = {k: v[0] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
        return reply(made(parts.path, given), content_type="application/json")

    pacs.answer = answer  # type: ignore[method-assign]
    return made


@pytest.fixture
def followed(bench: Bench, pacs: FakePacs, feed: Feed) -> Bench:
    fill(pacs)
    source = DicomwebSource(kind="dicomweb", url=pacs.url, orthanc_url=pacs.url.removesuffix(ROOT))
    return Bench(bench.root, sources=(source,))


def test_the_feed_names_what_is_read_again_page_by_page(followed: Bench, feed: Feed) -> None:
    feed.wrote(f"{CANARY}.0.0")
    assert followed.scan().read == 12
    assert followed.scan().read == 0
    feed.page = 1
    for series, kind in (
        (f"{CANARY}.0.0", "Instance"), (f"{CANARY}.0.0", "Instance"), ("gone", "Instance"),
        (f"{CANARY}.1.0", "Series"), (f"{CANARY}.2", "Study"),
    ):  # fmt: skip
        feed.wrote(series, kind)
    assert followed.scan(LATER).read == 4
    assert followed.scan(LATER).read == 0


def test_a_feed_that_was_lost_or_starts_anew_has_everything_read_again(
    followed: Bench, feed: Feed
) -> None:
    feed.last = 7
    followed.scan()
    feed.last = 3
    assert followed.scan().read == 12
    kept = followed.root / "state" / "images" / "feeds.json"
    assert list(json.loads(kept.read_text()).values()) == [3]
    assert "127.0.0.1" not in kept.read_text()
    for lost in ("", "[3]", '{"1:other": 3}'):
        kept.write_text(lost)
        assert (followed.scan().read, followed.scan().read) == (12, 0)


def test_a_change_during_a_scan_that_fails_is_not_lost(
    followed: Bench, pacs: FakePacs, feed: Feed
) -> None:
    followed.scan()
    feed.wrote(f"{CANARY}.0.0")
    pacs.faults = [("/metadata", (403, {}, b""))]
    with pytest.raises(InputError, match="403"):
        followed.scan()
    assert followed.scan().read == 2


def test_a_feed_that_does_not_move_on_is_an_error(followed: Bench, feed: Feed) -> None:
    followed.scan()
    for _ in range(3):
        feed.wrote(f"{CANARY}.0.0")
    feed.page, feed.is_stuck = 1, True
    with pytest.raises(InputError, match="the feed of changes gives the same page again"):
        followed.scan()


@pytest.mark.parametrize("given", [[], {"Last": "9"}, {}])
def test_what_is_no_feed_is_told(
    followed: Bench, feed: Feed, monkeypatch: pytest.MonkeyPatch, given: Any
) -> None:
    monkeypatch.setattr(Feed, "__call__", lambda *_: given)
    with pytest.raises(InputError, match=r"the feed of changes.* — correct `orthanc_url`"):
        followed.scan()
