"""What each kind of input holds: its columns, their types, and which values they can take.

What does not belong here: how a site writes them (``site.InputForm``), how cells are parsed
(``cells``), and rules that need another table (``cohort.inputs``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, get_args

from vpack_pipeline.core.error_causes import CAUSES, REVIEWERS
from vpack_pipeline.core.variables import bin_labels
from vpack_pipeline.protocol import Protocol, Variable
from vpack_pipeline.site import InputKind

FieldType = Literal[
    "text", "int", "float", "bool", "date", "timestamp", "presence", "identifier", "study"
]
"""``presence``: whether anything is written there; ``study``: a study UID or accession number."""


@dataclass(frozen=True, slots=True)
class Field:
    """One column of an input, under our name."""

    name: str
    type: FieldType = "text"
    needed: bool = False
    """The export must have this column (or a constant for it)."""
    filled: bool = False
    """A row without a value is quarantined."""
    default: str | int | bool | None = None
    """What an absent column or an empty cell means."""
    choices: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other spellings of choices that cannot be mistaken."""
    bad: str = ""
    """Reason code of a value that cannot be used; empty: that of the type."""
    minimum: float | None = None
    maximum: float | None = None
    out_of_range: str = "OUT_OF_RANGE"
    identifier: str | None = None
    """Kind of pseudonym."""
    issuer: str | None = None
    """The column that holds the issuer of this patient identifier."""
    also_study: bool = False
    """The identifier is also tried as a study UID or accession number."""
    is_event: bool = False
    """An event that cannot be later than the delivery that tells of it."""


def _key(name: str, identifier: str, issuer: str | None = None) -> Field:
    return Field(name, "identifier", needed=True, filled=True, identifier=identifier, issuer=issuer)


def _study() -> Field:
    return Field("study", "study", needed=True, filled=True)


def _choice(name: str, choices: tuple[str, ...], default: str | None = None) -> Field:
    required = default is None
    return Field(name, needed=required, filled=required, default=default, choices=choices)


def _finding(protocol: Protocol) -> Field:
    names = tuple(f.name for f in protocol.findings)
    return Field("finding", needed=True, filled=True, choices=names, bad="UNKNOWN_FINDING")


def _cases(protocol: Protocol) -> tuple[Field, ...]:
    types: dict[str, FieldType] = {"string": "text", "int": "int", "float": "float", "bool": "bool"}
    # Where cases were drawn unlike, one without a stratum has no sampling fraction; nor has one of
    # a stratum from which none was drawn.
    draws = protocol.sampling.by_window.values()
    named = [s.name for draw in draws for s in draw.strata if s.fraction != 0]
    drawn = tuple(dict.fromkeys(named))
    # Where one window was taken as it came, its cases have no stratum.
    is_needed = bool(drawn) and all(draw.strata and draw.depends_on for draw in draws)
    return (
        replace(_key("case_id", "case"), also_study=True),
        _key("patient_id", "patient", issuer="issuer"),
        Field("issuer"),
        Field("index_date", "date", needed=True, filled=True, is_event=True),
        Field("stratum", needed=True, filled=True, choices=drawn)
        if is_needed
        else Field("stratum", default="all", choices=(*drawn, "all") if drawn else ()),
        Field("study", "study"),
        *(Field(c.name, types[c.type]) for c in protocol.covariates),
    )


def _case_studies(_protocol: Protocol) -> tuple[Field, ...]:
    return (
        _key("case_id", "case"),
        _study(),
        Field("arm", default="standard"),
        _choice("role", ("index", "prior", "comparator"), "index"),
    )


def _readers(_protocol: Protocol) -> tuple[Field, ...]:
    return (
        _key("reader_id", "reader"),
        Field("qualification"),
        Field("specialty"),
        Field("years_experience", "float", minimum=0),
        Field("training"),
        Field("conflicts"),
        Field("in_development", "bool"),
    )


def _details(protocol: Protocol, source: str) -> tuple[Field, ...]:
    """List what the protocol says that an input tells of a finding."""
    return tuple(
        Field(d.name, "float" if d.kind == "numeric" else "text")
        for d in protocol.finding_details
        if d.source == source
    )


def _reads(protocol: Protocol) -> tuple[Field, ...]:
    return (
        _key("reader_id", "reader"),
        _key("case_id", "case"),
        _finding(protocol),
        Field("arm", default="standard"),
        Field("session", "int", default=1, minimum=1),
        _choice("purpose", ("reference", "comparator"), "reference"),
        _choice("role", ("independent", "tiebreak", "consensus"), "independent"),
        Field("saw_index_test", "bool"),
        Field("saw_peers", "bool"),
        Field("rating", "float", needed=True, bad="UNKNOWN_RATING"),
        Field("is_diagnostic", "bool", default=True),
        Field("read_at", "timestamp", is_event=True),
        Field("duration_s", "float", minimum=0),
        Field("discussion", "presence"),
        *_details(protocol, "reads"),
    )


def _reference(protocol: Protocol) -> tuple[Field, ...]:
    return (
        _key("case_id", "case"),
        _finding(protocol),
        _choice("source", ("pathology", "follow_up", "registry")),
        _choice("label", ("positive", "negative", "indeterminate")),
        Field("ascertained_by", "identifier", identifier="reader"),
        Field("knew_index_test", "bool"),
        Field("established_at", "timestamp", is_event=True),
        *_details(protocol, "reference"),
    )


def _predictions(protocol: Protocol) -> tuple[Field, ...]:
    output = protocol.index_test.output
    models = tuple(m.id for m in protocol.index_test.models)
    return (
        _key("case_id", "case"),
        _finding(protocol),
        Field("model_id", needed=True, filled=True, choices=models, bad="UNKNOWN_MODEL"),
        Field("attempt", "int", default=1, minimum=1),
        _choice("status", ("ok", "failed", "refused", "not_sent"), "ok"),
        Field(
            "score",
            "float",
            needed=output.kind != "binary",
            minimum=output.minimum,
            maximum=output.maximum,
            out_of_range="SCORE_RANGE",
        ),
        Field("call", "bool"),
        Field("received_at", "timestamp", is_event=True),
        Field("produced_at", "timestamp", is_event=True),
    )


def _development(_protocol: Protocol) -> tuple[Field, ...]:
    return (
        Field("patient_id", "identifier", identifier="patient", issuer="issuer"),
        Field("issuer"),
        Field("study", "study"),
        Field("used_for", choices=("training", "tuning")),
        Field("device_id", "identifier", identifier="device"),
        Field("study_date", "date"),
        Field("study_time_s", "float", minimum=0, maximum=86_400),
        Field("kvp", "float", minimum=0),
        Field("exposure_mas", "float", minimum=0),
    )


def _operations(_protocol: Protocol) -> tuple[Field, ...]:
    return (
        _study(),
        Field("turnaround_s", "float", minimum=0),
        Field("opened_at", "timestamp", is_event=True),
        Field("failure", "bool"),
        Field("override", "bool"),
    )


def _error_review(protocol: Protocol) -> tuple[Field, ...]:
    return (
        _key("case_id", "case"),
        _finding(protocol),
        _choice("cause", CAUSES),
        _choice("reviewer_role", REVIEWERS),
        Field("blinded", "bool"),
        Field("label_upheld", "bool"),
        Field("reviewed_at", "timestamp", is_event=True),
    )


def _cell(variable: Variable) -> Field:
    labels = tuple(bin_labels(variable))
    plain = {label.replace("–", "-").replace("≥", ">="): label for label in labels}
    # A negative edge would make a plain hyphen ambiguous; text levels are never rewritten.
    safe = variable.kind == "numeric" and min(variable.edges) >= 0
    aliases = {a: label for a, label in plain.items() if safe and a != label}
    # A row states a variable or does not: what is not known is a level of its own.
    return Field(variable.name, choices=labels, aliases=aliases)


def _population(protocol: Protocol) -> tuple[Field, ...]:
    return (
        *(_cell(v) for v in protocol.representativeness.variables),
        Field("n", "int", needed=True, filled=True, minimum=0),
    )


def _patient_map(_protocol: Protocol) -> tuple[Field, ...]:
    return (
        _key("patient_id", "patient", issuer="issuer"),
        Field("issuer"),
        _key("same_as", "patient", issuer="same_as_issuer"),
        Field("same_as_issuer"),
    )


ONE_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "development": ("patient_id", "study"),
}
"""Kind → columns of which an export must have at least one."""

FIELDS: Final[Mapping[InputKind, Callable[[Protocol], tuple[Field, ...]]]] = {
    "cases": _cases,
    "case_studies": _case_studies,
    "readers": _readers,
    "reads": _reads,
    "reference": _reference,
    "predictions": _predictions,
    "development": _development,
    "operations": _operations,
    "error_review": _error_review,
    "population": _population,
    "patient_map": _patient_map,
}

KINDS: Final[tuple[InputKind, ...]] = get_args(InputKind)


def fields_of(kind: InputKind, protocol: Protocol) -> tuple[Field, ...]:
    """List the columns of one kind of input, in the order in which they are printed."""
    return FIELDS[kind](protocol)


def template_headers(kind: InputKind, protocol: Protocol) -> list[str]:
    """Headers of an empty input file, in our names: what ``vpack init`` writes.

    Parameters
    ----------
    kind : of ``site.InputKind``
    protocol : gives the covariates of ``cases`` and the variables of ``population``
    """
    return [f.name for f in fields_of(kind, protocol)]
