"""In which words texts of headers, covariates and rosters are printed.

People type them, so that nobody knows what one holds. A text that the protocol or the site lists is
printed as it is, any other by a number. What does not belong here: the levels in which people are
described (``levels``): a text that describes them is printed in these or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

from vpack_pipeline.contracts import header_fields
from vpack_pipeline.core.personal import is_personal
from vpack_pipeline.protocol import Covariate, Disclosure, Representativeness
from vpack_pipeline.site import InputForm, InputKind

ROSTER: Final = ("qualification", "specialty", "training", "conflicts")
"""What the roster says of a reader in words."""
Kind = Literal["readers", "cases", "image"]
_NO_TEXT: Final = frozenset({"flag", "sex"})
"""Kinds of header fields that hold texts of their own, whatever is written in the header."""


@dataclass(frozen=True, slots=True)
class PrintedText:
    """A column whose texts may be printed.

    Attributes
    ----------
    kind : where it comes from: the input, or the image's header
    field : our name of the column
    levels : the words that the protocol lists
    """

    kind: Kind
    field: str
    levels: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Where a site lists words of this column."""
        if self.kind == "image":
            return f"value_maps.{self.field}"
        return f"inputs.{self.kind}.values.{self.field}"

    def listed(
        self, inputs: Mapping[InputKind, InputForm], value_maps: Mapping[str, Mapping[str, str]]
    ) -> frozenset[str]:
        """Give the words that are printed as they are: the protocol's, and what a site maps to."""
        if self.kind == "image":
            return frozenset((*self.levels, *value_maps.get(self.field, {}).values()))
        form = inputs.get(self.kind)
        if form is None:
            return frozenset(self.levels)
        written = [*form.values.get(self.field, {}).values(), form.constants.get(self.field)]
        return frozenset((*self.levels, *(w for w in written if isinstance(w, str))))


def printed_texts(
    representativeness: Representativeness,
    covariates: Iterable[Covariate],
    disclosure: Disclosure,
) -> Iterator[PrintedText]:
    """List the columns whose texts may be printed: of the roster, and technical ones of a case."""
    for name in ROSTER:
        yield PrintedText("readers", name)
    declared = tuple(covariates)
    kinds: dict[str, Kind] = {
        f.name: "image"
        for f in header_fields.load()
        if header_fields.TYPES[f.kind] == "string"
        and f.kind not in _NO_TEXT
        and "study" in f.also_of
    }
    # As where values are read, a covariate comes before a header field of its name.
    kinds |= {c.name: "cases" for c in declared}
    not_text = {c.name for c in declared if c.type != "string"}
    levels = {v.name: v.levels for v in representativeness.variables}
    for name in sorted(kinds.keys() - not_text):
        if not is_personal(name, declared, disclosure):
            yield PrintedText(kinds[name], name, levels.get(name, ()))


def numbered(
    texts: Iterable[str], listed: frozenset[str], digest: Callable[[str], str]
) -> dict[str, str]:
    """Give each text the word that is printed: itself where it is listed, else *unlisted 1, 2 …*.

    Parameters
    ----------
    digest : a keyed digest, in whose order texts are numbered: unlike the alphabet, the size or the
        time of first use, it tells nothing of them

    Examples
    --------
    >>> numbered(["Rover", "a", "b"], frozenset({"Rover"}), {"a": "9", "b": "3"}.__getitem__)
    {'Rover': 'Rover', 'b': 'unlisted 1', 'a': 'unlisted 2'}
    """
    found = sorted(set(texts))
    unlisted = sorted((t for t in found if t not in listed), key=digest)
    numbers = {text: f"unlisted {i}" for i, text in enumerate(unlisted, start=1)}
    return {text: text for text in found if text in listed} | numbers


Words = Mapping[str, Mapping[str, str]]
"""Column → text → the word that is printed."""


def words_of_roster(words: pl.DataFrame) -> Words:
    """Read the printed words of the roster's columns.

    Parameters
    ----------
    words : cohort/printed_words
    """
    roster = words.filter(kind="readers")
    return {name: _printed(roster, name) for name in ROSTER}


def words_of_cases(
    words: pl.DataFrame,
    representativeness: Representativeness,
    covariates: Iterable[Covariate],
    disclosure: Disclosure,
) -> Words:
    """Read the printed words of columns of the case view: every one that may be printed is there.

    Parameters
    ----------
    words : cohort/printed_words
    """
    texts = printed_texts(representativeness, covariates, disclosure)
    of_cases = words.filter(pl.col("kind") != "readers")
    return {t.field: _printed(of_cases, t.field) for t in texts if t.kind != "readers"}


def _printed(words: pl.DataFrame, name: str) -> dict[str, str]:
    return dict(words.filter(field=name).select("word", "printed_word").iter_rows())
