"""Rows as charts take them, made by hand: a few figures each, whatever a study would print.

What does not belong here: rows of the sample study (``pack_sample``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vpack_pipeline.report.book import Cell, Row

BEFORE, AFTER = "retrospective", "prospective"
_FIGURE = ("estimate", "lower", "upper")


def row(asset: str, values: Sequence[float | None], n: str = "", **key: str) -> Row:
    """Print a figure to three digits; what is None is not given."""
    texts = [*("" if v is None else f"{v:.3f}".replace("-", "−") for v in values), "", ""][:3]
    cells = {c: Cell(c, t) for c, t in zip(_FIGURE, texts, strict=True)}
    return Row(f"evaluation/{asset}", key, cells | {"n": Cell("n", n)})


def with_band(value: float, half: float = 0.05) -> tuple[float, float, float]:
    """Give a share with an interval around it, within 0 to 1."""
    return value, max(0.0, value - half), min(1.0, value + half)


def calibrated(
    window: str,
    counts: Sequence[str],
    shares: Sequence[float | None],
    smooth: Iterable[tuple[str, float | None]] = (),
) -> list[Row]:
    """Print ten bins, whose mean probability is their middle, and points of the smooth curve."""
    made = []
    for i, (n, share) in enumerate(zip(counts, shares, strict=True)):
        at = {
            "window": window,
            "stratum_kind": "probability",
            "stratum": f"{i / 10:.1f}–{(i + 1) / 10:.1f}",
        }
        mean = None if share is None else i / 10 + 0.05
        made += [
            row("calibration", [mean], n, **at, metric="mean_probability"),
            row(
                "calibration",
                [None] if share is None else with_band(share),
                n,
                **at,
                metric="observed_rate",
            ),
        ]
    for at_probability, rate in smooth:
        at = {"window": window, "stratum_kind": "curve", "stratum": at_probability}
        values = [None] if rate is None else with_band(rate, 0.03)
        made.append(row("calibration", values, **at, metric="smoothed_rate"))
    return made


def predicted(window: str, kind: str, prevalence: float, ppv: float | None) -> list[Row]:
    """Print a prevalence and the predictive values there."""
    at = {"window": window, "stratum_kind": kind}
    at["stratum"] = f"{prevalence:.3f}" if kind == "prevalence" else kind
    values = [None] if ppv is None else with_band(ppv)
    return [
        row("predictive_values", [prevalence], **at, metric="prevalence"),
        row("predictive_values", values, **at, metric="ppv"),
    ]


def benefits(
    window: str, thresholds: Sequence[float], model: Sequence[float | None], all_: Sequence[float]
) -> list[Row]:
    """Print net benefit at each of 17 thresholds, of the model and of treating all."""
    made = []
    for i, (threshold, value, other) in enumerate(zip(thresholds, model, all_, strict=True)):
        at = {"window": window, "stratum_kind": "own", "stratum": f"{i + 1:02d}"}
        values = [None] if value is None else (value, value - 0.02, value + 0.02)
        made += [
            row("decision_curve", [threshold], **at, metric="threshold_probability"),
            row("decision_curve", values, **at, metric="net_benefit"),
            row("decision_curve", [other], **at, metric="net_benefit_treat_all"),
        ]
    return made


def scored(
    window: str,
    parts: Sequence[tuple[float, float]],
    positives: Sequence[float | None],
    negatives: Sequence[float | None],
    beside: Sequence[tuple[str, float, float]] = (),
) -> list[Row]:
    """Print the share of each label in each part of the scale, and off it."""
    made = []
    for i, (ends, *shares) in enumerate(zip(parts, positives, negatives, strict=True)):
        at = {"window": window, "stratum_kind": "score", "stratum": f"{i + 1:02d}"}
        for metric, value in zip(("score_from", "score_to"), ends, strict=True):
            made.append(row("scores", [value], **at, metric=metric))
        made += _labels(at, shares)
    for name, *shares in beside:
        kind = "no_score" if name == "no_score" else "beyond_range"
        made += _labels({"window": window, "stratum_kind": kind, "stratum": name}, shares)
    return made


def _labels(at: dict[str, str], shares: Sequence[float | None]) -> list[Row]:
    return [
        row("scores", [share], n, **at, metric=f"share_of_{label}")
        for label, n, share in zip(
            ("positives", "negatives"), ("100", "1,000"), shares, strict=True
        )
    ]
