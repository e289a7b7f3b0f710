"""``vpack upgrade``: documents whose fields have another name by now, rewritten in place.

What does not belong here: which names are old (each document's ``old_names``), and how a text is
rewritten (``old_names``, each document's ``rewrites``).
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vpack_pipeline.cli import complete_site, project_root
from vpack_pipeline.errors import DocumentError, Problem, UsageError

if TYPE_CHECKING:
    from vpack_pipeline.document import Document


@click.command()
@click.argument("site", required=False, shell_complete=complete_site)
@click.option("--write", is_flag=True, help="Write what is shown; without it nothing is written.")
@click.pass_context
def upgrade(ctx: click.Context, site: str | None, write: bool) -> None:
    """Show what this version of vpack calls otherwise in SITE's documents, as a diff.

    These are its site.yaml and the protocol that it names; without SITE those of every site.
    Comments and order stay as they are.
    """
    from vpack_pipeline.io.warehouse import write_durably

    root = project_root(ctx)
    made = {path: _rewritten(path, model) for path, model in _documents(root, site).items()}
    changed = {path: texts for path, texts in made.items() if texts[0] != texts[1]}
    for path, (before, after) in changed.items():
        click.echo(_difference(path.relative_to(root).as_posix(), before, after), nl=False)
        if write:
            write_durably(path, after.encode())
    if not changed:
        click.echo(f"{len(made)} documents, nothing to change")
    elif write:
        click.echo(f"written; next: vpack check {site or 'SITE'}")
    else:
        click.echo("nothing was written; to write it, give --write")


def _documents(root: Path, site: str | None) -> dict[Path, type[Document]]:
    """Find the documents to look at, each with its model.

    Raises
    ------
    UsageError
        No such site.
    """
    from vpack_pipeline import study
    from vpack_pipeline.protocol import Protocol
    from vpack_pipeline.site import Site

    known = study.site_ids(root)
    if site is not None and site not in known:
        raise UsageError(study.no_such_site(site, known))
    sites = [root / study.SITES / name / "site.yaml" for name in known if site in (None, name)]
    protocols = sorted((root / study.PROTOCOLS).glob("*.yaml"))
    if site is not None:
        stem = _protocol_of(sites[0]).replace("@", "-")
        protocols = [p for p in protocols if p.stem == stem] or protocols
    return {**dict.fromkeys(sites, Site), **dict.fromkeys(protocols, Protocol)}


def _protocol_of(site: Path) -> str:
    """Give the protocol that a site names, be the document otherwise as it may."""
    from vpack_pipeline.strict_yaml import parse

    data, _ = parse(_text(site), site.name)
    return str(data.get("protocol")) if isinstance(data, dict) else ""


def _rewritten(path: Path, model: type[Document]) -> tuple[str, str]:
    """Give a document's text as it is and as it should be.

    Raises
    ------
    DocumentError
        It cannot be read, or something in it has to be changed by hand.
    """
    from vpack_pipeline.old_names import rewrite
    from vpack_pipeline.strict_yaml import parse

    text = _text(path)
    parse(text, path.name)
    made = rewrite(text, path.name, model.old_names)
    for further in model.rewrites:
        made = further(made, path.name)
    return text, made


def _text(path: Path) -> str:
    try:
        # Of the bytes: lines that end in CR and LF stay so.
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise DocumentError(Problem(path.name, "cannot be read as UTF-8 text")) from None


def _difference(name: str, before: str, after: str) -> str:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    return "".join(difflib.unified_diff(old, new, f"{name} (as it is)", f"{name} (upgraded)"))
