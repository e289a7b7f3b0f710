"""What a table of two packs can have changed by, from receipts, contracts and protocols."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from vpack_pipeline.core.diff.causes import CAUSES, Basis, Comparison
from vpack_pipeline_tests.documents import data_of

DELIVERED = ("cohort/cases", "cohort/predictions", "cohort/readers", "cohort/reads")
MADE_OF = {
    "cohort/deliveries": (),
    "cohort/cases": ("cohort/deliveries",),
    "cohort/predictions": ("cohort/cases", "cohort/deliveries"),
    "cohort/readers": ("cohort/deliveries",),
    "cohort/reads": ("cohort/cases", "cohort/deliveries", "cohort/readers"),
    "adjudication/agreement": ("cohort/cases", "cohort/reads"),
    "evaluation/index_test": ("cohort/cases", "cohort/predictions"),
    "evaluation/performance": ("adjudication/agreement", "evaluation/index_test"),
}
"""Table → tables that it is made of."""
BLOCKS = {
    "cohort/predictions": ["index_test"],
    "adjudication/agreement": ["adjudication"],
    "evaluation/index_test": ["index_test"],
    "evaluation/performance": ["index_test", "evaluation"],
}
AGREEMENT, PERFORMANCE = "adjudication/agreement", "evaluation/performance"


def basis(**protocol: Any) -> Basis:
    receipts = {
        asset: {
            "table_digest": f"{asset} as it was",
            "compute": f"code of {asset}",
            "cut": "2026-07-20",
            "normalisation": "nfkc-trim-2",
            "inputs": dict.fromkeys(inputs, ""),
        }
        for asset, inputs in MADE_OF.items()
    }
    contracts = {
        asset: {
            "inputs": {name: name for name in inputs},
            "protocol": BLOCKS.get(asset, []),
            "uses_cut": asset == PERFORMANCE,
        }
        for asset, inputs in MADE_OF.items()
    }
    return Basis("harbour", 7, data_of("protocol.yaml") | protocol, receipts, contracts)


A = basis()


def changed(of: Basis = A, /, **receipts: dict[str, str]) -> Basis:
    """Change receipts, by the name of the table without its section; what follows changes too."""
    made = {asset: dict(receipt) for asset, receipt in of.receipts.items()}
    altered: set[str] = set()
    for asset, inputs in MADE_OF.items():
        update = receipts.get(asset.partition("/")[2])
        if update is not None or altered & {*inputs}:
            altered.add(asset)
            made[asset] |= {"table_digest": f"{asset} as it is now"} | (update or {})
    return replace(of, receipts=made)


def with_model(**values: str) -> Basis:
    test = copy.deepcopy(A.protocol["index_test"])
    test["models"][0] |= values
    return replace(A, protocol={**A.protocol, "index_test": test})


def causes(b: Basis, asset: str = PERFORMANCE, a: Basis = A) -> tuple[tuple[str, ...], ...]:
    found = Comparison(a, b).causes(asset)
    return found.differ, found.unknown


def test_nothing_differs_between_equals() -> None:
    same = Comparison(A, basis())
    assert causes(basis()) == ((), ())
    assert same.causes(PERFORMANCE).attributed is None
    ground = same.ground
    assert (ground.differ, ground.unknown, ground.cuts, ground.fields) == ((), (), (), ())


def test_a_table_is_told_from_what_it_was_made_of() -> None:
    b = changed(reads={})
    assert Comparison(A, b).ground.readers == ("cohort/reads",)
    assert causes(b) == (("readers",), ())
    assert Comparison(A, b).causes(PERFORMANCE).attributed == "readers"
    assert causes(b, "evaluation/index_test") == ((), ())
    b = changed(cases={})
    assert Comparison(A, b).ground.data == ("cohort/cases", "cohort/predictions")
    assert causes(b) == (("data", "readers"), ())
    assert Comparison(A, b).causes(PERFORMANCE).attributed is None


def test_what_did_not_change_a_table_is_no_cause_of_those_made_of_it() -> None:
    receipts = {asset: dict(receipt) for asset, receipt in A.receipts.items()}
    receipts["cohort/reads"]["compute"] = "other code"
    receipts[PERFORMANCE] |= {"table_digest": "another", "compute": "other code"}
    b = replace(A, receipts=receipts)
    assert Comparison(A, b).ground.code == ("cohort/reads", PERFORMANCE)
    assert causes(b) == (("code",), ())
    assert causes(b, AGREEMENT) == ((), ())


def test_another_cut_is_another_state_of_the_data_where_the_table_uses_it() -> None:
    receipts = {asset: {**r, "cut": "2026-10-01"} for asset, r in A.receipts.items()}
    receipts[PERFORMANCE]["table_digest"] = "another"
    b = replace(A, receipts=receipts)
    assert causes(b) == (("data",), ())
    ground = Comparison(A, b).ground
    assert ground.cuts == ("2026-07-20", "2026-10-01")
    assert ground.differ == ("data",)


def test_scores_of_another_model_are_the_models() -> None:
    b = replace(with_model(version="9.0"), receipts=changed(predictions={}).receipts)
    comparison = Comparison(A, b)
    assert comparison.ground.differ == ("model",)
    assert comparison.ground.data == ()
    assert comparison.causes(PERFORMANCE).attributed == "model"
    assert comparison.ground.model[1]["version"] == "9.0"
    # Agreement of readers reads no index test.
    assert causes(replace(b, receipts=changed(reads={}).receipts), AGREEMENT) == (("readers",), ())


def test_another_entry_of_the_model_alone_is_the_models_where_the_index_test_is_read() -> None:
    b = replace(
        with_model(locked_at="2026-01-02T00:00:00Z"), receipts=changed(performance={}).receipts
    )
    assert causes(b) == (("model",), ())


@pytest.mark.parametrize(
    ("block", "field", "expected"),
    [("adjudication", "quorum", ()), ("evaluation", "replicates", ("protocol",))],
)
def test_a_protocol_is_a_cause_where_the_table_reads_the_block(block, field, expected) -> None:
    other = {**A.protocol[block], field: 2001}
    b = replace(A, protocol={**A.protocol, block: other}, receipts=changed(performance={}).receipts)
    assert causes(b) == (expected, ())
    assert Comparison(A, b).ground.differ == ("protocol",)


def test_other_words_of_the_protocol_are_no_cause() -> None:
    about = {**A.protocol["about"], "aims": "Another aim."}
    b = replace(A, protocol={**A.protocol, "about": about}, receipts=changed(reads={}).receipts)
    ground = Comparison(A, b).ground
    assert [field.path for field in ground.fields] == [("about", "aims")]
    assert ground.differ == ("readers",)


def test_at_another_site_data_and_readers_are_others_whatever_their_digests() -> None:
    b = replace(A, site="port")
    assert causes(b) == (("data", "readers"), ())
    assert Comparison(A, b).ground.readers == ("cohort/readers", "cohort/reads")
    # Digests are keyed with a site's secret: here they tell nothing of what differs.
    assert causes(replace(b, format=2)) == (("data", "readers"), ())


def test_a_table_of_one_pack_alone_is_of_other_code() -> None:
    receipts = {asset: r for asset, r in A.receipts.items() if asset != AGREEMENT}
    contracts = {asset: c for asset, c in A.contracts.items() if asset != AGREEMENT}
    b = replace(A, receipts=receipts, contracts=contracts)
    assert Comparison(A, b).ground.code == (AGREEMENT,)
    assert causes(b, AGREEMENT) == (("code",), ())


def test_what_digests_cannot_tell_is_unknown_and_nothing_is_attributed() -> None:
    old = replace(changed(performance={"compute": "other code"}), format=2)
    found = Comparison(A, old)
    assert causes(old) == (("code",), ("data", "readers"))
    assert found.causes(PERFORMANCE).attributed is None
    assert (found.ground.data, found.ground.readers) == ((), ())
    assert found.ground.unknown == ("data", "readers")
    receipts = {asset: {**r, "normalisation": "nfkc-trim-1"} for asset, r in A.receipts.items()}
    assert causes(replace(A, receipts=receipts)) == ((), ("data", "readers"))


def test_a_format_without_the_code_of_each_table_leaves_it_unknown() -> None:
    receipts = {
        asset: {n: v for n, v in receipt.items() if n != "compute"}
        for asset, receipt in changed(reads={}).receipts.items()
    }
    found = Comparison(A, replace(A, receipts=receipts))
    assert found.causes(PERFORMANCE).differ == ("readers",)
    assert found.causes(PERFORMANCE).unknown == ("code",)
    assert found.causes(PERFORMANCE).attributed is None
    assert found.ground.code == ()
    assert set(found.ground.unknown) <= set(CAUSES)
