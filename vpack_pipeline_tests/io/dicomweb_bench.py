"""Servers to read headers from: a fake PACS that fails on command, and a real Orthanc."""

from __future__ import annotations

import base64
import copy
import http.client
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pydicom.dataset import Dataset

from vpack_pipeline.site import DicomwebSource

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers, body; with a header X-Length the body breaks off before that length, and after
one with X-Hangs-Up the connection is closed unasked."""
ROOT = "/dicom-web"


def metadata(ds: Dataset) -> dict[str, Any]:
    """Metadata as a server gives them: pydicom's JSON with pixels elsewhere."""
    made: dict[str, Any] = json.loads(
        ds.to_json(bulk_data_threshold=1, bulk_data_element_handler=lambda _: "http://far/bulk")
    )
    return made


def cell(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}


def reply(rows: Any, status: int = 200, content_type: str = "application/dicom+json") -> Answer:
    return status, {"Content-Type": content_type}, json.dumps(rows).encode()


@dataclass
class FakePacs:
    """Holds metadata, counts what it is asked, and gives the next of ``faults`` where one is due."""

    url: str = ""
    items: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    faults: list[tuple[str, Answer]] = field(default_factory=list)
    """(end of a path, answer): each is given once, to the next request whose path ends so."""
    page: int = 500
    """The most rows that a list gives at once."""
    honours_offset: bool = True
    counts: Callable[[int], int] = lambda n: n
    gives_study_count: bool = True

    @property
    def source(self) -> DicomwebSource:
        return DicomwebSource(kind="dicomweb", url=self.url)

    def add(self, ds: Dataset) -> None:
        self.items.append(metadata(ds))

    def metadata_asked(self) -> int:
        return sum(path.endswith("/metadata") for path in self.asked)

    def answer(self, target: str, headers: dict[str, str]) -> Answer:
        parts = urlsplit(target)
        path = parts.path.removeprefix(ROOT)
        self.asked.append(path)
        self.headers.append(headers)
        for n, (end, answer) in enumerate(self.faults):
            if path.endswith(end):
                del self.faults[n]
                return answer
        segments = [unquote(s) for s in path.strip("/").split("/")]
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        match segments:
            case ["studies"]:
                return self._page([self._study(s) for s in self._names("0020000D", {})], query)
            case ["studies", study, "series"]:
                place = {"0020000D": study}
                return self._page(
                    [self._series(study, s) for s in self._names("0020000E", place)], query
                )
            case ["studies", study, "series", series, "metadata"]:
                found = self._of({"0020000D": study, "0020000E": series})
                return reply(found) if found else (404, {}, b"")
            case ["studies", study, "series", series, "instances", instance]:
                found = self._of({"0020000D": study, "0020000E": series, "00080018": instance})
                body = (
                    b"--b\r\nContent-Type: application/dicom\r\n\r\n"
                    + json.dumps(found).encode()
                    + b"\r\n--b--"
                )
                return 200, {"Content-Type": "multipart/related; boundary=b"}, body
        return 404, {}, b""

    def _page(self, rows: list[Any], query: dict[str, str]) -> Answer:
        start = int(query["offset"]) if self.honours_offset else 0
        return reply(rows[start : start + min(int(query["limit"]), self.page)])

    def _of(self, place: dict[str, str]) -> list[dict[str, Any]]:
        return [i for i in self.items if all(_text(i, k) == v for k, v in place.items())]

    def _names(self, tag: str, place: dict[str, str]) -> list[str]:
        return list(dict.fromkeys(_text(i, tag) for i in self._of(place)))

    def _study(self, study: str) -> dict[str, Any]:
        made = {"0020000D": cell("UI", study)}
        if self.gives_study_count:
            made["00201206"] = cell("IS", len(self._names("0020000E", {"0020000D": study})))
        return made

    def _series(self, study: str, series: str) -> dict[str, Any]:
        n = len(self._of({"0020000D": study, "0020000E": series}))
        return {"0020000E": cell("UI", series), "00201209": cell("IS", self.counts(n))}


def _text(item: dict[str, Any], tag: str) -> str:
    values = item.get(tag, {}).get("Value") or [""]
    return str(values[0])


@contextmanager
def fake_pacs() -> Iterator[FakePacs]:
    pacs = FakePacs()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65_536  # head and body in one segment, or each reply waits for an ACK

        def do_GET(self) -> None:
            status, headers, body = pacs.answer(self.path, dict(self.headers.items()))
            declared = headers.get("X-Length", str(len(body)))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": declared}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()
            if declared != str(len(body)) or "X-Hangs-Up" in headers:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    pacs.url = f"http://127.0.0.1:{server.server_address[1]}{ROOT}"
    try:
        yield pacs
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def copied(item: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(item)


# --- a real server ------------------------------------------------------------------------------

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


def why_no_orthanc() -> str | None:
    """Say what is missing for a real Orthanc; None if nothing is."""
    if shutil.which("Orthanc") is None:
        return "no Orthanc is installed (apt-get install orthanc)"
    return None if PLUGIN.exists() else "Orthanc lacks DICOMweb (apt-get install orthanc-dicomweb)"


USER, PASSWORD = "reader", "hush"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@dataclass
class Orthanc:
    """A running Orthanc that lets in who knows the password."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def source(self, has_feed: bool = False) -> DicomwebSource:
        return DicomwebSource(
            kind="dicomweb",
            url=f"{self.url}/dicom-web",
            authorization_variable="PACS_AUTH",
            orthanc_url=self.url if has_feed else None,
        )

    def ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, {"Authorization": BASIC})
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status == 200, f"{method}: {answer.status}"
            return json.loads(text)
        finally:
            connection.close()

    def store(self, file: Path) -> str:
        """Store a file; give Orthanc's own name of the instance."""
        return str(self.ask("POST", "/instances", file.read_bytes())["ID"])

    def delete(self, name: str) -> None:
        self.ask("DELETE", f"/instances/{name}")

    def clear(self) -> None:
        for name in self.ask("GET", "/patients"):
            self.ask("DELETE", f"/patients/{name}")


@contextmanager
def orthanc(folder: Path) -> Iterator[Orthanc]:
    """Run an Orthanc on loopback; whatever happens, it is gone afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = {
        "Name": "test", "HttpPort": port, "DicomServerEnabled": False,
        "RemoteAccessAllowed": False, "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD}, "OverwriteInstances": True,
        "StorageDirectory": str(folder / "db"), "IndexDirectory": str(folder / "db"),
        "Plugins": [str(PLUGIN)], "DicomWeb": {"Enable": True},
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(config))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["Orthanc", str(folder / "orthanc.json")], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _wait(process, port)
        yield Orthanc(port)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"Orthanc did not start (exit code {process.poll()})")
