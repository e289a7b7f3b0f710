"""``vpack ui``: the Dagster webserver on this project, on this machine only."""

from __future__ import annotations

import os
import sys

import click

from vpack_pipeline.cli import project_root


@click.command()
@click.option("--port", default=3000, show_default=True)
@click.option("--read-only", is_flag=True, help="For auditors: nothing can be started or changed.")
@click.pass_context
def ui(ctx: click.Context, port: int, read_only: bool) -> None:
    """Open the Dagster UI; it has no login, so it listens on 127.0.0.1 only."""
    from vpack_pipeline.cli.home import dagster_home

    root = project_root(ctx)
    with dagster_home(root) as home:
        environment = {**os.environ, "VPACK_ROOT": str(root), "DAGSTER_HOME": str(home)}
        program = "dagster_webserver" if read_only else "dagster"
        arguments = [sys.executable, "-m", program, *([] if read_only else ["dev"])]
        arguments += ["-m", "vpack_pipeline.definitions", "-h", "127.0.0.1", "-p", str(port)]
        if read_only:
            arguments.append("--read-only")
        click.echo(f"http://127.0.0.1:{port}")
        os.execve(sys.executable, arguments, environment)
