from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GOLD = Path(__file__).parent / "gold"


@pytest.fixture
def gold() -> Callable[[str], dict[str, Any]]:
    """A reference case by name: inputs, expected, tolerance, and the software it came from."""

    def load(name: str) -> dict[str, Any]:
        case: dict[str, Any] = json.loads((GOLD / f"{name}.json").read_text())
        assert case["reference"], "a reference case without provenance proves nothing"
        return case

    return load
