"""How many examples a property test draws, and from which seeds.

``every_run`` draws the same examples each time, so that a run tells what a change broke and nothing
else. ``nightly`` draws new ones, and 20 times as many in every test, or more where one example takes
long and a run has few. Choose it with
``VPACK_HYPOTHESIS=nightly`` or ``pytest --hypothesis-profile=nightly``; ``--hypothesis-seed`` draws
a night's examples again. Neither knows a deadline: speed is for the benchmarks. What a night finds
is kept as an ``@example`` of its test. What does not belong here: what a test draws.
"""

from __future__ import annotations

from typing import Final

from hypothesis import HealthCheck, settings

EVERY_RUN: Final = "every_run"
NIGHTLY: Final = "nightly"
FACTORS: Final = {EVERY_RUN: 1, NIGHTLY: 20}
"""How many times its own number of examples a test draws, by profile."""
EXAMPLES: Final = 100
"""What a test draws that states no number, times the factor."""
UNTIMED: Final = (HealthCheck.too_slow,)


def register_profiles() -> None:
    """Make the profiles known to Hypothesis; none is in force yet."""
    for name, factor in FACTORS.items():
        settings.register_profile(
            name,
            max_examples=EXAMPLES * factor,
            derandomize=name == EVERY_RUN,
            database=None,
            deadline=None,
            print_blob=True,
            suppress_health_check=UNTIMED,
        )


def examples_drawn(
    n: int, *, a_night: int = 0, unchecked: tuple[HealthCheck, ...] = ()
) -> settings:
    """Let a test draw ``n`` examples, times the factor of the profile in force.

    Parameters
    ----------
    n : examples, >= 1, under ``every_run``
    a_night : at least so many under ``nightly``
    unchecked : health checks that the test cannot pass, with the reason beside it
    """
    profile = settings.get_current_profile_name()
    drawn = max(n * FACTORS.get(profile, 1), a_night if profile == NIGHTLY else 0)
    return settings(max_examples=drawn, suppress_health_check=(*UNTIMED, *unchecked))
