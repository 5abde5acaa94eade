"""The rows about what is in the events and in the scores."""

from grafana_foundation_sdk.models import units

from deploy.grafana.panels import Panel, graph, heat
from deploy.grafana.promql import EVENTS, HIGH, RESULTS, increase, mean, rate, share, total

SCORED = 'outcome="scored"'
LEVELS = {"Low": "green", "Medium": "yellow", "High": "red"}


def what_is_found() -> list[Panel]:
    """What do the scores say?"""
    scores = "session_scorer_anomaly_score"
    return [
        graph(
            "Risk levels",
            "Results a second by risk level. Bad: a change that the traffic does not explain.",
            units.EventsPerSecond,
            ("{{risk_level}}", total(rate(RESULTS), "risk_level")),
            colours=LEVELS,
            stacked=True,
            columns=8,
            alert="SessionScorerAlertRateShift",
        ),
        graph(
            "High, beside the day before",
            "Share of High results over half an hour, now and 24 hours earlier. Bad: three times as many, or a third.",
            units.PercentUnit,
            *(
                (legend, share(rate(RESULTS, HIGH, over="30m", ago=ago), rate(RESULTS, over="30m", ago=ago)))
                for legend, ago in (("now", ""), ("a day before", "1d"))
            ),
            columns=8,
            alert="SessionScorerAlertRateShift",
        ),
        graph(
            "Top reasons",
            "The five reasons that results give most, each a second: one for Medium, up to three for High. Bad: one"
            " that leaps up: an attack of its kind, or a producer that changed.",
            units.EventsPerSecond,
            ("{{reason}}", f"topk(5, {total(rate('session_scorer_reasons_total'), 'reason')})"),
            columns=8,
            alert="SessionScorerAlertRateShift",
        ),
        heat(
            "Scores",
            "How the scores spread: the darker, the more results. Label 1 begins at 0.5. Bad: a band that moves or"
            " widens for all.",
            total(increase(f"{scores}_bucket"), "le"),
            alert="SessionScorerScoreDrift",
        ),
        graph(
            "Mean score, beside the day before",
            "Mean score over half an hour, now and 24 hours earlier. Bad: two lines apart: sessions, producers or the"
            " model have changed.",
            units.Short,
            ("now", mean(scores, over="30m")),
            ("a day before", mean(scores, over="30m", ago="1d")),
            alert="SessionScorerScoreDrift",
        ),
    ]


def what_comes_in() -> list[Panel]:
    """Are the events what the model knows?"""
    scored = rate(EVENTS, SCORED)
    return [
        graph(
            "Dead letters, by code",
            "Invalid events a second by what is wrong with them; 0 is left out. Bad: one code that begins at one"
            " moment: a producer was changed.",
            units.EventsPerSecond,
            ("{{code}}", f"{total(rate('session_scorer_dead_letters_total'), 'code')} > 0"),
            columns=8,
            alert="SessionScorerDeadLetters",
        ),
        graph(
            "Imputed fields",
            "Share of the scored events that lack the field, which is then filled. Bad: a field that jumps: somebody"
            " stopped sending it, and every score moves.",
            units.PercentUnit,
            ("{{field}}", share(rate("session_scorer_imputed_fields_total"), scored, "field")),
            columns=8,
            alert="SessionScorerAlertRateShift",
        ),
        graph(
            "Unseen categories",
            "Share of the scored events whose category the model has never seen. Bad: a field that rises: a new device,"
            " browser or spelling; train anew.",
            units.PercentUnit,
            ("{{field}}", share(rate("session_scorer_unseen_categories_total"), scored, "field")),
            columns=8,
            alert="SessionScorerScoreDrift",
        ),
    ]
