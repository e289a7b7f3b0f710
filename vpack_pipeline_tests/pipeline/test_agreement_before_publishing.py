"""A pack whose parts do not agree is not published: its reviewer would refuse it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from vpack_pipeline.assets.publish import publish
from vpack_pipeline.errors import GateClosedError
from vpack_pipeline.io import packs
from vpack_pipeline.report import rendering
from vpack_pipeline_tests.pipeline import bench
from vpack_pipeline_tests.pipeline.bench import EARLY, LOOK, SITE


def test_the_pack_of_a_built_site_agrees_in_all_its_parts(built: Path) -> None:
    for version in packs.versions(built / "data/packs", SITE):
        assert packs.verify(version.path) == []


def test_a_page_that_prints_another_figure_than_its_table_is_not_published(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (at_look,) = (v for v in packs.versions(own / "data/packs", SITE) if v.cut == LOOK)
    shutil.rmtree(at_look.path)
    render = rendering.render

    def another_page(**given: Any) -> bytes:
        return render(**given).replace(b">inconclusive</span>", b">met</span>", 1)

    monkeypatch.setattr(rendering, "render", another_page)
    with pytest.raises(GateClosedError, match=r"differs from figures\.csv"):
        publish(bench.bench(own, cut=LOOK))
    assert [v.cut for v in packs.versions(own / "data/packs", SITE)] == [EARLY]
    monkeypatch.undo()
    assert publish(bench.bench(own, cut=LOOK)).version == at_look.name
