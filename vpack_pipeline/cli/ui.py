"""``vpack ui``: the Dagster webserver on this project, on this machine only."""

from __future__ import annotations

import errno
import importlib.util
import os
import socket
import sys

import click

from vpack_pipeline.cli import project_root
from vpack_pipeline.errors import Problem, UsageError


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True)
@click.option("--read-only", is_flag=True, help="For auditors: nothing can be started or changed.")
@click.pass_context
def ui(ctx: click.Context, port: int, read_only: bool) -> None:
    """Open the Dagster UI; it has no login, so it listens on 127.0.0.1 only."""
    from vpack_pipeline.cli.home import dagster_home

    root = project_root(ctx)
    _demand_server()
    _refuse_taken(port)
    with dagster_home(root) as home:
        environment = {**os.environ, "VPACK_ROOT": str(root), "DAGSTER_HOME": str(home)}
        program = "dagster_webserver" if read_only else "dagster"
        arguments = [sys.executable, "-m", program, *([] if read_only else ["dev"])]
        arguments += ["-m", "vpack_pipeline.definitions", "-h", "127.0.0.1", "-p", str(port)]
        if read_only:
            arguments.append("--read-only")
        click.echo(f"http://127.0.0.1:{port} (starting, may take a minute)")
        os.execve(sys.executable, arguments, environment)


def _demand_server() -> None:
    """Find out before this process becomes the server, which would tell it by a traceback.

    Raises
    ------
    ModuleNotFoundError
        The extra ``pipeline`` is not installed.
    """
    name = "dagster_webserver"
    if importlib.util.find_spec(name) is None:
        raise ModuleNotFoundError(name=name)


def _refuse_taken(port: int) -> None:
    """Find out before the server starts, which would tell it by a traceback.

    Raises
    ------
    UsageError
        Something else listens on the port, or it may not be used.
    """
    with socket.socket() as probe:
        # As the server itself: a port that was closed a moment ago is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            is_taken = error.errno == errno.EADDRINUSE
            what = f"port {port} {'is in use' if is_taken else 'cannot be used'}"
            raise UsageError(Problem("vpack ui", what, "choose another with --port")) from None
