"""`session-scorer` that meets its fate at a named point: on the n-th time that it gets there.

python doomed.py SIGKILL before-commit 5 run --bootstrap-servers …      a signal, once
python doomed.py abort before-commit 3 run --bootstrap-servers …        each n-th transaction given up
"""

import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from consumer.cli.main import main
from consumer.errors import MustAbortError
from consumer.kafka.consumer import KafkaSource
from consumer.kafka.producer import KafkaProducer
from consumer.records import Batch, OutRecord

Fate = Callable[[KafkaProducer | None], None]  # given the producer whose turn it is, where there is one


def command(what: str, point: str, number: int) -> tuple[str, ...]:
    """What starts it, for `Line.running(command=...)`."""
    return (sys.executable, str(Path(__file__)), what, point, str(number))


def _signalled(name: str, number: int) -> Fate:
    times = iter(range(1, sys.maxsize))

    def meet(producer: KafkaProducer | None) -> None:
        if next(times) == number:
            if producer is not None:
                producer.flush()  # what was produced stands in the topics by then
            # to this thread: sent to the process, a SIGSTOP reaches it when the thread is some calls further
            signal.pthread_kill(threading.get_ident(), signal.Signals[name])

    return meet


def _aborted(number: int) -> Fate:
    times = iter(range(1, sys.maxsize))

    def meet(producer: KafkaProducer | None) -> None:
        if next(times) % number == 0 and producer is not None:
            producer.flush()
            raise MustAbortError("aborted on purpose")

    return meet


def _after_consume(fate: Fate) -> None:
    real = KafkaSource.poll

    def poll(self: KafkaSource, *given: Any) -> list[Batch]:
        batches = real(self, *given)
        if batches:
            fate(None)
        return batches

    _put(KafkaSource, poll)


def _mid_produce(fate: Fate) -> None:
    real = KafkaProducer.produce

    def produce(self: KafkaProducer, records: Sequence[OutRecord]) -> None:
        half = len(records) // 2
        real(self, records[:half])
        fate(self)
        real(self, records[half:])

    _put(KafkaProducer, produce)


def _before_send_offsets(fate: Fate) -> None:
    real = KafkaProducer.send_offsets

    def send_offsets(self: KafkaProducer, *given: Any, **named: Any) -> None:
        fate(self)
        real(self, *given, **named)

    _put(KafkaProducer, send_offsets)


def _before_commit(fate: Fate) -> None:
    real = KafkaProducer.commit

    def commit(self: KafkaProducer) -> None:
        fate(self)
        real(self)

    _put(KafkaProducer, commit)


def _after_commit(fate: Fate) -> None:
    real = KafkaProducer.commit

    def commit(self: KafkaProducer) -> None:
        real(self)
        fate(None)

    _put(KafkaProducer, commit)


def _before_plain_commit(fate: Fate) -> None:
    real = KafkaSource.commit

    def commit(self: KafkaSource, *given: Any, **named: Any) -> None:
        fate(None)
        real(self, *given, **named)

    _put(KafkaSource, commit)


def _put(owner: type, method: Callable[..., Any]) -> None:
    setattr(owner, method.__name__, method)


POINTS: dict[str, Callable[[Fate], None]] = {
    "after-consume": _after_consume,
    "mid-produce": _mid_produce,
    "before-send-offsets": _before_send_offsets,
    "before-commit": _before_commit,
    "after-commit": _after_commit,
    "before-plain-commit": _before_plain_commit,  # of at-least-once: everything written, no offset committed
}


if __name__ == "__main__":
    what, point, number = sys.argv[1:4]
    del sys.argv[1:4]
    POINTS[point](_aborted(int(number)) if what == "abort" else _signalled(what, int(number)))
    main()
