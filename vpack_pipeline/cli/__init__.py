"""The command line: words in, exit codes out.

0 done, 1 gate closed or verification failed, 2 input or usage, 3 internal. Heavy libraries are
imported by the commands that need them, so that ``vpack --help`` answers at once.
What does not belong here: anything that a Dagster run must do as well (``assets``).
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import click

from vpack_pipeline import __version__
from vpack_pipeline.cli.stopping import EXIT_CODE, STOPPED
from vpack_pipeline.errors import (
    DiskError,
    GateClosedError,
    InputError,
    Problem,
    VpackError,
    described,
    disk_error,
)

COMMANDS: Final[dict[str, str]] = {
    "init": "vpack_pipeline.cli.site",
    "deliver": "vpack_pipeline.cli.site",
    "check": "vpack_pipeline.cli.site",
    "scan": "vpack_pipeline.cli.scan",
    "build": "vpack_pipeline.cli.build",
    "status": "vpack_pipeline.cli.build",
    "clean": "vpack_pipeline.cli.build",
    "keygen": "vpack_pipeline.cli.sign",
    "sign": "vpack_pipeline.cli.sign",
    "release": "vpack_pipeline.cli.release",
    "verify": "vpack_pipeline.cli.verify",
    "acceptance": "vpack_pipeline.cli.acceptance",
    "compare": "vpack_pipeline.cli.compare",
    "diff": "vpack_pipeline.cli.diff",
    "explain": "vpack_pipeline.cli.explain",
    "upgrade": "vpack_pipeline.cli.upgrade",
    "ui": "vpack_pipeline.cli.ui",
}
SUMMARIES: Final[dict[str, str]] = {
    "init": "Make a site's folder: site.yaml, header-only input files, a secret.",
    "deliver": "Put export files into a site's next delivery.",
    "check": "Say everything that can be said before a build, all problems at once.",
    "scan": "Read a site's image headers ahead of a build, whole or in parts.",
    "build": "Build a site's validation pack.",
    "status": "Tell how a site stands: latest pack, newest delivery, gates.",
    "clean": "Remove warehouse files that no receipt names.",
    "keygen": "Make a key that signs packs.",
    "sign": "Sign a pack, or a single file such as a protocol.",
    "release": "Hand a site's newest pack out, held against every earlier release.",
    "verify": "Check a pack offline: integrity, agreement, and who has signed it.",
    "acceptance": "Say how many cases a test of a pack's figures needs at your hospital.",
    "compare": "Say whether what a pack shows holds in a population of which you have counts.",
    "diff": "Say what differs between two packs, and what it can be due to.",
    "explain": "Say where a printed figure comes from, down to the deliveries.",
    "upgrade": "Show, or write, what this version calls otherwise in the documents.",
    "ui": "Open the Dagster UI on this project.",
}


PIPELINE: Final = frozenset(
    {
        "dagster",
        "dagster_webserver",
        "duckdb",
        "duckdb_engine",
        "great_expectations",
        "pyarrow",
        "pydicom",
        "pytz",
        "sqlglot",
        "threadpoolctl",
        "typst",
    }
)
"""What the extra ``pipeline`` installs, as it is imported: what a site runs and a reviewer does
not."""

NEW_OBJECTS: Final = 100_000
"""Python looks for garbage each time that so many objects have been made, by default 700: modules
make hundreds of thousands, which live until the end."""


class LazyGroup(click.Group):
    """Imports a command's module when the command is called, not when the list is shown."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Name the commands, in the order of use."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """Import one command."""
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[name]), name)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vpack")
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    help="The project root; else VPACK_ROOT, else the nearest folder with data/sites.",
)
@click.pass_context
def cli(ctx: click.Context, root: Path | None) -> None:
    """Build and verify clinical imaging validation packs."""
    ctx.obj = root


def project_root(ctx: click.Context) -> Path:
    """Find the project root of this call."""
    from vpack_pipeline.study import find_root

    return find_root(ctx.obj, os.environ.get("VPACK_ROOT"), Path.cwd())


def today() -> date:
    """Read the clock: nothing that is computed may, and a command must to doubt a date."""
    return datetime.now(UTC).astimezone().date()


def days_to_come(names: Iterable[str]) -> list[Problem]:
    """Name the deliveries of days to come: until then, builds take the last for their cut."""
    from vpack_pipeline.io.deliveries import moment

    what, remedy = "is of a day to come", "wait for it, or open it by removing DONE before a build"
    return [Problem(f"deliveries/{n}", what, remedy) for n in names if moment(n)[0] > today()]


def complete_site(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a site."""
    from vpack_pipeline.study import find_root, site_ids

    # While the shell completes, the group itself is not called: its options lie in its context.
    given = ctx.find_root().params.get("root")
    try:
        root = find_root(given, os.environ.get("VPACK_ROOT"), Path.cwd())
    except InputError:
        return []
    return [name for name in site_ids(root) if name.startswith(incomplete)]


SITE: Final = click.argument("site", shell_complete=complete_site)
"""The argument that names a site, completed by the shell."""


SAME: Final = 5
"""More problems than this that differ only in their place share one line."""


def show(problems: tuple[Problem, ...], title: str) -> None:
    """Print problems to standard error, one line each; many of one kind share a line."""
    click.echo(title, err=True)
    kinds: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        kinds.setdefault((problem.what, problem.remedy), []).append(problem)
    for (what, remedy), alike in kinds.items():
        if len(alike) > SAME:
            where = f"{alike[0].where} and {len(alike) - 1} more"
            click.echo(f"  {Problem(where, what, remedy)}", err=True)
        else:
            click.echo("\n".join(f"  {problem}" for problem in alike), err=True)


def main(arguments: list[str] | None = None) -> None:
    """Run a command and leave with its exit code; a foreseen error never shows a traceback."""
    try:
        code = cli.main(args=arguments, prog_name="vpack", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        click.echo(STOPPED, err=True)
        sys.exit(EXIT_CODE)
    except GateClosedError as error:
        show(error.problems, "closed:")
        sys.exit(error.exit_code)
    except InputError as error:
        show(error.problems, f"{len(error.problems)} to mend:")
        sys.exit(error.exit_code)
    except DiskError as error:
        click.echo(f"stopped: {error}", err=True)
        sys.exit(error.exit_code)
    except VpackError as error:
        click.echo(f"internal: {error}", err=True)
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001  the text of a foreign exception may carry values
        if disk := disk_error("the disk", error):
            click.echo(f"stopped: {disk}", err=True)
            sys.exit(disk.exit_code)
        library = lacking_library(error)
        click.echo(
            needs_pipeline(library) if library else f"internal: {described(error)}", err=True
        )
        sys.exit(2 if library else 3)


def lacking_library(error: Exception) -> str | None:
    """Name the library of the extra ``pipeline`` whose absence an exception tells."""
    if not isinstance(error, ModuleNotFoundError):
        return None
    library = str(error.name).partition(".")[0]
    return library if library in PIPELINE else None


def needs_pipeline(library: str) -> str:
    """Say that a command needs more than the base install, and how to get it."""
    return (
        f"this command needs the extra pipeline ({library} is not installed):"
        " pip install 'vpack-pipeline[pipeline]'"
    )


def run() -> None:
    """Be the program ``vpack``: leave without the libraries' own farewell.

    SQLAlchemy's dialect and Great Expectations keep DuckDB's types alive until the end, which
    DuckDB's bindings report on standard error as a leak.
    """
    gc.set_threshold(NEW_OBJECTS)
    code: int | str | None = 0
    try:
        main()
    except SystemExit as left:
        code = left.code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0)
