"""Whom a reviewer trusts to sign: OpenSSH's file of allowed signers, read as ``ssh-keygen`` does.

A line is ``WHO [options] KIND KEY``. Options count as in ``ssh-keygen -Y verify``: ``namespaces``
says what the key may sign, ``valid-after`` and ``valid-before`` when its signatures are accepted,
and ``cert-authority`` marks a key that signs certificates, never packs. Stricter than
``ssh-keygen`` in two ways: a line that cannot be read refuses the file (there it is passed over),
and a key whose only lines have a pattern for WHO, such as ``*@vendor.example``, is refused: it is
asked who signed, and a pattern names nobody.
What does not belong here: signatures (``ssh_signature``), who was to sign (``signatures``).
"""

from __future__ import annotations

import base64
import binascii
import datetime
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vpack_pipeline.errors import Problem, UsageError
from vpack_pipeline.pack_format import ssh_signature
from vpack_pipeline.pack_format.ssh_signature import NAMESPACE

LARGEST: Final = 1_000_000
"""A file of allowed signers is never larger, in bytes."""

_KINDS: Final = re.compile(
    r"(ssh-(ed25519|rsa|dss)|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com"
    r"|sk-ecdsa-sha2-nistp256@openssh\.com|[a-z0-9-]+-cert-v01@openssh\.com)[ \t]"
)
_KEY = re.compile(r"[a-z0-9@.-]+[ \t]+([A-Za-z0-9+/]+={0,2})(?:[ \t].*)?")
_OPTIONS = re.compile(r'((?:[^ \t"\\]|\\.|\\|"(?:\\"|[^"])*")+)[ \t]+(.*)')
_OPTION = re.compile(
    r'(cert-authority|(namespaces|valid-after|valid-before)="((?:\\"|[^"])*)")', re.IGNORECASE
)
_FORMATS: Final = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_REMEDY: Final = "see ALLOWED SIGNERS in `man ssh-keygen`, or remove the line"


class _LineError(ValueError):
    """Why a line is refused."""


@dataclass(frozen=True, slots=True)
class AllowedSigner:
    """One line: a key, whose it is, and when it counts."""

    line: int
    who: str
    key: bytes
    is_authority: bool = False
    namespaces: str | None = None
    after: float | None = None
    """The first moment at which it counts, in seconds since 1970."""
    before: float | None = None
    """The last one."""

    @property
    def is_pattern(self) -> bool:
        """Whether it names no single signer."""
        return bool(set(self.who) & set("*?!"))

    def objection(self, moment: float) -> str:
        """Say why this line does not allow its key to sign a pack; nothing where it does."""
        if self.is_authority:
            return "is there only for certificates (cert-authority)"
        if self.namespaces is not None and not matches(NAMESPACE, self.namespaces):
            return f"may not sign for {NAMESPACE} (namespaces)"
        if self.after is not None and moment < self.after:
            return "is not valid yet (valid-after)"
        if self.before is not None and moment > self.before:
            return "is no longer valid (valid-before)"
        return ""


@dataclass(frozen=True, slots=True)
class AllowedSigners:
    """A file of allowed signers."""

    name: str
    signers: tuple[AllowedSigner, ...]

    def who(self, key: bytes, moment: float) -> str | Problem:
        """Name whose key it is; nothing where the file does not have it.

        Parameters
        ----------
        moment : at which it is asked, in seconds since 1970

        Returns
        -------
        the name, or why the lines that have the key do not allow it, or name nobody
        """
        own = [signer for signer in self.signers if signer.key == key]
        allowed = [signer for signer in own if not signer.objection(moment)]
        named = [signer for signer in allowed if not signer.is_pattern]
        if named or not own:
            return named[0].who if named else ""
        where = f"{self.name}:{own[0].line}"
        if not allowed:
            what = f"the key {own[0].objection(moment)}"
            return Problem(where, what, "ask its holder which key to trust")
        what = "the signer is a pattern, which names nobody"
        return Problem(where, what, "write the name of who holds the key")


def read(path: Path) -> AllowedSigners:
    """Read a file of allowed signers.

    Raises
    ------
    UsageError
        It cannot be read, holds nobody, or has lines that cannot be understood: each is named.
    """
    try:
        content = path.read_bytes() if path.stat().st_size <= LARGEST else b"\0"
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        remedy = "give a file of allowed signers"
        raise UsageError(Problem(str(path), "cannot be read as text", remedy)) from None
    signers: list[AllowedSigner] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            signers += _signer(number, line.strip(" \t\r"))
        except _LineError as error:
            problems.append(Problem(f"{path}:{number}", str(error), _REMEDY))
    if not signers and not problems:
        remedy = 'write a line such as: builder@vendor.example namespaces="vpack" ssh-ed25519 AAAA…'
        problems.append(Problem(str(path), "names no signer", remedy))
    if problems:
        raise UsageError(problems)
    return AllowedSigners(str(path), tuple(signers))


def matches(text: str, patterns: str) -> bool:
    """Tell whether a text matches a list of patterns, as OpenSSH's ``match_pattern_list`` does.

    >>> matches("vpack", "git,vp*"), matches("vpack", "*,!vpack"), matches("vpack", "file")
    (True, False, False)
    """
    found = False
    for pattern in patterns.split(","):
        is_negated = pattern.startswith("!")
        written = "".join(
            {"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern[1 if is_negated else 0 :]
        )
        if re.fullmatch(written, text, re.DOTALL):
            if is_negated:
                return False
            found = True
    return found


def _signer(number: int, line: str) -> list[AllowedSigner]:
    """Read a line; one that is empty or a comment gives nobody."""
    if not line or line.startswith("#"):
        return []
    who, rest = _who(line)
    options = ""
    if not _KINDS.match(rest):
        found = _OPTIONS.fullmatch(rest)
        if found is None or not _KINDS.match(found[2]):
            raise _LineError("has no key of a kind that is known")
        options, rest = found[1], found[2]
    written = _KEY.fullmatch(rest)
    try:
        key = base64.b64decode(written[1], validate=True) if written else b""
    except binascii.Error:
        key = b""
    if ssh_signature.kind_of(key) != rest.split()[0]:
        raise _LineError("has a key that is not whole")
    return [_allowed(number, who, key, _options(options))]


def _who(line: str) -> tuple[str, str]:
    """Part a line into whom it names and the rest."""
    if line.startswith('"'):
        who, quote, rest = line[1:].partition('"')
        if not quote:
            raise _LineError("has a quotation mark that does not end")
    else:
        who, *others = line.split(maxsplit=1)
        rest = others[0] if others else ""
    if not who or not who.isprintable():
        raise _LineError("names no signer")
    return who, rest.lstrip(" \t")


def _options(text: str) -> dict[str, str]:
    """Part a line's options, each by its name in small letters."""
    made: dict[str, str] = {}
    at = 0
    while at < len(text):
        found = _OPTION.match(text, at)
        if found is None or (found.end() < len(text) and text[found.end()] != ","):
            raise _LineError("has an option that is not known, or is not written as it must be")
        name = (found[2] or found[1]).lower()
        if name in made:
            raise _LineError(f"has the option {name} twice")
        made[name] = (found[3] or "").replace('\\"', '"')
        at = found.end() + 1
        if at == len(text):
            raise _LineError("has a comma behind its last option")
    return made


def _allowed(number: int, who: str, key: bytes, options: dict[str, str]) -> AllowedSigner:
    after, before = (
        _moment(name, options[name]) if name in options else None
        for name in ("valid-after", "valid-before")
    )
    if after is not None and before is not None and before <= after:
        raise _LineError("has a key that is valid at no time")
    return AllowedSigner(
        number,
        who,
        key,
        is_authority="cert-authority" in options,
        namespaces=options.get("namespaces"),
        after=after,
        before=before,
    )


def _moment(name: str, value: str) -> float:
    """Read a time: local, or of UTC where it ends so."""
    found = re.fullmatch(r"([0-9]+)(Z|UTC)?", value, re.IGNORECASE)
    try:
        if found is None:
            raise ValueError
        written = _FORMATS.get(len(found[1]), "-")
        moment = datetime.datetime.strptime(found[1], written)  # noqa: DTZ007  see below
        if found[2]:
            moment = moment.replace(tzinfo=datetime.UTC)
        # A time without a zone is taken as local time.
        return moment.timestamp()
    except (ValueError, OverflowError, OSError):
        raise _LineError(f"has no time in {name}") from None
