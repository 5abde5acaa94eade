"""The rows about what is in the events and in the scores."""

from grafana_foundation_sdk.models import units

from deploy.grafana.panels import Panel, graph, heat
from deploy.grafana.promql import EVENTS, HIGH, RESULTS, increase, mean, of, rate, share, total

SCORED = 'outcome="scored"'
LEVELS = {"Low": "green", "Medium": "yellow", "High": "red"}
PSI_STEPS = [(0.1, "yellow"), (0.25, "red")]


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
            columns=6,
            alert="SessionScorerDeadLetters",
        ),
        graph(
            "Imputed fields",
            "Share of the scored events that lack the field, which is then filled. Bad: a field that jumps: somebody"
            " stopped sending it, and every score moves.",
            units.PercentUnit,
            ("{{field}}", share(rate("session_scorer_imputed_fields_total"), scored, "field")),
            columns=6,
            alert="SessionScorerAlertRateShift",
        ),
        graph(
            "Unseen categories",
            "Share of the scored events whose category the model has never seen. Bad: a field that rises: a new device,"
            " browser or spelling; train anew.",
            units.PercentUnit,
            ("{{field}}", share(rate("session_scorer_unseen_categories_total"), scored, "field")),
            columns=6,
            alert="SessionScorerScoreDrift",
        ),
        graph(
            "Events decoded slowly",
            "Share of the events that take the slower decoder, by what the faster one cannot read. Bad: a reason other"
            " than invalid that stays: a producer writes JSON in an unusual form, which costs CPU and nothing else.",
            units.PercentUnit,
            ("{{reason}}", share(rate("session_scorer_decoder_fallbacks_total"), rate(EVENTS), "reason")),
            columns=6,
        ),
    ]


def drift() -> list[Panel]:
    """How far are events and scores from those of training?"""
    gaps = share(rate("session_scorer_imputed_fields_total", over="30m"), rate(EVENTS, SCORED, over="30m"), "field")
    trained = f"max by (field) ({of('session_scorer_baseline_gaps_ratio')})"
    return [
        graph(
            "Drift of the scores",
            "Population stability index of the scores against training, over the last day, mean over the workers. Bad:"
            " over 0.1, look; over 0.25, the alert. Nothing is said of fewer than 1,000 counted events.",
            units.Short,
            ("{{distribution}}", _psi('distribution="anomaly_score"')),
            steps=PSI_STEPS,
            columns=6,
            alert="SessionScorerScoreDrift",
        ),
        graph(
            "Drift of the fields",
            "The same for each field of the events. Bad: over 0.1, look; over 0.25, the alert: that field is not as in"
            " training. The hour in transaction_date is told of after a day.",
            units.Short,
            ("{{distribution}}", _psi('distribution!="anomaly_score"')),
            steps=PSI_STEPS,
            alert="SessionScorerInputDrift",
        ),
        graph(
            "Events counted for it",
            "Events in each worker's window of a day; it begins anew when the worker starts. Bad: none while events are"
            " scored: the set has no baseline.",
            units.Short,
            ("{{instance}}", of("session_scorer_drift_window_events")),
            columns=6,
            alert="SessionScorerInputDrift",
        ),
        graph(
            "Gaps beyond training",
            "Share of the events of half an hour that lack the field, less its share in training. Bad: over 0.2, the"
            " alert: somebody stopped sending it. Below 0: it is there more often than in training.",
            units.PercentUnit,
            ("{{field}}", f"{gaps} - on (field) {trained}"),
            steps=[(0.2, "red")],
            columns=24,
            alert="SessionScorerGaps",
        ),
    ]


def _psi(matcher: str) -> str:
    return f"avg by (distribution) ({of('session_scorer_drift_psi', matcher)})"
