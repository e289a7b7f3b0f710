"""How long the commands take on a demonstration site, each beside `python -c "import dagster"`.

    .venv/bin/python benchmarks/demo_build.py lakeside

The ratio to the baseline of the same run travels between machines; the seconds do not.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEFINITIONS = """
import time
import dagster, polars, sqlglot, pydantic, yaml
import vpack_pipeline.automation, vpack_pipeline.definitions
started = time.perf_counter()
vpack_pipeline.definitions.build_defs().resolve_job_def(vpack_pipeline.automation.JOB)
print(time.perf_counter() - started)
"""
SHARE = """
import cProfile, json, pstats, sys, time
from vpack_pipeline.gate import check
from vpack_pipeline.assets import materialize, publish
spent = {"gate": 0.0, "tables": 0.0}
def timed(module, name, key):
    real = getattr(module, name)
    def wrapped(*a, **k):
        started = time.perf_counter()
        try:
            return real(*a, **k)
        finally:
            spent[key] += time.perf_counter() - started
    setattr(module, name, wrapped)
timed(check, "run", "gate")
timed(materialize, "_compute", "tables")
timed(publish, "_payload", "tables")
from vpack_pipeline.cli import cli
started = time.perf_counter()
cli.main(["--root", sys.argv[1], "build", sys.argv[2], "--json"], standalone_mode=False)
spent["whole"] = time.perf_counter() - started
print(json.dumps(spent), file=sys.stderr)
"""


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
        first = subprocess.run(
            [python, "-c", SHARE, str(root), site],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
        line = next(x for x in reversed(first.stderr.splitlines()) if x.startswith("{"))
        shares = json.loads(line)
        figures["first build"] = shares["whole"]
        figures["  of which gate, Dagster, start"] = shares["whole"] - shares["tables"]
        figures["unchanged rebuild"] = seconds(*vpack, "build", site)
    print(f"baseline: import dagster {baseline:.2f} s")
    for name, value in figures.items():
        print(f"{name:<34} {value:7.2f} s  {value / baseline:7.2f} × baseline")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "lakeside")
