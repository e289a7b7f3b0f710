"""Load a protocol and a site together: names resolved, every problem at once.

What does not belong here: reading data (``io``), running anything (``assets``).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vpack_pipeline import contracts
from vpack_pipeline.errors import DocumentError, InputError, Problem, UsageError
from vpack_pipeline.protocol import Protocol, Sampling, SamplingByWindow
from vpack_pipeline.site import Site
from vpack_pipeline.strict_yaml import parse, read_model

SITES = Path("data/sites")
PROTOCOLS = Path("data/protocols")


@dataclass(frozen=True, slots=True)
class Study:
    """One site in one study."""

    root: Path
    protocol: Protocol
    site: Site


def site_ids(root: Path) -> list[str]:
    """List the sites that have a ``site.yaml``, by name."""
    folder = root / SITES
    if not folder.is_dir():
        return []
    return sorted(p.name for p in folder.iterdir() if (p / "site.yaml").is_file())


def load(root: Path, site_id: str) -> Study:
    """Load a site and the protocol that it names.

    Raises
    ------
    UsageError
        No such site; the message names the nearest.
    DocumentError
        Every problem of both documents, each with file and line.
    """
    known = site_ids(root)
    if site_id not in known:
        raise UsageError(no_such_site(site_id, known))
    path = root / SITES / site_id / "site.yaml"
    try:
        site = read_model(path, Site)
    except DocumentError as error:
        raise DocumentError([*error.problems, *_named_protocol_problems(root, path)]) from None
    if site.site_id != site_id:
        raise DocumentError(
            Problem(f"{site_id}/site.yaml", "site_id is not the folder's name", "make them equal")
        )
    protocol = find_protocol(root, site.protocol)
    found = problems(protocol, site)
    if found:
        raise DocumentError(found)
    return Study(root, protocol, site)


def no_such_site(typed: str, known: Iterable[str]) -> Problem:
    """Say that a site does not exist, and which was perhaps meant."""
    if set(typed) & set("/\\"):
        return Problem(str(SITES), f"{typed!r} is no site name", "give the name alone, no path")
    near = difflib.get_close_matches(typed, list(known), 1)
    remedy = f"did you mean {near[0]!r}?" if near else "make it with `vpack init SITE`"
    return Problem(str(SITES), f"no such site {typed!r}", remedy)


def _named_protocol_problems(root: Path, path: Path) -> tuple[Problem, ...]:
    """Find what is wrong with the protocol of a site that is refused itself."""
    try:
        data, _ = parse(path.read_text(encoding="utf-8-sig"), path.name)
        find_protocol(root, str(data["protocol"]))
    except DocumentError as error:
        return tuple(p for p in error.problems if not p.where.startswith("site.yaml"))
    except (OSError, UnicodeDecodeError, TypeError, KeyError):
        pass
    return ()


def find_protocol(root: Path, reference: str) -> Protocol:
    """Find ``id@version`` among ``data/protocols/*.yaml``.

    Raises
    ------
    DocumentError
        No protocol has that id and version, two have, or one is refused.
    """
    folder = root / PROTOCOLS
    files = sorted(folder.glob("*.yaml")) if folder.is_dir() else []
    stem = reference.replace("@", "-")
    # The named file first: a broken protocol of another study must not stop this one.
    named = folder / f"{stem}.yaml"
    candidates = [named] if named in files else files
    found = [p for p in (read_model(f, Protocol) for f in candidates) if p.reference == reference]
    if len(found) != 1:
        what = "no protocol" if not found else "more than one protocol"
        raise DocumentError(
            Problem("site.yaml", f"{what} is {reference}", f"look into {PROTOCOLS}/")
        )
    return found[0]


def problems(protocol: Protocol, site: Site) -> list[Problem]:
    """List every name that does not resolve and every rule that does not compile."""
    return [
        *_registry_problems(protocol),
        *_finding_problems(protocol),
        *_point_problems(protocol),
        *_endpoint_problems(protocol),
        *_plan_problems(protocol),
        *_sampling_problems(protocol),
        *_variable_problems(protocol),
        *_monitor_problems(protocol),
        *_maturity_problems(protocol),
        *_rule_problems(protocol),
        *_site_problems(protocol, site),
    ]


def _registry_problems(protocol: Protocol) -> Iterable[Problem]:
    from vpack_pipeline.core.adjudication import RULES
    from vpack_pipeline.core.drift import MONITORS
    from vpack_pipeline.core.representativeness import DISTANCES

    asked: list[tuple[str, str, Mapping[str, Any]]] = []
    asked += [("adjudication.precedence", n, RULES) for n in protocol.adjudication.precedence]
    asked += [
        ("representativeness.distances", n, DISTANCES)
        for n in protocol.representativeness.distances
    ]
    asked += [
        (f"drift.monitors {m.name}.statistic", m.statistic, MONITORS)
        for m in protocol.drift.monitors
    ]
    return [
        Problem(f"{protocol.reference} {where}", f"no {name!r}", _nearest(name, known))
        for where, name, known in asked
        if name not in known
    ]


def _finding_problems(protocol: Protocol) -> Iterable[Problem]:
    findings = {f.name for f in protocol.findings}
    models = {m.id for m in protocol.index_test.models}
    points = {p.name for p in protocol.evaluation.operating_points}
    asked: list[tuple[str, str | None, set[str]]] = []
    for p in protocol.evaluation.operating_points:
        asked += [(f"operating_points {p.name}.finding", p.finding, findings)]
        asked += [(f"operating_points {p.name}.model", p.model, models)]
    for e in protocol.evaluation.endpoints:
        asked += [(f"endpoints {e.id}.finding", e.finding, findings)]
        asked += [(f"endpoints {e.id}.operating_point", e.operating_point, points)]
    asked += [
        (f"stated_prevalence {stated.finding}.finding", stated.finding, findings)
        for stated in protocol.evaluation.stated_prevalence
    ]
    asked += [
        (f"drift.monitors {m.name}.finding", m.finding, findings) for m in protocol.drift.monitors
    ]
    return [
        Problem(f"{protocol.reference} {where}", f"no {name!r}", _nearest(name, known))
        for where, name, known in asked
        if name is not None and name not in known
    ]


def _point_problems(protocol: Protocol) -> Iterable[Problem]:
    """Find thresholds that no score reaches or all do, and points that cannot both be primary."""
    output, points = protocol.index_test.output, protocol.evaluation.operating_points
    lies_in = f"output.minimum to output.maximum, {output.minimum:g} to {output.maximum:g}"
    found = [
        Problem(
            f"{protocol.reference} operating_points {p.name}.threshold",
            f"{p.threshold:g} lies outside {lies_in}",
            "give a score that the output can take",
        )
        for p in points
        if not output.minimum <= p.threshold <= output.maximum
    ]
    speaking: dict[tuple[str, str], list[str]] = {}
    for p in points:
        if p.primary:
            speaking.setdefault((p.finding, p.model), []).append(p.name)
    return found + [
        Problem(
            f"{protocol.reference} operating_points {', '.join(names)}.primary",
            f"{len(names)} are primary for finding {finding!r} and model {model!r}",
            "leave one primary: its figures stand on the first page",
        )
        for (finding, model), names in speaking.items()
        if len(names) > 1
    ]


def _endpoint_problems(protocol: Protocol) -> Iterable[Problem]:
    """Find endpoints that the output, or the operating point that they name, cannot give."""
    points = {p.name: p for p in protocol.evaluation.operating_points}
    findings = {f.name for f in protocol.findings}
    is_binary = protocol.index_test.output.kind == "binary"
    for e in protocol.evaluation.endpoints:
        where = f"{protocol.reference} endpoints {e.id}"
        if e.metric == "auc" and is_binary:
            what = "a binary output has no area under the ROC curve"
            yield Problem(f"{where}.metric", what, "claim sensitivity and specificity")
        point = points.get(e.operating_point or "")
        if point is not None and point.finding != e.finding and e.finding in findings:
            what = f"{point.name!r} is a threshold for {point.finding!r}, not for {e.finding!r}"
            own = {p.name for p in points.values() if p.finding == e.finding}
            yield Problem(f"{where}.operating_point", what, f"there are {_list(own)}")


def _plan_problems(protocol: Protocol) -> Iterable[Problem]:
    from vpack_pipeline.core.evaluation.endpoint_plan import check_endpoints

    return check_endpoints(protocol)


def _sampling_problems(protocol: Protocol) -> Iterable[Problem]:
    """Find ways of drawing cases from which what is claimed cannot be estimated."""
    if isinstance(protocol.sampling, SamplingByWindow):
        for window, draw in protocol.sampling.by_window.items():
            yield from _draw_problems(protocol, draw, f".{window}")
    else:
        yield from _draw_problems(protocol, protocol.sampling, "")
    yield from _unestimable(protocol)


def _draw_problems(protocol: Protocol, sampling: Sampling, place: str) -> Iterable[Problem]:
    """Find what contradicts itself in one draw; ``place`` is its key within the block."""
    where = f"{protocol.reference} sampling{place}"
    fractions = {s.name: s.fraction for s in sampling.strata}
    unknown = [name for name, fraction in fractions.items() if fraction is None]
    if fractions and not any(fraction != 0 for fraction in fractions.values()):
        what = "every fraction is 0, so that no case was drawn"
        yield Problem(f"{where}.strata", what, "state the share of each stratum that was taken")
    if unknown and len(unknown) < len(fractions):
        what = f"no fraction of {_list(unknown)}, and others have one"
        remedy = "state the share of each stratum that was taken, or leave all of them out"
        yield Problem(f"{where}.strata", what, remedy)
    findings = {f.name for f in protocol.findings}
    by_own = sorted({"label", "score"} & set(sampling.depends_on))
    if sampling.finding is not None and sampling.finding not in findings:
        what = f"no {sampling.finding!r}"
        yield Problem(f"{where}.finding", what, _nearest(sampling.finding, findings))
    if sampling.finding is None and by_own and len(findings) > 1:
        what = f"cases were drawn by {_list(by_own)}, and it is not said of which finding"
        yield Problem(f"{where}.finding", what, f"name one of {_list(findings)}")


def _unestimable(protocol: Protocol) -> Iterable[Problem]:
    """Find endpoints that a sample without fractions cannot estimate."""
    from vpack_pipeline.contracts.metrics import condition_of
    from vpack_pipeline.core.sampling import standing

    for e in protocol.evaluation.endpoints:
        draws = [protocol.sampling.by_window[window] for window in e.windows]
        refused = [d for d in draws if standing(d, condition_of(e.metric), e.finding) == "refused"]
        if refused:
            yield Problem(
                f"{protocol.reference} endpoints {e.id}.metric",
                f"cases were drawn by {_list(refused[0].depends_on)} and no fractions are"
                f" stated: {e.metric} cannot be estimated",
                "state sampling.strata with the share of each that was taken",
            )


def _monitor_problems(protocol: Protocol) -> Iterable[Problem]:
    from vpack_pipeline.core.drift import check_monitors

    return check_monitors(protocol, contracts.eligibility_views()["case"])


def _variable_problems(protocol: Protocol) -> Iterable[Problem]:
    view = {c.name for c in contracts.load()["eligibility/cases"].columns}
    known = view | {c.name for c in protocol.covariates}
    profiled = {v.name for v in protocol.representativeness.variables}
    found = [
        Problem(
            f"{protocol.reference} representativeness.variables",
            f"{v.name!r} is neither a column of the case view nor a covariate",
            f"there are {_list(known)}",
        )
        for v in protocol.representativeness.variables
        if v.name not in known
    ]
    taken = {
        source: {c.name for c in contracts.load()[f"cohort/{source}"].columns}
        for source in ("reads", "reference")
    }
    found += [
        Problem(
            f"{protocol.reference} finding_details",
            f"{d.name!r} is a column that {d.source} have already",
            "choose another name, and map the site's column to it",
        )
        for d in protocol.finding_details
        if d.name in taken[d.source]
    ]
    profiling = [("evaluation.subgroups.variables", protocol.evaluation.subgroups.variables)]
    profiling += [
        ("representativeness.joint", names) for names in protocol.representativeness.joint
    ]
    profiling.append(("representativeness.transport", protocol.representativeness.transport))
    covariates = {c.name for c in protocol.covariates}
    found += [
        Problem(
            f"{protocol.reference} disclosure.technical",
            f"no covariate {name!r}",
            _nearest(name, covariates),
        )
        for name in protocol.disclosure.technical
        if name not in covariates
    ]
    return found + [
        Problem(
            f"{protocol.reference} {where}",
            f"{name!r} is not profiled",
            f"add it to representativeness.variables, or use one of {_list(profiled)}",
        )
        for where, names in profiling
        for name in names
        if name not in profiled
    ]


def _maturity_problems(protocol: Protocol) -> Iterable[Problem]:
    needed = {"panel", *protocol.adjudication.reference_sources}
    missing = sorted(needed - set(protocol.evaluation.maturity))
    return [
        Problem(f"{protocol.reference} evaluation.maturity", f"{name!r} is missing", "add its days")
        for name in missing
    ] + list(_follow_up_problems(protocol))


def _follow_up_problems(protocol: Protocol) -> Iterable[Problem]:
    """Find findings whose negative follow-up takes longer than a label is waited for."""
    from vpack_pipeline.core.adjudication.evidence import follow_up_days

    waited = protocol.evaluation.maturity.get("follow_up")
    if waited is None or "follow_up" not in protocol.adjudication.reference_sources:
        return
    for finding in protocol.findings:
        days = follow_up_days(finding, protocol.adjudication)
        if days <= waited:
            continue
        own = finding.negative_follow_up is not None
        asked = (
            f"findings {finding.name}.negative_follow_up.minimum_days"
            if own
            else ("adjudication.follow_up_minimum_days")
        )
        what = f"{waited} days end before a negative follow-up counts: {asked} is {days}"
        remedy = f"wait at least {days} days, or no negative follow-up is ever a label in time"
        yield Problem(f"{protocol.reference} evaluation.maturity.follow_up", what, remedy)


def _rule_problems(protocol: Protocol) -> Iterable[Problem]:
    from vpack_pipeline.core.eligibility import check_rules

    return check_rules(protocol.eligibility, protocol.covariates, contracts.eligibility_views())


def _site_problems(protocol: Protocol, site: Site) -> Iterable[Problem]:
    findings = {f.name for f in protocol.findings}
    found = []
    for kind, form in site.inputs.items():
        for name in form.wide.findings if form.wide else ():
            if name not in findings:
                where = f"site.yaml inputs.{kind}.wide"
                found.append(Problem(where, f"no finding {name!r}", _nearest(name, findings)))
    return found


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), 1)
    there = f"there are {_list(known)}"
    return f"did you mean {near[0]!r}? {there}" if near else there


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def find_root(given: Path | None, variable: str | None, start: Path) -> Path:
    """Find the project root: the one given, else VPACK_ROOT, else the nearest with data/sites.

    Raises
    ------
    InputError
        None of these holds a project.
    """
    if given is not None:
        return given.resolve()
    if variable:
        return Path(variable).resolve()
    for folder in (start, *start.parents):
        if (folder / SITES).is_dir():
            return folder.resolve()
    raise InputError(
        Problem("project root", f"no {SITES} here or above", "run `vpack init SITE` or give --root")
    )
