"""The queries, put together: PromQL over the workers that the dashboard's variables select."""

from typing import Final

SELECTED: Final = 'job="$job", instance=~"$instance"'
EVENTS: Final = "session_scorer_events_total"
RESULTS: Final = "session_scorer_results_total"
HIGH: Final = 'risk_level="High"'
USUAL: Final = "$__rate_interval"  # four scrapes, or more where a pixel covers more


def of(metric: str, *matchers: str) -> str:
    """The series of a metric, of the selected workers."""
    return f"{metric}{{{', '.join((SELECTED, *matchers))}}}"


def recorded(rule: str) -> str:
    """What a recording rule says of the job: these know no workers."""
    return f'{rule}{{job="$job"}}'


def rate(metric: str, *matchers: str, over: str = USUAL, ago: str = "") -> str:
    """By how much a counter rises in a second; `ago` looks back (a duration)."""
    return f"rate({of(metric, *matchers)}[{over}]{f' offset {ago}' if ago else ''})"


def increase(metric: str, *matchers: str, over: str = USUAL) -> str:
    """By how much a counter has risen, since the point before if nothing else is asked for."""
    return f"increase({of(metric, *matchers)}[{over}])"


def total(expression: str, *by: str) -> str:
    """The sum over all but these labels."""
    return f"sum by ({', '.join(by)}) ({expression})" if by else f"sum({expression})"


def share(part: str, whole: str, *by: str) -> str:
    """How much `part` is of the whole; nothing where there is no whole."""
    return f"{total(part, *by)} / {'' if not by else 'on () group_left () '}({total(whole)} > 0)"


def mean(histogram: str, *by: str, over: str = USUAL, ago: str = "") -> str:
    """The mean of what a histogram saw."""
    seen = total(rate(f"{histogram}_sum", over=over, ago=ago), *by)
    return f"{seen} / ({total(rate(f'{histogram}_count', over=over, ago=ago), *by)} > 0)"


def quantile(share_below: float, histogram: str) -> str:
    """The value that this share of what a histogram saw does not exceed: as exact as its buckets."""
    return f"histogram_quantile({share_below}, {total(rate(f'{histogram}_bucket'), 'le')})"
