"""pydicom in a process of its own: what hostile bytes do to it costs one file, never the scan.

The process has a limit of memory and a deadline per file; it is started when the first file needs
it, and anew after it was lost. Paths go in and structures come out through its pipes; nothing is
written anywhere. What does not belong here: how pydicom is asked (``by_pydicom``).
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import pickle
import resource
import select
import signal
import struct
import subprocess
import sys
import time
from typing import Any, Final

from vpack_pipeline.io.dicom import fields
from vpack_pipeline.io.dicom.outcomes import HeaderError
from vpack_pipeline.io.dicom.structure import Structure

MEMORY: Final = 1024**3
"""Bytes that the process may take beyond what it has after its imports."""
SECONDS: Final = 30.0
"""For one file; pydicom reads any sound header in a fraction of one."""
_BEGIN: Final = "import json, sys; sys.path[:] = json.loads(sys.argv[1])\n" + (
    "from vpack_pipeline.io.dicom.containment import serve; serve(int(sys.argv[2]))"
)
_SIZE: Final = struct.Struct("<Q")


class Contained:
    """A process that reads headers with pydicom, one at a time.

    Parameters
    ----------
    memory : bytes beyond what the imports take
    seconds : deadline for one file
    """

    def __init__(self, memory: int = MEMORY, seconds: float = SECONDS) -> None:
        self._memory = memory
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, path: bytes) -> Structure:
        """Read one file.

        Raises
        ------
        HeaderError
            As :func:`by_pydicom.read` raises; PERM or VANISHED; TIMEOUT past the deadline; OOM past
            the limit of memory; CRASH if the process died otherwise.
        """
        process = self._running()
        try:
            _send(process.stdin, path)
            answer = self._receive(process)
        except (BrokenPipeError, EOFError):
            code = self._lost(process)
            raise HeaderError("OOM" if code == -signal.SIGKILL else "CRASH") from None
        if isinstance(answer, Structure):
            return answer
        if answer[0] == "OOM":
            self.close()  # what the file took may not come back
        raise HeaderError(*answer)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._lost(self._process)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            if self._process is not None:
                self._lost(self._process)
            # Its errors would be pydicom's words about a file's values.
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BEGIN, json.dumps(sys.path), str(self._memory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._process

    def _receive(self, process: subprocess.Popen[bytes]) -> Any:
        assert process.stdout is not None
        until = time.monotonic() + self._seconds
        (size,) = _SIZE.unpack(self._take(process, process.stdout.fileno(), _SIZE.size, until))
        # What comes out of the process was made of our own types by our own code.
        return pickle.loads(self._take(process, process.stdout.fileno(), size, until))

    def _take(
        self, process: subprocess.Popen[bytes], handle: int, count: int, until: float
    ) -> bytes:
        made = bytearray()
        while len(made) < count:
            left = until - time.monotonic()
            if left <= 0 or not select.select([handle], [], [], left)[0]:
                process.kill()
                self._lost(process)
                raise HeaderError("TIMEOUT")
            part = os.read(handle, count - len(made))
            if not part:
                raise EOFError
            made += part
        return bytes(made)

    def _lost(self, process: subprocess.Popen[bytes]) -> int:
        """Clear away a process that is ending; give its return code."""
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._process = None
        return process.wait()


def _send(pipe: Any, given: Any) -> None:
    data = pickle.dumps(given, pickle.HIGHEST_PROTOCOL)
    pipe.write(_SIZE.pack(len(data)) + data)
    pipe.flush()


def serve(memory: int) -> None:
    """Answer requests on the standard streams until they end."""
    import pydicom.dataset
    import pydicom.filereader  # noqa: F401

    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    _limit(memory)
    wanted = fields.wanted()
    while head := requests.read(_SIZE.size):
        path = pickle.loads(requests.read(*_SIZE.unpack(head)))
        _send(answers, _answer(path, wanted))


def _limit(memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with open("/proc/self/statm", "rb") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + memory, taken + memory))


def _answer(path: bytes, wanted: Any) -> Structure | tuple[str, str | None, str | None]:
    from vpack_pipeline.io.dicom import by_pydicom
    from vpack_pipeline.io.dicom.archive import OpenFile

    try:
        with OpenFile(path) as file, file.stream() as stream:
            return by_pydicom.read(stream, file.size, wanted)
    except HeaderError as error:
        return error.code, error.detail, error.field
    except MemoryError:
        return "OOM", None, None


def read_contained(path: bytes) -> Structure:
    """Read a file with this process's contained reader; see :meth:`Contained.read`."""
    return _of_process(os.getpid()).read(path)


@functools.cache
def _of_process(_: int) -> Contained:
    """Keep one reader a process: a forked one must not talk through its parent's pipes."""
    made = Contained()
    atexit.register(made.close)
    return made
