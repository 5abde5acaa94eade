"""What one client tells of its brokers every few seconds: when any last answered, and whether it knows any at all."""

import math
import time

import msgspec


class Statistics:
    """For `stats_cb`; never raises. `last_answer` is on the monotonic clock, -infinity when none ever came."""

    def __init__(self, last_answer: float = -math.inf) -> None:
        self.last_answer = last_answer
        self.forgotten = False  # no broker is known, not even those it began with

    def __call__(self, document: str) -> None:
        """Takes librdkafka's own report."""
        try:
            brokers = msgspec.json.decode(document, type=_Report).brokers.values()
        except msgspec.MsgspecError:
            return
        # "logical" is a role, the coordinator's, that some known broker has to play
        self.forgotten = all(broker.source == "logical" for broker in brokers)
        idle = [broker.rxidle for broker in brokers if broker.state == "UP" and broker.rxidle >= 0]
        if idle:
            self.last_answer = max(self.last_answer, time.monotonic() - min(idle) / 1e6)


class _Broker(msgspec.Struct):
    state: str = ""
    source: str = ""
    rxidle: int = -1  # microseconds since it last sent anything


class _Report(msgspec.Struct):
    brokers: dict[str, _Broker] = {}
