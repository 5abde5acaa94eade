"""What a snapshot looks like, on a terminal of any size and in a pipe."""

import io
import math
from dataclasses import replace

import pytest
from rich.console import Console

from consumer.console.alerts import Alert
from consumer.console.display import Lines, write_lines
from consumer.console.snapshot import Pulse, Reading, Snapshot
from consumer.console.view import alert_line, by_count, format_latency, line, screen, summary

READING = Reading(
    12.0,
    {"scored": 11_940, "dead_lettered": 60, "skipped": 0},
    {"Low": 10_102, "Medium": 1_200, "High": 638},
    {"not_json": 25, "wrong_type": 20, "out_of_range": 8, "bad_date": 5, "not_an_object": 2, "too_large": 0},
)
ALERTS = tuple(Alert(f"session_{i}", 0.99 - i / 100, "very many clicks; very large amount") for i in range(12))
SNAPSHOT = Snapshot(
    title="session-scorer demo",
    state="running",
    facts=("embedded broker 127.0.0.1:43211, at-least-once", "metrics http://127.0.0.1:38123/metrics"),
    seconds=12.3,
    fed=12_003,
    expected=20_000,
    reading=READING,
    pulse=Pulse(5.0, 1001.3, 0.0041, 0.0113),
    alert_count=638,
    alerts=ALERTS,
)
WATCHED = replace(
    SNAPSHOT,
    facts=[f"worker-{i}:9108 up, model 2026.11.23-5f0c2a9b" for i in range(30)],
    details=[f"lag {i}, 900/s" for i in range(30)],
    fed=None,
    expected=None,
)
EMPTY = Snapshot(
    title="session-scorer demo", state="starting", fed=0, expected=None, reading=Reading(0.0), pulse=Pulse()
)


def drawn(snapshot: Snapshot, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, force_terminal=True, color_system=None, file=io.StringIO())
    with console.capture() as capture:
        console.print(screen(snapshot, width, height))
    return capture.get().splitlines()


def test_the_screen_of_a_usual_terminal() -> None:
    assert "\n".join(drawn(SNAPSHOT, 80, 24)) == SCREEN.strip()


SCREEN = """
╭─ session-scorer demo ────────────────────────────────────────────────────────╮
│ embedded broker 127.0.0.1:43211, at-least-once                               │
│ metrics http://127.0.0.1:38123/metrics                                       │
╰───────────────────────────────────────────────────────────── running · 12 s ─╯
 fed 12,003 of 20,000, done 12,000 ██████████████████████████░░░░░░░░░░░░░░░░░░
╭─ now ───────────────────╮╭─ results 11,940 ────────╮╭─ dead letters 60 ──────╮
│ events/s          1,001 ││ Low 85%          10,102 ││ not_json            25 │
│ latency p50      4.1 ms ││ ███████████████████░░░  ││ wrong_type          20 │
│ latency p99       11 ms ││ Medium 10%        1,200 ││ out_of_range         8 │
│ event in Kafka to       ││ ██░░░░░░░░░░░░░░░░░░░░  ││ bad_date             5 │
│ result committed,       ││ High 5%             638 ││ not_an_object        2 │
│ last 5 s                ││ █░░░░░░░░░░░░░░░░░░░░░  ││                        │
╰─────────────────────────╯╰─────────────────────────╯╰────────────────────────╯
╭─ alerts 638, the newest: score, session, reasons ────────────────────────────╮
│ 0.9900 session_0 very many clicks; very large amount                         │
│ 0.9800 session_1 very many clicks; very large amount                         │
│ 0.9700 session_2 very many clicks; very large amount                         │
│ 0.9600 session_3 very many clicks; very large amount                         │
│ 0.9500 session_4 very many clicks; very large amount                         │
│ 0.9400 session_5 very many clicks; very large amount                         │
│ 0.9300 session_6 very many clicks; very large amount                         │
│ 0.9200 session_7 very many clicks; very large amount                         │
╰──────────────────────────────────────────────────────────────────────────────╯
"""


@pytest.mark.parametrize(
    "snapshot",
    [
        SNAPSHOT,
        EMPTY,
        replace(SNAPSHOT, notes=("a warning " * 20, "another")),
        WATCHED,
        replace(WATCHED, alerts=None, notes=("a warning " * 20, "another")),
    ],
)
@pytest.mark.parametrize("height", [1, 2, 5, 10, 17, 18, 24, 50])
@pytest.mark.parametrize("width", [1, 7, 20, 40, 63, 64, 65, 80, 200])
def test_it_fits_into_any_terminal(snapshot: Snapshot, width: int, height: int) -> None:
    lines = drawn(snapshot, width, height)

    assert len(lines) <= max(1, height - 1)
    assert all(len(each) <= width for each in lines)


def test_it_never_jumps_while_alerts_come() -> None:
    heights = {len(drawn(replace(SNAPSHOT, alerts=ALERTS[:n]), 80, 24)) for n in (0, 1, 8, 12)}

    assert heights == {23}


def test_warnings_stand_under_the_screen() -> None:
    lines = drawn(replace(SNAPSHOT, notes=("the broker is away",)), 80, 24)

    assert lines[-1].strip() == "the broker is away"
    assert len(lines) == 23


def test_more_codes_than_lines_are_summed_up() -> None:
    codes = {f"code_{i}": 10 - i for i in range(9)}

    lines = drawn(replace(SNAPSHOT, reading=replace(READING, codes=codes)), 80, 24)

    shown = [each.split("││")[-1].strip("│ ").split() for each in lines]
    assert ["code_4", "6"] in shown
    assert ["4", "more", "kinds", "14"] in shown


def test_markup_and_colour_come_from_nobody_but_us() -> None:
    sly = Alert("[red]x[/red]", 0.9, "[bold]")

    assert any("[red]x[/red] [bold]" in each for each in drawn(replace(SNAPSHOT, alerts=(sly,)), 80, 24))


def test_one_who_only_watches_feeds_nothing() -> None:
    lines = drawn(replace(SNAPSHOT, fed=None, expected=None), 80, 24)

    assert lines[4].strip() == "12,000 events"


def test_one_who_watches_sees_the_lag_and_the_transactions_too() -> None:
    reading = replace(READING, lags=(3, 1_001), transactions={"committed": 1_200, "aborted": 1})

    lines = drawn(replace(SNAPSHOT, fed=None, expected=None, reading=reading), 80, 24)

    assert lines[4].strip() == "12,000 events, lag 1,004, transactions 1,200 committed, 1 aborted"


def test_what_changes_of_a_worker_stands_on_the_right() -> None:
    [_, first, *_] = drawn(WATCHED, 80, 24)

    assert first == f"│ worker-0:9108 up, model 2026.11.23-5f0c2a9b{'lag 0, 900/s':>33} │"


@pytest.mark.parametrize(("alerts", "more"), [(ALERTS, 24), (None, 19)])
def test_of_more_workers_than_there_is_room_for_the_rest_is_counted(
    alerts: tuple[Alert, ...] | None, more: int
) -> None:
    lines = drawn(replace(WATCHED, alerts=alerts), 80, 24)

    assert len(lines) == 23
    assert f"and {more} more" in "\n".join(lines)


def test_where_nobody_reads_alerts_there_is_no_place_for_them() -> None:
    lines = drawn(replace(SNAPSHOT, alerts=None), 80, 24)

    assert lines == SCREEN.strip().splitlines()[:13]


def test_a_line_says_all_that_counts() -> None:
    assert line(SNAPSHOT) == (
        "12 s | running | fed 12,003 of 20,000, done 12,000 | 1,001 events/s | p50 4.1 ms p99 11 ms"
        " | Low 10,102 Medium 1,200 High 638"
        " | dead letters 60 (not_json 25, wrong_type 20, out_of_range 8, bad_date 5, not_an_object 2)"
    )
    assert line(EMPTY) == "0 s | starting | fed 0, done 0 | dead letters 0"
    assert alert_line(ALERTS[0]) == "alert 0.9900 session_0: very many clicks; very large amount"


def test_the_summary_adds_up() -> None:
    done = replace(SNAPSHOT, state="done", fed=12_000, pulse=Pulse(11.9, 1008.0, 0.004, 1.04))

    assert summary(done) == [
        "session-scorer demo: done after 12 s",
        "  events fed      12,000",
        "  results         11,940: Low 10,102, Medium 1,200, High 638",
        "  alerts          638",
        "  dead letters    60: not_json 25, wrong_type 20, out_of_range 8, bad_date 5,",
        "                  not_an_object 2",
        "  speed           1,008 events/s over 11.9 s",
        "  latency         p50 4.0 ms, p99 1.0 s (event in Kafka to result committed)",
    ]


def test_a_summary_of_nothing_is_one_too() -> None:
    assert summary(replace(EMPTY, state="interrupted"))[0] == "session-scorer demo: interrupted after 0 s"


def test_what_was_fed_and_not_scored_is_said() -> None:
    assert "  events fed      12,003 (3 of them not yet scored)" in summary(SNAPSHOT)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.0, "0.0 ms"),
        (0.00412, "4.1 ms"),
        (0.0113, "11 ms"),
        (0.5, "500 ms"),
        (2.34, "2.3 s"),
        (math.inf, "over a minute"),
    ],
)
def test_latencies_have_no_false_digits(seconds: float | None, text: str) -> None:
    assert format_latency(seconds) == text


def test_counts_are_sorted_and_zeros_left_out() -> None:
    assert by_count({"a": 0, "b": 2, "c": 5, "d": 2}) == [("c", 5), ("b", 2), ("d", 2)]


def test_a_pipe_gets_a_line_now_and_then_and_at_every_change() -> None:
    out = io.StringIO()
    lines = Lines(out)
    for tenth in range(45):
        state = "running" if tenth < 42 else "done"
        lines.show(replace(SNAPSHOT, state=state, seconds=tenth / 10, alerts=ALERTS[:1], notes=("note",)))

    written = out.getvalue().splitlines()
    assert written[:2] == list(SNAPSHOT.facts)
    assert written[2] == "note"
    assert [each.split(" | ")[:2] for each in written if " | " in each] == [
        ["0 s", "running"],
        ["2 s", "running"],
        ["4 s", "running"],
        ["4 s", "done"],
    ]
    assert written.count("alert 0.9900 session_0: very many clicks; very large amount") == 1
    assert "\x1b" not in out.getvalue()


def test_a_pipe_that_knows_no_unicode_gets_question_marks() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")

    write_lines(out, ["session_é"])

    assert raw.getvalue() == b"session_?\n"


FAULT = "wrong_type, click_events: expected a number from 0 to 1e12, got a string"


@pytest.mark.parametrize(("width", "height"), [(80, 24), (64, 18), (200, 50)])
@pytest.mark.parametrize("notes", [(), ("warning: one", "warning: two")])
def test_the_newest_dead_letter_has_a_line_of_its_own(width: int, height: int, notes: tuple[str, ...]) -> None:
    before = drawn(replace(SNAPSHOT, dead_letter="", notes=notes), width, height)
    after = drawn(replace(SNAPSHOT, dead_letter=FAULT, notes=notes), width, height)
    assert len(before) == len(after) <= height - 1
    [shown] = [line for line in after if line not in before]
    assert shown.startswith("dead letter wrong_type, click_events: expected")


def test_in_a_small_window_and_in_a_pipe_the_dead_letter_is_a_line() -> None:
    assert f"dead letter {FAULT}" in "\n".join(drawn(replace(SNAPSHOT, dead_letter=FAULT), 120, 17))
    out = io.StringIO()
    lines = Lines(out, seconds=0.0)
    for _ in range(2):
        lines.show(replace(SNAPSHOT, dead_letter=FAULT))
    assert out.getvalue().count(f"dead letter {FAULT}\n") == 1
