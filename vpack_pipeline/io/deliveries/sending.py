"""Puts files into a new delivery, whole or not at all.

What does not belong here: reading them (``forms``).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from vpack_pipeline.errors import DeliveryError, Problem, UsageError
from vpack_pipeline.io import private
from vpack_pipeline.io.deliveries.cuts import is_name, moment, name_of
from vpack_pipeline.io.deliveries.folder import DONE, is_closed, sha256_of, without_input
from vpack_pipeline.io.forms.headers import nearest
from vpack_pipeline.site import Site


def deliver(
    site: Site,
    root: Path,
    files: Sequence[Path],
    on: date,
    close: bool = True,
    published: Iterable[str] = (),
) -> str:
    """Put files into a new delivery, whole or not at all.

    Parameters
    ----------
    root : the project root
    files : each named as an input of ``site.yaml`` names its file
    on : the day; its next free number is taken where the day already has a delivery
    close : write ``DONE``; without it the delivery is ignored until someone does
    published : cuts at which packs were published: the number is chosen above them, so that a
        delivery on the day of a published cut counts at a cut of its own

    Returns
    -------
    the delivery's name

    Raises
    ------
    UsageError
        A file is absent, no input has its name, or all are those of the newest delivery.
    DeliveryError
        That day has a delivery that is still open.
    """
    _check_files(site, files)
    folder = (root / site.deliveries).resolve()
    _refuse_repeated(folder, newest_closed(site, root), files)
    private.make_folder(folder)
    name = _next_name(folder, on, published)
    staging = Path(tempfile.mkdtemp(prefix=".incoming-", dir=folder))
    try:
        for file in files:
            shutil.copyfile(file, staging / file.name)
            (staging / file.name).chmod(private.FILE)
        if close:
            (staging / DONE).touch(mode=private.FILE)
        staging.rename(folder / name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return name


def newest_closed(site: Site, root: Path) -> str | None:
    """Name the newest closed delivery, if there is one."""
    folder = (root / site.deliveries).resolve()
    if not folder.is_dir():
        return None
    names = [e.name for e in folder.iterdir() if is_name(e.name) and is_closed(e)]
    return max(names, key=moment, default=None)


def _refuse_repeated(folder: Path, newest: str | None, files: Sequence[Path]) -> None:
    """Refuse files that the newest closed delivery holds byte for byte.

    Raises
    ------
    UsageError
        All of them are identical.
    """
    if newest is None:
        return
    pairs = [(file, folder / newest / file.name) for file in files]
    if all(was.is_file() and sha256_of(file) == sha256_of(was) for file, was in pairs):
        these = f"all {len(files)} files are" if len(files) > 1 else "the one file is"
        what = f"{these} identical to {newest}: nothing delivered"
        raise UsageError(Problem("vpack deliver", what, "deliver what has changed since"))


def _check_files(site: Site, files: Sequence[Path]) -> None:
    names = {form.file for form in site.inputs.values()}
    problems = [] if files else [Problem("vpack deliver", "no file is named", "name one or more")]
    for file in files:
        if file.name not in names:
            remedy = (
                without_input(file.name, site.inputs)
                or nearest(file.name, names)
                or f"inputs name {', '.join(sorted(names))}"
            )
            problems.append(Problem(file.name, "no input of site.yaml has this file", remedy))
        elif not file.is_file():
            problems.append(Problem(file.name, "is absent or no file", "check the path"))
    given = [f.name for f in files]
    problems += [
        Problem(name, "is named more than once", "name each file once")
        for name in sorted(set(given))
        if given.count(name) > 1
    ]
    if problems:
        raise UsageError(problems)


def _next_name(folder: Path, on: date, published: Iterable[str]) -> str:
    there = [e.name for e in folder.iterdir() if e.is_dir() and is_name(e.name)]
    of_day = [n for n in there if moment(n)[0] == on]
    still_open = [n for n in of_day if not is_closed(folder / n)]
    if still_open:
        raise DeliveryError(
            Problem(
                f"deliveries/{still_open[0]}",
                "is still open",
                "close it with an empty file DONE, or remove it",
            )
        )
    taken = [moment(n)[1] for n in of_day]
    taken += [moment(c)[1] for c in published if moment(c)[0] == on]
    return name_of(on, max(taken, default=0) + 1)
