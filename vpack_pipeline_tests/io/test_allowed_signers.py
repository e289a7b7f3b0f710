"""Files of allowed signers: their options count as with ``ssh-keygen``, or the file is refused."""

from __future__ import annotations

import datetime
import time
from pathlib import Path

import pytest

from vpack_pipeline.errors import Problem, UsageError
from vpack_pipeline.pack_format import allowed_signers
from vpack_pipeline.pack_format.allowed_signers import matches
from vpack_pipeline.pack_format.signing_keys import SigningKey
from vpack_pipeline_tests.io.signing_bench import (
    allowed_line,
    needs_ssh_keygen,
    new_key,
    stock_verdict,
    stored,
)

NOW = 1_800_000_000.0
WHO = "builder@test.example"


@pytest.fixture(scope="module")
def key(tmp_path_factory) -> SigningKey:
    return new_key(tmp_path_factory.mktemp("key"), "builder")


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> SigningKey:
    return new_key(tmp_path_factory.mktemp("other"), "other")


def written(folder: Path, *lines: str) -> Path:
    path = folder / "allowed"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def who(folder: Path, key: SigningKey, *lines: str, moment: float = NOW) -> str | Problem:
    return allowed_signers.read(written(folder, *lines)).who(key.public, moment)


def day(offset: int) -> str:
    return (datetime.datetime.now().astimezone() + datetime.timedelta(days=offset)).strftime(
        "%Y%m%d"
    )


def test_a_key_has_the_name_of_its_line(tmp_path, key, other):
    lines = ["# whom we trust", "", allowed_line(other, "other@test.example"), allowed_line(key)]
    assert who(tmp_path, key, *lines) == WHO
    assert who(tmp_path, other, *lines) == "other@test.example"
    assert who(tmp_path, other, allowed_line(key)) == ""


@pytest.mark.parametrize(
    "change",
    [
        lambda line: f"\t {line} with a comment",
        lambda line: line.replace(" ", "\t "),
        lambda line: line + "\r",
        lambda line: f"\ufeff{line}",
        lambda line: f'"{WHO}"' + line.removeprefix(WHO),
    ],
)
def test_blanks_comments_and_what_windows_adds_change_nothing(tmp_path, key, change):
    assert who(tmp_path, key, change(allowed_line(key))) == WHO


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("cert-authority", "the key is there only for certificates (cert-authority)"),
        ('namespaces="git,file"', "the key may not sign for vpack (namespaces)"),
        ('namespaces="*,!vpack"', "the key may not sign for vpack (namespaces)"),
        ('namespaces=""', "the key may not sign for vpack (namespaces)"),
        ('valid-after="20990101"', "the key is not valid yet (valid-after)"),
        ('valid-before="20200101"', "the key is no longer valid (valid-before)"),
        ('NAMESPACES="git"', "the key may not sign for vpack (namespaces)"),
    ],
)
def test_a_line_that_does_not_allow_its_key_says_why(tmp_path, key, options, why):
    found = who(tmp_path, key, "# one", allowed_line(key, options=options))
    assert isinstance(found, Problem)
    assert (found.where, found.what) == (f"{tmp_path}/allowed:2", why)
    assert found.remedy
    # Another line of the same key may.
    assert who(tmp_path, key, allowed_line(key, options=options), allowed_line(key, "b")) == "b"


@pytest.mark.parametrize(
    "options",
    [
        'namespaces="vpack"',
        'namespaces="git,v*"',
        'valid-after="20200101",valid-before="20990101"',
        'Valid-After="202001011200",namespaces="vpack"',
        'valid-before="20990101120000Z"',
        'valid-before="209901011200utc"',
    ],
)
def test_a_line_with_options_that_allow_its_key_names_its_holder(tmp_path, key, options):
    assert who(tmp_path, key, allowed_line(key, options=options)) == WHO


def test_times_are_those_of_the_clock_at_the_second(tmp_path, key):
    after = allowed_line(key, options='valid-after="20270115080000Z"')
    before = allowed_line(key, options='valid-before="20270115080000Z"')
    assert who(tmp_path, key, after, moment=NOW) == WHO
    assert isinstance(who(tmp_path, key, after, moment=NOW - 1), Problem)
    assert who(tmp_path, key, before, moment=NOW) == WHO
    assert isinstance(who(tmp_path, key, before, moment=NOW + 1), Problem)


def test_a_time_without_a_zone_is_local(tmp_path, key, monkeypatch):
    line = allowed_line(key, options='valid-after="202701150800"')
    monkeypatch.setenv("TZ", "UTC-2")
    time.tzset()
    try:
        assert who(tmp_path, key, line, moment=NOW - 7200) == WHO
        assert isinstance(who(tmp_path, key, line, moment=NOW - 7201), Problem)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("pattern", ["*", "*@test.example", "builder@test.exampl?", "!mallory,*"])
def test_a_pattern_names_nobody_and_is_refused_for_the_key_that_has_no_other_line(
    tmp_path, key, other, pattern
):
    lines = [allowed_line(other, pattern), allowed_line(key, pattern)]
    found = who(tmp_path, key, *lines)
    assert isinstance(found, Problem)
    assert str(found) == (
        f"{tmp_path}/allowed:2: the signer is a pattern, which names nobody"
        " — write the name of who holds the key"
    )
    assert who(tmp_path, key, *lines, allowed_line(key)) == WHO


def test_several_names_of_one_key_are_told_as_written(tmp_path, key):
    line = allowed_line(key, "a@test.example,b@test.example")
    assert who(tmp_path, key, line) == "a@test.example,b@test.example"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("builder@test.example", "has no key of a kind that is known"),
        ("builder@test.example ssh-ed25519", "has no key of a kind that is known"),
        ("builder@test.example ssh-ed25519 AAAA", "has a key that is not whole"),
        ("builder@test.example ssh-ed25519 AAAA*", "has a key that is not whole"),
        ("builder@test.example ssh-ed2551 KEY", "has no key of a kind that is known"),
        ("builder@test.example ssh-rsa KEY", "has a key that is not whole"),
        ("ssh-ed25519 KEY", "has no key of a kind that is known"),
        ('"builder ssh-ed25519 KEY', "has a quotation mark that does not end"),
        ('"" ssh-ed25519 KEY', "names no signer"),
        ("a\x1bb ssh-ed25519 KEY", "names no signer"),
        ("b touch-required ssh-ed25519 KEY", "has an option that is not known"),
        ("b namespaces=vpack ssh-ed25519 KEY", "has an option that is not known"),
        ('b namespaces="vpack ssh-ed25519 KEY', "has no key of a kind that is known"),
        ('b namespaces="vpack", ssh-ed25519 KEY', "has a comma behind its last option"),
        ('b namespaces="a",namespaces="b" ssh-ed25519 KEY', "has the option namespaces twice"),
        ('b cert-authoritynamespaces="b" ssh-ed25519 KEY', "has an option that is not known"),
        ('b valid-after="2027" ssh-ed25519 KEY', "has no time in valid-after"),
        ('b valid-before="20271301" ssh-ed25519 KEY', "has no time in valid-before"),
        ('b valid-before="soon" ssh-ed25519 KEY', "has no time in valid-before"),
        (
            'b valid-after="20270101",valid-before="20260101" ssh-ed25519 KEY',
            "has a key that is valid at no time",
        ),
    ],
)
def test_a_line_that_cannot_be_read_refuses_the_file_by_its_number(tmp_path, key, line, why):
    own = allowed_line(key, "x").split()[2]
    path = written(tmp_path, allowed_line(key), line.replace("KEY", own))
    with pytest.raises(UsageError) as caught:
        allowed_signers.read(path)
    (problem,) = caught.value.problems
    assert problem.where == f"{path}:2"
    assert problem.what.startswith(why)
    assert problem.remedy


def test_every_line_that_cannot_be_read_is_named_at_once(tmp_path, key):
    with pytest.raises(UsageError) as caught:
        allowed_signers.read(written(tmp_path, "a", allowed_line(key), "b"))
    assert [p.where[-2:] for p in caught.value.problems] == [":1", ":3"]


@pytest.mark.parametrize("content", [b"", b"# nobody\n\n", b"\xff\xfe", b"x" * 1_000_001])
def test_a_file_that_names_nobody_or_is_no_text_is_refused(tmp_path, content):
    (tmp_path / "allowed").write_bytes(content)
    with pytest.raises(UsageError, match=r"names no signer|cannot be read as text"):
        allowed_signers.read(tmp_path / "allowed")


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="cannot be read as text"):
        allowed_signers.read(tmp_path / "nothing")


def test_keys_of_other_kinds_may_stand_beside(tmp_path, key):
    ecdsa = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY="
    assert who(tmp_path, key, f"who {ecdsa} comment", allowed_line(key)) == WHO


@pytest.mark.parametrize(
    ("text", "patterns", "is_match"),
    [
        ("vpack", "vpack", True),
        ("vpack", "VPACK", False),
        ("vpack", "v?ack", True),
        ("vpack", "v*k,!vpack", False),
        ("vpack", "!vpack", False),
        ("vpack", "!git", False),
        ("vpack", "", False),
        ("vpack", "v.*", False),
        ("vpack", " vpack", False),
    ],
)
def test_patterns_match_as_those_of_openssh(text, patterns, is_match):
    assert matches(text, patterns) is is_match


LINES = [
    "",
    "cert-authority",
    'namespaces="vpack"',
    'namespaces="git"',
    'namespaces="git,v?a*"',
    'namespaces="*,!vpack"',
    'namespaces=""',
    'namespaces="v.*"',
    'NameSpaces="vpack"',
    'namespaces="a\\"b,vpack"',
    'namespaces="git vpack"',
    'namespaces="git, vpack"',
    'valid-after="20200101"',
    'valid-after="20990101"',
    'valid-before="20200101"',
    'valid-before="20990101"',
    'valid-after="202001011200",valid-before="20350101000000"',
    'valid-after="20200101",valid-before="20210101"',
    'namespaces="vpack",cert-authority',
    f'valid-after="{day(1)}"',
    f'valid-before="{day(-1)}"',
]
REFUSED = [
    "touch-required",
    "namespaces=vpack",
    'namespaces="vpack",',
    'valid-after="2020"',
    'valid-after="20270101",valid-before="20260101"',
    'namespaces="vpack",namespaces="vpack"',
]


@needs_ssh_keygen
@pytest.mark.parametrize("options", [*LINES, *REFUSED])
def test_ssh_keygen_says_the_same_of_every_option(tmp_path, key, options):
    """Where we refuse a file, it says no as well; nowhere is its verdict another one."""
    message = stored("message")
    (tmp_path / "m.sig").write_bytes(key.sign(message))
    path = written(tmp_path, allowed_line(key, options=options))
    theirs = stock_verdict(message, tmp_path / "m.sig", path, WHO)
    if options in REFUSED:
        assert not theirs
        with pytest.raises(UsageError):
            allowed_signers.read(path)
    else:
        assert (allowed_signers.read(path).who(key.public, time.time()) == WHO) is theirs
