"""One sample study for all report tests: made once a run, in whichever process comes first."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest
from pack_sample import sample
from report_bench import complete, rendered

from vpack_pipeline_tests.once import once
from vpack_pipeline_tests.untraced import traced


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    def make(folder: Path) -> None:
        folder.mkdir()
        with traced():
            made = complete(sample())
        (folder / "study.pickle").write_bytes(pickle.dumps(made))

    made = once(tmp_path_factory, "study", make) / "study.pickle"
    return pickle.loads(made.read_bytes())


@pytest.fixture(scope="session")
def page(study) -> str:
    return rendered(study)
