"""``vpack scan``: read a site's image headers, whole or in parts, and say how far it has come."""

from __future__ import annotations

import logging
import re
import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from vpack_pipeline.cli import SITE, project_root
from vpack_pipeline.errors import Problem, UsageError

if TYPE_CHECKING:
    from vpack_pipeline.io.dicom.archive import Part
    from vpack_pipeline.io.dicom.progress import Progress


@click.command()
@SITE
@click.option("--as-of", metavar="DATE", help="Scan for this cut; the newest where not given.")
@click.option("--deep", is_flag=True, help="Read every header again, also of unchanged files.")
@click.option(
    "--shard", "part", metavar="I/N", help="Only read part I of N; a later scan or build takes it."
)
@click.option(
    "--engine",
    envvar="VPACK_SCAN_ENGINE",
    default="",
    help="process, pool, pool:N, ray or ray:ADDRESS; by the amount where not given.",
)
@click.option(
    "--prefetch",
    envvar="VPACK_SCAN_PREFETCH",
    type=click.IntRange(0, 64),
    default=0,
    help="Threads of each worker that read heads ahead: 8 to 16 for a network share.",
)
@click.pass_context
def scan(
    ctx: click.Context,
    site: str,
    as_of: str | None,
    deep: bool,
    part: str | None,
    engine: str,
    prefetch: int,
) -> None:
    """Read the headers of SITE's new and altered image files, as a build does first."""
    from vpack_pipeline.io.deliveries import choose_cut, parse_cut
    from vpack_pipeline.io.dicom import scanner
    from vpack_pipeline.io.edge import Scanning
    from vpack_pipeline.io.project import ProjectFolder

    wanted = None if part is None else _part(part)
    if wanted is not None and (deep or as_of):
        what = "reads only what is new, for whatever cut comes next"
        raise UsageError(Problem("--shard", what, "leave out --deep and --as-of"))
    shown = listener()
    folder = ProjectFolder(project_root(ctx), Scanning(engine, prefetch, deep, shown))
    edge = folder.edge(folder.study(site), None)
    try:
        if wanted is not None:
            n_read = scanner.scan_part(edge, wanted)
            click.echo(f"part {part}: read {n_read:,} files")
            return
        cut = choose_cut(edge, None if as_of is None else parse_cut(as_of))
        found = scanner.scan(replace(edge, cut=cut))
    finally:
        shown.end()
    click.echo(f"{site} at the cut {cut}: {found.files.height:,} files")
    for outcome, n in found.files.group_by("outcome").len().sort("outcome").iter_rows():
        click.echo(f"  {n:>11,} {outcome}")
    click.echo(f"read {found.read:,}, taken up from earlier scans {found.taken_up:,}")
    if found.deferred:
        click.echo(f"{found.deferred:,} came after the cut was closed and wait for the next")


def _part(written: str) -> Part:
    from vpack_pipeline.io.dicom.archive import Part

    numbers = re.fullmatch(r"([1-9][0-9]{0,6})/([1-9][0-9]{0,6})", written)
    if numbers is None or int(numbers[1]) > int(numbers[2]):
        raise UsageError(Problem("--shard", "is no part", "write I/N with 1 ≤ I ≤ N, such as 3/64"))
    return Part(int(numbers[1]), int(numbers[2]))


class LiveLine:
    """One line on a terminal, written again at every step."""

    def __init__(self) -> None:
        self._width = 0

    def __call__(self, progress: Progress) -> None:
        """Write the line."""
        from vpack_pipeline.io.dicom.progress import described

        text = described(progress)[: shutil.get_terminal_size().columns - 1]
        click.echo(f"\r{text:<{self._width}}", err=True, nl=False)
        self._width = len(text)

    def end(self) -> None:
        """Take the line away, for what is printed next."""
        if self._width:
            click.echo("\r" + " " * self._width + "\r", err=True, nl=False)
        self._width = 0


class PlainLines:
    """A line now and then, for a log."""

    def __init__(self) -> None:
        from vpack_pipeline.io.dicom.progress import Milestones

        self._told = Milestones(lambda line: click.echo(line, err=True))

    def __call__(self, progress: Progress) -> None:
        """Print a line if it is time for one."""
        self._told(progress)

    def end(self) -> None:
        """Nothing is left to take away."""


def listener() -> LiveLine | PlainLines:
    """Choose how progress is shown: alive on a terminal, else in quiet lines."""
    return LiveLine() if sys.stderr.isatty() else PlainLines()


class ScanLines(logging.Handler):
    """Shows the scan that a build starts with."""

    def __init__(self, shown: LiveLine | PlainLines) -> None:
        super().__init__()
        self._shown = shown

    def emit(self, record: logging.LogRecord) -> None:
        """Show one step; the last one takes the line away."""
        progress: Progress = record.__dict__["progress"]
        if progress.is_done:
            self._shown.end()
        else:
            self._shown(progress)
