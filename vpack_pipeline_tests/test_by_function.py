"""A table is computed as its contract says, and on one thread of linear algebra."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from vpack_pipeline.assets import by_function


def blas_threads() -> set[int]:
    return {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}


def test_a_table_is_computed_on_one_thread_whatever_the_process_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its bytes would else depend on the number of cores."""
    seen: list[set[int]] = []
    module = SimpleNamespace(table=lambda: seen.append(blas_threads()))
    contract: Any = SimpleNamespace(
        package="some.package",
        table="table",
        inputs={},
        inputs_part="table",
        computed_by="core",
        protocol=(),
        site=(),
        uses_cut=False,
    )
    bench: Any = SimpleNamespace(study=None)
    monkeypatch.setattr(by_function.importlib, "import_module", lambda name: module)
    monkeypatch.setattr(by_function, "write", lambda *given: [])
    assert np.ones(2) @ np.ones(2) == 2  # its library is loaded
    with threadpool_limits(limits=2, user_api="blas"):
        by_function.compute(bench, contract, {}, {})
        assert blas_threads() == {2}
    assert seen == [{1}]
