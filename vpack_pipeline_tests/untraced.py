"""Lines that run without being counted, where counting them again would double a test's time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_suspended: list[Any] = []


@contextmanager
def untraced() -> Iterator[None]:
    """Stop the count of covered lines; what only such lines cover counts as not covered."""
    trace = sys.gettrace()
    _suspended.append(trace)
    sys.settrace(None)
    try:
        yield
    finally:
        _suspended.pop()
        sys.settrace(trace)


@contextmanager
def traced() -> Iterator[None]:
    """Count covered lines again, of what is made once whichever test comes first."""
    trace = sys.gettrace()
    if _suspended:
        sys.settrace(_suspended[-1])
    try:
        yield
    finally:
        sys.settrace(trace)
