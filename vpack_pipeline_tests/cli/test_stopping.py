"""A run that was told to stop stops, whoever swallowed the signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

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
        ready()
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)
"""


def stopped(code: str, sign: signal.Signals = signal.SIGTERM) -> tuple[int, float, str]:
    """Run code until it says that it is ready, tell it to stop, and see when it does."""
    start = """
        import hashlib, signal, sys, time
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
        process.send_signal(sign)
        try:
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()
        return process.returncode, time.monotonic() - began, err


@pytest.mark.parametrize("code", [ALWAYS_SWALLOWED, BUSY_OUTSIDE_OF_PYTHON])
def test_a_signal_that_nobody_heeds_ends_the_process(code: str) -> None:
    left, seconds, err = stopped(code)
    assert (left, err) == (EXIT_CODE, f"{STOPPED}\n")
    assert seconds < WITHIN


def test_a_signal_that_was_swallowed_is_repeated() -> None:
    left, seconds, _ = stopped(SWALLOWED_ONCE)
    assert left == 7
    assert seconds < WITHIN


def test_a_signal_raised_where_python_ignores_it_stops_the_run() -> None:
    left, seconds, err = stopped(RAISED_WHERE_PYTHON_IGNORES_IT)
    assert left != 0
    assert "KeyboardInterrupt" in err
    assert seconds < WITHIN


def test_who_was_not_told_to_stop_goes_on_and_leaves_no_trace() -> None:
    before, threads = signal.set_wakeup_fd(-1), threading.active_count()
    signal.set_wakeup_fd(before)
    handles = len(os.listdir("/proc/self/fd"))
    known = signal.signal(signal.SIGUSR1, lambda *_: None)
    with stopping_for_certain():
        signal.raise_signal(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, known)
    after = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(after)
    assert (after, threading.active_count()) == (before, threads)
    assert len(os.listdir("/proc/self/fd")) == handles


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
