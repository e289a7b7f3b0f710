"""The models as they run in a build: one locked COPY each, then the gate over their files."""

from __future__ import annotations

from vpack_pipeline import contracts
from vpack_pipeline.gate import check
from vpack_pipeline.io import models
from vpack_pipeline.protocol import Covariate

from .world import MODELS


def test_models_run_locked_and_their_files_pass_the_gate(world, tmp_path):
    made = world(
        covariates=(Covariate(name="smoker", title="Smoker", type="bool"),),
        studies="""
            | study_id | patient_id | age_years | study_date |
            | s1       | ann        | 60        | 2024-01-01 |
            | s2       | bob        | 17        | 2024-01-01 |
        """,
        cases="|case_id|patient_id|covariates|\n|c1|ann|{}|\n|c2|bob|{}|",
        case_studies="|case_id|study_id|role|\n|c1|s1|index|\n|c2|s2|index|",
        rules="""
            | id      | kind    | level | when            | if_unknown |
            | adults  | include | case  | age_years >= 18 | exclude    |
            | smokers | exclude | case  | smoker          | include    |
        """,
    )
    files = {}
    for name, frame in made.cohort().items():
        files[f"cohort/{name}"] = [tmp_path / f"cohort_{name}.parquet"]
        frame.write_parquet(files[f"cohort/{name}"][0])
    values = {"primary_model": "m1", "rules": made.rules.rules_json}
    rows = {}
    for table in MODELS:
        contract = contracts.load()[f"eligibility/{table}"]
        sql = made.sql(table)
        inputs = {asset: files[asset] for asset in models.references(sql, contract.asset)}
        given = {k: v for k, v in values.items() if k in contract.parameters}
        files[contract.asset] = [tmp_path / f"{table}.parquet"]
        rows[table] = models.run(sql, contract, inputs, given, files[contract.asset][0])
        checked = check.run(contract, files[contract.asset], rows[table])
        assert [c.id for c in checked if c.closes] == []
    expected = {"patients": 2, "studies": 2, "cases": 2, "flags": 6, "flow": 9}
    assert rows == expected | {"included": 1, "excluded": 1}
