"""A run that was told to stop stops, whoever swallowed the signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from vpack_pipeline.cli.stopping import EXIT_CODE, STOPPED, stopping_for_certain

WITHIN = 5.0

SWALLOWED_ONCE = """
    calls = []
    def handler(*_):
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, handler)
    try:
        with stopping_for_certain():
            ready()
            while True:
                time.sleep(0.01)
    except KeyboardInterrupt:
        sys.exit(7)
"""
ALWAYS_SWALLOWED = """
    signal.signal(signal.SIGTERM, lambda *_: None)
    with stopping_for_certain():
        ready()
        while True:
            time.sleep(0.01)
"""
RAISED_WHERE_PYTHON_IGNORES_IT = """
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    class Held:
        def __del__(self):
            ready()
            time.sleep(60)
    with stopping_for_certain():
        held = Held()
        del held
        while True:
            time.sleep(0.01)
"""
BUSY_OUTSIDE_OF_PYTHON = """
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    with stopping_for_certain():
        threading.Timer(0.5, ready).start()
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)
"""


PROGRAMS = {
    "swallowed once": SWALLOWED_ONCE,
    "always swallowed": ALWAYS_SWALLOWED,
    "raised where Python ignores it": RAISED_WHERE_PYTHON_IGNORES_IT,
    "busy outside of Python": BUSY_OUTSIDE_OF_PYTHON,
}


@dataclass(frozen=True)
class Stopped:
    """How a program ended that was told to."""

    code: int
    seconds: float
    err: str


@pytest.fixture(scope="module")
def stopped() -> dict[str, Stopped]:
    """Start each program, wait until it says that it is ready, and tell it to stop: all at once."""
    with ThreadPoolExecutor(len(PROGRAMS)) as pool:
        return dict(zip(PROGRAMS, pool.map(_stopped, PROGRAMS.values()), strict=True))


def _stopped(code: str) -> Stopped:
    start = """
        import hashlib, signal, sys, threading, time
        from vpack_pipeline.cli.stopping import stopping_for_certain
        def ready(): print("ready", flush=True)
    """
    program = textwrap.dedent(start) + textwrap.dedent(code)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        try:
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()
        return Stopped(process.returncode, time.monotonic() - began, err)


@pytest.mark.parametrize("program", PROGRAMS)
def test_whoever_is_told_to_stop_does_so_within_five_seconds(
    stopped: dict[str, Stopped], program: str
) -> None:
    assert stopped[program].code != 0
    assert stopped[program].seconds < WITHIN


@pytest.mark.parametrize("program", ["always swallowed", "busy outside of Python"])
def test_a_signal_that_nobody_heeds_ends_the_process(
    stopped: dict[str, Stopped], program: str
) -> None:
    assert (stopped[program].code, stopped[program].err) == (EXIT_CODE, f"{STOPPED}\n")


def test_a_signal_that_was_swallowed_is_repeated(stopped: dict[str, Stopped]) -> None:
    assert stopped["swallowed once"].code == 7
    assert "KeyboardInterrupt" in stopped["raised where Python ignores it"].err


def test_who_was_not_told_to_stop_goes_on_and_leaves_no_trace() -> None:
    before, threads = signal.set_wakeup_fd(-1), threading.active_count()
    signal.set_wakeup_fd(before)
    handles = set(os.listdir("/proc/self/fd"))
    known = signal.signal(signal.SIGUSR1, lambda *_: None)
    with stopping_for_certain():
        signal.raise_signal(signal.SIGUSR1)
        own = set(os.listdir("/proc/self/fd")) - handles
    signal.signal(signal.SIGUSR1, known)
    after = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(after)
    assert (after, threading.active_count()) == (before, threads)
    assert own
    assert not own & set(os.listdir("/proc/self/fd"))


def test_off_the_main_thread_nothing_is_watched() -> None:
    found = []

    def run() -> None:
        with stopping_for_certain():
            found.append(threading.active_count())

    thread = threading.Thread(target=run)
    count = threading.active_count()
    thread.start()
    thread.join()
    assert found == [count + 1]
