"""Every setting of the consumer, its default and its bounds, and the places that it can come from.

Command line > environment > file > defaults. In the environment a setting is SESSION_SCORER_ and its name in capitals
(an empty variable counts as none); in the TOML file (--config, SESSION_SCORER_CONFIG) it is its name. Kafka's own
settings pass through: -X prop=value, KAFKA_* (which of them: properties.py) or a file named by KAFKA_*_FILE, the
settings file's table [kafka].
"""

import os
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from consumer.config import kafka_properties, sources, values
from consumer.config.sources import SettingsError
from consumer.kafka.properties import PRODUCER

__all__ = ["Delivery", "Settings", "SettingsError", "known", "load", "shown"]

PREFIX: Final = "SESSION_SCORER_"
_MIB: Final = 1024 * 1024
_METRICS_PORTS: Final = 10  # tried from the default one on, as many as docker-compose.yml publishes


class Delivery(StrEnum):
    """How sure a result is to be there exactly once."""

    EXACTLY_ONCE = "exactly-once"
    AT_LEAST_ONCE = "at-least-once"


def _replicas(number: int) -> int:
    if not number:
        raise ValueError("-1 (the broker's default) or a whole number from 1")
    return number


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Topic = Annotated[str, AfterValidator(values.topic)]
Port = Annotated[int, Field(ge=0, le=65535)]
Level = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)]
LogFormat = Annotated[Literal["auto", "text", "json"], BeforeValidator(_lower)]
Properties = Annotated[dict[str, str], AfterValidator(kafka_properties.validated)]


class Settings(BaseSettings):
    """The settings as resolved. `load` makes them, and says in one line what is wrong."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    config: Path | None = Field(None, description="TOML file of settings")
    bootstrap_servers: Annotated[str, AfterValidator(values.bootstrap_servers)] = Field(
        "localhost:9092", description="Kafka's address: HOST:PORT[,HOST:PORT…]"
    )
    group_id: Annotated[str, AfterValidator(values.group_id)] = Field("session-scorer", description="consumer group")
    input_topic: Topic = Field("sessions", description="topic of the events")
    results_topic: Topic = Field("session-results", description="topic of the results")
    alerts_topic: Topic = Field("session-alerts", description="topic of the High results")
    dead_letters_topic: Topic = Field("session-dead-letters", description="topic of the invalid events")
    artifacts: Path | None = Field(None, description="directory of the artifact set (default: the one that ships)")
    manifest_sha256: Annotated[str, AfterValidator(values.sha256)] | None = Field(
        None, description="SHA-256 that the set's manifest.json must have"
    )
    allow_unverified: bool = Field(default=False, description="take an artifact set without a manifest")
    delivery: Delivery = Field(Delivery.EXACTLY_ONCE, description="delivery guarantee")
    slot: Annotated[int, Field(ge=0)] | None = Field(
        None, description="number of this worker on its host, part of its transactional ids (default: lowest free)"
    )
    on_gap: Literal["stop", "continue"] = Field(
        "stop", description="what to do when events were deleted before they were read"
    )
    on_unreadable: Literal["stop", "dead-letter"] = Field(
        "stop", description="what to do at a batch of events that cannot be decompressed or has a wrong checksum"
    )
    create_topics: bool = Field(default=False, description="create the topics that are missing")
    partitions: Annotated[int, Field(ge=1)] = Field(4, description="partitions of a topic created here")
    replication_factor: Annotated[int, Field(ge=-1), AfterValidator(_replicas)] = Field(
        -1, description="replicas of a topic created here (-1: the broker's default)"
    )
    batch_events: Annotated[int, Field(ge=1, le=1_000_000)] = Field(10_000, description="most events in a batch")
    batch_bytes: Annotated[int, Field(ge=1024)] = Field(8 * _MIB, description="most bytes read at once")
    latency_budget: Annotated[float, Field(gt=0, le=60_000)] = Field(
        50, description="what a batch may take until it is committed, in ms: batches are kept small enough for it"
    )
    max_record_bytes: Annotated[int, Field(ge=1024)] = Field(1_000_000, description="largest result or alert, in bytes")
    breaker_ratio: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="stop when more of the last events than this are dead letters"
    )
    breaker_window: Annotated[int, Field(ge=1)] = Field(1000, description="how many last events that looks at")
    breaker_run: Annotated[int, Field(ge=0)] = Field(
        500, description="stop after this many dead letters in a row (0: never)"
    )
    metrics_host: Annotated[str, AfterValidator(values.host)] = Field(
        "127.0.0.1", description="address of /metrics, /livez and /readyz"
    )
    metrics_port: Port = Field(
        9108,
        description="port of /metrics, /livez and /readyz (0: a free one); when it is not set and 9108 is taken, "
        "the first free one up to 9117",
    )
    shutdown_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(30, description="longest that a stop may take")
    watchdog_seconds: Annotated[float, Field(ge=1, le=240)] = Field(
        80, description="longest that one delivery may take before the process is ended"
    )
    log_level: Level = Field("info", description="least level that is logged")
    log_format: LogFormat = Field("auto", description="how log lines are written; auto: text on a terminal, else JSON")
    kafka: Properties = Field(
        default_factory=dict, repr=False, description="a setting of the Kafka client, passed through"
    )

    @field_validator("*", mode="before")
    @classmethod
    def _of_its_kind(cls, value: object, info: ValidationInfo) -> object:
        kind = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and kind is not bool:  # pydantic takes true for 1
            raise PydanticCustomError("of_another_kind", "neither true nor false")
        if isinstance(value, str) and (fault := values.fault_of_text(value)) is not None:
            raise ValueError(fault)
        if value == "" and kind is not str:  # of a path it would make the current directory
            raise PydanticCustomError("of_another_kind", "not empty")
        return value

    @model_validator(mode="after")
    def _four_topics(self) -> Self:
        names = ("input_topic", "results_topic", "alerts_topic", "dead_letters_topic")
        seen: dict[str, str] = {}
        for name in names:
            other = seen.setdefault(getattr(self, name), name)
            if other != name:
                raise ValueError(f"{other} and {name} are the same topic: each needs its own")
        return self

    @model_validator(mode="after")
    def _records_fit(self) -> Self:
        limit = str(self.kafka.get("message.max.bytes", PRODUCER["message.max.bytes"]))
        if limit.isdecimal() and self.max_record_bytes > int(limit):
            raise ValueError(
                f"max_record_bytes ({self.max_record_bytes}) is more than Kafka's message.max.bytes ({limit}): "
                "raise that as well (-X message.max.bytes=…; the topics have a limit of their own)"
            )
        return self

    @property
    def metrics_ports(self) -> Sequence[int]:
        """Return the ports to try in turn: the one that was set, else the default one and those above it."""
        port = self.metrics_port
        return [port] if "metrics_port" in self.model_fields_set else range(port, port + _METRICS_PORTS)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - it takes Kubernetes' service links for settings
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings' signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line, environment, KAFKA_* of the environment, file."""
        ours = sources.environment(os.environ, PREFIX, known())
        path = init_settings().get("config") or ours.get("config")
        further = (ours, sources.kafka_environment(os.environ), sources.file(path, known()))
        return (init_settings, *(InitSettingsSource(settings_cls, said) for said in further))


def known() -> frozenset[str]:
    """The names of the settings."""
    return frozenset(Settings.model_fields)


def load(given: Mapping[str, Any] | None = None) -> Settings:
    """The settings, from the command line (`given`: name -> text, None where nothing was said; `kafka` as a list of
    `prop=value`), the environment, the file and the defaults. Raises SettingsError."""
    said = sources.command_line(given or {})
    sources.refuse_unknown_variables(os.environ, PREFIX, known())
    try:
        return Settings(**said)
    except ValidationError as error:
        path = said.get("config") or sources.environment(os.environ, PREFIX, frozenset({"config"})).get("config")
        where = sources.Places(given or {}, os.environ, PREFIX, Path(path) if path else None)
        raise SettingsError(where.explain(error, Settings.model_fields)) from None


def shown(settings: Settings) -> dict[str, Any]:
    """All settings by name, fit to be printed or logged: no secrets."""
    return settings.model_dump(mode="json") | {"kafka": kafka_properties.masked(settings.kafka)}
