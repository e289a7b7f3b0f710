"""A table is computed as its contract says, and on one thread of linear algebra."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from vpack_pipeline import contracts
from vpack_pipeline.assets import by_function
from vpack_pipeline.errors import ContractError


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
    monkeypatch.setattr(by_function, "function_of", lambda _: module.table)
    monkeypatch.setattr(by_function, "write", lambda *given: [])
    assert np.ones(2) @ np.ones(2) == 2  # its library is loaded
    with threadpool_limits(limits=2, user_api="blas"):
        by_function.compute(bench, contract, {}, {})
        assert blas_threads() == {2}
    assert seen == [{1}]


@pytest.mark.parametrize(
    ("asset", "place"),
    [
        ("evaluation/failures", "vpack_pipeline.core.evaluation.failures"),
        ("drift/limits", "vpack_pipeline.core.drift.tables"),
        ("cohort/files", "vpack_pipeline.io.cohort.images"),
        ("pack/validation_pack", "vpack_pipeline.io.packs.store"),
    ],
)
def test_the_function_of_a_table_lies_in_the_module_of_its_name_or_is_named_by_its_package(
    asset: str, place: str
) -> None:
    assert by_function.function_of(contracts.load()[asset]).__module__ == place


def test_a_table_without_a_function_says_where_it_is_looked_for() -> None:
    contract = contracts.load()["evaluation/failures"]
    absent = contract.model_copy(update={"asset": "evaluation/odd"})
    told = r"^evaluation/odd: no function odd; write it into vpack_pipeline\.core\.evaluation\.odd$"
    with pytest.raises(ContractError, match=told):
        by_function.function_of(absent)
