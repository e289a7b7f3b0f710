"""A share as people type it: 0.03, 3% or 3,5%.

What does not belong here: which shares make sense (whoever asks).
"""

from __future__ import annotations


def typed_share(text: str) -> float | None:
    """Read a share; None where the text is no number.

    >>> typed_share("0.03"), typed_share(" 3,5 %"), typed_share("three")
    (0.03, 0.035, None)
    """
    plain = text.strip().replace(",", ".")
    try:
        number = float(plain.removesuffix("%").strip())
    except ValueError:
        return None
    return number / 100 if plain.endswith("%") else number
