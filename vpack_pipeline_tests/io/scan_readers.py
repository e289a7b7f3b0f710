"""Readers that stand in for the real one: importable by name, so that a worker can make them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from vpack_pipeline.io.dicom.reading import FileReader
from vpack_pipeline.io.dicom.state import HEADERS
from vpack_pipeline.io.identity import Pseudonyms


class Deadly(FileReader):
    """Kills its own process at the file ``deadly.dcm``, once."""

    def row(self, file_id: str, source: int, path: bytes, size: int) -> tuple[Any, ...]:
        mark = Path(os.fsdecode(path)).parents[1] / "killed"
        if path.endswith(b"/deadly.dcm") and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().row(file_id, source, path, size)


class AlwaysDeadly(FileReader):
    """Kills every process that reads ``deadly.dcm``."""

    def row(self, file_id: str, source: int, path: bytes, size: int) -> tuple[Any, ...]:
        if path.endswith(b"/deadly.dcm"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().row(file_id, source, path, size)


class Slow(FileReader):
    """Takes its time over every file, so that a scan can be stopped in its midst."""

    def row(self, file_id: str, source: int, path: bytes, size: int) -> tuple[Any, ...]:
        time.sleep(0.02)
        return super().row(file_id, source, path, size)


class Simulated:
    """Gives every file a header of its own without opening it."""

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._pseudonyms = pseudonyms

    def row(self, file_id: str, source: int, path: bytes, size: int) -> tuple[Any, ...]:
        given = {
            "file_id": file_id,
            "version": f"{file_id}:{size}",
            "source": source,
            "outcome": "PARSED",
            "bytes": size,
            "header_digest": file_id,
            "engine": "walker",
            "instance_id": file_id[::-1],
            "study_id": file_id[:2] * 16,
        }
        return tuple(given.get(name) for name in HEADERS)
