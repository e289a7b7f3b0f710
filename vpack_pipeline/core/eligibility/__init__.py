"""Which cases belong: the protocol's rules, checked and compiled to the model ``flags``.

The tables of this section are SQL models; what does not belong here is how they run
(``io.models``) and what an exclusion does to the figures (``evaluation``).
"""

from __future__ import annotations

from vpack_pipeline.core.eligibility.compiler import VIEWS, compile_flags
from vpack_pipeline.core.eligibility.rules import bounded_rules, check_rules, meaning
from vpack_pipeline.core.eligibility.stopping import stopping_problems

__all__ = [
    "VIEWS",
    "bounded_rules",
    "check_rules",
    "compile_flags",
    "meaning",
    "stopping_problems",
]
