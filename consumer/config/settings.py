"""Every setting of the consumer with its default and bounds.

Command line > environment > file > defaults. In the environment a setting is SESSION_SCORER_ and its name in capitals
(empty variables do not count); in the TOML file (--config, SESSION_SCORER_CONFIG) it is its name. Properties of the
Kafka client pass through: -X prop=value, KAFKA_* (see client_properties.py) or a file named by KAFKA_*_FILE, and the
table [kafka] of the settings file. Those of the Schema Registry client do so as well: -R, SCHEMA_REGISTRY_* and
[schema_registry].
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

from consumer.config import sources, values
from consumer.config.client_properties import CLIENTS, KAFKA, SCHEMA_REGISTRY
from consumer.config.sources import DEFAULT, PREFIX, SettingsError, Sources
from consumer.kafka.membership import InputTopics
from consumer.kafka.properties import LOGIN, PRODUCER, contradicts_login

__all__ = [
    "PREFIX",
    "DeliveryGuarantee",
    "Origin",
    "Settings",
    "SettingsError",
    "load_settings",
    "masked",
    "origins",
    "setting_names",
]

_MIB: Final = 1024 * 1024
_METRICS_PORTS: Final = 10  # tried from the default on, as many as docker-compose.yml publishes


class DeliveryGuarantee(StrEnum):
    """The guarantee for each result."""

    EXACTLY_ONCE = "exactly-once"
    AT_LEAST_ONCE = "at-least-once"


def _replicas(number: int) -> int:
    if not number:
        raise ValueError("-1 (the broker's default) or a whole number from 1")
    return number


def _joined(value: object) -> str:
    names = value if isinstance(value, list) else [value]
    texts = [name for name in names if isinstance(name, str)]
    if len(texts) < len(names):
        raise ValueError("the name of a topic, or a list of names")
    return ",".join(texts)


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Topic = Annotated[str, AfterValidator(values.topic)]
Topics = Annotated[str, BeforeValidator(_joined), AfterValidator(values.topics)]
Port = Annotated[int, Field(ge=0, le=65535)]
Level = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)]
LogFormat = Annotated[Literal["auto", "text", "json"], BeforeValidator(_lower)]
KafkaProperties = Annotated[dict[str, str], AfterValidator(KAFKA.validated)]
RegistryProperties = Annotated[dict[str, str], AfterValidator(SCHEMA_REGISTRY.validated)]


class Settings(BaseSettings):
    """The settings as resolved. `load_settings` makes them, and describes in one line what is wrong."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    config: Path | None = Field(None, description="TOML file of settings")
    bootstrap_servers: Annotated[str, AfterValidator(values.bootstrap_servers)] = Field(
        "localhost:9092", description="Kafka's address: HOST:PORT[,HOST:PORT…]"
    )
    group_id: Annotated[str, AfterValidator(values.group_id)] = Field("session-scorer", description="consumer group")
    login: Literal["aws-msk-iam", "gcp"] | None = Field(
        None, description="log in to managed brokers by tokens of AWS IAM or Google Cloud"
    )
    input_topic: Topics = Field(
        "sessions", description="topic of the events, or a pattern such as ^sessions-.*; repeatable"
    )
    results_topic: Topic = Field("session-results", description="topic of the results")
    alerts_topic: Topic = Field("session-alerts", description="topic of the High results")
    dead_letters_topic: Topic = Field("session-dead-letters", description="topic of the invalid events")
    schema_registry_url: Annotated[str, AfterValidator(values.schema_registry_url)] | None = Field(
        None, description="address of the Schema Registry: http(s)://HOST[:PORT][/PATH], several with commas"
    )
    # behind schema_registry_url, on which its validator depends
    input_format: Literal["json", "json-schema", "avro", "protobuf"] = Field(
        "json", description="how the events are encoded; all but json need a Schema Registry"
    )
    artifacts: Path | None = Field(None, description="directory of the artifact set (default: the bundled one)")
    manifest_sha256: Annotated[str, AfterValidator(values.sha256)] | None = Field(
        None, description="required SHA-256 of the set's manifest.json"
    )
    allow_unverified: bool = Field(default=False, description="accept an artifact set without a manifest")
    delivery: DeliveryGuarantee = Field(DeliveryGuarantee.EXACTLY_ONCE, description="delivery guarantee")
    slot: Annotated[int, Field(ge=0)] | None = Field(
        None, description="number of this worker on its host, part of its transactional ids (default: lowest free)"
    )
    on_gap: Literal["stop", "continue"] = Field("stop", description="what to do when events were deleted unread")
    on_unreadable: Literal["stop", "dead-letter"] = Field(
        "stop", description="what to do with a batch of events that cannot be decompressed or has a wrong checksum"
    )
    create_topics: bool = Field(default=False, description="create missing topics")
    partitions: Annotated[int, Field(ge=1)] = Field(4, description="partitions of a created topic")
    replication_factor: Annotated[int, Field(ge=-1), AfterValidator(_replicas)] = Field(
        -1, description="replicas of a created topic (-1: the broker's default)"
    )
    batch_events: Annotated[int, Field(ge=1, le=1_000_000)] = Field(10_000, description="most events in a batch")
    batch_bytes: Annotated[int, Field(ge=1024)] = Field(8 * _MIB, description="most bytes read at once")
    latency_budget: Annotated[float, Field(gt=0, le=60_000)] = Field(
        50, description="target time from read to commit, in ms; the batch size adapts to it"
    )
    max_record_bytes: Annotated[int, Field(ge=1024)] = Field(1_000_000, description="largest result or alert, in bytes")
    breaker_ratio: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="stop when more than this share of recent events are dead letters"
    )
    breaker_window: Annotated[int, Field(ge=1)] = Field(
        1000, description="number of recent events that --breaker-ratio looks at"
    )
    breaker_run: Annotated[int, Field(ge=0)] = Field(
        500, description="stop after this many dead letters in a row (0: never)"
    )
    metrics_host: Annotated[str, AfterValidator(values.host)] = Field(
        "127.0.0.1", description="address of /metrics, /livez and /readyz"
    )
    metrics_port: Port = Field(
        9108,
        description="port of /metrics, /livez, /readyz (0: any free port; not set: the first free one of 9108 to 9117)",
    )
    shutdown_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(30, description="longest time for a stop")
    watchdog_seconds: Annotated[float, Field(ge=1, le=240)] = Field(
        80, description="longest time for one delivery, after which the process is ended"
    )
    log_level: Level = Field("info", description="lowest level that is logged")
    log_format: LogFormat = Field("auto", description="format of log lines; auto: text on a terminal, else JSON")
    kafka: KafkaProperties = Field(
        default_factory=dict, repr=False, description="a property of the Kafka client, passed through"
    )
    schema_registry: RegistryProperties = Field(
        default_factory=dict, repr=False, description="a property of the Schema Registry client, passed through"
    )

    @field_validator("*", mode="before")
    @classmethod
    def _check_kind(cls, value: object, info: ValidationInfo) -> object:
        kind = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and kind is not bool:  # pydantic takes true for 1
            raise PydanticCustomError("of_another_kind", "neither true nor false")
        if isinstance(value, str) and (fault := values.fault_of_text(value)) is not None:
            raise ValueError(fault)
        if value == "" and kind is not str:  # an empty path would be the current directory
            raise PydanticCustomError("of_another_kind", "not empty")
        return value

    @field_validator("input_format")
    @classmethod
    def _check_registry(cls, value: str, info: ValidationInfo) -> str:
        if value != "json" and info.data.get("schema_registry_url", "") is None:  # no key: wrong, and told already
            raise ValueError(
                f"json, as no Schema Registry is set: for {value}, set --schema-registry-url or SCHEMA_REGISTRY_URL"
            )
        return value

    @field_validator("kafka")
    @classmethod
    def _check_login(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        login = info.data.get("login")
        if login and (other := next((name for name, text in value.items() if contradicts_login(name, text)), None)):
            brings = ", ".join(f"{name}={text}" for name, text in LOGIN.items())
            raise ValueError(
                f"{other} contradicts login {login}, which brings {brings} and the token: leave one of them out"
            )
        return value

    @model_validator(mode="after")
    def _check_topics(self) -> Self:
        seen = dict.fromkeys(self.inputs.topics, "input_topic")
        for name in ("results_topic", "alerts_topic", "dead_letters_topic"):
            other = seen.setdefault(getattr(self, name), name)
            if other != name:
                raise ValueError(f"{other} and {name} are the same topic: each needs its own")
        if self.inputs.patterns and self.kafka.get("group.protocol", "").lower() == "consumer":
            # brokers match patterns there, and know nothing of `topic.blacklist`
            raise ValueError(
                f"input_topic has the pattern {self.inputs.patterns[0]}, which with -X group.protocol=consumer could "
                "match the output topics as well: name the topics, or use the classic protocol"
            )
        return self

    @model_validator(mode="after")
    def _check_record_size(self) -> Self:
        limit = str(self.kafka.get("message.max.bytes", PRODUCER["message.max.bytes"]))
        if limit.isdecimal() and self.max_record_bytes > int(limit):
            raise ValueError(
                f"max_record_bytes ({self.max_record_bytes}) is more than Kafka's message.max.bytes ({limit}): "
                "raise that as well (-X message.max.bytes=…; the topics have a limit of their own)"
            )
        return self

    @property
    def inputs(self) -> InputTopics:
        """Return the topics of the events, and the patterns of topics."""
        return InputTopics(tuple(self.input_topic.split(",")), self.output_topics)

    @property
    def output_topics(self) -> tuple[str, str, str]:
        """Return the topics of results, alerts and dead letters."""
        return self.results_topic, self.alerts_topic, self.dead_letters_topic

    @property
    def metrics_ports(self) -> Sequence[int]:
        """Return the ports to try in turn: the one that is set, else the default and those above it."""
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
        """Return the command line, the environment, its KAFKA_* and the file, the strongest first."""
        variables = sources.environment(os.environ, setting_names())
        path = init_settings().get("config") or variables.get("config")
        weaker = (variables, sources.client_environment(os.environ), sources.file(path, setting_names()))
        return (init_settings, *(InitSettingsSource(settings_cls, values) for values in weaker))


def setting_names() -> frozenset[str]:
    """Return the names of the settings."""
    return frozenset(Settings.model_fields)


def load_settings(cli_settings: Mapping[str, Any] | None = None) -> Settings:
    """Resolve the settings from the command line, the environment, the file and the defaults. Raises SettingsError.

    `cli_settings` maps names to texts, None for an option that is missing; `kafka` to a list of `prop=value`.
    """
    options = sources.command_line(cli_settings or {})
    sources.refuse_unknown_variables(os.environ, setting_names())
    try:
        return Settings(**options)
    except ValidationError as error:
        path = options.get("config") or sources.environment(os.environ, frozenset({"config"})).get("config")
        message = Sources(cli_settings or {}, os.environ, path).explain(error, Settings.model_fields)
        raise SettingsError(message) from None


def masked(settings: Settings) -> dict[str, Any]:
    """Return all settings by name, fit to be printed or logged: secrets are masked."""
    values = settings.model_dump(mode="json")
    return values | {setting: client.masked(values[setting]) for setting, client in CLIENTS.items()}


@dataclass(frozen=True, slots=True)
class Origin:
    """The value of a setting, masked if it is a secret, and where it was set."""

    name: str
    value: Any
    origin: str

    def __str__(self) -> str:
        """Return the line in which commands print it."""
        return f"{self.name} = {'not set' if self.value is None else sources.as_text(self.value)} ({self.origin})"

    def as_dict(self) -> dict[str, Any]:
        """Return the members of its JSON object."""
        return {"name": self.name, "value": self.value, "from": self.origin}


def origins(settings: Settings, cli_settings: Mapping[str, Any], environ: Mapping[str, str]) -> list[Origin]:
    """Return the origin of each setting, then of each property of a client as `kafka.NAME`, `schema_registry.NAME`."""
    where = Sources(cli_settings, environ, settings.config)
    printable = masked(settings)
    properties: dict[str, dict[str, str]] = {setting: printable.pop(setting) for setting in CLIENTS}
    resolved = [
        Origin(name, value, where.origin(where.source_of(name)) if name in settings.model_fields_set else DEFAULT)
        for name, value in printable.items()
    ]
    return resolved + [
        Origin(f"{setting}.{name}", value, where.origin(where.source_of_property(client, name)))
        for setting, client in CLIENTS.items()
        for name, value in sorted(properties[setting].items())
    ]
