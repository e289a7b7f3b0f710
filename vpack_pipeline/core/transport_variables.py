"""By which variables cells are made whose figures can be carried to another population.

What does not belong here: the printed levels of these variables (``representativeness``).
"""

from __future__ import annotations

from typing import Final

from vpack_pipeline.contracts import header_fields
from vpack_pipeline.protocol import Representativeness

SETTING: Final = "setting"


def transport_variables(representativeness: Representativeness) -> tuple[str, ...]:
    """Give the variables that the protocol names, else the setting and the machine.

    The setting is the profile's variable of that name, the machine its first header field that
    names what made an image.

    Returns
    -------
    names in the order of the profile; none where the protocol names none and profiles neither
    """
    profiled = [v.name for v in representativeness.variables]
    if representativeness.transport:
        return tuple(name for name in profiled if name in representativeness.transport)
    machines = {f.name for f in header_fields.load() if f.device == "machine"}
    machine = next((name for name in profiled if name in machines), None)
    return tuple(name for name in profiled if name in (SETTING, machine))
