"""What one client tells of its brokers every few seconds: when any last answered, and whether it knows any at all."""

import math
import time

import msgspec

_LOOKING_MS = 5000  # at its start a client, too, knows brokers by name only, but not for so long


class Statistics:
    """For `stats_cb`; never raises. `last_answer` is on the monotonic clock, -infinity when none ever came."""

    def __init__(self, last_answer: float = -math.inf) -> None:
        self.last_answer = last_answer
        self.forgotten = False  # no broker is talked to or tried, not even those it began with

    def __call__(self, document: str) -> None:
        """Takes librdkafka's own report."""
        try:
            report = msgspec.json.decode(document, type=_Report)
        except msgspec.MsgspecError:
            return
        brokers, group = report.brokers.values(), report.cgrp
        # "logical" is a role, the coordinator's, that some known broker has to play; one in INIT is known by name only:
        # seen after a hang, nothing ever connected to it, and the coordinator was looked for without end
        nobody = all(broker.source == "logical" or broker.state == "INIT" for broker in brokers)
        self.forgotten = nobody and group.state != "up" and group.stateage > _LOOKING_MS
        idle = [broker.rxidle for broker in brokers if broker.state == "UP" and broker.rxidle >= 0]
        if idle:
            self.last_answer = max(self.last_answer, time.monotonic() - min(idle) / 1e6)


class _Broker(msgspec.Struct):
    state: str = ""
    source: str = ""
    rxidle: int = -1  # microseconds since it last sent anything


class _Group(msgspec.Struct, frozen=True):
    state: str = ""  # "up": it has a coordinator
    stateage: int = 1 << 62  # milliseconds


class _Report(msgspec.Struct):
    brokers: dict[str, _Broker] = {}
    cgrp: _Group = _Group()
