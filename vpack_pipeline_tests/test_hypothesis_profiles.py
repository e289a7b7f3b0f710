"""The profiles of property tests, and that no test goes past them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from vpack_pipeline_tests.hypothesis_profiles import EVERY_RUN, NIGHTLY, examples_drawn

HERE = Path(__file__).parent
PROFILES = HERE / "hypothesis_profiles.py"


@pytest.fixture
def _same_profile_afterwards() -> Iterator[None]:
    before = settings.get_current_profile_name()
    yield
    settings.load_profile(before)


@pytest.mark.usefixtures("_same_profile_afterwards")
@pytest.mark.parametrize(("profile", "factor"), [(EVERY_RUN, 1), (NIGHTLY, 20)])
def test_a_night_draws_new_examples_and_more_in_every_test(profile: str, factor: int) -> None:
    settings.load_profile(profile)
    own = examples_drawn(7, unchecked=(HealthCheck.function_scoped_fixture,))
    assert own.max_examples == 7 * factor
    assert examples_drawn(7, a_night=500).max_examples == (500 if profile == NIGHTLY else 7)
    assert set(own.suppress_health_check) == {
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
    }
    for found in (own, settings.default):
        assert found.derandomize == (profile == EVERY_RUN)
        assert (found.deadline, found.database) == (None, None)
    assert settings.default.max_examples == 100 * factor


def test_no_property_test_states_settings_of_its_own() -> None:
    exempt = {PROFILES, HERE / "conftest.py", Path(__file__)}
    texts = {
        path.relative_to(HERE): path.read_text(encoding="utf-8")
        for path in sorted(HERE.rglob("*.py"))
        if path not in exempt
    }
    property_tests = {path: ast.parse(text) for path, text in texts.items() if "hypothesis" in text}
    assert property_tests
    imported = {
        (path, alias.name)
        for path, tree in property_tests.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "hypothesis"
        for alias in node.names
    }
    own = {str(path) for path, name in imported if name == "settings"}
    assert own == set(), "take the number from hypothesis_profiles.examples_drawn"
