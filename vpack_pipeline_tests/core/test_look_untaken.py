"""A look is exploratory where no endpoint takes it; one that takes it makes it a look."""

from __future__ import annotations

import pytest

from vpack_pipeline.core.evaluation.verdicts import INCONCLUSIVE, MET, NOT_TAKEN, is_look_untaken


@pytest.mark.parametrize(
    ("verdicts", "is_untaken"),
    [
        ([], False),
        ([NOT_TAKEN], True),
        ([NOT_TAKEN, NOT_TAKEN], True),
        ([NOT_TAKEN, MET], False),
        ([INCONCLUSIVE], False),
    ],
)
def test_a_look_is_untaken_where_all_endpoints_leave_it(verdicts, is_untaken) -> None:
    assert is_look_untaken(verdicts) is is_untaken
