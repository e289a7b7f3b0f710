"""Every character set that DICOM defines: read as written, and refused where bytes are not of it."""

from __future__ import annotations

import string

import pytest
from pydicom import charset as by_pydicom
from pydicom.valuerep import TEXT_VR_DELIMS

from vpack_pipeline.io.dicom import charsets, values
from vpack_pipeline.io.dicom.outcomes import HeaderError

# What a file declares; a text of it; bytes that are none of it.
SINGLE = {
    "13": ("ﾔﾏﾀﾞ", b"\xe9a"),
    "100": ("Müller", b"M\x93ller\x94"),
    "101": ("Dvořák", b"\x85"),
    "109": ("Ħanżira", b"H\xa5"),
    "110": ("Ķēniņš", b"\x80"),
    "126": ("Διονυσιος", b"\xff"),
    "127": ("قباني", b"\xfc"),
    "138": ("שרון", b"\xc4"),
    "144": ("Люксембург", b"\x90"),
    "148": ("Çavuşoğlu", b"\x81"),
    "166": ("นามสกุล", b"\xfd"),
}
MULTIPLE = {
    "\\ISO 2022 IR 87": ("Yamada 山田", b"\x1b$B;3E"),
    "\\ISO 2022 IR 159": ("丂侄", b"\x1b$(D0!0"),
    "\\ISO 2022 IR 149": ("Hong 洪", b"\x1b$)C\xfb"),
    "\\ISO 2022 IR 13": ("ﾔﾏﾀﾞ", b"\x1b)I\xe9"),
    "ISO 2022 IR 13\\ISO 2022 IR 87": ("ﾔﾏﾀﾞ 山田", b"\x1b$B;3\x1b(Z"),
    "\\ISO 2022 IR 87\\ISO 2022 IR 159": ("山丂田", b"\x1b$C;3"),
    "ISO 2022 IR 100\\ISO 2022 IR 144": ("Müller Люкс", b"\x1b-T\xa1"),
    "ISO 2022 IR 6\\ISO 2022 IR 126\\ISO 2022 IR 138": ("Διον שרון", b"\x1b-G\xc7"),
}
ALONE = {
    "ISO_IR 192": ("Müller 王小东", b"M\xfcller"),
    "GB18030": ("王小东 ㍝", b"M\xfcller"),
    "GBK": ("王小东", b"Stra\xdfe"),
    "ISO 2022 GBK": ("王小东", b"Ren\xe9e"),
}
PYDICOM_LACKS = {"ISO_IR 203", "ISO 2022 IR 203"}
SPEC = [
    *((f"ISO_IR {n}", *case) for n, case in SINGLE.items()),
    *((f"ISO 2022 IR {n}", *case) for n, case in SINGLE.items()),
    *((terms, *case) for terms, case in (MULTIPLE | ALONE).items()),
]


def read(terms: str, value: bytes) -> str | None:
    return values.text(value, charsets.declared(terms.encode()))


def refused(terms: str, value: bytes) -> bool:
    try:
        read(terms, value)
    except HeaderError as error:
        return error.code == "BAD_CHARSET"
    return False


@pytest.mark.parametrize(("terms", "text", "broken"), SPEC)
def test_a_text_is_read_as_pydicom_wrote_it_and_foreign_bytes_are_refused(
    terms: str, text: str, broken: bytes
) -> None:
    encodings = by_pydicom.convert_encodings(terms.split("\\"))
    written = by_pydicom.encode_string(text, encodings)
    assert not written.isascii() or b"\x1b" in written
    assert read(terms, written) == text == by_pydicom.decode_bytes(
        written, encodings, TEXT_VR_DELIMS
    )  # fmt: skip
    assert read(terms, b"plain ") == "plain"
    assert refused(terms, broken)


def test_every_term_that_pydicom_knows_is_known_and_asked_here() -> None:
    assert {*by_pydicom.python_encoding, *PYDICOM_LACKS} == charsets.TERMS
    asked = {t for terms, _, _ in SPEC for t in terms.split("\\")}
    # pydicom writes ISO-IR 58 without its escape sequence; ISO-IR 6 is what nothing means.
    assert charsets.TERMS - asked == PYDICOM_LACKS | {"ISO_IR 6", "ISO 2022 IR 58", "ISO 2022 58"}


def test_what_pydicom_cannot_write() -> None:
    assert read("ISO_IR 203", b"\xa4 Fran\xe7ois") == "€ François"
    assert read("ISO 2022 IR 6\\ISO 2022 IR 203", b"\x1b-b\xbduvre") == "œuvre"
    # PS3.5 annex K.2
    assert read("\\ISO 2022 IR 58", b"Zhang=\x1b$)A\xd5\xc5\xd0\xa1") == "Zhang=张小"
    assert refused("\\ISO 2022 IR 58", b"\xd5\xc5")


@pytest.mark.parametrize("terms", ["", "ISO_IR 6", "ISO 2022 IR 6"])
def test_where_nothing_is_declared_seven_bits_are(terms: str) -> None:
    assert read(terms, b"Muller") == "Muller"
    assert refused(terms, b"M\xfcller")
    with pytest.raises(HeaderError, match="BAD_CHARSET"):
        values.text(b"M\xfcller", charsets.declared(None))


@pytest.mark.parametrize("terms", ["ISO_IR 999", "latin-1", "ISO_IR 192\\ISO 2022 IR 87", "GBK\\"])
def test_a_set_that_dicom_does_not_define_holds_ascii_only(terms: str) -> None:
    assert read(terms, b"Muller") == "Muller"
    assert refused(terms, b"M\xfcller")
    assert charsets.declared(terms.encode()) is None


@pytest.mark.parametrize(
    ("terms", "text", "really"),
    [
        ("GB18030", "Müller", "latin_1"),
        ("GBK", "Özgür", "latin_1"),
        ("ISO_IR 192", "Dvořák", "iso8859_2"),
        ("ISO_IR 192", "王小东", "gbk"),
        ("ISO_IR 100", "Müller", "utf_8"),
        ("ISO_IR 148", "Çavuş", "utf_8"),
        ("ISO_IR 100", "山田", "iso2022_jp"),
        ("ISO_IR 13", "Müller", "latin_1"),
        ("ISO_IR 13", "山田", "shift_jis"),
        ("\\ISO 2022 IR 149", "Müller", "latin_1"),
    ],
)
def test_another_sets_bytes_never_become_other_letters(terms: str, text: str, really: str) -> None:
    assert refused(terms, text.encode(really))


@pytest.mark.parametrize("text", ["王^小东", "CT机", "A 镕基", "王镕", "DR系统 2"])
def test_chinese_signs_are_not_taken_for_accents(text: str) -> None:
    assert read("GB18030", text.encode("gb18030")) == text


def test_a_set_holds_to_the_end_of_its_value() -> None:
    # PS3.5 6.1.2.5.3: behind a delimiter the first set is active again.
    terms = "\\ISO 2022 IR 149"
    assert read(terms, b"\x1b$)C\xfb\xf3\\\x1b$)C\xd1\xce") == "洪\\吉"
    assert refused(terms, b"\x1b$)C\xfb\xf3\\\xd1\xce")


@pytest.mark.parametrize("terms", [t for t, _, _ in SPEC])
def test_no_byte_pair_raises_anything_else_or_leaves_a_control_character(terms: str) -> None:
    bad = set(string.whitespace) - {" "}
    for first in range(0x80, 0x100):
        for second in (0x1B, 0x41, 0x5C, 0x7E, 0x80, 0xA0, 0xC3, 0xFF):
            value = bytes((0x41, first, second, 0x42))
            if not refused(terms, value):
                made = read(terms, value)
                assert made
                assert not any(c in bad or 0x7F <= ord(c) < 0xA0 or c == "\x1b" for c in made)
