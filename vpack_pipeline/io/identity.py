"""Identifiers become pseudonyms at the first read; nothing behind this module sees the original.

``HMAC-SHA256(secret, kind ‖ scope ‖ normalised value)``, 128 bits as 32 hex characters. An unkeyed
digest of a record number is exhausted in a minute; a keyed one is as strong as the secret.
What does not belong here: where the secret lies (``resources``).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vpack_pipeline.errors import Problem, SecretError

if TYPE_CHECKING:
    from vpack_pipeline.site import IdentifierForm, Kind

NORMALISATION = "nfkc-trim-2"
"""Version of the normalisation; it stands in receipts."""

MINIMUM_SECRET_BYTES = 32
_LAST_DIGITS = re.compile(r"[0-9]+\Z")
_MOST_DIGITS = 18


class Pseudonyms:
    """Turns identifiers of one site into pseudonyms.

    Parameters
    ----------
    secret : at least 32 bytes, this site's own
    forms : kind → zero padding and case rule, as the site declares them
    issuer : scope of patient identifiers that name no issuer themselves

    Raises
    ------
    SecretError
        The secret is shorter than 32 bytes.

    Examples
    --------
    >>> ids = Pseudonyms(b"x" * 32, {}, None)
    >>> ids.patient(" 123 ") == ids.patient("123") != ids.study("123")
    True
    """

    def __init__(
        self, secret: bytes, forms: Mapping[Kind, IdentifierForm], issuer: str | None
    ) -> None:
        if len(secret) < MINIMUM_SECRET_BYTES:
            raise SecretError(
                Problem("site secret", "shorter than 32 bytes", "make one with `vpack init`")
            )
        self._secret = secret
        self._forms: dict[str, IdentifierForm] = {str(k): v for k, v in forms.items()}
        self._issuer = issuer or ""
        self._content_key = self.derive("content")

    @property
    def fingerprint(self) -> str:
        """Sixteen hex characters that tell one secret from another and reveal neither."""
        return self._digest("fingerprint", "", "")[:16]

    @property
    def convention(self) -> dict[str, Any]:
        """All that decides a pseudonym beside the identifier itself; the secret stays secret."""
        forms = {k: v.model_dump(mode="json") for k, v in sorted(self._forms.items())}
        return {
            "normalisation": NORMALISATION,
            "forms": forms,
            "issuer": self._issuer,
            "secret": self.fingerprint,
        }

    def derive(self, purpose: str) -> bytes:
        """Derive a key for another purpose, such as authenticating receipts."""
        return hmac.new(self._secret, b"derive\x1f" + purpose.encode(), hashlib.sha256).digest()

    def normalise(self, kind: str, value: str) -> str:
        """Bring an identifier to the form in which it is compared; that form stays as it is."""
        text = unicodedata.normalize("NFKC", value)
        form = self._forms.get(kind)
        if form is not None and form.case != "keep":
            cased = text.upper() if form.case == "upper" else text.lower()
            # A letter whose capital is written with marks leaves the normal form.
            text = unicodedata.normalize("NFKC", cased)
        text = _trimmed(text)
        zero_pad = 0 if form is None else form.zero_pad
        return text.zfill(zero_pad) if zero_pad and text.isdigit() else text

    def of(self, kind: str, value: str, issuer: str | None = None) -> str | None:
        """Pseudonym of an identifier of any kind; None where it normalises to nothing."""
        text = self.normalise(kind, value)
        scope = (issuer or self._issuer) if kind == "patient" else ""
        return self._digest(kind, scope, text) if text else None

    def patient(self, value: str, issuer: str | None = None) -> str:
        """Pseudonym of a PatientID within its issuer."""
        return self._of("patient", value, issuer or self._issuer)

    def accession(self, value: str) -> str:
        """Pseudonym of an AccessionNumber."""
        return self._of("accession", value)

    def running_number(self, value: str) -> tuple[str, int] | None:
        """Part an accession number: a pseudonym of what precedes its last digits, and these digits
        shifted by an amount of that series' own; None where it ends in none, or in too many.

        The shift hides the number, not the distance of two: it stays in the scanner's state.
        """
        text = self.normalise("accession", value)
        digits = _LAST_DIGITS.search(text)
        if digits is None or len(digits[0]) > _MOST_DIGITS:
            return None
        series = self._digest("accession series", "", text[: digits.start()])
        return series, int(digits[0]) + self.accession_shift(series)

    def accession_shift(self, series: str) -> int:
        """By how much the numbers of a series are shifted."""
        return int(self._digest("accession shift", "", series)[:15], 16)

    def study(self, value: str) -> str:
        """Pseudonym of a StudyInstanceUID."""
        return self._of("study", value)

    def series(self, value: str) -> str:
        """Pseudonym of a SeriesInstanceUID."""
        return self._of("series", value)

    def instance(self, value: str) -> str:
        """Pseudonym of a SOPInstanceUID."""
        return self._of("instance", value)

    def frame(self, value: str) -> str:
        """Pseudonym of a FrameOfReferenceUID."""
        return self._of("frame", value)

    def case(self, value: str) -> str:
        """Pseudonym of a case identifier."""
        return self._of("case", value)

    def reader(self, value: str) -> str:
        """Pseudonym of a reader."""
        return self._of("reader", value)

    def device(self, value: str) -> str:
        """Pseudonym of a device."""
        return self._of("device", value)

    def path(self, value: str) -> str:
        """Pseudonym of a file's path."""
        return self._digest("path", "", value)

    def text(self, field: str, value: str) -> str:
        """Keyed digest of a free text: it tells equal texts from others and reveals none."""
        return self._of("text", value, field)

    def content(self, value: bytes) -> str:
        """Keyed digest of bytes that may identify someone."""
        return hmac.digest(self._content_key, value, "sha256").hex()[:32]

    def _of(self, kind: str, value: str, scope: str = "") -> str:
        return self._digest(kind, scope, self.normalise(kind, value))

    def _digest(self, kind: str, scope: str, text: str) -> str:
        message = f"{kind}\x1f{scope}\x1f{text}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._secret, message, "sha256").hex()[:32]


def _trimmed(text: str) -> str:
    """Take the padding off both ends: white space and NUL in any order."""
    while (shorter := text.strip().strip("\x00")) != text:
        text = shorter
    return text


def is_code(given: object, ours: str) -> bool:
    """Tell whether what stands in a file is our authentication code, whatever stands there.

    >>> is_code("ab", "ab"), is_code("a\u00fc", "ab"), is_code(None, "ab")
    (True, False, False)
    """
    # Of texts, compare_digest takes ASCII alone.
    return isinstance(given, str) and hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), ours.encode()
    )
