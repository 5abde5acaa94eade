"""Figures as data, and how they are drawn: SVG of the same bytes for the same figures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.rounds import Measured

COLOURS = ("#1f5fa8", "#c4571b", "#3b8a4a", "#7a4fa3", "#8a6d3b", "#5a5a5a")
WIDTH, HEIGHT = 4.6, 3.2  # inches, of a panel


@dataclass(frozen=True)
class Line:
    """One contestant's medians along the x axis; the rounds' spread is drawn as a band."""

    name: str
    x: Sequence[float]
    y: Sequence[Measured]


@dataclass(frozen=True)
class Panel:
    """One pair of axes, of which x is logarithmic."""

    x_label: str
    y_label: str
    lines: Sequence[Line]
    log_y: bool = False


@dataclass(frozen=True)
class Figure:
    """Panels side by side, two in a row."""

    name: str
    panels: Sequence[Panel]

    def draw(self, path: Path) -> None:
        """Write it as SVG."""
        import matplotlib as mpl  # noqa: PLC0415 - a second, which only who draws pays for

        mpl.use("svg")
        mpl.rcParams.update({"svg.hashsalt": self.name, "font.size": 8})
        from matplotlib import pyplot as plt  # noqa: PLC0415 - the same

        columns = min(2, len(self.panels))
        rows = -(-len(self.panels) // columns)
        figure, axes = plt.subplots(rows, columns, figsize=(WIDTH * columns, HEIGHT * rows), squeeze=False)
        for place, panel in zip(axes.flat, self.panels, strict=False):
            _draw_panel(place, panel)
        for place in axes.flat[len(self.panels) :]:
            place.set_visible(False)
        figure.tight_layout()
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None, "Creator": None})
        plt.close(figure)


def _draw_panel(place: Any, panel: Panel) -> None:
    for colour, line in zip(COLOURS, panel.lines, strict=False):
        place.plot(line.x, [y.median for y in line.y], marker="o", markersize=3, color=colour, label=line.name)
        place.fill_between(line.x, [y.low for y in line.y], [y.high for y in line.y], color=colour, alpha=0.15)
    place.set_xscale("log")
    place.minorticks_off()
    ticks = _ticks({x for line in panel.lines for x in line.x})
    place.set_xticks(ticks, [f"{tick:,g}" for tick in ticks])
    if panel.log_y:
        place.set_yscale("log")
    else:
        place.set_ylim(bottom=0)
    place.yaxis.set_major_formatter("{x:,g}")
    place.set_xlabel(panel.x_label)
    place.set_ylabel(panel.y_label)
    place.grid(visible=True, alpha=0.25)
    if len(panel.lines) > 1:
        place.legend(frameon=False)


def _ticks(values: Iterable[float]) -> list[float]:
    """Those with room for a label on a logarithmic axis: a ninth of it from one to the next."""
    ordered = sorted(values)
    room = (ordered[-1] / ordered[0]) ** (1 / 9)
    kept = ordered[:1]
    for value in ordered[1:]:
        if value >= room * kept[-1]:
            kept.append(value)
    return kept
