"""One site: where its data lie and how its exports are to be read. What is refilled.

What does not belong here: anything that must be the same at every site (``protocol``).
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    model_validator,
)

from vpack_pipeline.attestation import AttestedBySite
from vpack_pipeline.document import Document, Identifier, Name, Sha256, Text, refuse_repeated
from vpack_pipeline.old_names import OldName
from vpack_pipeline.pack_format.roles import FINGERPRINT, Role
from vpack_pipeline.population_to_fill_in import with_population_to_fill_in

InputKind = Literal[
    "cases",
    "case_studies",
    "readers",
    "reads",
    "reference",
    "predictions",
    "development",
    "operations",
    "error_review",
    "population",
    "patient_map",
]
Kind = Literal["patient", "accession", "study", "series", "instance", "case", "reader", "device"]


Value = str | int | float | bool | None


def _as_map(said: Any) -> Any:
    """Take a list of texts as a map of each to itself."""
    if not isinstance(said, list):
        return said
    if not all(isinstance(text, str) for text in said):
        raise ValueError("a list names texts that are used as they are written")
    refuse_repeated(said)
    return {text: text for text in said}


ValueMap = Annotated[
    dict[str, Value],
    BeforeValidator(_as_map, json_schema_input_type=dict[str, Value] | list[str]),
]
"""Value as written → value to use; a list names texts that are used as they are written."""
WordMap = Annotated[
    dict[str, Text], BeforeValidator(_as_map, json_schema_input_type=dict[str, Text] | list[Text])
]
ACCEPT_AT_LEAST: Final = 0.9
"""The share of an input's rows that has to be accepted where a site names no other."""


PackMode = Literal["owner", "group", "everyone"]


class FolderSource(Document):
    """DICOM files in a folder."""

    kind: Literal["folder"] = "folder"
    path: Text
    """Relative to the project root, or absolute."""


def _address(value: str) -> str:
    """Take an address that holds a scheme, a host and perhaps a port and a path; quote none."""
    try:
        parts = urlsplit(value)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        has_host = False
    else:
        if "@" in parts.netloc:
            raise ValueError("an address holds no user or password: use authorization_variable")
        has_host = has_host and parts.scheme in {"http", "https"}
    is_plain = not set(value) & set("?#\\") and value.isascii() and " " not in value
    if not has_host or not is_plain or not value.isprintable():
        raise ValueError("an address is http(s)://host[:port][/path] without a query")
    return value


Address = Annotated[Text, AfterValidator(_address)]


class DicomwebSource(Document):
    """DICOM metadata behind QIDO-RS and WADO-RS."""

    kind: Literal["dicomweb"]
    url: Address
    """Where the server's services begin: ``<url>/studies`` lists its studies."""
    authorization_variable: Text | None = None
    """The environment variable that holds the Authorization header."""
    orthanc_url: Address | None = None
    """Where the REST interface of an Orthanc begins: its feed of changes names modified series."""


class WideColumns(Document):
    """A wide form: one column per finding."""

    findings: dict[Name, Text]
    """Finding → the header of its column."""
    into: Literal["rating", "label", "score"]
    """Which column of the long table those cells fill."""


class InputForm(Document):
    """How one kind of input is written in this site's export."""

    file: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\z")]
    """The file's name inside a delivery."""
    mode: Literal["full", "append"] = "full"
    """``full`` retracts keys that it no longer holds."""
    columns: dict[Name, Text] = {}
    """Our column → the site's header; a column not named here has our name."""
    constants: dict[Name, str | int | float | bool] = {}
    """Our column → one value for every row, where the export has no such column."""
    values: dict[Name, ValueMap] = {}
    """Our column → site's code → our value. A text that it maps to is printed as it is, any other
    of the column by a number; a list names texts that are used as they are written."""
    wide: WideColumns | None = None
    ignore: tuple[Text, ...] = ()
    """Headers that are known and not wanted."""
    separator: Annotated[str, StringConstraints(min_length=1, max_length=1)] = ","
    encoding: Literal["utf-8", "utf-16", "latin-1", "cp1252"] = "utf-8"
    decimal: Literal[".", ","] = "."
    date_format: Text = "%Y-%m-%d"
    """strptime form of dates."""
    datetime_format: Text = "iso8601"
    """``iso8601`` with a zone, or a strptime form."""
    zone: Text | None = None
    """IANA zone of times written without one; without it such a time is refused."""
    nulls: tuple[str, ...] = ("",)
    """What stands for nothing."""
    accept_at_least: Annotated[float, Field(ge=0, le=1)] = ACCEPT_AT_LEAST
    """Share of the rows delivered since the last full delivery; below it the input is lost."""


class IdentifierForm(Document):
    """How a site writes one kind of identifier."""

    zero_pad: Annotated[int, Field(ge=0, le=64)] = 0
    """Pad digits on the left to this width; 0 leaves them."""
    case: Literal["keep", "upper", "lower"] = "keep"


class CountedPopulation(Document):
    """Where the counts of the target population come from: printed beside what rests on them."""

    source: Text
    """What was counted: a register, an archive, a published table."""
    date: Text
    """When it was counted, and which period the counts are of."""
    definition: Text
    """Who counts, and what one of them is: such as adults with a frontal radiograph, each once."""
    counted_by: Text
    """Who counted: a role, no person's name."""


class AccessionNumbers(Document):
    """How the accession numbers of this site's studies follow one another."""

    numbering: Literal["own", "shared", "none"]
    """``own``: one after another, to studies like those of the archive alone; ``shared``: among
    studies of other kinds as well; ``none``: in no order."""
    running_digits: Annotated[int, Field(ge=1, le=18)] | None = None
    """How many of the last digits run on; those before them, such as a year, begin a new run."""


class Companion(Document):
    """A pointer to evidence kept elsewhere, such as a HIPAA/GxP workflow pack."""

    title: Text
    uri: Text
    sha256: Sha256
    custodian: Text


class Contact(Document):
    """Who answers for a part of the site's evidence (a role, not a person's data)."""

    role: Text
    address: Text


class NamedSigner(Document):
    """Who is to sign this site's packs."""

    role: Role
    fingerprint: Annotated[str, StringConstraints(pattern=rf"^{FINGERPRINT}\z")]
    """Of the signer's Ed25519 key, as ``vpack keygen`` and ``ssh-keygen -l`` print it."""


class Synthetic(Document):
    """A part of the site's data that was made, not measured."""

    part: Text
    """``everything``, or such as ``scores``."""
    note: Text


class Site(Document):
    """One site in one study: the partition."""

    old_names = (OldName(("reader_names_are_pseudonyms",), None),)
    rewrites = (with_population_to_fill_in,)

    site_id: Identifier
    title: Text
    protocol: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}@[0-9.]+\z")]
    """Exactly one protocol, as ``id@version``."""
    sources: Annotated[
        tuple[Annotated[FolderSource | DicomwebSource, Field(discriminator="kind")], ...],
        Field(min_length=1),
    ]
    deliveries: Text
    """The folder of deliveries, relative to the project root or absolute."""
    inputs: dict[InputKind, InputForm]
    identifiers: dict[Kind, IdentifierForm] = {}
    value_maps: dict[Name, WordMap] = {}
    """DICOM column (manufacturer, model, view_position …) → value as written → value to use. A
    value that it maps to is printed as it is, any other of the column by a number; a list names
    values that are used as they are written."""
    accession_numbers: AccessionNumbers | None = None
    """Whether gaps of accession numbers can tell of studies that were left out."""
    issuer: Text | None = None
    """The issuer of patient IDs in input files and in headers that name none."""
    secret: Text = "data/secrets/{site_id}.key"
    """The file of the site secret; VPACK_SECRET_<SITE_ID> in the environment takes precedence."""
    published_secret: bool = False
    """The secret is public (demo data): pseudonyms protect nobody and the pack says so."""
    readers_agreed: bool = False
    """Every reader on the roster agreed that figures of each of them leave the site, by pseudonym;
    without it readers stand together."""
    pack_mode: PackMode = "group"
    """Who of the machine's accounts may read a pack: its owner, the owner's group, or everyone."""
    population: CountedPopulation | None = None
    """Where the counts come from, if ``inputs`` has a population."""
    companions: tuple[Companion, ...] = ()
    contacts: tuple[Contact, ...] = ()
    signers: tuple[NamedSigner, ...] = ()
    """Who is to sign this site's packs: printed on the first page."""
    synthetic: tuple[Synthetic, ...] = ()
    attribution: tuple[Text, ...] = ()
    """Sources and licences that the pack must print."""
    notes: tuple[Text, ...] = ()
    """What a reviewer has to know about this site's data, printed in the report."""
    attested: AttestedBySite = ()
    """Who attests what the protocol states of this site's data (CLAIM 7, 10, 11, 17), and when."""

    @property
    def document(self) -> dict[str, Any]:
        """All that a pack could say of it: who may read packs changes none."""
        return self.model_dump(mode="json", exclude={"pack_mode"})

    @model_validator(mode="after")
    def _needed(self) -> Self:
        missing = {"reads", "readers", "predictions"} - set(self.inputs)
        if missing:
            raise ValueError(f"inputs need {', '.join(sorted(missing))}")
        files = [form.file for form in self.inputs.values()]
        if len(set(files)) != len(files):
            raise ValueError("two inputs name the same file")
        if ("population" in self.inputs) != (self.population is not None):
            raise ValueError(
                "population (source, date, definition, counted_by) says where the counts of"
                " inputs.population come from: give both or neither"
            )
        # A key with two roles would let one person stand for two.
        refuse_repeated([signer.fingerprint for signer in self.signers])
        return self
