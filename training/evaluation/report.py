"""Render an evaluation as a self-contained HTML page: no script, no font, no link."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from training import train_extra
from training.evaluation import measure_sets
from training.evaluation.baselines import FOREST, RULES_ALONE
from training.evaluation.bootstrap import Estimate
from training.evaluation.evaluate import Evaluation
from training.evaluation.measures import KS
from training.evaluation.plots import plots

with train_extra():
    from jinja2 import Environment, PackageLoader, StrictUndefined

MISSING: Final = "–"


@dataclass(frozen=True)
class Cell:
    """A value and its interval, or a word."""

    value: str
    interval: str = ""


@dataclass(frozen=True)
class Tile:
    """A highlighted value."""

    name: str
    value: str
    interval: str
    text: str


@dataclass(frozen=True)
class Section:
    """A section of the page: text, optionally a plot and a table."""

    title: str
    text: str
    plot: str = ""
    names: Sequence[str] = ()
    rows: Sequence[Sequence[Cell]] = ()
    wide: bool = False


def to_html(evaluation: Evaluation) -> str:
    """Render the page; the same bytes for the same evaluation."""
    environment = Environment(
        loader=PackageLoader("training.evaluation", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=False
    )
    return environment.get_template("report.html.j2").render(
        data=evaluation.data,
        version=evaluation.scorer.artifacts.version,
        sessions=len(evaluation.scored.label),
        users=evaluation.users,
        attacks=int(evaluation.scored.label.sum()),
        leaks=evaluation.leaks,
        warnings=[line[:1].upper() + line[1:] + "." for line in evaluation.warnings],
        facts=evaluation.facts,
        tiles=list(_tiles(evaluation)),
        sections=list(_sections(evaluation)),
        highlighted={FOREST},
    )


def format_estimate(estimate: Estimate | None, *, percent: bool = False) -> Cell:
    """Format with three decimals or as a percentage; a dash for None."""
    if estimate is None:
        return Cell(MISSING)
    value, low, high = (f"{x:.1%}" if percent else f"{x:.3f}" for x in (estimate.value, estimate.low, estimate.high))
    return Cell(value, f"{low} to {high}" if np.isfinite(estimate.low) else "")


def _tiles(evaluation: Evaluation) -> Iterator[Tile]:
    def overall(measure: str) -> Estimate | None:
        return evaluation.find("overall", measure_sets.ALL, measure)

    def tile(name: str, estimate: Estimate | None, text: str, *, percent: bool = True) -> Iterator[Tile]:
        if estimate is not None:
            cell = format_estimate(estimate, percent=percent)
            yield Tile(name, cell.value, f"95 %: {cell.interval}" if cell.interval else "", text)

    rules = evaluation.find("baseline", RULES_ALONE, "average_precision")
    chance = f"chance {evaluation.scored.label.mean():.3f}" + (f", rules alone {rules.value:.3f}" if rules else "")
    yield from tile("average precision", overall("average_precision"), chance, percent=False)
    yield from tile("attacks found at High", overall("recall_high"), "recall")
    yield from tile("alerts that are attacks", overall("precision_high"), "precision at High")
    yield from tile("sessions that alert", overall("share_high"), "share of High")
    yield from tile("false alarms", overall("false_positive_rate"), "honest sessions with label 1")


def _sections(evaluation: Evaluation) -> Iterator[Section]:
    drawn = plots(evaluation)
    yield _thresholds(evaluation)
    yield _baselines(evaluation, drawn.get("precision_recall", ""))
    yield Section(
        "How scores are spread",
        "Honest sessions and attacks by the forest's score. The scale is logarithmic: each line is ten times the last.",
        drawn["scores"],
    )
    yield _confusion(evaluation)
    if "kinds" in drawn:
        yield _kinds(evaluation, drawn["kinds"])
    yield _reliability(evaluation, drawn["reliability"])
    if "importance" in drawn:
        text = (
            "What average precision loses when one field's values are dealt out anew among the sessions. Fields, and "
            "not the features made of them, because such features stand in for each other."
        )
        yield Section("Which fields matter", text, drawn["importance"])
    yield _leakage(evaluation)
    yield _highest(evaluation)
    yield from _segments(evaluation)


def _table(evaluation: Evaluation, section: str, subjects: Sequence[str], measures: Sequence[str]) -> list[list[Cell]]:
    return [
        [Cell(subject), *(format_estimate(evaluation.find(section, subject, measure)) for measure in measures)]
        for subject in subjects
    ]


def _subjects(evaluation: Evaluation, section: str) -> list[str]:
    return list(dict.fromkeys(row.subject for row in evaluation.estimates if row.section == section))


def _thresholds(evaluation: Evaluation) -> Section:
    limits = evaluation.scorer.artifacts.thresholds
    rows = []
    for subject in _subjects(evaluation, "overall"):
        for suffix, level, limit in (
            ("", "label 1", limits.label),
            ("_medium", "Medium or High", limits.medium),
            ("_high", "High", limits.high),
        ):
            measures = [f"{name}{suffix}" for name in ("precision", "recall", "f1", "false_positive_rate")]
            (cells,) = _table(evaluation, "overall", [subject], measures)
            rows.append([Cell(f"{level}, from {limit:.4g}" + _suffix(subject)), *cells[1:]])
    text = "What the set's own thresholds make of the scores; the small figures are 95 % intervals."
    names = ("", "precision", "recall", "F1", "false-positive rate")
    return Section("At the thresholds", text, names=names, rows=rows, wide=True)


def _suffix(subject: str) -> str:
    return "" if subject == measure_sets.ALL else f" · {subject}"


def _baselines(evaluation: Evaluation, plot: str) -> Section:
    names = ("", "average precision", "forest ahead by", "ROC AUC", "precision at k = attacks")
    measures = ("average_precision", f"{measure_sets.DIFFERENCE}average_precision", "roc_auc", "precision_at_attacks")
    rows = _table(evaluation, "baseline", _subjects(evaluation, "baseline"), measures)
    text = (
        "The reason rules alone count how many of the ten rules hold. Ahead means what the interval says: when it "
        "holds 0, this file cannot tell the two apart."
    )
    return Section("Against simpler and other models", text, plot, names, rows, wide=True)


def _confusion(evaluation: Evaluation) -> Section:
    rows = []
    for subject in ("honest", "attack"):
        estimates = [evaluation.find("confusion", subject, level) for level in ("low", "medium", "high")]
        counts = [estimate.value if estimate else 0.0 for estimate in estimates]
        total = max(sum(counts), 1.0)
        rows.append([Cell(subject), *(Cell(f"{count:,.0f}", f"{count / total:.1%}") for count in counts)])
    text = "How many sessions got which level, and the share of their row."
    return Section("Levels", text, names=("", "Low", "Medium", "High"), rows=rows)


def _kinds(evaluation: Evaluation, plot: str) -> Section:
    subjects = _subjects(evaluation, "kind")
    rows = _table(evaluation, "kind", subjects, ("recall", "recall_high", "average_precision"))
    for row, subject in zip(rows, subjects, strict=True):
        row.insert(1, _count(evaluation.find("kind", subject, "recall")))
    names = ("", "sessions", "recall, label 1", "recall, High", "average precision among honest")
    text = (
        "Each kind of attack for itself. Average precision falls with a kind's rarity: compare it within a column only."
    )
    return Section("Kinds of attack", text, plot, names, rows, wide=True)


def _reliability(evaluation: Evaluation, plot: str) -> Section:
    brier = format_estimate(evaluation.find("overall", measure_sets.ALL, "brier"))
    error = format_estimate(evaluation.find("overall", measure_sets.ALL, "calibration_error"))
    text = (
        "Were the score a probability, the points would lie on the diagonal. "
        f"Brier score {_inline(brier)}, mean distance {_inline(error)}."
    )
    return Section("Score and frequency", text, plot)


def _count(estimate: Estimate | None) -> Cell:
    return Cell(f"{estimate.n:,}" if estimate else MISSING)


def _inline(cell: Cell) -> str:
    return cell.value + (f" ({cell.interval})" if cell.interval else "")


def _leakage(evaluation: Evaluation) -> Section:
    rows = [[Cell(row.subject), Cell(f"{row.value:,.0f}")] for row in evaluation.estimates if row.section == "leakage"]
    fields = [row for row in evaluation.estimates if row.section == "field"][:5]
    rows += [[Cell(f"{row.subject} alone, ROC AUC"), Cell(f"{row.value:.3f}")] for row in fields]
    text = (
        "What this file has in common with the training data, and how well the five most telling fields tell attacks "
        "when each stands alone. Above 0.99 a field counts as a leak."
    )
    return Section("Leaks", text, names=("", "") if rows else (), rows=rows)


def _highest(evaluation: Evaluation) -> Section:
    rows = []
    for k in (*KS, "attacks"):
        name = f"the {k} highest" if k != "attacks" else "as many as there are attacks"
        rows.append([Cell(name), format_estimate(evaluation.find("overall", measure_sets.ALL, f"precision_at_{k}"))])
    return Section(
        "The highest scores", "How many of them are attacks: precision at k.", names=("", "precision"), rows=rows
    )


def _segments(evaluation: Evaluation) -> Iterator[Section]:
    subjects = _subjects(evaluation, "segment")
    for field in dict.fromkeys(subject.partition("=")[0] for subject in subjects):
        of_field = [subject for subject in subjects if subject.partition("=")[0] == field]
        measures = ("prevalence", "average_precision", "recall", "false_positive_rate")
        rows = _table(evaluation, "segment", of_field, measures)
        for row, subject in zip(rows, of_field, strict=True):
            row[:1] = [Cell(subject.partition("=")[2]), _count(evaluation.find("segment", subject, "prevalence"))]
        names = ("", "sessions", "attacks", "average precision", "recall", "false-positive rate")
        text = "Segments of fewer than 200 sessions stand together; with fewer than ten attacks there is a dash."
        yield Section(f"By {field.replace('_', ' ')}", text, names=names, rows=rows, wide=True)
