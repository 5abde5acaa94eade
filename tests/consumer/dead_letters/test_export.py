"""`dead-letters export`, and `redrive --from` what it wrote."""

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from stat import S_IMODE
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.dead_letters.export import ExportedDeadLetters, ExportedFrom, decode_line, encode_line, new_file
from consumer.dead_letters.offset_ranges import RedriveProgress
from consumer.dead_letters.record import DeadLetter, Filter, Refusal, WriterFilter
from consumer.dead_letters.redrive import Plan, redrive
from consumer.errors import WorkerError
from consumer.kafka.membership import InputTopics
from consumer.records import Headers, Partition
from tests.consumer.dead_letters.conftest import Post, written
from tests.support.command_line import Call
from tests.support.fakes import FakeLog, FakeProducer
from tests.support.waiting import wait_until
from tests.support.wire import read, write

values = (
    st.none() | st.binary() | st.sampled_from([b"{}", b' {"a": 1}', b'{"a":  1.0 }', b"[\n]", b"NaN", "é".encode()])
)
letters = st.builds(
    DeadLetter,
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**63 - 1),
    st.integers(-1, 2**53),
    values,
    values,
    st.lists(st.tuples(st.text(), values), max_size=4),
)
ORIGIN = ExportedFrom("cluster-1", "letters")
HEADERS: Headers = [("__connect.errors.topic", b"sessions"), ("dead_letter.code", b"bad_date"), ("note", b"\xff")]
LETTER = DeadLetter(3, 7, 1_700_000_000_000, b"key", b'{"transaction_date": "2026-02-30"}', HEADERS)


@given(letters)
def test_a_line_holds_the_whole_record(letter: DeadLetter) -> None:
    line = encode_line(letter, ORIGIN)
    assert line.index(b"\n") == len(line) - 1
    assert decode_line(line, ORIGIN) == letter


def test_an_event_is_written_as_it_is() -> None:
    line = encode_line(LETTER, ORIGIN)
    assert b'"event":{"transaction_date": "2026-02-30"},' in line
    shown = json.loads(line)
    assert (shown["source"], shown["code"]) == ("sessions-?-?", "bad_date")
    corrected = decode_line(line.replace(b"02-30", b"02-28"), ORIGIN)
    assert corrected.value == b'{"transaction_date": "2026-02-28"}'


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b'"event":{', b'"event":', "is not JSON in UTF-8"),
        (b'"partition":3', b'"partition":"three"', "is no exported dead letter: Expected `int`, got `str`"),
        (b'"key":"key"', b'"key":{"hex":"00"}', "has a text that is neither"),
        (b'"base64":"/w=="', b'"base64":"%"', "has a text that is neither"),
        (b'"base64":"/w=="', '"base64":"é"'.encode(), "has a text that is neither"),
        (b"2026-02-30", b"\xe9 of latin-1", "is not JSON in UTF-8"),
        (b'{"transaction_date"', b"[" * 10_000 + b'{"transaction_date"', "is not JSON in UTF-8"),
        (b'"event"', b'"evnt"', "is no exported dead letter: Object contains unknown field `evnt`"),
        (b'"key":"key"', b'"value":"{}","key":"key"', "has an event and a value"),
        (b'"offset":7', b'"offset":-7', r"is no exported dead letter: Expected `int` >= 0 - at `\$.offset`"),
        (b'"partition":3', b'"partition":3000000000', "is no exported dead letter: Expected `int` <= 2147483647"),
        (b'"letters"', b'"others"', "is of the topic others, not of letters"),
        (b"cluster-1", b"cluster-2", "is of the cluster cluster-2, not of cluster-1: give the --bootstrap-servers"),
    ],
)
def test_a_damaged_line_is_refused_without_its_content(old: bytes, new: bytes, what: str) -> None:
    line = encode_line(LETTER, ORIGIN)
    assert old in line
    with pytest.raises(ValueError, match=what) as refused:
        decode_line(line.replace(old, new), ORIGIN)
    assert "2026" not in str(refused.value)


class Reader:
    """What a file's redrive asks of the topic."""

    complete = True

    def dead_letters(self) -> Iterator[DeadLetter]:
        yield from ()

    def progress(self) -> dict[int, RedriveProgress]:
        return {}

    def group(self) -> bytes:
        return b"scorers-redrive"


def of_file(path: Path) -> list[DeadLetter]:
    return list(ExportedDeadLetters(path, ORIGIN, {3: 8}, Reader()).dead_letters())


@pytest.mark.parametrize("edited", [b"\xef\xbb\xbf%s", b"%s\n\n", b"\r\n %s"])
def test_what_editors_add_is_no_line(edited: bytes, tmp_path: Path) -> None:
    path = tmp_path / "letters.jsonl"
    path.write_bytes(edited.replace(b"%s", encode_line(LETTER, ORIGIN).replace(b"\n", b"\r\n")))
    assert of_file(path) == [LETTER]


@pytest.mark.parametrize(
    ("letter", "what"),
    [
        (replace(LETTER, offset=8), "line 2: partition 3 of letters has no offset 8"),
        (replace(LETTER, partition=4), "line 2: partition 4 of letters has no offset 7"),
        (LETTER, "line 2 is the dead letter of line 1 once more"),
    ],
)
def test_line_of_no_record_of_the_topic_is_refused(letter: DeadLetter, what: str, tmp_path: Path) -> None:
    path = tmp_path / "letters.jsonl"
    path.write_bytes(encode_line(LETTER, ORIGIN) + encode_line(letter, ORIGIN))
    with pytest.raises(WorkerError, match=f"^{re.escape(str(path))}: {what}"):
        of_file(path)


def test_letter_that_lost_its_value_in_the_file_is_not_done(tmp_path: Path) -> None:
    path, log = tmp_path / "letters.jsonl", FakeLog()
    spoilt, whole = replace(LETTER, offset=0, value=None), replace(LETTER, offset=1)
    path.write_bytes(encode_line(spoilt, ORIGIN) + encode_line(whole, ORIGIN))
    letters = ExportedDeadLetters(path, ORIGIN, {3: 8}, Reader())
    plan = Plan(WriterFilter("scorers", any_writer=True), Filter(), InputTopics(("sessions",)), "letters", rate=1e6)
    stats = redrive(letters, FakeProducer(log), plan, Event())
    assert (stats.redriven, stats.refused) == (1, {Refusal.NULL_VALUE: 1})
    assert log.offsets == {Partition("letters", 3): 0}


def test_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WorkerError, match="pipe: is not a regular file"):
        of_file(tmp_path / "pipe")


@pytest.mark.parametrize("option", [("export", "-o"), ("redrive", "--from")])
def test_standard_streams_are_refused(option: tuple[str, str], call: Call) -> None:
    refused = call(*option, "-")
    assert refused.status == 2
    assert "name a file" in refused.err


@pytest.mark.parametrize("name", ["", ".", "/", "dangling"])
def test_name_that_is_there_is_not_replaced(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dangling").symlink_to("nowhere")
    with pytest.raises(WorkerError, match="is there already"), new_file(Path(name)):
        pass


def test_a_new_file_is_its_owners_alone_and_replaces_none(tmp_path: Path) -> None:
    path = tmp_path / "letters.jsonl"
    with new_file(path) as file:
        file.write(b"x")
        assert not path.exists()
    assert S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(WorkerError, match="is there already"), new_file(path):
        pass
    with pytest.raises(KeyboardInterrupt), new_file(tmp_path / "other"):
        raise KeyboardInterrupt
    assert [each.name for each in tmp_path.iterdir()] == ["letters.jsonl"]
    with pytest.raises(WorkerError, match="cannot be written: No such file"), new_file(tmp_path / "none" / "x"):
        pass


@pytest.mark.kafka
def test_corrected_dead_letters_are_written_back_once(post: Post, call: Call, tmp_path: Path) -> None:
    events = [b'{"transaction_date": "2026-02-30", "n": %d}' % i for i in range(20)]
    write(post.bootstrap, post.letters, [post.letter(i, "bad_date", value=event) for i, event in enumerate(events)])
    write(post.bootstrap, post.letters, [post.letter(20)])
    path = tmp_path / "letters.jsonl"
    exported = call("export", "--code", "bad_date", "-o", path)
    assert (exported.status, exported.out) == (0, "20 dead letters (bad_date 20)\n"), exported.err
    subprocess.run(["sed", "-i", "s/2026-02-30/2026-02-28/; 3d", path], check=True)
    assert "would write 19 " in call("redrive", "--from", path).out
    assert not written(post)
    assert "wrote 19 " in call("redrive", "--from", path, "--yes", "--rate", "1000").out
    assert "already redriven: 19" in call("redrive", "--from", path, "--yes").out
    messages = read(post.bootstrap, post.sessions)
    corrected = {event.replace(b"02-30", b"02-28") for event in events}
    assert {message.value() for message in messages} < corrected
    assert (len(messages), {message.key() for message in messages}) == (19, {b"secret-key"})
    assert "wrote 2 " in call("redrive", "--yes").out  # the one that was taken out, and that of another code
    assert set(written(post).values()) == {1}


@pytest.mark.kafka
def test_after_a_kill_it_goes_on_where_it_was(post: Post, call: Call, tmp_path: Path) -> None:
    write(post.bootstrap, post.letters, [post.letter(i) for i in range(200)])
    path = tmp_path / "letters.jsonl"
    assert call("export", "-o", path).status == 0
    command = [sys.executable, "-P", "-m", "consumer", "dead-letters", "redrive", *post.options(), "--from", str(path)]
    with subprocess.Popen([*command, "--yes", "--rate", "20"], stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: bool(written(post)))
        process.send_signal(signal.SIGKILL)
    assert 0 < written(post).total() < 200
    assert call("redrive", "--from", path, "--yes", "--rate", "10000").status == 0
    assert written(post) == Counter(b"secret-%d" % i for i in range(200))


@pytest.mark.kafka
def test_nothing_is_written_when_a_line_is_wrong(post: Post, call: Call, tmp_path: Path) -> None:
    write(post.bootstrap, post.letters, [post.letter(i) for i in range(3)])
    path = tmp_path / "letters.jsonl"
    assert call("export", "-o", path).status == 0
    lines = path.read_bytes().splitlines(keepends=True)
    for wrong, what in (
        (b"{}\n", "line 4 is no exported"),
        (lines[1], "line 4 is the dead letter of line 2 once more"),
    ):
        path.write_bytes(b"".join([*lines, wrong]))
        refused = call("redrive", "--from", path, "--yes")
        assert refused.status == 1
        assert f"session-scorer: {path}: {what}" in refused.err
    assert not written(post)
    assert f"{path}: is there already" in call("export", "-o", path).err
    assert "cannot be read: No such file" in call("redrive", "--from", tmp_path / "none").err
