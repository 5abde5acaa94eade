"""The rows about the work itself: from "is anything wrong?" down to the single process.

Each panel says what it shows and what of it is bad. Its thresholds are those of deploy/prometheus/rules.yml.
"""

from grafana_foundation_sdk.models import units

from deploy.grafana.panels import Panel, graph, number, rows
from deploy.grafana.promql import EVENTS, HIGH, RESULTS, increase, mean, of, quantile, rate, recorded, share, total

LATENCY = "session_scorer_latency_seconds"
ASSIGNED, LOST = 'event="assigned"', 'event="lost"'
# two workers may tell of a partition while it changes hands
LAG = f"max by (topic, partition) ({of('session_scorer_consumer_lag')})"
OLDEST = f"max by (topic, partition) ({of('session_scorer_oldest_waiting_seconds')})"
UNSTABLE = f"max by (topic, partition) ({of('session_scorer_unstable_offsets')})"


def now() -> list[Panel]:
    """What to look at first."""
    dead = rate(EVENTS, 'outcome="dead_lettered"')
    return [
        number(
            "Workers",
            "Workers that answer Prometheus. Bad: fewer than were started.",
            units.Short,
            total(of("up")),
            steps=[(0, "red"), (1, "green")],
            alert="SessionScorerGone",
        ),
        number(
            "Events",
            "Events committed a second, whatever became of them. Bad: none while events wait.",
            units.EventsPerSecond,
            total(rate(EVENTS)),
            alert="SessionScorerNoProgress",
        ),
        number(
            "Events waiting",
            "Events of the input topic that are not committed yet. Bad: over 10,000 and growing.",
            units.Short,
            total(LAG),
            steps=[(10_000, "yellow"), (100_000, "red")],
            alert="SessionScorerLagGrowing",
        ),
        number(
            "Latency p99",
            "From an event's Kafka timestamp to its result committed: 99 % take less. Bad: over a second, the SLO.",
            units.Seconds,
            quantile(0.99, LATENCY),
            steps=[(0.5, "yellow"), (1, "red")],
            alert="SessionScorerLateFast",
        ),
        number(
            "High",
            "Share of the results that are High; each is an alert. Bad: far from what is usual, up or down.",
            units.PercentUnit,
            share(rate(RESULTS, HIGH), rate(RESULTS)),
            alert="SessionScorerAlertRateShift",
        ),
        number(
            "Invalid",
            "Share of the events that become dead letters. Bad: over 2 %; at half of the last 1,000 a worker stops.",
            units.PercentUnit,
            share(dead, rate(EVENTS)),
            steps=[(0.02, "yellow"), (0.5, "red")],
            alert="SessionScorerDeadLetters",
        ),
        rows(
            "Alerts",
            "Alerts that fire, and those about to. Each has its section in the runbook. Bad: any row.",
            'ALERTS{job="$job"}',
            shown=["alertname", "alertstate", "severity", "instance", "topic"],
            when_empty="none",
        ),
        rows(
            "Model versions",
            "The artifact set that each worker scores with. Bad: rows that differ, unless a roll-out is under way.",
            of("session_scorer_model_info"),
            shown=["instance", "version", "sha256"],
            alert="SessionScorerModelsMixed",
        ),
    ]


def keeping_up() -> list[Panel]:
    """Are results on time?"""
    return [
        graph(
            "Throughput",
            "Events committed a second, by outcome; counters move with the commit, never for aborted work. Bad: a fall"
            " to nothing while events wait; dead letters that rise.",
            units.EventsPerSecond,
            ("{{outcome}}", total(rate(EVENTS), "outcome")),
            colours={"scored": "green", "dead_lettered": "red", "skipped": "blue"},
            alert="SessionScorerNoProgress",
        ),
        graph(
            "Throughput by worker",
            "Events committed a second by each worker; a core takes about 100,000. Bad: one worker far below the"
            " others, whose partitions are as full.",
            units.EventsPerSecond,
            ("{{instance}}", total(rate(EVENTS), "instance")),
            alert="SessionScorerDown",
        ),
        graph(
            "Latency",
            "From an event's Kafka timestamp to its result committed; the line at 1 s is the SLO. Bad: p99 above it."
            " All events late at once: a backlog, or producers whose clocks are behind.",
            units.Seconds,
            *((f"p{100 * part:g}", quantile(part, LATENCY)) for part in (0.5, 0.95, 0.99)),
            steps=[(1, "red")],
            alert="SessionScorerLateFast",
        ),
        graph(
            "Late events",
            "Share of the events that took over a second, or have waited for as long; 1 % over 30 days is the budget."
            " Bad: 14.4 % over 5 minutes and an hour (pages), 6 % over six hours (ticket): the lines. By job, not by"
            " worker.",
            units.PercentUnit,
            *(
                (over, recorded(f"job:session_scorer_late_events:ratio_rate{over}"))
                for over in ("5m", "30m", "1h", "6h")
            ),
            steps=[(0.06, "yellow"), (0.144, "red")],
            alert="SessionScorerLateSlowly",
        ),
        graph(
            "Events waiting, by partition",
            "Offsets not read yet, up to the last stable one; each worker tells of the partitions it has. Bad: the sum"
            " grows. One partition alone: a hot key; all of them: too few workers; no line: nobody has a partition.",
            units.Short,
            ("all", total(LAG)),
            ("{{topic}} {{partition}}", LAG),
            alert="SessionScorerNoPartitions",
        ),
        graph(
            "Events never seen",
            "Offsets that retention deleted before they were read, passed over by --on-gap continue, since the workers"
            " started. Bad: any; their events are gone, and no result was ever made.",
            units.Short,
            ("{{topic}} {{partition}}", total(of("session_scorer_events_never_seen_total"), "topic", "partition")),
            alert="SessionScorerEventsNeverSeen",
        ),
        graph(
            "Oldest event waiting, by partition",
            "For how long the oldest event of a partition has waited, as its worker has seen it; open upstream"
            " transactions included. Bad: one partition that rises as time goes by, above five minutes (pages): it"
            " stands still.",
            units.Seconds,
            ("{{topic}} {{partition}}", OLDEST),
            steps=[(300, "red")],
            columns=8,
            alert="SessionScorerPartitionStuck",
        ),
        graph(
            "Held back by open transactions, by partition",
            "Offsets behind the last stable one, which an open upstream transaction keeps from being read. Bad: a"
            " partition that stays above 0 while its oldest event waits.",
            units.Short,
            ("{{topic}} {{partition}}", UNSTABLE),
            columns=8,
            alert="SessionScorerPartitionStuck",
        ),
        graph(
            "Throttled by brokers",
            "For how long a broker held back an answer to a worker's consumer of late, as a quota has it. Bad: above 0"
            " while events wait.",
            units.Seconds,
            ("{{instance}}", of("session_scorer_broker_throttle_seconds")),
            columns=8,
            alert="SessionScorerPartitionStuck",
        ),
    ]


def group() -> list[Panel]:
    """Do partitions stay where they are, and are the brokers near?"""
    rebalances = "session_scorer_rebalances_total"
    return [
        graph(
            "Partitions, by worker",
            "Partitions that each worker has. Bad: lines that cross again and again; a worker with none while another"
            " has several.",
            units.Short,
            ("{{instance}} {{topic}}", total(of("session_scorer_assigned_partitions"), "instance", "topic")),
            columns=8,
            alert="SessionScorerRebalancing",
        ),
        graph(
            "Rebalances in 15 minutes",
            "How often the group assigned partitions, as the worker saw it that saw most; a restart takes up to four."
            " Bad: five or more for 45 minutes, the alert: workers come and go.",
            units.Short,
            ("rebalances", f"max({increase(rebalances, ASSIGNED, over='15m')})"),
            steps=[(5, "yellow")],
            columns=8,
            alert="SessionScorerRebalancing",
        ),
        graph(
            "Partitions lost in an hour",
            "How often a worker lost its partitions without being asked: its group had not heard from it in time. Bad:"
            " three or more, the alert.",
            units.Short,
            ("{{instance}}", total(increase(rebalances, LOST, over="1h"), "instance")),
            steps=[(3, "yellow")],
            columns=8,
            alert="SessionScorerPartitionsLost",
        ),
        graph(
            "Round trip to the coordinator",
            "Usual round trip of a worker to the broker that coordinates its group; a result takes about seven. Bad:"
            " above 100 ms, the alert. One worker above the others: its host or network; all of them: the broker.",
            units.Seconds,
            ("{{instance}}", of("session_scorer_broker_round_trip_seconds")),
            steps=[(0.1, "yellow")],
            alert="SessionScorerBrokersDistant",
        ),
        rows(
            "Builds",
            "What each worker runs. Bad: rows that differ, unless a roll-out is under way.",
            of("session_scorer_build_info"),
            shown=["instance", "version", "python", "librdkafka"],
            height=8,
            alert="SessionScorerBuildsMixed",
        ),
    ]


def where_the_time_goes() -> list[Panel]:
    """Which part of the way is slow?"""
    stages = "session_scorer_stage_seconds"
    sizes = "session_scorer_batch_events"
    return [
        graph(
            "Time of a batch, by stage",
            "Mean time that a batch spends in each stage. Bad: commit or publish alone grows (the brokers), or decode"
            " and score (the machine). A batch commits while the next one is scored.",
            units.Seconds,
            ("{{stage}}", mean(stages, "stage")),
            stacked=True,
            alert="SessionScorerLagGrowing",
        ),
        graph(
            "How busy, by stage",
            "Share of a worker's time that each stage takes, mean over the workers. Bad: decode, score, encode and"
            " publish near 100 % together: the worker is full, start another one.",
            units.PercentUnit,
            ("{{stage}}", f"avg by (stage) ({rate(f'{stages}_sum')})"),
            alert="SessionScorerLagGrowing",
        ),
        graph(
            "Events in a batch",
            "How large batches are: what is committed together. Bad: thousands all the time: events wait, and batches"
            " are as large as the latency budget allows. Small ones are fine.",
            units.Short,
            ("mean", mean(sizes)),
            ("p95", quantile(0.95, sizes)),
            steps=[(2000, "yellow")],
            alert="SessionScorerLagGrowing",
        ),
        graph(
            "Transactions",
            "Transactions a second, by how they ended; under at-least-once, commits. Bad: over 5 % aborted. Those are"
            " done again, so nothing is lost, but everything is later.",
            units.OpsPerSecond,
            ("{{outcome}}", total(rate("session_scorer_transactions_total"), "outcome")),
            colours={"committed": "green", "aborted": "red"},
            alert="SessionScorerAborts",
        ),
    ]


def processes() -> list[Panel]:
    """What do the workers take of their machines?"""
    return [
        graph(
            "CPU",
            "Cores that each worker takes; Python's lock lets it use little more than one. Bad: at 1 all the time while"
            " events wait: start another worker.",
            units.Short,
            ("{{instance}}", rate("process_cpu_seconds_total")),
            steps=[(1, "yellow")],
            columns=6,
            alert="SessionScorerLagGrowing",
        ),
        graph(
            "Memory",
            "Resident memory of each worker; the line is what its settings allow with one broker, 318 MiB. Bad: above.",
            units.BytesIEC,
            ("{{instance}}", of("process_resident_memory_bytes")),
            steps=[(318 * 2**20, "yellow")],
            columns=6,
            alert="SessionScorerDown",
        ),
        graph(
            "Since the start",
            "For how long each worker has been running. Bad: lines that fall to 0 again and again: it ends and is"
            " started; the last line of its log says why it ended.",
            units.Seconds,
            ("{{instance}}", f"time() - {of('process_start_time_seconds')}"),
            columns=6,
            alert="SessionScorerDown",
        ),
        graph(
            "Log lines dropped",
            "Log lines a second that a worker could not write: its standard error is read too slowly, or by nobody."
            " Bad: any; the worker goes on, and its log has gaps.",
            units.OpsPerSecond,
            ("{{instance}}", rate("session_scorer_log_lines_dropped_total")),
            columns=6,
        ),
    ]
