"""What an expectation can reach: the folder that it is given, and nothing outside of it."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from vpack_pipeline.gate import engine


def test_an_expectation_reads_its_table_and_nothing_outside_of_the_folder(tmp_path: Path) -> None:
    inside, outside = tmp_path / "warehouse", tmp_path / "elsewhere"
    paths = [folder / "table.parquet" for folder in (inside, inside / "other", outside)]
    for path in paths:
        path.parent.mkdir()
        pl.DataFrame({"a": [1]}).write_parquet(path)
    assert engine.find([paths[0]], {"own": "select a from {batch} where a = 1"}, inside) == {"own"}
    # A query that cannot run counts as one that found something.
    empty = "select a from {batch} where a = 2"
    assert engine.find([paths[0]], {"own": empty}, inside) == set()
    refused = f"select a from read_parquet('{paths[2]}') where a = 2"
    assert engine.find([paths[0]], {"outside": refused}, inside) == {"outside"}


def test_one_table_after_another_is_seen_and_none_is_left(tmp_path: Path) -> None:
    for value in (1, 2):
        path = tmp_path / f"{value}.parquet"
        pl.DataFrame({"a": [value]}).write_parquet(path)
        asked = {str(v): f"select a from {{batch}} where a = {v}" for v in (1, 2)}
        assert engine.find([path], asked, tmp_path) == {str(value)}
    with engine._table([path], tmp_path) as connection:
        views = connection.execute("select view_name from duckdb_views() where not internal")
        assert views.fetchall() == [(engine.VIEW,)]
    assert not (
        engine._locked_to(tmp_path)
        .execute("select view_name from duckdb_views() where not internal")
        .fetchall()
    )


def test_one_database_is_open_at_a_time(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
        pl.DataFrame({"a": [1]}).write_parquet(folder / "table.parquet")
        assert engine.find([folder / "table.parquet"], {"q": "select a from {batch}"}, folder)
        assert list(engine._OPEN) == [folder]
