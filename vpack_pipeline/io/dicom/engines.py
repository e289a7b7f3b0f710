"""Who reads the shards: this process, a pool of processes, or Ray; the tables are the same.

Each engine is a :class:`Scanner`: it is given tasks and says of each when its shard is written, in
any order. A worker that dies costs a second reading of its shard, never the scan. What does not
belong here: what a shard is (``shards``).
"""

from __future__ import annotations

import importlib.util
import itertools
import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Final, Protocol

from vpack_pipeline.errors import Problem, UsageError, VpackError
from vpack_pipeline.io.dicom import shards, worker
from vpack_pipeline.io.dicom.shards import Task, Written

MANY: Final = 20_000
"""From so many files on, the start of worker processes pays."""
ATTEMPTS: Final = 4
"""So often a shard is given out before the scan stops: what kills every worker is no accident."""
_AHEAD: Final = 2


class Scanner(Protocol):
    """Turns tasks into shards."""

    def run(self, tasks: Iterable[Task]) -> Iterator[Written]:
        """Write the shard of every task; what was written is said once, in any order."""
        ...


class InProcess:
    """Reads one shard after the other, here."""

    def run(self, tasks: Iterable[Task]) -> Iterator[Written]:
        """Write the shards in order."""
        yield from map(shards.write, tasks)


@dataclass(frozen=True, slots=True)
class Pool:
    """Reads on this machine's cores.

    ``processes``: how many, >= 1. The workers are started by a fork server, so that they inherit
    neither threads nor open files.
    """

    processes: int

    def run(self, tasks: Iterable[Task]) -> Iterator[Written]:
        """Write the shards, with two for each worker under way."""
        waiting = iter(tasks)
        lost: list[Task] = []
        for attempt in range(ATTEMPTS):
            # Where a worker has died, each has one shard, so that few are lost with the next.
            ahead = _AHEAD if attempt == 0 else 1
            waiting, lost = itertools.chain(lost, waiting), []
            yield from self._run(waiting, ahead * self.processes, lost)
            if not lost:
                return
        raise VpackError(
            f"{ATTEMPTS} times a worker process died while {len(lost)} shards were read:"
            " is there enough memory? What was read is kept; scan again"
        )

    def _run(self, waiting: Iterator[Task], ahead: int, lost: list[Task]) -> Iterator[Written]:
        """Run one pool until all is written or one of its workers dies."""
        pool = ProcessPoolExecutor(
            self.processes,
            mp_context=multiprocessing.get_context("forkserver"),
            initializer=worker.restrain,
        )
        running: dict[Future[Written], Task] = {}
        try:
            while True:
                for task in itertools.islice(waiting, ahead - len(running)):
                    try:
                        running[pool.submit(shards.write, task)] = task
                    except BrokenProcessPool:
                        lost.append(task)
                        break
                if not running and not lost:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    task = running.pop(future)
                    if isinstance(future.exception(), BrokenProcessPool):
                        lost.append(task)
                    else:
                        yield future.result()
                if lost:
                    lost += running.values()
                    return
        finally:
            # Where a scan is stopped, what is under way is finished: the next one takes it up.
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Ray:
    """Reads on the machines of a Ray cluster, which all see the archive and the state.

    ``address``: of the cluster; None for the one that RAY_ADDRESS or this machine offers, else a
    local one that lives as long as the scan.
    """

    address: str | None = None

    def run(self, tasks: Iterable[Task]) -> Iterator[Written]:
        """Write the shards, with two for each core of the cluster under way."""
        ray = _imported_ray()
        is_own = not ray.is_initialized()
        if is_own and self.address is not None:
            ray.init(address=self.address, log_to_driver=False)
        elif is_own:
            ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
        try:
            # What Ray itself gives up with a worker, it runs again; an exception it does not.
            write = ray.remote(shards.write).options(
                max_retries=ATTEMPTS - 1, runtime_env={"env_vars": worker.RESTRAINED}
            )
            yield from self._run(ray, write, iter(tasks))
        finally:
            if is_own:
                ray.shutdown()

    @staticmethod
    def _run(ray: Any, write: Any, waiting: Iterator[Task]) -> Iterator[Written]:
        running: list[Any] = []
        while True:
            ahead = _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
            for task in itertools.islice(waiting, ahead - len(running)):
                running.append(write.remote(task))
            if not running:
                return
            done, running = ray.wait(running, num_returns=1)
            yield from ray.get(done)


def _imported_ray() -> Any:
    if importlib.util.find_spec("ray") is None:
        raise UsageError(
            Problem(
                "the scan's engine", "Ray is not installed", "pip install 'vpack-pipeline[ray]'"
            )
        )
    import ray

    return ray


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0))


def choose(named: str, n_files: int) -> Scanner:
    """Choose an engine.

    Parameters
    ----------
    named : ``process``, ``pool``, ``pool:N`` (processes), ``ray``, ``ray:ADDRESS``; empty to go by
        the amount: a pool of this machine's cores from :data:`MANY` files on
    n_files : to be read

    Raises
    ------
    UsageError
        There is no such engine.
    """
    kind, _, rest = named.partition(":")
    if not named:
        return Pool(cores()) if n_files >= MANY and cores() > 1 else InProcess()
    if named == "process":
        return InProcess()
    if named == "pool" or (kind == "pool" and rest.isdecimal() and int(rest) > 0):
        return Pool(int(rest) if rest else cores())
    if kind == "ray":
        return Ray(rest or None)
    raise UsageError(
        Problem("the scan's engine", "is not known", "process, pool, pool:N, ray or ray:ADDRESS")
    )
