"""Lets a run stop for certain, and soon, once it was told to.

Dagster catches the signals to stop, and raises them where it holds that safe; one that comes while
it cleans up after itself is lost, as is one that is raised where Python ignores what is raised (in
``__del__``). So a thread hears each signal too, whatever became of it: it repeats one that did not
stop the run, and at last ends the process. A run that is cut off anywhere leaves every table and
pack whole. What does not belong here: what is said of a run that stopped (``cli.main``).
"""

from __future__ import annotations

import _thread
import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

STOPPED: Final = "stopped; a later build goes on from what is complete"
EXIT_CODE: Final = 130
STOPS: Final = frozenset({signal.SIGINT, signal.SIGTERM})
REPEAT_AFTER: Final = 2.0
"""Seconds that a run has to stop by itself; then the signal is repeated each second."""
END_AFTER: Final = 4.0
"""Seconds after which the process is ended."""


@contextmanager
def stopping_for_certain() -> Iterator[None]:
    """See to it that a signal to stop ends what is done here within five seconds.

    Off the main thread, where no signal arrives, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard, told = os.pipe()
    os.set_blocking(told, False)
    before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    watch = threading.Thread(target=_watch, args=(heard,), daemon=True)
    watch.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(told)
        watch.join()
        os.close(heard)


def _watch(heard: int) -> None:
    """Wait for a signal to stop; then for the end, which closes the pipe."""
    while signals := os.read(heard, 1):
        if signals[0] in STOPS:
            _insist(heard, signal.Signals(signals[0]))
            return


def _insist(heard: int, sign: signal.Signals) -> None:
    start = time.monotonic()
    repeat_at = start + REPEAT_AFTER
    while (now := time.monotonic()) < start + END_AFTER:
        if select.select([heard], [], [], 0.1)[0] and not os.read(heard, 64):
            return
        if now >= repeat_at:
            repeat_at = now + 1.0
            _thread.interrupt_main(sign)
    with contextlib.suppress(OSError):
        os.write(2, f"{STOPPED}\n".encode())
    os._exit(EXIT_CODE)
