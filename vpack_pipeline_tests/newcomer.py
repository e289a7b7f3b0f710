"""Each recipe of CONTRIBUTING as a newcomer would follow it: what they write into which file.

What does not belong here: what is missing where one of them is forgotten (``recipes``).
"""

from __future__ import annotations

from collections.abc import Mapping

from vpack_pipeline_tests.recipes import (
    HEADER_FIELDS,
    HEADER_TEST,
    METRICS,
    MONITOR_TEST,
    MONITORS,
    TEMPLATES,
    Tree,
)

Edit = tuple[str, str]
"""What stands in a file, and what takes its place; a new or longer file begins with nothing."""

OPERATING = "vpack_pipeline/core/evaluation/operating_points.py"
METRIC: dict[str, Edit] = {
    METRICS: (
        "",
        "  - name: wrong_calls\n    title: Wrong calls\n    kind: count\n"
        "    meaning: False positives and false negatives.\n"
        "    tables: [evaluation/operating_points]\n",
    ),
    OPERATING: (
        '        "tn": table.cleared,\n',
        '        "tn": table.cleared,\n'
        '        "wrong_calls": (table.positive & ~table.hit) | (table.negative & ~table.cleared),\n',
    ),
    "vpack_pipeline_tests/core/test_evaluation_performance.py": (
        "",
        '\ndef test_wrong_calls():\n    assert value(TABLE, "wrong_calls") == 7\n',
    ),
    "changelog/wrong-calls.md": ("", "# Wrong calls are printed\n\n`wrong_calls` is new.\n"),
}
PROTOCOL = "data/protocols/cxr-triage-1.0.yaml"
MONITOR: dict[str, Edit] = {
    MONITORS: (
        '    "volume": Kind(',
        '    "busy_days": Kind(_cases, _volume, "volume", "Cases.", _THINNED, needs="none"),\n'
        '    "volume": Kind(',
    ),
    MONITOR_TEST: (
        "",
        '\ndef test_busy_days() -> None:\n    assert value("busy_days", 1, 2) == 3\n',
    ),
    PROTOCOL: (
        "drift:\n  monitors:\n",
        "drift:\n  monitors:\n    - {name: busy, title: Busy days, statistic: busy_days,\n"
        "       layer: operations, sees: more work, blind_to: its mix}\n",
    ),
}
SERIES, STUDIES = "dbt_like_sql/cohort/series.sql", "dbt_like_sql/cohort/studies.sql"
IN_SQL: Edit = (
    "mode(kvp order by kvp) as kvp,\n",
    "mode(kvp order by kvp) as kvp,\n    mode(focal_spot_mm order by focal_spot_mm) as focal_spot_mm,\n",
)
HEADER: dict[str, Edit] = {
    HEADER_FIELDS: (
        "",
        "  - {name: focal_spot_mm, kind: number, unit: mm, above: 0, personal: false,\n"
        '     also_of: [series, study], elements: ["FocalSpots (0018,1190)"],\n'
        '     description: "Size of the focal spot."}\n',
    ),
    SERIES: IN_SQL,
    STUDIES: IN_SQL,
    HEADER_TEST: ("", '\nFOCAL = ({"FocalSpots": "0.6"}, "focal_spot_mm", 0.6)\n'),
}
CASE_MIX = "vpack_pipeline/contracts/evaluation/case_mix.yaml"
TABLE: dict[str, Edit] = {
    CASE_MIX: (
        "",
        "description: Cases of each finding.\ngrain: one row per finding\nkey: [finding]\n"
        "may_be_empty: null\nexport: true\ncomputed_by: core\n"
        "inputs: {included: eligibility/included}\ncolumns: [finding, n]\n",
    ),
    "vpack_pipeline/core/evaluation/case_mix.py": (
        "",
        '"""Cases."""\n\n\ndef case_mix(*, included: pl.DataFrame) -> pl.DataFrame:\n    ...\n',
    ),
    "vpack_pipeline_tests/core/test_case_mix.py": (
        "",
        "from vpack_pipeline.core.evaluation.case_mix import case_mix\n",
    ),
    f"{TEMPLATES}evaluation.html.j2": (
        "",
        "{% macro case_mix(chapter='performance') %}\n"
        "{{ plain('case-mix', 'Cases.', book.rows('evaluation/case_mix'), [('n', 'n', 'n')]) }}\n"
        "{% endmacro %}\n",
    ),
}


def followed(tree: Tree, recipe: Mapping[str, Edit], without: str | None = None) -> Tree:
    """A tree in which a recipe is followed, but for one of its files."""
    changed = {}
    for path, (old, new) in recipe.items():
        text = tree.texts.get(path, "")
        assert old in text, path
        if path != without:
            changed[path] = text.replace(old, new, 1) if old else text + new
    return tree.but(changed)
