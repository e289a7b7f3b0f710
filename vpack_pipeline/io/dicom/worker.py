"""What a worker process does before anything else. It imports no library that it has to restrain.

What does not belong here: the work itself (``shards``).
"""

from __future__ import annotations

import os

RESTRAINED = {"POLARS_MAX_THREADS": "1"}
"""A worker has one core: more threads would only take those of its neighbours."""


def restrain() -> None:
    """Hold the libraries of this process to one thread."""
    os.environ.update(RESTRAINED)
