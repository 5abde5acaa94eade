"""Where settings come from: command line, environment and file; and which of them gave a setting, right or wrong."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import EnumType
from functools import cached_property
from pathlib import Path
from types import UnionType
from typing import Any, Final, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from consumer.config import kafka_properties

PREFIX: Final = "SESSION_SCORER_"
DEFAULT: Final = "default"
ANY_TEXT: Final = "a text that is not empty"

_SERVICE_LINK: Final = re.compile(
    r"(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_LINKED: Final = re.compile(r"(tcp|udp|sctp)://")
_OF_TESTS: Final = f"{PREFIX}TEST_"  # options of the project's own tests, not settings


class SettingsError(Exception):
    """A setting is wrong. The message is one line: which, where it is set, what is expected; never its value."""


def command_line(cli_settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings given on the command line, those of `-X` by name under `kafka`."""
    values = {name: value for name, value in cli_settings.items() if value is not None and name != "kafka"}
    pairs = _pairs(cli_settings)
    return _own_names(values | ({"kafka": pairs} if pairs else {}))


def secrets_on_command_line(cli_settings: Mapping[str, Any]) -> list[str]:
    """Return the properties on the command line that are secrets: any user who may list processes sees them."""
    return kafka_properties.secrets(command_line(cli_settings).get("kafka", {}))


def kafka_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the properties of KAFKA_* and of the files that KAFKA_*_FILE name. Raises SettingsError for an empty or
    unreadable file."""
    texts, paths = kafka_properties.from_environment(environ), kafka_properties.files_from_environment(environ)
    return _own_names({"kafka": texts | {name: _read_secret(name, path, texts) for name, path in paths.items()}})


def _read_secret(name: str, path: str, texts: Mapping[str, str]) -> str:
    """Return the file's text without its line end: Docker and Kubernetes pass secrets this way."""
    variable = kafka_properties.variable_name(name)
    source = f"{variable}_FILE (environment)"
    if name in texts:
        raise SettingsError(f"{source}: {variable} is there too, and one of them must go")
    try:
        text = Path(path).read_text("utf-8-sig").rstrip("\r\n")
    except OSError as error:
        raise SettingsError(f"{source}: {path} cannot be read: {error.strerror}") from None
    except ValueError:  # its message quotes what could not be decoded
        raise SettingsError(f"{source}: {path} is not text in UTF-8") from None
    if not text:
        raise SettingsError(f"{source}: {path} is empty")
    return text


def environment(environ: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
    """Return the settings in SESSION_SCORER_* variables; empty ones and Kubernetes' service links do not count."""
    values = {name.upper(): value for name, value in environ.items() if value and not is_service_link(name, value)}
    return {name: values[_variable(name)] for name in names - {"kafka"} if _variable(name) in values}


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def variable_of(name: str, environ: Mapping[str, str]) -> str | None:
    """Return the variable that gives a setting, as the environment spells it: ours, else one by Kafka's name for it."""
    own = [
        key
        for key, value in environ.items()
        if key.upper() == _variable(name) and value and not is_service_link(key, value)
    ]
    aliases = [kafka_properties.variable_of(alias, environ) for alias in kafka_properties.aliases(name)]
    return next((variable for variable in (*reversed(own), *aliases) if variable is not None), None)


def is_service_link(variable: str, value: str) -> bool:
    """Return whether Kubernetes sets it, for a Service named as we are: SESSION_SCORER_PORT=tcp://10.0.0.1:9108."""
    variable = variable.upper()
    name = variable.removeprefix(PREFIX)
    is_port = name.endswith("PORT") and _LINKED.match(value) is not None
    return variable.startswith(PREFIX) and (is_port or _SERVICE_LINK.fullmatch(name) is not None)


def ignored_variables(environ: Mapping[str, str]) -> list[str]:
    """Describe variables that look like settings and are not: Kubernetes' service links, and slips in KAFKA_*."""
    links = sorted(name for name, value in environ.items() if is_service_link(name, value))
    lines = [
        f"{name} is no setting of the Kafka client; the nearest is {right}"
        for name, right in kafka_properties.near_misses(environ)
    ]
    if links:
        lines.append(f"{', '.join(links)}: set by Kubernetes for a Service of that name (enableServiceLinks)")
    return lines


def file(path: str | Path | None, names: frozenset[str]) -> dict[str, Any]:
    """Return the settings in the TOML file, none without a path. Raises SettingsError for what it must not hold."""
    if path is None:
        return {}
    values = _parsed(path)
    _refuse_unknown(values, names - {"config"}, f" ({path})")
    if not isinstance(values.get("kafka", {}), dict):
        raise SettingsError(f"kafka ({path}): expected a table, [kafka]")
    kafka = dict(_flat(values.get("kafka", {})))
    for name, value in kafka.items():
        if not all(isinstance(item, str | int | float) for item in (value if isinstance(value, list) else [value])):
            raise SettingsError(
                f"[kafka] {name} ({path}): expected a text, a number, true or false, or a list of these"
            )
    return _own_names(values | {"kafka": {name: as_text(value) for name, value in kafka.items()}})


def _parsed(path: str | Path) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text("utf-8-sig"))  # some editors write a byte order mark
    except OSError as error:
        raise SettingsError(f"the settings file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"the settings file {path} is not text in UTF-8 (byte {error.start}): save it so") from None
    except ValueError as error:  # its message has a position, no value
        raise SettingsError(f"the settings file {path} is not TOML: {error}") from None


def refuse_unknown_variables(environ: Mapping[str, str], names: frozenset[str]) -> None:
    """Raise SettingsError for a SESSION_SCORER_* variable that is no setting: a slip that would pass unnoticed."""
    variables = [
        name.upper()
        for name, value in environ.items()
        if name.upper().startswith(PREFIX) and not name.startswith(_OF_TESTS) and not is_service_link(name, value)
    ]
    _refuse_unknown(variables, frozenset(map(_variable, names - {"kafka"})), " (environment)")


class SettingSource(NamedTuple):
    """The option or the environment variable that gave a setting; the option wins, and with neither it is the file."""

    option: str | None
    variable: str | None


@dataclass(frozen=True)
class Sources:
    """Everywhere that settings come from. `path` is the settings file."""

    cli_settings: Mapping[str, Any]
    environ: Mapping[str, str]
    path: str | Path | None

    @cached_property
    def _pairs(self) -> dict[str, str]:
        return _pairs(self.cli_settings)

    def source_of(self, name: str) -> SettingSource:
        """Return the source of a setting that is not a default."""
        options = [f"--{name.replace('_', '-')}"] if self.cli_settings.get(name) is not None else []
        options += [f"-X {alias}" for alias in kafka_properties.aliases(name) if alias in self._pairs]
        return SettingSource(next(iter(options), None), variable_of(name, self.environ))

    def source_of_property(self, name: str) -> SettingSource:
        """Return the source of a property of the Kafka client."""
        return SettingSource(
            f"-X {name}" if name in self._pairs else None, kafka_properties.variable_of(name, self.environ)
        )

    def origin(self, source: SettingSource) -> str:
        """Describe a source, as `check` prints it beside the value."""
        if source.option:
            return "command line"
        return f"environment variable {source.variable}" if source.variable else f"file {self.path}"

    def explain(self, error: ValidationError, fields: Mapping[str, FieldInfo]) -> str:
        """Describe all wrong settings in one line."""
        return "; ".join(self._line(detail, fields) for detail in error.errors(include_url=False, include_input=False))

    def _line(self, detail: Any, fields: Mapping[str, FieldInfo]) -> str:
        message = str(detail["ctx"]["error"]) if detail["type"] == "value_error" else ""
        if not detail["loc"]:
            return message
        name = str(detail["loc"][0])
        if name == "kafka":  # the message begins with the property's name
            name, _, message = message.partition(" ")
            source = self.source_of_property(name)
            return f"{self._spelled(source) or f'[kafka] {name} ({self.path})'} {message}"
        spelled = self._spelled(self.source_of(name)) or f"{self._name_in_file(name)} ({self.path})"
        return f"{spelled}: expected {message or expected(fields[name])}"

    def _spelled(self, source: SettingSource) -> str | None:
        return source.option or (f"{source.variable} (environment)" if source.variable else None)

    def _name_in_file(self, name: str) -> str:
        """Look in the file once more for Kafka's name of a setting; a pipe can be read only once, so our own there."""
        if self.path is None or not Path(self.path).is_file():
            return name
        values = _parsed(self.path)
        kafka = dict(_flat(values.get("kafka", {})))
        alias = next((alias for alias in kafka_properties.aliases(name) if alias in kafka and name not in values), None)
        return f"[kafka] {alias}" if alias else name


def expected(field: FieldInfo) -> str:
    """Describe the values that a setting accepts."""
    if accepted := choices(field):
        return " or ".join(accepted)
    kind = _kind(field.annotation)
    words = {int: "a whole number", float: "a number", bool: "true or false", Path: "a path", dict: "names and texts"}
    return words.get(get_origin(kind) or kind, ANY_TEXT) + _range(_bounds(field))


def choices(field: FieldInfo) -> list[str]:
    """Return the only values that a setting accepts; empty where there are more than can be listed."""
    kind = _kind(field.annotation)
    listed = kind if isinstance(kind, EnumType) else get_args(kind) if get_origin(kind) is Literal else ()
    return list(map(str, listed))


def _kind(annotation: Any) -> Any:
    """Return the type without None and without annotations."""
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    return getattr(annotation, "__origin__", annotation) if hasattr(annotation, "__metadata__") else annotation


def _bounds(field: FieldInfo) -> list[Any]:
    metadata = list(field.metadata)
    for part in get_args(field.annotation):
        for note in getattr(part, "__metadata__", ()):
            metadata += note.metadata if isinstance(note, FieldInfo) else [note]
    return metadata


def _range(bounds: list[Any]) -> str:
    least = next((f" from {bound.ge}" for bound in bounds if isinstance(bound, Ge)), "")
    above = next((f" above {bound.gt}" for bound in bounds if isinstance(bound, Gt)), "")
    most = next((f" to {bound.le}" for bound in bounds if isinstance(bound, Le)), "")
    return least + above + (most if least else most.replace(" to ", " up to "))


def _own_names(values: dict[str, Any]) -> dict[str, Any]:
    """Rename Kafka's names for our settings; our own name wins within one source."""
    kafka = dict(values.get("kafka", {}))
    for alias, name in kafka_properties.ALIASES.items():
        if alias in kafka:
            values.setdefault(name, kafka.pop(alias))
    return values | ({"kafka": kafka} if "kafka" in values else {})


def _pairs(cli_settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of the `-X` options by property."""
    return dict(_pair(text) for text in cli_settings.get("kafka") or ())


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise SettingsError("-X: expected prop=value, as in -X security.protocol=SSL")
    return name.strip(), value


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Join the keys of nested tables: TOML reads `security.protocol = "SSL"` as a table in a table."""
    for name, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def as_text(value: Any) -> str:
    """Format a value of TOML as an option takes it: true in lower case, a list with commas."""
    if isinstance(value, list):
        return ",".join(map(as_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _refuse_unknown(names: Iterable[str], valid: frozenset[str], source: str) -> None:
    for name in names:
        if name not in valid:
            nearest = get_close_matches(name, valid, n=1, cutoff=0.0)[0]
            raise SettingsError(f"{name}{source}: there is no such setting; the nearest is {nearest}")
