"""What holds for every test: the profile that property tests run under (``hypothesis_profiles``)."""

from __future__ import annotations

import os

from hypothesis import settings

from vpack_pipeline_tests.hypothesis_profiles import EVERY_RUN, register_profiles

# Before any test module is imported: a test takes its number of examples from the profile in force.
# pytest's own --hypothesis-profile comes later still before tests, and wins.
register_profiles()
settings.load_profile(os.environ.get("VPACK_HYPOTHESIS", EVERY_RUN))
