"""Alerts as they are shown."""

import pytest

from consumer.console import alerts
from consumer.console.alerts import NewestAlerts, parse_alert


@pytest.mark.parametrize(
    ("session_id", "shown"),
    [
        ('"session_7"', "session_7"),
        ("12345678901234567890123", "12345678901234567890123"),
        ('"a\\u001b[2Jb"', "a?[2Jb"),
    ],
)
def test_of_an_alert_only_what_can_be_shown_is_shown(session_id: str, shown: str) -> None:
    value = f'{{"alert_id":"t-0-1","session_id":{session_id},"anomaly_score":0.8,"risk_reason":"no clicks"}}'

    alert_id, shown_alert = parse_alert(value.encode())

    assert (alert_id, shown_alert.session_id) == ("t-0-1", shown)


def test_an_alert_without_a_session_is_shown_without_one() -> None:
    assert parse_alert(b'{"alert_id":"t-0-1","anomaly_score":0.8,"risk_reason":""}')[1].session_id == "-"


DEEP = b'{"event":' + b"[" * 5000 + b"]" * 5000 + b"}"


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"\xff", b'{"alert_id": "t-0-1"}', DEEP], ids=len)
def test_what_is_no_alert_is_a_value_error(value: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of whatever kind the decoder's is
        parse_alert(value)


def test_the_newest_come_first_and_one_that_comes_again_counts_once() -> None:
    newest = NewestAlerts()
    for number in (*range(12), 11, 11):
        newest.add(b'{"alert_id":"t-0-%d","session_id":%d,"anomaly_score":0.8,"risk_reason":""}' % (number, number))
    assert newest.count == 12
    assert [each.session_id for each in newest.alerts] == [str(number) for number in range(11, 1, -1)]


def test_of_those_long_ago_no_memory_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "_REMEMBERED", 2)
    newest = NewestAlerts()
    for number in (1, 2, 3, 1):
        newest.add(b'{"alert_id":"t-0-%d","anomaly_score":0.8,"risk_reason":""}' % number)
    assert newest.count == 4
