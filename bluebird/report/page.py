"""The report as a page: figures in words, tables, plots and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import torch

from bluebird.bundle import versions
from bluebird.pages import Picture, Table, drawn, jpeg, render
from bluebird.pixels.thumbnail import encoded
from bluebird.report.judged import Judged
from bluebird.report.mistakes import best_found, confusion, worst_missed, worst_taken
from bluebird.report.report import Report
from bluebird.report.search import Figure, SearchQuality
from bluebird.report.unknown import USED, OpenSet
from bluebird.report.why import CAUTION, COLOURS, METHODS, explained
from bluebird.watch.figures import (
    draw_confusion,
    draw_familiarity,
    draw_looking,
    draw_precision_recall,
    draw_reliability,
    draw_scores,
)

_WITH_PICTURES, _EXPLAINED, _FAILURES = 4, 8, 200


def page(report: Report) -> str:
    """The page's HTML."""
    judged = report.judged
    why_found, method = _explained(judged, best_found(judged, _EXPLAINED))
    why_taken, _ = _explained(judged, worst_taken(judged, _EXPLAINED))
    return render(
        "report",
        title=f"How well {judged.wanted} is found",
        wanted=judged.wanted,
        answer=_answer(report),
        numbers=_numbers(report),
        warnings=report.warnings(),
        failures=_failures(judged),
        method=METHODS[method],
        colours=COLOURS,
        caution=CAUTION,
        why_found=why_found,
        why_taken=why_taken,
        unknown=report.unknown and _unknown(report.unknown),
        made=_made(report),
        **_search(report.search, judged.wanted),
        rare=report.rare and _rare(report.rare, judged.wanted),
        **_trust(report),
        **_mistakes(report),
    )


def _answer(report: Report) -> str:
    looks, judged = report.search.looks[0.95], report.judged
    return (
        f"To see 95 % of the {int(judged.relevant.sum()):,} pictures of {judged.wanted}, look at {looks.value:,.0f} of "
        f"{len(judged.scores):,}, best first ({looks.low:,.0f} to {looks.high:,.0f})."
    )


def _numbers(report: Report) -> list[tuple[str, str]]:
    judged = report.judged
    return [
        ("average precision", _ranged(report.search.average_precision, ".3f")),
        (f"accuracy over {len(judged.model.classes)} classes", f"{report.trust.accuracy:.1%}"),
        ("pictures", f"{len(judged.scores):,}"),
        (f"of {judged.wanted}", f"{int(judged.relevant.sum()):,}"),
    ]


def _search(quality: SearchQuality, wanted: str) -> dict[str, Any]:
    everything, relevant = quality.curve.looked[-1], quality.curve.found[-1]
    rows = [
        [f"{recall:.0%}", _ranged(looks, ",.0f"), f"{recall * relevant:,.0f}", f"{recall * everything:,.0f}"]
        for recall, looks in quality.looks.items()
    ]
    first = [
        [f"{count:,}", _ranged(precision, ".0%"), _ranged(recall, ".0%")]
        for count, precision, recall in zip(quality.first, quality.precision, quality.recall, strict=True)
    ]
    alt = f"Share of {wanted} found against pictures looked at: 95 % after {quality.looks[0.95].value:,.0f}"
    return {
        "looks": Table(["share found", "pictures to look at", "in ideal order", "in any order"], rows),
        "first": Table(["first pictures", "of them right", f"share of {wanted} found"], first),
        "looking_curve": drawn(draw_looking(quality.curve, wanted, quality.band), alt),
        "precision_recall": drawn(draw_precision_recall(quality.curve, wanted), "Precision against recall"),
    }


def _rare(quality: SearchQuality, wanted: str) -> dict[str, Any]:
    share = quality.prevalence or 0.0
    rows = [
        [f"{recall:.0%}", _ranged(looks, ".2%"), f"{looks.value * 1e6:,.0f}", f"{recall * share * 1e6:,.0f}"]
        for recall, looks in quality.looks.items()
    ]
    alt = f"Share of {wanted} found against the share of a database looked at"
    return {
        "share": f"{share:.4%}",
        "looks": Table(["share found", "of the database", "of a million pictures", "in ideal order"], rows),
        "average_precision": _ranged(quality.average_precision, ".3f"),
        "curve": drawn(draw_looking(quality.curve, wanted, quality.band), alt),
    }


def _trust(report: Report) -> dict[str, Any]:
    trust, judged = report.trust, report.judged
    rows = [
        [name.replace("_", " "), *(f"{trust.figures[kind][name]:.4f}" for kind in ("calibrated", "uncalibrated"))]
        for name in trust.figures["calibrated"]
    ]
    pair = [("with the temperature", trust.after), ("without", trust.before)]
    accept = [
        [one.wanted, f"{one.threshold:.4f}", f"{one.recall:.0%}", f"{one.precision:.0%}"]
        if one.threshold == one.threshold
        else [one.wanted, "never reached", "", ""]
        for one in report.thresholds
    ]
    validation = judged.model.validation
    return {
        "temperature": f"{trust.temperature:.2f}",
        "calibration": Table(["", "with the temperature", "without"], rows),
        "reliability": drawn(
            draw_reliability(pair, "The first class", "probability", "share that was right"),
            "Share of pictures whose first class was right, against its probability",
        ),
        "target_reliability": drawn(
            draw_reliability([(judged.wanted, trust.target)], "The target", "score", "share that shows it"),
            f"Share of pictures that show {judged.wanted}, against their score",
        ),
        "scores": drawn(
            draw_scores(judged.scores, judged.relevant, judged.wanted),
            "How the scores are spread, for the target and the rest",
        ),
        "thresholds": accept and Table(["wanted", "accept from", "recall here", "precision here"], accept),
        "validated": f"{len(validation.targets):,} pictures" if validation else "",
    }


def _mistakes(report: Report) -> dict[str, Any]:
    judged = report.judged
    rows = [
        [one.label, f"{one.pictures:,}", f"{one.taken:,}", f"{one.missed:,}", f"{one.mean_score:.4f}"]
        for one in report.lookalikes
    ]
    head = ["species", "pictures", f"taken for {judged.wanted}", f"{judged.wanted} taken for it", "mean score"]
    matrix = draw_confusion(confusion(judged.said.targets, judged.said.probs), judged.model.classes, judged.columns)
    return {
        "lookalikes": Table(head, rows),
        "worst_by_label": [(one.label, _photos(judged, one.worst)) for one in report.lookalikes[:_WITH_PICTURES]],
        "missed": _photos(judged, worst_missed(judged)),
        "confusion": drawn(matrix, "Of each class, the share that was taken for each class"),
    }


def _unknown(found: OpenSet) -> dict[str, Any]:
    rows = [
        [f"{name} (in use)" if name == USED else name, f"{area:.3f}", f"{passed:.1%}"]
        for name, (area, passed) in found.figures.items()
    ]
    lead = (
        f"{found.unknown:,} pictures are of species that the model does not have, {found.known:,} are of its own. "
        "AUROC is how often a known one looks more familiar than an unknown one: 0.5 is a guess, 1 is perfect."
    )
    return {
        "lead": lead,
        "table": Table(["method", "AUROC", "unknown ones that pass where 95 % of the known do"], rows),
        "plot": drawn(draw_familiarity(*found.familiarity, USED), "Familiarity of known and of unknown species"),
    }


def _photos(judged: Judged, numbers: Sequence[int]) -> list[Picture]:
    return [
        jpeg(encoded(pixels), f"{judged.label(number)}, {judged.path(number).name}", _caption(judged, number))
        for number, pixels in zip(numbers, judged.pictures(numbers), strict=True)
    ]


def _explained(judged: Judged, numbers: Sequence[int]) -> tuple[list[Picture], str]:
    if not numbers:
        return [], ""
    best = judged.said.probs[numbers][:, judged.columns].argmax(1)
    classes = torch.tensor(judged.columns)[torch.from_numpy(best)]
    overlays, method = explained(judged.model, judged.pictures(numbers), classes)
    shown = [
        jpeg(encoded(pixels), f"Where {judged.path(number).name} spoke for {judged.wanted}", _caption(judged, number))
        for number, pixels in zip(numbers, overlays, strict=True)
    ]
    return shown, method


def _caption(judged: Judged, number: int) -> str:
    return f"{judged.scores[number]:.3f}  {judged.label(number)}\n{judged.path(number).name}"


def _failures(judged: Judged) -> Table | None:
    if not judged.data.failures:
        return None
    rows = [[str(failure.path), failure.reason] for failure in judged.data.failures[:_FAILURES]]
    return Table(["file", "why"], rows)


def _made(report: Report) -> str:
    found = ", ".join(f"{name} {version}" for name, version in versions().items())
    judged = report.judged
    return f"Model {judged.model.fingerprint}, {judged.data.split} split, {datetime.now():%Y-%m-%d %H:%M}. {found}."


def _ranged(figure: Figure, form: str) -> str:
    return f"{figure.value:{form}} ({figure.low:{form}} to {figure.high:{form}})"
