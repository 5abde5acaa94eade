"""The kinds of panel that the dashboard is made of, each looking the same everywhere."""

from collections.abc import Sequence
from typing import Final, TypeVar

from grafana_foundation_sdk.builders import common, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import (
    AxisPlacement,
    BigValueColorMode,
    BigValueGraphMode,
    DataSourceRef,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

Panel = timeseries.Panel | stat.Panel | table.Panel | heatmap.Panel
P = TypeVar("P", timeseries.Panel, stat.Panel, table.Panel, heatmap.Panel)
Step = tuple[float, str]  # from this value on, this colour

SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")


def graph(
    title: str,
    meaning: str,
    unit: str,
    *series: tuple[str, str],
    columns: int = 12,
    steps: Sequence[Step] = (),
    alert: str | None = None,
    stacked: bool = False,
    colours: dict[str, str] | None = None,
) -> timeseries.Panel:
    """Lines over time. `series` are legend and query; `steps` are drawn as lines across.

    `alert` is what the panel belongs to: its section of the runbook is linked.
    """
    panel = (
        timeseries.Panel()
        .line_width(1)
        .fill_opacity(20 if stacked else 5)
        .show_points(VisibilityMode.NEVER)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL if stacked else StackingMode.NONE))
        .legend(_legend(columns))
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
        .axis_soft_min(0)
        .targets([_query(line, place).range().legend_format(legend) for place, (legend, line) in enumerate(series)])
    )
    if steps:
        style = common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
        panel.thresholds(_thresholds(steps)).thresholds_style(style)
    for name, colour in (colours or {}).items():
        fixed = {"mode": "fixed", "fixedColor": colour}
        panel.override_by_name(name, [models.DynamicConfigValue(id_val="color", value=fixed)])
    return _finished(panel, title, meaning, unit, alert).height(8).span(columns)


def number(
    title: str, meaning: str, unit: str, expression: str, *, steps: Sequence[Step] = (), alert: str | None = None
) -> stat.Panel:
    """One figure as of now, coloured by `steps`, with its recent course behind it."""
    panel = (
        stat.Panel()
        .graph_mode(BigValueGraphMode.AREA)
        .color_mode(BigValueColorMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(_thresholds(steps))
        .targets([_query(expression).range()])
    )
    return _finished(panel, title, meaning, unit, alert).height(4).span(4)


def rows(
    title: str,
    meaning: str,
    expression: str,
    *,
    shown: Sequence[str],
    when_empty: str = "",
    alert: str | None = None,
    height: int = 6,
) -> table.Panel:
    """A row for each series as of now, with these of its labels as columns; `height` as of what stands beside it."""
    panel = (
        table.Panel()
        .targets([_query(expression).instant().format(PromQueryFormat.TABLE)])
        .with_transformation(_transformer("filterFieldsByName", include={"names": list(shown)}))
        .with_transformation(_transformer("organize", indexByName={name: place for place, name in enumerate(shown)}))
        .no_value(when_empty)
    )
    return _finished(panel, title, meaning, "none", alert).height(height).span(12)


def heat(title: str, meaning: str, expression: str, *, alert: str | None = None) -> heatmap.Panel:
    """How a histogram's buckets fill over time."""
    panel = (
        heatmap.Panel()
        .calculate(False)
        .color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Blues").exponent(0.5).steps(64))
        .y_axis(heatmap.YAxisConfig().axis_placement(AxisPlacement.LEFT).unit("short").decimals(2))
        .targets([_query(expression).range().legend_format("{{le}}").format(PromQueryFormat.HEATMAP)])
    )
    return _finished(panel, title, meaning, "short", alert).height(8).span(12)


def runbook(section: str | None = None) -> builders.DashboardLink:
    """A link to the runbook, or to what it says of an alert."""
    title = f"What to do: {section}" if section else "Runbook"
    url = "${runbook:raw}" + (f"#{section.lower()}" if section else "")
    return builders.DashboardLink(title).type(models.DashboardLinkType.LINK).url(url).target_blank(True)


def _transformer(name: str, **options: object) -> models.DataTransformerConfig:
    return models.DataTransformerConfig(id_val=name, options=options)


def _finished(panel: P, title: str, meaning: str, unit: str, alert: str | None) -> P:
    return panel.title(title).description(meaning).unit(unit).datasource(SOURCE).links([runbook(alert)])


def _query(expression: str, place: int = 0) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expression).ref_id("ABCDEFGH"[place]).datasource(SOURCE)


def _legend(columns: int) -> common.VizLegendOptions:
    place = LegendPlacement.RIGHT if columns >= 12 else LegendPlacement.BOTTOM
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.TABLE).placement(place)
    return legend.show_legend(True).calcs(["lastNotNull", "max"])


def _thresholds(steps: Sequence[Step]) -> builders.ThresholdsConfig:
    base = models.Threshold(value=None, color="green")
    above = [models.Threshold(value=value, color=colour) for value, colour in steps]
    return builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps([base, *above])
