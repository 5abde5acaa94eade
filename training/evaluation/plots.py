"""Draw the report's plots as bare SVG: the same bytes for the same evaluation."""

import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import Any, Final

import numpy as np

from training import train_extra
from training.evaluation import measure_sets
from training.evaluation.baselines import FOREST
from training.evaluation.bootstrap import Estimate
from training.evaluation.evaluate import Evaluation
from training.evaluation.ranking import Ranking


@contextmanager
def _outside_current_directory() -> Iterator[None]:
    """Change to / and back. A current directory that cannot be entered is kept: no file in it can be read.

    A descriptor leads back, as a deleted directory has no path.
    """
    try:
        directory = os.open(".", getattr(os, "O_PATH", os.O_RDONLY))  # O_PATH: it may be unreadable
    except PermissionError:
        yield
        return
    try:
        os.chdir("/")
        yield
    finally:
        os.fchdir(directory)
        os.close(directory)


with train_extra():
    with _outside_current_directory():  # matplotlib reads its matplotlibrc, before that of MATPLOTLIBRC
        import matplotlib as mpl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HONEST: Final = "#4c78a8"
ATTACK: Final = "#d1495b"
GREY: Final = "#8a94a3"
INK: Final = "#1f2933"
COLOURS: Final = ("#8a94a3", "#e0a030", "#3a9d8f")  # of the baselines
WIDTH: Final = 6.4  # inches
MOST_POINTS: Final = 400  # of a curve: more are not visible
STYLE: Final[Any] = {  # values of many types
    "svg.fonttype": "none",  # text stays text: small, sharp, and can be copied
    "svg.hashsalt": "session-scorer",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#b8c0cc",
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e8ebf0",
    "xtick.color": "#52606d",
    "ytick.color": "#52606d",
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "text.color": INK,
    "text.parse_math": False,  # a kind's name may hold a $
    "legend.frameon": False,
}


def plots(evaluation: Evaluation) -> dict[str, str]:
    """Return name -> SVG, without attacks only the plots that need none."""
    drawn = {"scores": _scores, "reliability": _reliability}
    if evaluation.scored.label.any():
        drawn |= {"precision_recall": _precision_recall, "importance": _importance}
    if any(row.section == "kind" for row in evaluation.estimates):
        drawn["kinds"] = _kinds
    with mpl.rc_context():
        mpl.rcdefaults()  # not the user's own matplotlibrc
        mpl.rcParams.update(STYLE)
        return {name: _svg(draw(evaluation)) for name, draw in drawn.items()}


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = out.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg[svg.index("<svg") :])  # HTML needs none
    svg = re.sub(r' id="[a-zA-Z]+\d*_\d+"', "", svg)  # every plot has the same ones
    return re.sub(r' width="[^"]*"| height="[^"]*pt"', "", svg, count=2).strip()


def _axes(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


def _scores(evaluation: Evaluation) -> Figure:
    figure, axes = _axes(3.3)
    scored, limits = evaluation.scored, evaluation.scorer.artifacts.thresholds
    edges = np.linspace(0, 1, 51).tolist()
    for label, name, colour in ((0, "honest", HONEST), (1, "attack", ATTACK)):
        scores = scored.scores[scored.label == label]
        if len(scores):
            axes.hist(scores, edges, color=colour, alpha=0.3)
            axes.hist(scores, edges, color=colour, histtype="step", linewidth=1.4, label=f"{name} ({len(scores):,})")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    for value, name in ((limits.medium, "Medium"), (limits.high, "High")):
        axes.axvline(value, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.annotate(name, (value, 1), (4, -10), xycoords=("data", "axes fraction"), textcoords="offset points")
    axes.set(xlim=(0, 1), xlabel="the forest's score", ylabel="sessions (log)")
    figure.legend(loc="outside upper right", ncols=2)
    return figure


def _precision_recall(evaluation: Evaluation) -> Figure:
    figure, axes = _axes(4.2)
    scored = evaluation.scored
    rankings = {baseline.name: Ranking.of(scored.label, baseline.scores) for baseline in evaluation.baselines}
    for (name, ranking), colour in zip(rankings.items(), COLOURS, strict=False):
        axes.plot(*_steps(ranking), color=colour, linewidth=1.3, label=_legend(evaluation, name))
    axes.plot(*_steps(scored.ranking), color=ATTACK, linewidth=2.2, label=_legend(evaluation, FOREST))
    chance = float(scored.label.mean())
    axes.axhline(chance, color=GREY, linewidth=0.9, linestyle=(0, (2, 3)), label=f"chance {chance:.3f}")
    for suffix, name, marker in (("_medium", "Medium", "o"), ("", "label 1", "D"), ("_high", "High", "s")):
        recall = evaluation.find("overall", measure_sets.ALL, f"recall{suffix}")
        precision = evaluation.find("overall", measure_sets.ALL, f"precision{suffix}")
        if recall and precision:
            axes.plot(recall.value, precision.value, marker, color=INK, markersize=5, zorder=5)
            axes.annotate(name, (recall.value, precision.value), (6, 4), textcoords="offset points")
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall: attacks found", ylabel="precision: alerts that are attacks")
    axes.legend(loc="upper right", title="average precision", alignment="left")
    return figure


def _steps(ranking: Ranking) -> tuple[Any, Any]:
    """Return recall and precision after each score that attacks have, thinned to the visible number."""
    curve = ranking.curve()
    attacks, total = curve.attacks[2:-1:2], curve.total[2:-1:2]
    points = np.unique(np.linspace(0, len(attacks) - 1, min(len(attacks), MOST_POINTS)).astype(int))
    return (attacks / attacks[-1])[points], (attacks / total)[points]


def _legend(evaluation: Evaluation, name: str) -> str:
    row = evaluation.find("baseline", name, "average_precision")
    return f"{name} {row.value:.3f}" if row else name


def _reliability(evaluation: Evaluation) -> Figure:
    figure, axes = _axes(4.0)
    rows = [row for row in evaluation.estimates if row.section == "reliability"]
    x = [row for row in rows if row.measure == "mean_score"]
    y = [row for row in rows if row.measure == "share_of_attacks"]
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.9, linestyle=(0, (2, 3)))
    axes.annotate(
        "were it a probability",
        (0.5, 0.5),
        (0, 5),
        textcoords="offset points",
        rotation=34,
        color=GREY,
        ha="center",
        rotation_mode="anchor",
    )
    values = [row.value for row in x]
    axes.errorbar(values, [row.value for row in y], _errors(y), fmt="o-", color=ATTACK, linewidth=1.4, capsize=2.5)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="mean score in the bin", ylabel="share of attacks in the bin")
    return figure


def _importance(evaluation: Evaluation) -> Figure:
    rows = sorted((row for row in evaluation.estimates if row.section == "importance"), key=attrgetter("value"))
    figure, axes = _axes(0.9 + 0.23 * len(rows))
    axes.barh(
        [row.subject for row in rows],
        [row.value for row in rows],
        xerr=_errors(rows),
        color=HONEST,
        height=0.66,
        error_kw={"ecolor": INK, "elinewidth": 1, "capsize": 2},
    )
    axes.grid(visible=False, axis="y")
    axes.set(xlabel="average precision lost when the field's values are dealt out anew")
    axes.margins(y=0.01)
    return figure


def _kinds(evaluation: Evaluation) -> Figure:
    recalls = [row for row in evaluation.estimates if row.section == "kind" and row.measure == "recall"]
    order = [row.subject for row in sorted(recalls, key=attrgetter("value"))]
    figure, axes = _axes(1.1 + 0.42 * len(order))
    markers = (
        ("recall_medium", "Medium or High", HONEST, 0.2),
        ("recall", "label 1", INK, 0.0),
        ("recall_high", "High", ATTACK, -0.2),
    )
    for measure, name, colour, shift in markers:
        rows = [row for kind in order if (row := evaluation.find("kind", kind, measure))]
        heights = [order.index(row.subject) + shift for row in rows]
        values = [row.value for row in rows]
        axes.errorbar(values, heights, xerr=_errors(rows), fmt="o", markersize=4.5, color=colour, capsize=2, label=name)
    axes.set(xlim=(-0.01, 1.01), xlabel="recall: share of the kind's sessions that are found")
    axes.set_yticks(range(len(order)), [kind.replace("_", " ") for kind in order])
    figure.legend(loc="outside upper right", ncols=3)
    return figure


def _errors(rows: Sequence[Estimate]) -> Any:
    """Return the lengths of the intervals down and up, (2, rows); 0 without an interval."""
    reach = [(max(row.value - row.low, 0.0), max(row.high - row.value, 0.0)) for row in rows]
    return np.nan_to_num(np.array(reach).T) if rows else None
