"""One tiny site, built through the real job once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dagster._core.storage.defs_state.base import set_defs_state_storage

from vpack_pipeline.cli import main
from vpack_pipeline.gate import check
from vpack_pipeline_tests.once import once
from vpack_pipeline_tests.pipeline import bench


@pytest.fixture(autouse=True)
def _no_global_of_a_past_instance() -> Iterator[None]:
    with set_defs_state_storage(None):
        yield


@pytest.fixture(scope="session")
def _early(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "early", _build_early)


def _build_early(root: Path) -> None:
    bench.make_root(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "run", bench.assumed())
        ran = bench.run(root, as_of=bench.EARLY)
    assert ran.result.success, ran.errors


@pytest.fixture(scope="session")
def _built(_early: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    def build(root: Path) -> None:
        ran = bench.run(bench.copy(_early, root), as_of=bench.LOOK)
        assert ran.result.success, ran.errors

    return once(tmp_path_factory, "built", build)


@pytest.fixture(scope="session")
def early(_early: Path) -> Path:
    """A root built at a cut before the look, with checks assumed: read it, never change it."""
    return _early


@pytest.fixture(scope="session")
def built(_built: Path) -> Path:
    """The same root built at the look as well, every check run: read it, never change it."""
    return _built


@pytest.fixture
def own_early(_early: Path, tmp_path: Path) -> Path:
    """A copy of the early root, for a test that changes it."""
    return bench.copy(_early, tmp_path / "root")


@pytest.fixture
def own(_built: Path, tmp_path: Path) -> Path:
    """A copy of the built root, for a test that changes it."""
    return bench.copy(_built, tmp_path / "root")


@pytest.fixture
def own_unpublished(_built: Path, tmp_path: Path) -> Path:
    """A copy of the built root in which the pack at the look has yet to be published."""
    root = bench.copy(_built, tmp_path / "root")
    bench.withdraw(root, bench.LOOK)
    return root


@pytest.fixture
def assume(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let every check pass without running it, but for the tables that are named."""

    def assume_checks(*failing: str) -> None:
        monkeypatch.setattr(check, "run", bench.assumed(frozenset(failing)))

    return assume_checks


@pytest.fixture
def vpack(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command: its exit code, standard output and standard error."""

    def run(root: Path, *arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(["--root", str(root), *arguments])
        out, err = capsys.readouterr()
        return int(str(left.value.code)), out, err

    return run
