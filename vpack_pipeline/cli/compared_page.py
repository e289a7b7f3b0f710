"""A comparison as one page of HTML: without script and network, to be printed.

What does not belong here: its words and figures (``compared``).
"""

from __future__ import annotations

import functools
from importlib import resources

import jinja2

from vpack_pipeline.cli import compared


def page(found: compared.Comparison) -> str:
    """Write the page."""
    windows = [
        (compared.heading(place, name), window, place["goals"])
        for place in found["places"]
        for name, window in place["windows"].items()
    ]
    return _template().render(found=found, windows=windows, words=compared)


@functools.cache
def _template() -> jinja2.Template:
    text = (resources.files(__package__) / "templates" / "compared.html.j2").read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(text)
