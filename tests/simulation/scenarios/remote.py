"""Kafka clients in processes of their own, so that one can be killed or stopped while the test goes on.

Calls, answers and callbacks go over a pipe. A rebalance callback runs in the process of the test within the call that
it came from, and may call the client in turn; delivery reports and errors are handed over with the answer of the call.
"""

import functools
import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Final, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from consumer.kafka.errors import underlying_error

_KINDS: Final = {"consumer": Consumer, "producer": Producer}
_END_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class PartitionAnswer:
    """What a TopicPartition says; of those only the client itself can set an error."""

    topic: str
    partition: int
    offset: int
    metadata: str | None
    error: KafkaError | None


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Callback:
    """A function of the other process, or its call there."""

    number: int
    args: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class _Answer:
    value: Any = None
    kafka_error: KafkaError | None = None
    error: Exception | None = None
    callbacks: tuple[_Callback, ...] = ()


class RemoteClient:
    """A client in another process, with the methods of confluent_kafka's."""

    def __init__(self, kind: str, properties: dict[str, Any]) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        self._pipe, theirs = context.Pipe()
        self._callbacks: list[Callable[..., object]] = []
        arguments = (theirs, kind, self._outgoing(properties))
        self._process: BaseProcess = context.Process(target=serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        self._answer()

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("_"):
            raise AttributeError(method)
        return functools.partial(self._call, method)

    def __len__(self) -> int:
        return cast("int", self._call("__len__"))

    def _call(self, method: str, *args: object, **kwargs: object) -> Any:
        self._pipe.send(_Call(method, self._outgoing(args), self._outgoing(kwargs)))
        return self._answer()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the client's process."""
        os.kill(cast("int", self._process.pid), number)

    def end(self) -> None:
        """Kill the process, if it still runs."""
        self._process.kill()
        self._process.join(_END_SECONDS)
        self._pipe.close()

    def _outgoing(self, value: Any) -> Any:
        if callable(value):
            self._callbacks.append(value)
            return _Callback(len(self._callbacks) - 1)
        return _mapped(self._outgoing, value)

    def _answer(self) -> Any:
        while True:
            message = self._pipe.recv()
            if isinstance(message, _Callback):
                args = (self if arg == _SELF else arg for arg in message.args)
                self._callbacks[message.number](*args)
                self._pipe.send(_Answer())
                continue
            for callback in message.callbacks:
                self._callbacks[callback.number](*callback.args)
            if message.kafka_error is not None:
                raise KafkaException(message.kafka_error)
            if message.error is not None:
                raise message.error
            return message.value


_SELF: Final = "the client itself"


def serve(pipe: Connection, kind: str, properties: dict[str, Any]) -> None:
    """Open a client and do what the pipe asks, until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _Server(pipe).run(kind, properties)


class _Server:
    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._client: Any = None
        self._waiting: list[tuple[int, tuple[Any, ...]]] = []

    def run(self, kind: str, properties: dict[str, Any]) -> None:
        self._reply(lambda: self._open(kind, properties))
        try:
            self._serve()
        except EOFError:
            os._exit(0)  # a client that is closed in order would say good-bye

    def _open(self, kind: str, properties: dict[str, Any]) -> None:
        self._client = _KINDS[kind](self._incoming(properties))

    def _serve(self) -> None:
        """Carry out calls until a callback of ours is answered."""
        while isinstance(message := self._pipe.recv(), _Call):
            self._reply(functools.partial(self._call, message))

    def _call(self, call: _Call) -> Any:
        return getattr(self._client, call.method)(*self._incoming(call.args), **self._incoming(call.kwargs))

    def _reply(self, work: Callable[[], Any]) -> None:
        try:
            answer = _Answer(_outgoing(work()))
        except KafkaException as exception:
            answer = _Answer(kafka_error=exception.args[0])
        except Exception as exception:  # noqa: BLE001 - it is raised in the other process
            fatal = underlying_error(exception) if isinstance(exception, SystemError) else None
            answer = _Answer(kafka_error=fatal) if fatal else _Answer(error=exception)
        self._pipe.send(replace(answer, callbacks=tuple(_Callback(*each) for each in self._waiting)))
        self._waiting.clear()

    def _incoming(self, value: Any) -> Any:
        if isinstance(value, PartitionAnswer):
            return TopicPartition(value.topic, value.partition, value.offset, value.metadata or "")
        if isinstance(value, _Callback):
            return self._callback(value.number)
        return _mapped(self._incoming, value)

    def _callback(self, number: int) -> Callable[..., None]:
        if self._client is not None:
            return lambda *args: self._call_back(number, args)
        append = self._waiting.append  # no attribute is looked up in mid-call: that may clear a fatal error
        return lambda *args: append((number, args))

    def _call_back(self, number: int, args: tuple[Any, ...]) -> None:
        sent = tuple(_SELF if arg is self._client else _outgoing(arg) for arg in args)
        self._pipe.send(_Callback(number, sent))
        self._serve()


def _outgoing(value: Any) -> Any:
    if isinstance(value, TopicPartition):
        return PartitionAnswer(value.topic, value.partition, value.offset, value.metadata, value.error)
    return _mapped(_outgoing, value)


def _mapped(function: Callable[[Any], Any], value: Any) -> Any:
    if isinstance(value, TopicPartition):
        return _outgoing(value)
    if isinstance(value, dict):
        return {name: function(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(function(each) for each in value)
    return value
