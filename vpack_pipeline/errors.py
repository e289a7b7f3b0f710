"""What can go wrong, as one tree. Every message names a file, row or field and the remedy.

::

    VpackError                     exit code 3 unless a branch says otherwise
    ├── InputError                 exit 2: what was given cannot be used; holds every problem
    │   ├── DocumentError          a protocol.yaml or site.yaml
    │   ├── DeliveryError          a delivery that is altered, unclosed or unreadable as a whole
    │   ├── SecretError            a site secret that is missing, too short or changed
    │   ├── SigningKeyError        a signing key of another kind, readable by others or misplaced
    │   └── UsageError             a command or name that does not exist
    ├── GateClosedError            exit 1: an expectation failed, or a receipt does not fit
    ├── VerificationError          exit 1: a pack is not what it says it is
    ├── DiskError                  exit 3: the disk is full, or refuses to be read or written
    ├── ContractError              exit 3: a contract, model or registry of this package is wrong
    └── TableError                 exit 3: a foreign exception, reduced to its type and the table

No message of this tree ever carries a value from a data row: Dagster stores messages.
What does not belong here: how an error is shown (``cli``).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend: where it stands, what is wrong, what to do."""

    where: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        """One line, as the command line prints it."""
        tail = f" — {self.remedy}" if self.remedy else ""
        return f"{self.where}: {self.what}{tail}"


class VpackError(Exception):
    """The root: an error that vpack foresaw."""

    exit_code = 3


class InputError(VpackError):
    """What the user gave cannot be used; ``problems`` holds all that was found, at once."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem] | Problem) -> None:
        found = (problems,) if isinstance(problems, Problem) else tuple(problems)
        self.problems = found
        super().__init__("\n".join(str(p) for p in found))


class DocumentError(InputError):
    """A protocol or site document is refused."""


class DeliveryError(InputError):
    """A delivery cannot be counted as it lies there."""


class SecretError(InputError):
    """The site secret is missing, unsafe or not the one that made the earlier tables."""


class SigningKeyError(InputError):
    """A signing key is no plain Ed25519 key of its holder alone, or lies where it may not."""


class UsageError(InputError):
    """A name or option that does not exist."""


class GateClosedError(VpackError):
    """The gate is closed: ``problems`` says which expectation or receipt of which table."""

    exit_code = 1

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(p) for p in problems))


class VerificationError(GateClosedError):
    """A pack differs from its manifest, or is no pack."""


class DiskError(VpackError):
    """The disk is full, or refuses to be read or written; the words are the system's own."""


class ContractError(VpackError):
    """A contract, model or registry shipped with this package is wrong."""


class TableError(VpackError):
    """A foreign exception while a table was made: its type and the table, never its text."""

    def __init__(self, table: str, exception: BaseException) -> None:
        self.table = table
        self.exception_type = type(exception).__name__
        super().__init__(f"{table}: {described(exception)}")


_DISK: Final = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some of this account's share of the disk",
    errno.EROFS: "mount the disk so that it can be written",
    errno.EACCES: "let this account read and write there",
    errno.EPERM: "let this account read and write there",
    errno.EIO: "have the disk examined",
}
"""What the system says of a disk → what to do about it."""
_SQLITE: Final = {
    "SQLITE_FULL": errno.ENOSPC,
    "SQLITE_READONLY": errno.EROFS,
    "SQLITE_CANTOPEN": errno.EACCES,
    "SQLITE_IOERR": errno.EIO,
}


def disk_error(where: str, exception: BaseException) -> DiskError | None:
    """Find the disk's trouble behind an exception; None where it has another cause.

    Libraries wrap it in exceptions of their own. Of their texts only the system's words are looked
    for: nothing of them is shown.
    """
    seen: BaseException | None = exception
    while seen is not None:
        number = _disk_number(seen)
        if number is not None:
            remedy = f"{_DISK[number]}, and start again; what was published before stays"
            return DiskError(str(Problem(where, os.strerror(number), remedy)))
        seen = seen.__cause__ or seen.__context__
    return None


def _disk_number(exception: BaseException) -> int | None:
    if isinstance(exception, OSError):
        return exception.errno if exception.errno in _DISK else None
    code = getattr(exception, "sqlite_errorname", "") or ""
    for start, number in _SQLITE.items():
        if code.startswith(start):
            return number
    # polars and DuckDB write with code of their own.
    text = str(exception)
    return next((n for n in (errno.ENOSPC, errno.EROFS) if os.strerror(n) in text), None)


def described(exception: BaseException) -> str:
    """Name a foreign exception by type and place; its text could carry values.

    Of an operating-system error the system's own words are safe: they name no file.
    """
    words = ""
    if isinstance(exception, OSError) and exception.errno is not None:
        words = f" ({os.strerror(exception.errno)})"
    return f"{type(exception).__name__}{words}{_innermost_line(exception)}"


def _innermost_line(exception: BaseException) -> str:
    """Name our own innermost line: position, never a value."""
    found = ""
    trace = exception.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__", "")
        if name.startswith("vpack_pipeline"):
            found = f" at {name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found
