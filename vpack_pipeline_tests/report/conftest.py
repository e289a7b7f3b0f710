"""One sample study for all report tests: made once a session."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pack_sample import sample
from report_bench import complete, rendered


@pytest.fixture(scope="session")
def study() -> SimpleNamespace:
    return complete(sample())


@pytest.fixture(scope="session")
def page(study) -> str:
    return rendered(study)
