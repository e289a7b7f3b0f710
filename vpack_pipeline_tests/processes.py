"""Ends a process with everything that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

SECONDS = 20.0


def end_group(process: subprocess.Popen[Any]) -> None:
    """Ask a process group to end; end by force what has not ended in time.

    The process must lead a group of its own (``start_new_session=True``).
    """
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None or living(process.pid):
            os.killpg(process.pid, sign)
        end = time.monotonic() + SECONDS
        while (process.poll() is None or living(process.pid)) and time.monotonic() < end:
            time.sleep(0.05)
    process.wait(SECONDS)


def living(group: int) -> list[int]:
    """List the processes of a group; one that has ended and waits to be reaped does not count."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            # After the name, in brackets: state, parent, group.
            state, _, its_group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(its_group) == group and state != "Z":
            found.append(int(folder.name))
    return found
