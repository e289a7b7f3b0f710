"""The frozen base that the protocol and the site documents share, and their common value types."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from vpack_pipeline.old_names import OldName

Rewrite = Callable[[str, str], str]
"""A document's text and its file's name → the text as today's fields say it."""


class Document(BaseModel):
    """A part of a document: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    old_names: ClassVar[tuple[OldName, ...]] = ()
    """Of a whole document: the names that its fields no longer have."""

    rewrites: ClassVar[tuple[Rewrite, ...]] = ()
    """Of a whole document: what its text needs beyond new names."""


def refuse_repeated(names: Sequence[str]) -> None:
    """Refuse a name that is declared twice.

    Raises
    ------
    ValueError
        One is; all that are stand in the message.
    """
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"declared twice: {', '.join(repeated)}")


def digest_of(value: Any) -> str:
    """Digest plain data by its canonical JSON (sorted keys, no spaces)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _zoned(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time needs its zone, such as 2026-01-05T08:00:00Z")
    return value


Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}\z")]
"""A name that is also a path segment and a partition key."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}\z")]
"""A name that is also a column, a finding or a registry entry."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=4000, strip_whitespace=True)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}\z")]
Zoned = Annotated[datetime, AfterValidator(_zoned)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Days = Annotated[int, Field(ge=0, le=36_500)]


class Window(Document):
    """A span of index dates, both ends included."""

    start: date
    """The first index date that counts."""
    end: date
    """The last index date that counts."""

    def model_post_init(self, _context: object) -> None:
        """Refuse a window that ends before it starts."""
        if self.end < self.start:
            raise ValueError("the window ends before it starts")
