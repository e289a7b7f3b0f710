"""``vpack init``, ``deliver`` and ``check``: what a site does before a build."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from vpack_pipeline.cli import SITE, days_to_come, project_root, today
from vpack_pipeline.errors import DeliveryError, InputError, Problem

if TYPE_CHECKING:
    from vpack_pipeline.study import Study


@click.command()
@click.argument("site")
@click.option("--protocol", metavar="ID@VERSION", help="The protocol, if there is not just one.")
@click.pass_context
def init(ctx: click.Context, site: str, protocol: str | None) -> None:
    """Make SITE's folder: a commented site.yaml, files with headers only, a secret.

    Where there is no protocol yet, a commented one to start from is written as well. Nothing that
    exists is overwritten.
    """
    from vpack_pipeline.cli.new_site import make_site

    try:
        root = project_root(ctx)
    except InputError:
        root = Path.cwd()  # an empty folder becomes a project
    for line in make_site(root, site, protocol):
        click.echo(f"  {line}")
    click.echo("next:")
    click.echo(f"  1. fill in each TODO of data/sites/{site}/site.yaml and of the protocol")
    click.echo(f"  2. vpack check {site}      (deliver refuses while a TODO is left)")
    click.echo(f"  3. vpack deliver {site} cases.csv readers.csv reads.csv predictions.csv")
    click.echo(f"  4. vpack check {site}")
    click.echo(f"  5. vpack build {site}")


@click.command()
@SITE
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--on",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day of the delivery; today where not given.",
)
@click.option("--open", "stays_open", is_flag=True, help="Do not close it: it does not count yet.")
@click.option("--force", is_flag=True, help="Deliver faulty rows too, or for a day to come.")
@click.pass_context
def deliver(
    ctx: click.Context,
    site: str,
    files: tuple[Path, ...],
    on: datetime | None,
    stays_open: bool,
    force: bool,
) -> None:
    """Put FILES into a new delivery of SITE, whole or not at all.

    Each is named as site.yaml names it. A closed delivery is never altered, so that files are held
    to their forms first, row by row.
    """
    from vpack_pipeline.cli.checkup import placeholders
    from vpack_pipeline.io.deliveries import deliver as put
    from vpack_pipeline.io.deliveries import moment, newest_closed, published_cuts
    from vpack_pipeline.io.project import ProjectFolder

    folder = ProjectFolder(project_root(ctx))
    loaded = folder.study(site)
    day = today() if on is None else on.date()
    unfilled = placeholders(folder.root, site, loaded)
    if unfilled:
        raise DeliveryError(unfilled)
    to_come = days_to_come([day.isoformat()])
    if to_come and not force:
        remedy = "give the day on which the files came, or --force"
        raise DeliveryError([Problem("--on", f"{day} is a day to come", remedy)])
    held = _hold_to_forms(loaded, files, day)
    if held.faults and not force:
        last = Problem("nothing was delivered", "rows are faulty", _FORCE)
        raise DeliveryError([*held.faults, last])
    published = published_cuts(folder.edge(loaded, None))
    newest = newest_closed(loaded.site, folder.root)
    name = put(loaded.site, folder.root, files, day, close=not stays_open, published=published)
    state = "open: close it with an empty file DONE" if stays_open else "closed"
    click.echo(f"delivered {len(files)} files as {name} ({state})")
    if newest is not None and day < moment(newest)[0]:
        held.warnings.append(f"{name} lies before the newest delivery, {newest}")
    if to_come:
        held.warnings.append(f"{name} is of a day to come: builds take it for their cut")
    for line in held.warnings:
        click.echo(f"warning: {line}", err=True)
    click.echo(f"next: vpack check {site}")


_FORCE: Final = "mend them, or give --force: deliver with its faulty rows; they will be quarantined"


@dataclass(slots=True)
class _Held:
    """What reading the files of a delivery showed: rows a build would refuse, and warnings."""

    faults: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def _hold_to_forms(loaded: Study, files: tuple[Path, ...], day: date) -> _Held:
    """Find the rows that a build would refuse whatever other tables hold.

    Raises
    ------
    DeliveryError
        A file cannot be read as a whole.
    """
    from vpack_pipeline.cli.faulty import passing_pseudonyms, row_problems
    from vpack_pipeline.io.cohort.inputs.alone import rows_alone
    from vpack_pipeline.io.forms import read_form

    kinds = {form.file: kind for kind, form in loaded.site.inputs.items()}
    problems: list[Problem] = []
    held = _Held()
    pseudonyms = passing_pseudonyms(loaded.site)
    for file in files:
        kind = kinds.get(file.name)
        if kind is None or not file.is_file():
            continue  # io.deliveries says what is wrong with it
        written = loaded.site.inputs[kind]
        try:
            form = read_form(file, file.name, kind, written, loaded.protocol)
            alone = rows_alone(kind, form, written, loaded.protocol, pseudonyms, day)
        except InputError as error:
            problems += [p for p in error.problems if p not in problems]
            continue
        held.faults += row_problems(file.name, alone.faults.sort("line", maintain_order=True))
        if written.mode == "full" and not form.rows:
            held.warnings.append(f"{file.name} has no row: as `mode: full` it retracts every row")
    if problems:
        raise DeliveryError(problems)
    return held


@click.command()
@SITE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--file", "pseudonym", help="Only say where the image file of this pseudonym lies.")
@click.pass_context
def check(ctx: click.Context, site: str, as_json: bool, pseudonym: str | None) -> None:
    """Say everything about SITE that can be said before a build; exit 2 if something is to mend."""
    from vpack_pipeline.cli.checkup import check_site
    from vpack_pipeline.io.project import ProjectFolder

    folder = ProjectFolder(project_root(ctx))
    if pseudonym is not None:
        click.echo(os.fspath(_resolved(folder.root, site, pseudonym)))
        return
    shows_words = sys.stdout.isatty() and not as_json
    found = check_site(folder, site, os.environ, shows_words=shows_words)
    if as_json:
        click.echo(json.dumps(found.as_dict(site), indent=1, ensure_ascii=False))
        ctx.exit(2 if found.problems else 0)
    for line in found.fine:
        click.echo(f"fine: {line}")
    for line in found.notes:
        click.echo(f"note: {line}")
    if found.problems:
        raise InputError(found.problems)
    click.echo(f"nothing to mend; next: vpack build {site}")


def _resolved(root: Path, site: str, pseudonym: str) -> Path:
    from vpack_pipeline import study
    from vpack_pipeline.errors import UsageError
    from vpack_pipeline.io.dicom.state import resolve_path

    study.load(root, site)
    path = resolve_path(root / "data" / "state" / site, pseudonym)
    if path is None:
        remedy = "take it from cohort/quarantine or cohort/files, as 32 hex characters"
        raise UsageError(Problem("--file", "no scan knows this pseudonym", remedy))
    return path
