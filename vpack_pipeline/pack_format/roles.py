"""In which roles a pack is signed, and the form of a key's fingerprint.

What does not belong here: anything else. ``site`` imports this, and with it every table.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

Role = Literal["builder", "clinician", "statistician"]
"""In which role someone signs: who made the pack, who answers for cases and labels, who for the
analysis."""
ROLES: Final[tuple[str, ...]] = get_args(Role)
FINGERPRINT: Final = r"SHA256:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]"
"""The form of a key's fingerprint, as ``ssh-keygen -l`` prints it."""
