"""A headless Chromium over the DevTools protocol: open a page, hear what it says, ask it.

What does not belong here: what a page of ours must be (the tests).
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from vpack_pipeline_tests.processes import end_group

ABSENT = "no Chromium on PATH; install it with: sudo apt-get install chromium"
SECONDS = 60.0
QUIET_SECONDS = 0.5
LARGEST_MESSAGE = 64 * 2**20
SPEAKS = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")


def program() -> str | None:
    """Find a Chromium on PATH."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next(filter(None, map(shutil.which, names)), None)


class Page:
    """One tab. Every event that it sends is kept in ``events``, in order."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and give its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            told = json.loads(self._socket.recv(timeout=SECONDS))
            if told.get("id") != number:
                self.events.append(told)
                continue
            if "error" in told:
                raise AssertionError(f"{method}: {told['error']}")
            result: dict[str, Any] = told["result"]
            return result

    def size(self, width: int, height: int) -> None:
        """Give the window a size in CSS pixels; a narrow one is a phone."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def scheme(self, name: str) -> None:
        """Prefer ``light`` or ``dark`` colours."""
        wanted = {"name": "prefers-color-scheme", "value": name}
        self.call("Emulation.setEmulatedMedia", features=[wanted])

    def open(self, url: str) -> None:
        """Load a page and listen until it has been quiet for a while."""
        self.events.clear()
        self.call("Page.navigate", url=url)
        self.until(lambda: any(e["method"] == "Page.loadEventFired" for e in self.events))
        self.listen(QUIET_SECONDS)

    def until(self, is_reached: Callable[[], bool], seconds: float = SECONDS) -> None:
        """Listen until something holds."""
        end = time.monotonic() + seconds
        while not is_reached():
            assert time.monotonic() < end, "waited in vain"
            self.listen(0.1)

    def listen(self, seconds: float) -> None:
        """Take in events for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                self.events.append(json.loads(self._socket.recv(timeout=left)))
            except TimeoutError:
                return

    @property
    def said(self) -> list[str]:
        """What the console shows: messages, exceptions, refusals of the policy."""
        return [json.dumps(e["params"]) for e in self.events if e["method"] in SPEAKS]

    @property
    def requests(self) -> list[str]:
        """The addresses that were asked for."""
        asked = (e for e in self.events if e["method"] == "Network.requestWillBeSent")
        return [e["params"]["request"]["url"] for e in asked]

    def ask(self, expression: str) -> Any:
        """Evaluate JavaScript from outside the page and give its value."""
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def screenshot(self) -> bytes:
        """Take the window as a PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def pdf(self) -> bytes:
        """Print as the page's own style says."""
        printed = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return base64.b64decode(printed["data"])


@contextmanager
def opened(profile: Path) -> Iterator[Page]:
    """Start Chromium with a profile of its own, give one tab, and end the whole process group."""
    found = program()
    assert found is not None
    options = [
        "--headless=new",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-extensions",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
    ]
    if os.geteuid() == 0:
        options.append("--no-sandbox")  # Chromium refuses its sandbox to root
    with (profile / "log").open("wb") as log:
        process = subprocess.Popen(
            [found, *options, "about:blank"], stdout=log, stderr=log, start_new_session=True
        )
        try:
            port = _port(profile / "DevToolsActivePort", process)
            # Nobody listens between two tests: neither a full queue nor an unheard ping must end it.
            with connect(
                _address(port), max_size=LARGEST_MESSAGE, max_queue=None, ping_interval=None
            ) as socket:
                yield Page(socket)
        finally:
            end_group(process)


def _port(file: Path, process: subprocess.Popen[Any]) -> int:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, (file.parent / "log").read_text(errors="replace")
        if file.is_file() and (lines := file.read_text().split()):
            return int(lines[0])
        time.sleep(0.05)
    raise AssertionError("Chromium opened no port")


def _address(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=SECONDS) as answer:
        tabs = json.load(answer)
    address: str = next(t["webSocketDebuggerUrl"] for t in tabs if t["type"] == "page")
    return address
