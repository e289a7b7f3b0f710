"""Statistics against a second implementation, and that no reference case lies unused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vpack_pipeline.stats.roc import auc


@pytest.mark.parametrize("seed", range(5))
def test_weighted_auc_agrees_with_scikit_learn(seed: int) -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(seed)
    score = rng.integers(0, 20, 300) / 20
    positive = rng.random(300) < 0.3
    weights = rng.random(300)
    expected = roc_auc_score(positive, score, sample_weight=weights)
    assert auc(score, positive, weights=weights) == pytest.approx(expected, abs=1e-12)


def test_every_reference_case_is_compared_with_something() -> None:
    here = Path(__file__).parent
    said = "".join(p.read_text(encoding="utf-8") for p in sorted(here.glob("test_*.py")))
    kept = [p.stem for p in sorted((here / "gold").glob("*.json"))]
    assert kept
    assert [name for name in kept if f'"{name}"' not in said] == []
