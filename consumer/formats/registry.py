"""Fetch schemas from a schema registry, by Confluent's client."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NoReturn

from confluent_kafka.schema_registry import Schema as ClientSchema
from confluent_kafka.schema_registry import SchemaRegistryClient, SchemaRegistryError

from consumer.errors import UnavailableError, WorkerError
from consumer.formats.schema import RegisteredSchema, SchemaId
from consumer.printable import shortened

_DEFAULTS: Final[Mapping[str, Any]] = {"timeout": 5.0, "max.retries": 0}  # the worker itself repeats the call
_NUMERIC: Final = frozenset(
    {"timeout", "max.retries", "retries.wait.ms", "retries.max.wait.ms", "cache.capacity", "cache.latest.ttl.sec"}
)
_NO_SUCH_SCHEMA: Final = range(40400, 42300)  # the registry's own codes: no such subject, version, schema; not valid
_REFUSED: Final = frozenset({401, 403})
_BUSY: Final = frozenset({408, 429})


class _NotFoundError(Exception):
    """The registry answers that it has no such schema."""


class Registry:
    """Fetches schemas, and remembers since when the registry does not answer. Not thread-safe."""

    def __init__(self, url: str, properties: Mapping[str, str], seconds: float, clock: Callable[[], float]) -> None:
        """`properties` are those of the client; `seconds` is how long the registry may be away.

        Raises WorkerError for properties that the client refuses.
        """
        self._url = url
        self._seconds = seconds
        self._clock = clock
        self._away_since = 0.0
        self._failed_at: float | None = None  # the latest failure since an answer
        self._is_registry = False  # it has answered as one
        try:
            numbers = {name: float(text) for name, text in properties.items() if name in _NUMERIC}
            self._client = SchemaRegistryClient.new_client({**_DEFAULTS, **properties, **numbers, "url": url})
        except Exception as error:  # of many kinds: files of certificates, unknown names, other values
            raise WorkerError(f"the schema registry's client refuses its settings: {error}") from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def schema(self, schema_id: SchemaId) -> RegisteredSchema | None:
        """Return a schema; None if the registry has none of this id.

        Raises UnavailableError while it does not answer, and WorkerError when it has not for too long, or refuses.
        """
        try:
            if isinstance(schema_id, int):
                with self._calling():
                    return self._complete(schema_id, self._client.get_schema(schema_id))
            with self._calling(may_lack=True):
                return self._complete(schema_id, self._client.get_schema_by_guid(str(schema_id)))
        except _NotFoundError:
            return None

    def latest(self, subject: str) -> RegisteredSchema | None:
        """Return the latest schema of a subject, or None. Raises as `schema` does."""
        try:
            with self._calling():
                version = self._client.get_latest_version(subject)
                return self._complete(version.schema_id or 0, version.schema)
        except _NotFoundError:
            return None

    def _complete(self, schema_id: SchemaId, schema: ClientSchema) -> RegisteredSchema:
        references: dict[str, str] = {}
        self._add_references(schema, references)
        return RegisteredSchema(schema_id, _text(schema.schema_type or "AVRO"), _text(schema.schema_str), references)

    def _add_references(self, schema: ClientSchema, texts: dict[str, str]) -> None:
        """Add those that are missing, each behind those that it needs itself."""
        for reference in schema.references or ():
            if (name := _text(reference.name)) not in texts:
                texts[name] = ""  # so that a cycle ends
                # a deleted version is still that of the records that were written with it
                found = self._client.get_version(_text(reference.subject), reference.version or "latest", deleted=True)
                self._add_references(found.schema, texts)
                del texts[name]
                texts[name] = _text(found.schema.schema_str)

    @contextmanager
    def _calling(self, *, may_lack: bool = False) -> Iterator[None]:
        """Translate the client's errors. Raises as `schema` does, and _NotFoundError.

        `may_lack`: a registry may not have this path.
        """
        try:
            yield
        except SchemaRegistryError as error:
            status = error.http_status_code
            code: object = error.error_code  # of any kind: it is what the answer says
            if status in _REFUSED:
                raise WorkerError(
                    f"{self._url} refuses access (HTTP {status}): set -R basic.auth.user.info, or what it asks for"
                ) from None
            lacks_path = may_lack and status == 404 and self._is_registry
            if lacks_path or (isinstance(code, int) and code in _NO_SUCH_SCHEMA):
                self._answered()
                raise _NotFoundError from None
            if status >= 500 or status in _BUSY:
                self._raise_unavailable(f"HTTP {status}")
            self._raise_other_answer(f"HTTP {status}")
        except (AttributeError, KeyError, TypeError, ValueError):  # their messages may quote the answer
            self._raise_other_answer("something else")
        except Exception as error:  # noqa: BLE001 - the HTTP library's, whose names are no interface
            self._raise_unavailable(_reason(type(error).__name__, str(error)))
        self._answered()

    def _answered(self) -> None:
        self._is_registry = True
        self._failed_at = None

    def _raise_other_answer(self, answer: str) -> NoReturn:
        """Raise for an answer that is not a registry's: of a proxy before it, or at a wrong URL."""
        if self._is_registry:
            self._raise_unavailable(f"{answer}, not from a schema registry")
        raise WorkerError(
            f"{self._url} answers {answer}, not as a schema registry: is the path of its URL complete?"
        ) from None

    def _raise_unavailable(self, reason: str) -> NoReturn:
        now = self._clock()
        if self._failed_at is None or now - self._failed_at > self._seconds:  # nobody asked for so long
            self._away_since = now
        self._failed_at = now
        if now - self._away_since >= self._seconds:
            time = f"has not answered for {self._seconds:.0f} s" if self._seconds else "does not answer"
            raise WorkerError(f"{self._url} {time}: {reason}") from None
        raise UnavailableError(f"{self._url} does not answer: {reason}") from None


def _reason(name: str, message: str) -> str:
    if name == "LocalProtocolError":  # it quotes headers, and so the token
        return name
    remedy = "; set -R ssl.ca.location" if "CERTIFICATE_VERIFY_FAILED" in message else ""
    return f"{name}, {shortened(message)}{remedy}"


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not an answer of a schema registry")
    return value
