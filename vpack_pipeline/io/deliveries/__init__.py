"""Deliveries: what was closed when, that it stayed as it was, and what a cut counts.

A delivery is ``deliveries/<YYYY-MM-DD>[.K]/``; it counts once its ``DONE`` file lies in it. The
ledger in the site's state remembers the digest of every file of every closed delivery, and for
which published cut it came too late.
What does not belong here: what the files hold (``forms``).
"""

from __future__ import annotations

from vpack_pipeline.io.deliveries.cuts import (
    DeliveredFile,
    Delivery,
    counted,
    cut_for,
    moment,
    name_of,
    parse_cut,
)
from vpack_pipeline.io.deliveries.folder import (
    DONE,
    LEDGER,
    PUBLISHED,
    altered_deliveries,
    choose_cut,
    closed_deliveries,
    look,
    note,
    open_deliveries,
    published_cuts,
    published_in,
    sha256_of,
    survey,
)
from vpack_pipeline.io.deliveries.sending import deliver, newest_closed

__all__ = [
    "DONE",
    "LEDGER",
    "PUBLISHED",
    "DeliveredFile",
    "Delivery",
    "altered_deliveries",
    "choose_cut",
    "closed_deliveries",
    "counted",
    "cut_for",
    "deliver",
    "look",
    "moment",
    "name_of",
    "newest_closed",
    "note",
    "open_deliveries",
    "parse_cut",
    "published_cuts",
    "published_in",
    "sha256_of",
    "survey",
]
