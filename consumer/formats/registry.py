"""Fetch schemas from a schema registry, by Confluent's client."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from confluent_kafka.schema_registry import Schema as ClientSchema
from confluent_kafka.schema_registry import SchemaRegistryClient, SchemaRegistryError

from consumer.errors import UnavailableError, WorkerError
from consumer.formats.schema import Schema, SchemaId
from consumer.printable import shortened

_DEFAULTS: Final[Mapping[str, Any]] = {"timeout": 5.0, "max.retries": 0}  # the worker repeats the call itself
_NUMERIC: Final = frozenset(
    {"timeout", "max.retries", "retries.wait.ms", "retries.max.wait.ms", "cache.capacity", "cache.latest.ttl.sec"}
)
_NOT_FOUND: Final = frozenset({40401, 40402, 40403})  # the registry's own codes: no such subject, version or schema
_REFUSED: Final = frozenset({401, 403})


class Registry:
    """Fetches schemas, and remembers since when the registry does not answer. Not thread-safe."""

    def __init__(
        self, url: str, properties: Mapping[str, str], seconds: float, clock: Callable[[], float]
    ) -> None:
        """`properties` are those of the client; `seconds` is how long the registry may be away.

        Raises WorkerError for properties that the client refuses.
        """
        self._url = url
        self._seconds = seconds
        self._clock = clock
        self._away_since: float | None = None
        numbers = {name: float(text) for name, text in properties.items() if name in _NUMERIC}
        try:
            self._client = SchemaRegistryClient.new_client({**_DEFAULTS, **properties, **numbers, "url": url})
        except Exception as error:  # of many kinds: files of certificates, names, values
            raise WorkerError(f"the client of the schema registry refuses its settings: {error}") from error

    def schema(self, schema_id: SchemaId) -> Schema | None:
        """Return a schema; None if the registry has none of this id.

        Raises UnavailableError when it does not answer, and WorkerError when it has not for too long, or refuses.
        """
        with self._answers():
            if isinstance(schema_id, int):
                schema = self._client.get_schema(schema_id)
            else:
                schema = self._client.get_schema_by_guid(str(schema_id))
            return Schema(schema_id, schema.schema_type or "AVRO", schema.schema_str or "", self._references(schema))
        return None

    def latest(self, subject: str) -> Schema | None:
        """Return the latest schema of a subject, or None. Raises as `schema` does."""
        with self._answers():
            version = self._client.get_latest_version(subject)
            schema = version.schema
            return Schema(
                version.schema_id, schema.schema_type or "AVRO", schema.schema_str or "", self._references(schema)
            )
        return None

    def _references(self, schema: ClientSchema) -> dict[str, str]:
        texts: dict[str, str] = {}
        for reference in schema.references or ():
            found = self._client.get_version(reference.subject, reference.version).schema
            texts |= self._references(found)
            texts[reference.name] = found.schema_str or ""
        return texts

    @contextmanager
    def _answers(self) -> Iterator[None]:
        """Leave the block when the registry has no such schema. Raises as `schema` does."""
        try:
            yield
        except SchemaRegistryError as error:
            status, code = error.http_status_code, error.error_code
            if status in _REFUSED:
                raise WorkerError(
                    f"{self._url} refuses access (HTTP {status}): set -R basic.auth.user.info or bearer.auth.token"
                ) from None
            if status >= 500 or status in (408, 429):
                self._raise_unavailable(f"HTTP {status}")
            if code not in _NOT_FOUND:
                raise WorkerError(
                    f"{self._url} answers HTTP {status}, and no schema registry would: is the path of the URL right?"
                ) from None
        except Exception as error:  # noqa: BLE001 - the client's HTTP library is not its interface
            self._raise_unavailable(f"{type(error).__name__}: {shortened(str(error))}")
        self._away_since = None

    def _raise_unavailable(self, reason: str) -> None:
        now = self._clock()
        since = self._away_since = now if self._away_since is None else self._away_since
        if now - since >= self._seconds:
            raise WorkerError(
                f"the schema registry {self._url} has not answered for {self._seconds:.0f} s: {reason}"
            ) from None
        raise UnavailableError(f"the schema registry does not answer: {reason}") from None
