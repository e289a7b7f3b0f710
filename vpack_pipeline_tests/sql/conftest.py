"""The world fixture: a cohort and rules drawn as spec tables."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vpack_pipeline.protocol import Covariate

from .world import World, rules_of, spec


@pytest.fixture
def world() -> Callable[..., World]:
    """Make a world from spec tables, by cohort table name; ``rules`` is one of them."""

    def make(covariates: tuple[Covariate, ...] = (), **drawn: str) -> World:
        tables = {name: spec(text) for name, text in drawn.items()}
        rules = tables.pop("rules", None)
        made = World(tables=tables, covariates=covariates)
        if rules is not None:
            made.rules = rules_of(rules)
        return made

    return make
