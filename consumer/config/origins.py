"""Where each setting came from, in the order in which places win: command line, environment, file, default."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from consumer.config import kafka_properties, settings, sources
from consumer.config.settings import PREFIX, Settings

DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class Origin:
    """A setting as it is, secrets masked, and where that was said."""

    name: str
    value: Any
    place: str


def origins(chosen: Settings, given: Mapping[str, Any], environ: Mapping[str, str]) -> list[Origin]:
    """Of each setting; those of the Kafka client by themselves, as `kafka.NAME`. `given` is what `load` was given."""
    said = sources.command_line(given)
    shown = settings.shown(chosen)
    masked: dict[str, str] = shown.pop("kafka")
    found = [Origin(name, value, _place(name, said, environ, chosen)) for name, value in shown.items()]
    return found + [
        Origin(f"kafka.{name}", value, _place_of_property(name, said, environ, chosen))
        for name, value in sorted(masked.items())
    ]


def _place(name: str, said: Mapping[str, Any], environ: Mapping[str, str], chosen: Settings) -> str:
    if name in said:
        return "command line"
    if variable := sources.variable_of(name, environ, PREFIX):
        return f"environment variable {variable}"
    return f"file {chosen.config}" if name in chosen.model_fields_set else DEFAULT  # read once: it may be a pipe


def _place_of_property(name: str, said: Mapping[str, Any], environ: Mapping[str, str], chosen: Settings) -> str:
    if name in said.get("kafka", {}):
        return "command line"
    variable = kafka_properties.variable_of(name, environ)
    return f"environment variable {variable}" if variable else f"file {chosen.config}"
