"""``vpack diff`` on stored packs and what was made of them: words, data, a page, refusals."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
import yaml

from vpack_pipeline.cli import main
from vpack_pipeline.pack_format import bag
from vpack_pipeline.pack_format.bag import FORMAT
from vpack_pipeline_tests.io.forging import Change, cell, edited, forge
from vpack_pipeline_tests.io.test_packs_formats import unpacked_once

PLAIN = 3
"""A format whose report repeats nothing of other files, so that a small change is one."""
Protocol = dict[str, Any]


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packs")


@pytest.fixture(scope="module")
def plain(packs: Path) -> Path:
    return unpacked_once(PLAIN, packs)


def descended(pack: Path, changed: Collection[str]) -> set[str]:
    """Name tables with all that were made of them."""
    made_of = {
        receipt["asset"]: receipt["inputs"]
        for path in (pack / "data/gates").glob("*.receipt.json")
        for receipt in [json.loads(path.read_bytes())]
    }
    found: set[str] = set()
    now = {*changed}
    while now:
        found |= now
        now = {asset for asset, inputs in made_of.items() if now & inputs.keys()} - found
    return found


def altered(
    pack: Path,
    to: Path,
    tables: Collection[str] = (),
    *,
    protocol: Callable[[Protocol], object] | None = None,
    site: str | None = None,
    cut: str | None = None,
    **cells: Change,
) -> Path:
    """Copy a pack, and say throughout that tables, protocol, site or cut are others."""
    made = Path(shutil.copytree(pack, to / "altered"))
    told = {name: value for name, value in (("site", site), ("cut", cut)) if value}
    changes: dict[str, Change | None] = {}
    if protocol is not None:
        data = yaml.safe_load((made / "data/protocol.yaml").read_bytes())
        protocol(data)
        text = yaml.safe_dump(data, sort_keys=True, allow_unicode=True).encode()
        changes["protocol.yaml"] = lambda _: text
        told["protocol"] = f"{data['id']}@{data['version']}"
        info = made / bag.INFO
        renamed = info.read_text("utf-8").replace("/1.0-", f"/{data['version']}-")
        info.write_text(renamed, encoding="utf-8")
        told["protocol_digest"] = hashlib.sha256(text).hexdigest()
    anew = descended(made, tables)

    def retold(receipt: dict[str, Any]) -> None:
        receipt |= told
        if receipt["asset"] in anew:
            receipt["table_digest"] = "0" * 64
        receipt["inputs"] |= dict.fromkeys(anew & receipt["inputs"].keys(), "0" * 64)

    for path in (made / "data/gates").glob("*.receipt.json"):
        receipt = json.loads(path.read_bytes())
        if told or receipt["asset"] in anew or anew & receipt["inputs"].keys():
            changes[f"gates/{path.name}"] = edited(retold)
    if told:
        changes["drift/plan.json"] = edited(lambda plan: plan.update(told))
        if protocol is not None:
            drift = data["drift"]
            changes["drift/plan.json"] = edited(lambda plan: plan.update(told, prespecified=drift))
    for name, change in cells.items():
        changes[f"tables/{name.replace('__', '.')}.csv"] = change
    return forge(made, changes, site=site, cut=cut)


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["diff", *map(str, arguments)])
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


def said(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Give what the command prints, in one line."""
    code, out, err = run(capsys, *arguments)
    assert (code, err) == (0, "")
    return " ".join(out.split())


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    code, out, err = run(capsys, *arguments)
    assert code in (1, 2)
    assert out == ""
    return err


def line_of(pack: Path, table: str, *cells: str) -> int:
    """Find the one line of a table that begins with these cells."""
    lines = (pack / f"data/tables/{table}.csv").read_text("utf-8").split("\n")
    (number,) = (n for n, line in enumerate(lines) if line.startswith(f"{','.join(cells)},"))
    return number


def agreement_changed(pack: Path) -> Change:
    row = line_of(pack, "adjudication.agreement", "nodule_or_mass", "all", "all", "gwet_ac1")
    return cell(row, "estimate", "0.5")


def test_other_code_that_changed_nothing_is_told_and_nothing_else(packs, capsys):
    out = said(capsys, unpacked_once(5, packs), unpacked_once(6, packs))
    assert "0 of 33 verdicts and 0 of 47 figures of interest changed." in out
    assert "Model the same: nodule-2 2.0.0 Data the same Readers the same Protocol the same" in out
    assert "Code other code computed 69 of 69 tables" in out
    assert "Due to" not in out
    every = said(capsys, unpacked_once(5, packs), unpacked_once(6, packs), "--all")
    assert "Sensitivity, prospective 95.7% (78.0% to 99.3%) 95.7% (78.0% to 99.3%) 0.0 po" in every


@pytest.mark.parametrize("number", range(1, FORMAT))
def test_any_format_is_held_against_the_newest(number, packs, capsys):
    code, out, _ = run(capsys, unpacked_once(number, packs), unpacked_once(FORMAT, packs), "--json")
    assert code == 0
    told = json.loads(out)
    (auc,) = (
        f
        for f in told["figures"]
        if (f["metric"], f["window"], f["group"]) == ("auc", "prospective", "performance")
    )
    assert auc["a"]["estimate"] == pytest.approx(auc["b"]["estimate"])
    assert auc["difference"] == {
        "value": pytest.approx(0),
        "lower": None,
        "upper": None,
        "why_no_interval": "same_site",
    }
    assert told["is_same_site"] is True
    # Digests of tables are keyed from format 3 on, and tell nothing beside others.
    assert ("data" in told["ground"]["unknown"]) == (number < 3)
    assert ("code" in told["ground"]["unknown"]) == (number == 1)


def test_what_old_packs_do_not_tell_is_said(packs, capsys):
    out = said(capsys, unpacked_once(1, packs), unpacked_once(FORMAT, packs))
    assert "Data cannot be told: the packs make digests of tables in different ways" in out
    assert "Code cannot be told: a pack of format 1 does not tell the code of each table" in out
    assert "sex is not compared: a pack does not tell its levels" in out
    assert re.search(r"Due to|[a-z]\?", out)


def test_a_change_is_attributed_to_the_one_cause_behind_it(plain, tmp_path, capsys):
    other = altered(
        plain, tmp_path, ["cohort/reads"], adjudication__agreement=agreement_changed(plain)
    )
    out = said(capsys, plain, other)
    assert "0 of 25 verdicts and 1 of 47 figures of interest changed." in out
    assert "Due to the readers: 1 of 1 changes. Nothing else differs behind them." in out
    assert "Readers other content: reads" in out
    assert "Gwet's AC1 0.753 (0.680 to 0.813) 0.500 (0.680 to 0.813) −0.253 readers" in out
    assert "no difference has an interval" in out


def test_nothing_is_attributed_where_two_causes_differ(plain, tmp_path, capsys):
    other = altered(
        plain,
        tmp_path,
        ["cohort/reads", "cohort/reference"],
        adjudication__agreement=agreement_changed(plain),
    )
    out = said(capsys, plain, other)
    assert "Not attributed: 1 of 1 changes. Behind them more than one thing differs" in out
    assert "−0.253 not attributed: data, readers" in out


def test_packs_of_two_sites_have_differences_with_intervals(plain, tmp_path, capsys):
    row = line_of(plain, "evaluation.performance", "nodule_or_mass", "nodule-2", "prospective",
                  "all", "auc")  # fmt: skip
    other = altered(
        plain, tmp_path, site="port", evaluation__performance=cell(row, "estimate", "0.93")
    )
    out = said(capsys, plain, other)
    assert "Data another site, with patients and devices of its own" in out
    assert "Readers another site, with readers of its own" in out
    assert "taken to share no patient" in out
    # 0.954 (0.913 to 0.994) and 0.930 (0.913 to 0.994), by MOVER.
    assert re.search(
        r"AUC, prospective 0\.954 .* −0\.024 \(−0\.068 to 0\.052\) not attributed", out
    )


def missed(line: int) -> Change:
    """Judge an endpoint by a goal that its interval lies below."""
    goal, verdict = cell(line, "goal", "0.999"), cell(line, "verdict", "not_met")
    return lambda content: verdict(goal(content))


def test_two_cuts_of_one_site_are_another_state_of_the_data(plain, tmp_path, capsys):
    tables = ["evaluation/endpoints", "drift/status"]
    verdict = line_of(plain, "evaluation.endpoints", "auc_after_lock", "2026-07-20", "auc")
    other = altered(
        plain,
        tmp_path,
        tables,
        cut="2026-10-20",
        evaluation__endpoints=missed(verdict),
    )
    out = said(capsys, plain, other)
    assert "Data data cut 2026-07-20 in A, 2026-10-20 in B" in out
    assert "met, 0.954 (0.913 to 0.994) not met, 0.954 (0.913 to 0.994) data" in out
    assert "Due to the data: 1 of 1 changes." in out


def test_another_version_of_the_protocol_is_told_field_by_field(plain, tmp_path, capsys):
    def change(protocol: Protocol) -> None:
        protocol["version"] = "1.1"
        protocol["about"]["aims"] = "Another aim."
        protocol["evaluation"]["endpoints"][0]["goal"] = 0.999

    verdict = line_of(plain, "evaluation.endpoints", "auc_after_lock", "2026-07-20", "auc")
    other = altered(
        plain,
        tmp_path,
        ["evaluation/endpoints"],
        protocol=change,
        evaluation__endpoints=missed(verdict),
    )
    out = said(capsys, plain, other)
    assert (
        "Protocol cxr-triage@1.0 in A, cxr-triage@1.1 in B; fields with other values: eval" in out
    )
    assert "evaluation: endpoints, auc after lock, goal 0.82 0.999" in out
    assert "about: aims That, after the lock, the index test orders Another aim." in out
    assert "Due to the protocol: 1 of 1 changes." in out


def test_protocols_of_one_name_that_differ_are_told(plain, tmp_path, capsys):
    other = altered(plain, tmp_path, protocol=lambda p: p["evaluation"].update(seed=1))
    assert "Protocol both are named cxr-triage@1.0, and differ; fields" in said(
        capsys, plain, other
    )


def test_another_model_is_told_with_its_version(plain, tmp_path, capsys):
    def change(protocol: Protocol) -> None:
        protocol["index_test"]["models"][0]["version"] = "2.1.0"

    row = line_of(plain, "evaluation.performance", "nodule_or_mass", "nodule-2", "prospective",
                  "all", "auc")  # fmt: skip
    other = altered(
        plain,
        tmp_path,
        ["cohort/predictions"],
        protocol=change,
        evaluation__performance=cell(row, "estimate", "0.93"),
    )
    out = said(capsys, plain, other)
    assert "Model nodule-2 2.0.0 in A, nodule-2 2.1.0 in B" in out
    assert "Due to the model: 1 of 1 changes." in out
    again = altered(
        plain,
        tmp_path / "digest",
        protocol=lambda p: p["index_test"]["models"][0].update(digest=f"sha256:{'0' * 64}"),
    )
    assert "Model nodule-2 2.0.0 in both, with another digest" in said(capsys, plain, again)


def test_the_page_says_the_same_and_needs_nothing_else(packs, tmp_path, capsys):
    page = tmp_path / "diff.html"
    a, b = unpacked_once(PLAIN, packs), unpacked_once(FORMAT, packs)
    out = said(capsys, a, b, "--html", page)
    html = page.read_text("utf-8")
    assert "default-src 'none'" in html
    assert not re.search(r"<script|https?://", html)
    assert "Synthetic data:" in html
    for sentence in re.findall(r"\d+ of \d+ (?:verdicts|changes)[^.]*\.", out):
        assert sentence in " ".join(html.split())
    assert (
        "<td>met, 13.5% (−4.2% to 26.8%)</td><td>inconclusive, 13.5% (−6.8% to 31.6%)</td>" in html
    )
    run(capsys, a, b, "--html", tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()


def test_a_page_that_cannot_be_written_is_refused(plain, packs, tmp_path, capsys):
    other, nowhere = unpacked_once(FORMAT, packs), tmp_path / "none/diff.html"
    said = refused(capsys, plain, other, "--html", nowhere)
    assert f"{nowhere}: lies in a folder that does not exist" in said
    assert f"{tmp_path}: is a folder" in refused(capsys, plain, other, "--html", tmp_path)


def test_the_same_pack_is_refused(plain, tmp_path, capsys):
    copy = shutil.copytree(plain, tmp_path / "copy")
    assert f"{copy}: is the same pack as {plain} — give two different packs" in refused(
        capsys, plain, copy
    )


def test_what_is_no_pack_or_newer_is_refused_by_its_name(plain, tmp_path, capsys):
    assert f"{tmp_path}: is no pack" in refused(capsys, plain, tmp_path)
    assert f"{tmp_path / 'x'}: does not exist" in refused(capsys, tmp_path / "x", plain)
    newer = Path(shutil.copytree(plain, tmp_path / "newer"))
    info = newer / bag.INFO
    info.write_text(info.read_text("utf-8").replace(f"Format: {PLAIN}", "Format: 400"))
    err = refused(capsys, plain, newer)
    assert f"{newer}: bag-info.txt: the pack was made by a newer vpack" in err


def test_a_damaged_pack_is_named_with_its_file(plain, tmp_path, capsys):
    damaged = Path(shutil.copytree(plain, tmp_path / "damaged"))
    (damaged / "data/claim.json").write_bytes(b"{}")
    code, _, err = run(capsys, plain, damaged)
    assert code == 1
    assert f"{damaged}: data/claim.json: was changed" in err


def test_packs_of_two_protocols_are_compared_only_when_asked(plain, tmp_path, capsys):
    def change(protocol: Protocol) -> None:
        protocol["id"] = "another"
        protocol["evaluation"]["seed"] = 1

    other = altered(plain, tmp_path, protocol=change)
    err = refused(capsys, plain, other)
    assert f"{other}: is of protocol another, and {plain} of cxr-triage" in err
    assert "other values stand in evaluation" in err
    assert "--any to compare the figures that both have" in err
    out = said(capsys, plain, other, "--any")
    assert "The packs are of two protocols." in out


def test_packs_without_a_finding_in_common_are_refused(plain, tmp_path, capsys):
    def change(protocol: Protocol) -> None:
        text = yaml.safe_dump(protocol).replace("nodule_or_mass", "fracture")
        protocol |= yaml.safe_load(text)
        protocol["id"] = "another"

    other = altered(plain, tmp_path, protocol=change)
    err = refused(capsys, plain, other, "--any")
    assert f"has the findings fracture, and {plain} has nodule_or_mass" in err


def test_a_protocol_that_cannot_be_read_is_refused(plain, tmp_path, capsys):
    other = altered(plain, tmp_path, protocol=lambda p: p.update(unit_of_analysis="county"))
    err = refused(capsys, plain, other)
    assert f"{other}: protocol.yaml: is no protocol that this version reads" in err
