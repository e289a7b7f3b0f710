"""How long the commands take on a demonstration site, and what a build spends its time on.

    .venv/bin/python -m examples.demo_sites
    .venv/bin/python benchmarks/demo_build.py lakeside

The site is built twice in a copy, so that the first build meets no table and the second nothing
new. Each second belongs to one part: ``import`` to whatever is imported, wherever that happens;
``compute`` to the tables' functions and models; ``gate`` to the checks; ``pack`` to writing and
publishing the pack; ``Dagster`` to what is left of a run outside of the assets; ``rest`` to
documents, digests, receipts and the command itself. Seconds of processor count every thread.

The commands stand beside ``python -c "import dagster"``: the ratio to it travels between machines,
the seconds do not.
"""

from __future__ import annotations

import builtins
import gc
import importlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DEFINITIONS = """
import time
import dagster, polars, sqlglot, pydantic, yaml
import vpack_pipeline.automation, vpack_pipeline.definitions
started = time.perf_counter()
vpack_pipeline.definitions.build_defs().resolve_job_def(vpack_pipeline.automation.JOB)
print(time.perf_counter() - started)
"""
PARTS = ("import", "Dagster", "compute", "gate", "pack", "rest")


class Parts:
    """Gives each second to the innermost part that is at work: (processor, wall) seconds."""

    def __init__(self) -> None:
        # What was spent before this line went into starting Python and its imports.
        self.spent = {part: [0.0, 0.0] for part in PARTS}
        self.spent["import"][0] = time.process_time()
        self._at_work = ["rest"]
        self._since = self._now()

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.process_time(), time.perf_counter()

    def settle(self) -> None:
        """Give what was spent since the last change to the part at work."""
        now = self._now()
        for which in (0, 1):
            self.spent[self._at_work[-1]][which] += now[which] - self._since[which]
        self._since = now

    def of(self, part: str, holder: Any, name: str) -> None:
        """Count what a function spends itself towards a part."""
        real: Callable[..., Any] = getattr(holder, name)

        def counted(*given: Any, **named: Any) -> Any:
            self.settle()
            self._at_work.append(part)
            try:
                return real(*given, **named)
            finally:
                self.settle()
                self._at_work.pop()

        setattr(holder, name, counted)


def build_once(root: str, site: str) -> dict[str, Any]:
    """Build the site in this process, and say what that took."""
    parts = Parts()
    counts = {"events": 0, "SQLite connections": 0}

    def on_audit(event: str, _: tuple[Any, ...]) -> None:
        counts["SQLite connections"] += event == "sqlite3.connect"

    sys.addaudithook(on_audit)
    parts.of("import", builtins, "__import__")
    parts.of("import", importlib, "import_module")

    from vpack_pipeline import cli
    from vpack_pipeline.assets import factory, materialize, publish
    from vpack_pipeline.cli import build
    from vpack_pipeline.gate import check
    from vpack_pipeline.run_history import PooledEvents

    stored = PooledEvents.store_event

    def store(self: PooledEvents, event: Any) -> Any:
        counts["events"] += 1
        return stored(self, event)

    PooledEvents.store_event = store  # type: ignore[method-assign, assignment]
    for part, holder, name in (
        ("Dagster", build, "_run"),
        ("Dagster", build, "_observed"),
        ("rest", factory, "bench_of"),
        ("rest", factory, "report"),
        ("rest", materialize, "materialize"),
        ("compute", materialize, "_compute"),
        ("gate", check, "run"),
        ("pack", publish, "publish"),
    ):
        parts.of(part, holder, name)
    # As the program ``vpack`` does.
    gc.set_threshold(cli.NEW_OBJECTS)
    cli.cli.main(["--root", root, "build", site, "--json"], standalone_mode=False)
    parts.settle()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "spent": parts.spent,
        "counts": counts,
        "children": children.ru_utime + children.ru_stime,
    }


def measured(root: Path, site: str) -> dict[str, Any]:
    """Build the site in a process of its own."""
    ended = subprocess.run(
        [sys.executable, __file__, "--build-once", str(root), site],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    line = next(x for x in reversed(ended.stderr.splitlines()) if x.startswith("{"))
    found: dict[str, Any] = json.loads(line)
    return found


def show(builds: dict[str, dict[str, Any]]) -> None:
    """Print a table of parts, a column a build: seconds of processor, and of wall."""
    print(f"{'':<20}" + "".join(f"{name:>26}" for name in builds))
    print(f"{'':<20}" + f"{'processor s':>16}{'wall s':>10}" * len(builds))
    for part in PARTS:
        cells = [
            f"{cpu:>16.2f}{wall:>10.2f}"
            for cpu, wall in (b["spent"][part] for b in builds.values())
        ]
        print(f"{part:<20}" + "".join(cells))
    whole = [
        [sum(part[which] for part in b["spent"].values()) for which in (0, 1)]
        for b in builds.values()
    ]
    print(f"{'whole':<20}" + "".join(f"{cpu:>16.2f}{wall:>10.2f}" for cpu, wall in whole))
    print(
        f"{'child processes':<20}"
        + "".join(f"{b['children']:>16.2f}{'':>10}" for b in builds.values())
    )
    for name in ("events", "SQLite connections"):
        print(f"{name:<20}" + "".join(f"{b['counts'][name]:>16}{'':>10}" for b in builds.values()))


def seconds(
    *command: str, env: dict[str, str] | None = None, ends: tuple[int, ...] = (0,)
) -> float:
    started = time.perf_counter()
    ended = subprocess.run(command, check=False, capture_output=True, env=env)
    if ended.returncode not in ends:
        raise SystemExit(f"{' '.join(command)} ended with {ended.returncode}")
    return time.perf_counter() - started


def main(site: str) -> None:
    python = sys.executable
    baseline = min(seconds(python, "-c", "import dagster") for _ in range(3))
    definitions = subprocess.run(
        [python, "-c", DEFINITIONS], check=True, capture_output=True, text=True
    )
    figures = {
        "vpack --help": seconds(python, "-m", "vpack_pipeline", "--help"),
        "definitions after imports": float(definitions.stdout),
    }
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("protocols", "sites", "demo"):
            shutil.copytree(ROOT / "data" / name, root / "data" / name)
        vpack = (python, "-m", "vpack_pipeline", "--root", str(root))
        # 2 where faulty rows are delivered, as a demonstration site has planted.
        figures["vpack check"] = seconds(*vpack, "check", site, ends=(0, 2))
        builds = {name: measured(root, site) for name in ("first build", "unchanged build")}
    for name, made in builds.items():
        figures[name] = sum(wall for _, wall in made["spent"].values())
    print(f"baseline: import dagster {baseline:.2f} s")
    for name, value in figures.items():
        print(f"{name:<34} {value:7.2f} s  {value / baseline:7.2f} × baseline")
    print()
    show(builds)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--build-once"]:
        print(json.dumps(build_once(*sys.argv[2:])), file=sys.stderr)
    else:
        main(sys.argv[1] if len(sys.argv) > 1 else "lakeside")
