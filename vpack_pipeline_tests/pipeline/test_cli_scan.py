"""``vpack scan`` as a user meets it, and what a build takes over from it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vpack_pipeline.cli import main
from vpack_pipeline.cli.scan import LiveLine
from vpack_pipeline.io.dicom.progress import Milestones, Progress
from vpack_pipeline_tests.once import once
from vpack_pipeline_tests.pipeline import bench
from vpack_pipeline_tests.pipeline.bench import LOOK, SITE

Vpack = Callable[..., tuple[int, str, str]]
FIRST_TABLES = ("cohort/deliveries", "cohort/files")


@pytest.fixture(scope="session")
def _generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "generated", bench.make_root)


@pytest.fixture
def root(_generated: Path, tmp_path: Path) -> Path:
    """A site that was never scanned."""
    return bench.copy(_generated, tmp_path / "root")


@pytest.fixture
def vpack(root: Path, capsys: pytest.CaptureFixture[str]) -> Vpack:
    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(["--root", str(root), *arguments])
        out, err = capsys.readouterr()
        return int(str(left.value.code)), out, err

    return run


def numbers(out: str) -> dict[str, int]:
    """What a scan said: outcome → files, and what was read."""
    found = {
        o: int(n.replace(",", "")) for n, o in re.findall(r"^ +([\d,]+) ([A-Z_]+)$", out, re.M)
    }
    (read,) = re.findall(r"^read ([\d,]+), taken up from earlier scans ([\d,]+)$", out, re.M)
    return found | {"read": int(read[0]), "taken up": int(read[1])}


def test_a_scan_says_what_it_found_and_a_build_reads_nothing_again(
    vpack: Vpack, root: Path
) -> None:
    code, out, err = vpack("scan", SITE)
    assert code == 0, err
    said = numbers(out)
    read, taken_up = said.pop("read"), said.pop("taken up")
    assert sum(said.values()) == read > 10
    assert said["PARSED"] > 0
    assert taken_up == 0
    assert f"{SITE} at the cut {LOOK}: {read:,} files" in out
    assert re.search(rf"^read {read} of {read} files \(100%\)", err, re.M)
    ran = bench.run(root, as_of=LOOK, only=FIRST_TABLES)
    told = ran.metadata("cohort/files")
    assert (told["files read"], told["files listed"]) == (0, read)
    assert {o: told[o] for o in said} == said


def test_a_run_that_reads_says_how_much(root: Path) -> None:
    ran = bench.run(root, as_of=LOOK, only=FIRST_TABLES)
    told = ran.metadata("cohort/files")
    assert told["files read"] == told["files listed"] == told["dagster/row_count"]
    assert told["bytes of files read"] > 1000
    assert told["seconds of reading"] > 0
    lines = [e.user_message for e in ran.instance.all_logs(ran.result.run_id)]
    assert any(re.match(r"read \d+ of \d+ files \(100%\)", line) for line in lines)


def test_parts_are_taken_up(vpack: Vpack) -> None:
    read = 0
    for number in (1, 2, 3):
        code, out, _ = vpack("scan", SITE, "--shard", f"{number}/3")
        assert code == 0
        (n,) = re.findall(rf"^part {number}/3: read ([\d,]+) files$", out, re.M)
        read += int(n)
    said = numbers(vpack("scan", SITE)[1])
    assert (said["read"], said["taken up"]) == (0, read)
    said = numbers(vpack("scan", SITE, "--deep")[1])
    assert said["read"] == read


@pytest.mark.parametrize("part", ["0/3", "4/3", "1", "1/0", "a/b", "1/3\n"])
def test_a_part_that_is_none_is_refused(vpack: Vpack, part: str) -> None:
    code, _, err = vpack("scan", SITE, "--shard", part)
    assert code == 2
    assert "write I/N" in err


@pytest.mark.parametrize("also", [("--deep",), ("--as-of", LOOK)])
def test_a_part_is_read_for_no_cut(vpack: Vpack, also: tuple[str, ...]) -> None:
    code, _, err = vpack("scan", SITE, "--shard", "1/3", *also)
    assert code == 2
    assert "leave out --deep and --as-of" in err


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("VPACK_SCAN_ENGINE", "spark", "process, pool, pool:N, ray or ray:ADDRESS"),
        ("VPACK_SCAN_PREFETCH", "many", "VPACK_SCAN_PREFETCH"),
    ],
)
def test_the_environment_chooses_and_is_held_to_what_there_is(
    root: Path, vpack: Vpack, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert vpack("scan", SITE)[0] == 2
    ran = bench.run(root, as_of=LOOK, only=FIRST_TABLES)
    assert any(words in message for message in ran.errors)


def moment(read: int, seconds: float, to_read: int | None = 100) -> Progress:
    return Progress(500, to_read, read, 0, seconds, {"PARSED": read} if read else {})


def test_a_log_is_told_each_tenth_and_no_silence_is_long() -> None:
    told: list[str] = []
    tell = Milestones(told.append, seconds=30)
    for n in range(101):
        tell(moment(n, n / 10))
    assert [line.split()[1] for line in told] == [str(n) for n in range(10, 101, 10)]
    told.clear()
    tell = Milestones(told.append, seconds=30)
    for seconds in range(100):
        tell(moment(0, seconds, None))
    for seconds in range(100):
        tell(moment(1, seconds))
    assert len(told) == 6


def test_a_terminal_has_one_line_that_goes_away(capsys: pytest.CaptureFixture[str]) -> None:
    line: Any = LiveLine()
    line(moment(99, 100.0))
    line(moment(1, 0.0))
    line.end()
    line.end()
    written = capsys.readouterr().err
    assert "\n" not in written
    shown: list[str] = []
    for text in written.split("\r"):
        shown = [text + "".join(shown)[len(text) :]]
    assert "".join(shown).strip() == ""
