"""``vpack build``, ``status`` and ``clean``."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vpack_pipeline.cli import SITE, complete_site, days_to_come, project_root, show
from vpack_pipeline.errors import GateClosedError, InputError, Problem, VpackError

if TYPE_CHECKING:
    from vpack_pipeline.assets.publish import PackAtCut
    from vpack_pipeline.io.project import ProjectFolder


class ProgressLines(logging.Handler):
    """Prints one line per table as it is done."""

    def __init__(self, total: int, quiet: bool) -> None:
        super().__init__()
        self.total, self.done, self.quiet = total, 0, quiet
        self.tables: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Print a table's rows, seconds, kept or computed, and gate outcome."""
        fields = record.__dict__
        self.done += 1
        self.tables.append(
            {k: fields[k] for k in ("rows", "seconds", "kept", "outcome")} | {"table": record.msg}
        )
        if self.quiet:
            return
        how = "kept" if fields["kept"] else "computed"
        gate = "pass" if fields["outcome"] == "pass" else "FAIL"
        click.echo(
            f"  {self.done:>2}/{self.total} {record.msg:<38} {fields['rows']:>9,} rows"
            f" {fields['seconds']:>6.2f} s  {how:<8}  {gate}"
        )


@click.command()
@SITE
@click.option("--as-of", metavar="DATE", help="Build as the data stood on this date (the cut).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@click.pass_context
def build(ctx: click.Context, site: str, as_of: str | None, as_json: bool) -> None:
    """Build SITE's validation pack: every table, every gate, then the pack."""
    from vpack_pipeline.assets.publish import looks_to_build
    from vpack_pipeline.io.deliveries import choose_cut, parse_cut
    from vpack_pipeline.io.project import ProjectFolder

    root = project_root(ctx)
    folder = ProjectFolder(root)
    edge = folder.edge(folder.study(site), None)
    cut = choose_cut(edge, None if as_of is None else parse_cut(as_of))
    closed: list[Problem] = []
    for look in looks_to_build(folder, site, cut):
        if not as_json:
            click.echo(f"the look at {look} has no pack yet: building it first")
        try:
            _build_one(root, site, choose_cut(edge, look), as_json, is_last=False)
        except GateClosedError as error:
            # Its verdict stays refused; the pack of this cut says so and is built all the same.
            closed += [Problem(f"look {look}, {p.where}", p.what, p.remedy) for p in error.problems]
    _build_one(root, site, cut, as_json, is_last=True)
    if closed:
        raise GateClosedError(closed)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run left: whether it succeeded, which version it stands for, and its progress.

    ``closed_by``: what the lock said, where the run came as far as that.
    """

    succeeded: bool
    version: str | None
    note: str
    lines: ProgressLines
    closed_by: tuple[Problem, ...] = ()


def _build_one(root: Path, site: str, cut: str, as_json: bool, *, is_last: bool) -> None:
    started = time.monotonic()
    if not as_json:
        click.echo(f"{site} at the cut {cut}")
    ran = _kept(root, site, cut, as_json) or _run(root, site, cut, as_json)
    seconds = time.monotonic() - started
    if not ran.succeeded:
        problems = ran.closed_by or tuple(_closed_by(root, site, cut))
        if not problems:
            raise VpackError("the run failed outside of any table; see it with `vpack ui`")
        if as_json:
            closed = [str(p) for p in problems]
            click.echo(json.dumps({"site": site, "cut": cut, "closed_by": closed}))
        elif _has_refused(root, site, cut):
            click.echo(
                f"some rows were refused: `vpack check {site}` names those wrong by themselves"
            )
        raise GateClosedError(problems)
    if is_last:
        _tell(root, site, cut, seconds, ran, as_json)


def _kept(root: Path, site: str, cut: str, quiet: bool) -> Ran | None:
    """Tell of the pack that is there already, in one event; None if there is anything to build."""
    from vpack_pipeline.assets.bench import open_bench
    from vpack_pipeline.assets.unchanged import unchanged
    from vpack_pipeline.io.project import ProjectFolder

    found = unchanged(open_bench(ProjectFolder(root), site, cut))
    if found is None or not _observed(root, site, cut, found.pack):
        return None
    lines = ProgressLines(len(found.receipts), quiet)
    for receipt in found.receipts:
        record = {"rows": receipt.rows, "seconds": 0.0, "kept": True, "outcome": receipt.outcome}
        lines.handle(logging.makeLogRecord({"msg": receipt.asset, **record}))
    return Ran(True, found.pack.version, found.pack.note, lines)


def _observed(root: Path, site: str, cut: str, pack: PackAtCut) -> bool:
    """Leave one event with Dagster; False where its record would not show what a run would leave.

    It shows just that where the last of the site's runs built this pack: then every table's last
    materialization and check is of this cut.
    """
    import dagster as dg

    from vpack_pipeline.assets.bench import LAST
    from vpack_pipeline.assets.factory import CUT_TAG
    from vpack_pipeline.assets.pack import VERSION_TAG
    from vpack_pipeline.automation import JOB
    from vpack_pipeline.cli.home import dagster_home

    wanted = {CUT_TAG: cut, VERSION_TAG: pack.version}.items()
    of_site = dg.RunsFilter(tags={"dagster/partition": site})
    with dagster_home(root), dg.DagsterInstance.get() as instance:
        last = next(iter(instance.get_runs(of_site, limit=1)), None)
        if last is None or not last.is_success or last.job_name != JOB:
            return False
        if not wanted <= last.tags.items():
            return False
        told = {"cut": cut, "pack_version": pack.version, "pack": pack.note}
        key = dg.AssetKey(LAST.split("/"))
        event = dg.AssetObservation(key, partition=site, metadata=told)
        instance.report_runless_asset_event(event)
    return True


def _run(root: Path, site: str, cut: str, quiet: bool) -> Ran:
    import dagster as dg

    from vpack_pipeline.assets.bench import dependencies
    from vpack_pipeline.assets.cohort import scan_progress
    from vpack_pipeline.assets.factory import AS_OF_TAG, progress
    from vpack_pipeline.automation import JOB
    from vpack_pipeline.cli.home import dagster_home
    from vpack_pipeline.cli.scan import ScanLines, listener
    from vpack_pipeline.cli.stopping import stopping_for_certain
    from vpack_pipeline.definitions import build_defs
    from vpack_pipeline.partitions import SITES
    from vpack_pipeline.resources import Project

    lines = ProgressLines(len(dependencies()), quiet)
    progress.setLevel(logging.INFO)
    progress.propagate = False
    progress.addHandler(lines)
    scanned = ScanLines(listener())
    scan_progress.setLevel(logging.INFO if not quiet else logging.CRITICAL)
    scan_progress.addHandler(scanned)
    try:
        with (
            stopping_for_certain(),
            dagster_home(root),
            dg.DagsterInstance.get() as instance,
        ):
            if not instance.has_dynamic_partition(str(SITES.name), site):
                instance.add_dynamic_partitions(str(SITES.name), [site])
                if not quiet:
                    click.echo(f"registered the site {site} with Dagster")
            job = build_defs({"project": Project(root=str(root))}).resolve_job_def(JOB)
            result = job.execute_in_process(
                partition_key=site,
                instance=instance,
                tags={AS_OF_TAG: cut},
                raise_on_error=False,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
        _raise_foreseen(result)
        return Ran(result.success, *_pack_of(result), lines, tuple(_lock_said(result)))
    finally:
        progress.removeHandler(lines)
        scan_progress.removeHandler(scanned)


def _pack_of(result: Any) -> tuple[str | None, str]:
    """Read from the last step which version this run stands for, and what was done."""
    from vpack_pipeline.assets.bench import LAST

    for event in result.get_asset_materialization_events():
        if event.asset_key.to_user_string() == LAST:
            told = event.step_materialization_data.materialization.metadata
            return str(told["pack_version"].value), str(told["pack"].value)
    return None, ""


def _lock_said(result: Any) -> Iterator[Problem]:
    """Read from the failure of the last step what kept the lock closed."""
    from vpack_pipeline.assets.pack import CLOSED_BY

    for event in result.all_events:
        told = event.event_specific_data.user_failure_data if event.is_step_failure else None
        if told is not None and CLOSED_BY in told.metadata:
            for record in told.metadata[CLOSED_BY].records:
                yield Problem(*(str(record.data[k]) for k in ("table", "what", "remedy")))


def _raise_foreseen(result: Any) -> None:
    """Show a step's error as what it is; why a gate is closed is read from the receipts."""
    from vpack_pipeline import errors

    for error in _step_errors(result):
        known = getattr(errors, error.cls_name or "", None)
        if error.cls_name == "DagsterExecutionInterruptedError":
            raise click.Abort
        if known in {None, errors.GateClosedError} or not issubclass(known, errors.VpackError):
            continue
        text = error.message.partition(": ")[2].strip()
        if issubclass(known, errors.InputError | errors.VerificationError):
            raise known([Problem(*_split(line)) for line in text.splitlines() if line])
        if known is errors.DiskError:
            raise errors.DiskError(text)
        raise errors.VpackError(text)


def _step_errors(result: Any) -> Iterator[Any]:
    for event in result.all_events:
        failure = getattr(event, "event_specific_data", None)
        error = getattr(failure, "error", None) if event.is_step_failure else None
        while error is not None:
            yield error
            error = error.cause


def _split(line: str) -> tuple[str, str]:
    where, _, what = line.partition(": ")
    return where, what


def _closed_by(root: Path, site: str, cut: str) -> list[Problem]:
    from vpack_pipeline.assets.bench import open_bench
    from vpack_pipeline.assets.standing import lock_problems
    from vpack_pipeline.io.project import ProjectFolder

    return lock_problems(open_bench(ProjectFolder(root), site, cut))


def _has_refused(root: Path, site: str, cut: str) -> bool:
    from vpack_pipeline.assets.bench import open_bench
    from vpack_pipeline.assets.standing import has_refused
    from vpack_pipeline.io.project import ProjectFolder

    return has_refused(open_bench(ProjectFolder(root), site, cut))


def _tell(root: Path, site: str, cut: str, seconds: float, ran: Ran, as_json: bool) -> None:
    from vpack_pipeline.assets.bench import open_bench
    from vpack_pipeline.assets.publish import first_page
    from vpack_pipeline.assets.standing import losses
    from vpack_pipeline.io.project import ProjectFolder

    folder = ProjectFolder(root)
    pack = folder.packs / site / "versions" / str(ran.version)
    bench = open_bench(folder, site, cut)
    figures, lost = first_page(bench), [str(problem) for problem in losses(bench)]
    if as_json:
        told = {
            "site": site,
            "cut": cut,
            "pack": str(pack),
            "version": ran.version,
            "note": ran.note,
            "seconds": round(seconds, 2),
            "tables": ran.lines.tables,
            "lost": lost,
            "first_page": figures,
        }
        click.echo(json.dumps(told))
        return
    kept = sum(1 for t in ran.lines.tables if t["kept"])
    click.echo(f"{len(ran.lines.tables)} tables in {seconds:.1f} s, {kept} kept; {ran.note}")
    for line in lost:
        click.echo(f"  lost: {line}")
    for line in _headlines(figures):
        click.echo(f"  {line}")
    click.echo(f"report: {pack / 'data' / 'report.html'}")
    click.echo(f"verify: vpack verify {pack}")


def _headlines(figures: dict[str, str]) -> list[str]:
    """Write sensitivity and specificity at the locked threshold, window by window."""
    found = []
    for name, value in figures.items():
        stem, _, column = name.rpartition(".")
        if column != "estimate" or not stem.endswith("intention_to_diagnose"):
            continue
        finding, window, metric, _ = stem.split(".")
        found.append(f"{finding}, {window} {metric}: {_figure(figures, stem, value)}")
    return found


def _figure(figures: dict[str, str], stem: str, value: str) -> str:
    """Write one figure as the first page prints it, or why it prints none."""
    status = figures.get(f"{stem}.status", "")
    if status == "given":
        return f"{value} ({figures[f'{stem}.lower']} to {figures[f'{stem}.upper']})"
    why = figures.get(f"{stem}.reason", "")
    return f"{status}: {why}" if why else status


@click.command()
@click.argument("site", required=False, shell_complete=complete_site)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def status(ctx: click.Context, site: str | None, as_json: bool) -> None:
    """Tell how SITE stands: latest pack, newest delivery, gates, and why; or a line a site."""
    from vpack_pipeline import study
    from vpack_pipeline.assets.standing import standing
    from vpack_pipeline.io.project import ProjectFolder

    folder = ProjectFolder(project_root(ctx))
    if site:
        found = [standing(folder, site)]
    else:
        found = [_standing_or_fault(folder, name) for name in study.site_ids(folder.root)]
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        for entry in found:
            click.echo(f"{entry['site']} ({study.SITES / entry['site']}): {entry['summary']}")
            if site:
                _show_standing(entry)
    ctx.exit(2 if any("fault" in entry for entry in found) else 0)


def _standing_or_fault(folder: ProjectFolder, name: str) -> dict[str, Any]:
    """Tell how a site stands; what is wrong with it must not hide the other sites."""
    from vpack_pipeline.assets.standing import standing

    try:
        return standing(folder, name)
    except VpackError as error:
        problems = error.problems if isinstance(error, InputError) else (Problem(name, str(error)),)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        summary = f"to mend: {problems[0]}{more}"
        told = [(p.where, p.what, p.remedy) for p in problems]
        return {"site": name, "fault": told, "summary": summary}


def _show_standing(entry: dict[str, Any]) -> None:
    from vpack_pipeline.assets.release_standing import release_line

    if entry["altered"]:
        altered = tuple(Problem(*p) for p in entry["altered"])
        show(altered, "  nobody can vouch for the latest pack:")
    for problem in days_to_come([entry["newest_delivery"]] if entry["newest_delivery"] else []):
        click.echo(f"  note: {problem}")
    if entry["altered_deliveries"]:
        altered = tuple(Problem(*p) for p in entry["altered_deliveries"])
        show(altered, "  deliveries are not as they were counted:")
    if entry["closed_by"]:
        show(tuple(Problem(*p) for p in entry["closed_by"]), "  the gate is closed:")
    for lost in entry["lost"]:
        click.echo(f"  lost: {Problem(*lost)}")
    if entry["release"]["problems"]:
        problems = tuple(Problem(*p) for p in entry["release"]["problems"])
        show(problems, "  what was released cannot be told:")
    else:
        click.echo(f"  {release_line(entry['release'])}")


@click.command()
@click.option("--keep", default=3, show_default=True, help="Cuts to keep, newest first.")
@SITE
@click.pass_context
def clean(ctx: click.Context, site: str, keep: int) -> None:
    """Remove what no receipt of SITE's newest KEEP cuts names, and kept rows that are of no use."""
    from vpack_pipeline import contracts
    from vpack_pipeline.assets.bench import open_bench
    from vpack_pipeline.assets.publications import adopt
    from vpack_pipeline.io.cohort.inputs import clean_kept
    from vpack_pipeline.io.project import ProjectFolder

    folder = ProjectFolder(project_root(ctx))
    bench = open_bench(folder, site, None)
    edge = bench.edge
    # What vouches for a look from before publications were signed must not go unread.
    adopt(bench)
    removed = sum(folder.warehouse.clean(asset, site, keep) for asset in contracts.load())
    click.echo(f"removed {removed + clean_kept(edge)} files")
