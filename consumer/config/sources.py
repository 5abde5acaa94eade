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

from consumer.config.client_properties import CLIENTS, ClientProperties, secrets

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
    """Return the settings given on the command line, and under a client's setting its properties (`-X`) by name."""
    values = {name: value for name, value in cli_settings.items() if value is not None and name not in CLIENTS}
    return _own_names(values | {setting: pairs for setting, pairs in _pairs(cli_settings).items() if pairs})


def secrets_on_command_line(cli_settings: Mapping[str, Any]) -> list[str]:
    """Return the properties on the command line that are secrets: any user who may list processes sees them."""
    return [name for _, name in _exposed_secrets(cli_settings)]


def variables_for_secrets(cli_settings: Mapping[str, Any]) -> list[str]:
    """Return the variables that can name files with those secrets instead."""
    return [client.file_variable(name) for client, name in _exposed_secrets(cli_settings)]


def _exposed_secrets(cli_settings: Mapping[str, Any]) -> list[tuple[ClientProperties, str]]:
    pairs = _pairs(cli_settings)
    return [(client, name) for setting, client in CLIENTS.items() for name in secrets(pairs[setting])]


def client_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the properties of clients in variables (KAFKA_*) and in the files that variables (KAFKA_*_FILE) name.

    Raises SettingsError for an empty or unreadable file.
    """
    return _own_names({setting: _properties(client, environ) for setting, client in CLIENTS.items()})


def _properties(client: ClientProperties, environ: Mapping[str, str]) -> dict[str, str]:
    texts, paths = client.from_environment(environ), client.files_from_environment(environ)
    sources = {name: f"{client.file_variable(name)} (environment)" for name in paths}
    for name in texts.keys() & paths.keys():
        raise SettingsError(f"{sources[name]}: {client.variable_name(name)} is there too, and one of them must go")
    return texts | {name: _read_secret(sources[name], path) for name, path in paths.items()}


def _read_secret(source: str, path: str) -> str:
    """Return the file's text without its line end: Docker and Kubernetes pass secrets this way."""
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
    return {name: values[_variable(name)] for name in names - CLIENTS.keys() if _variable(name) in values}


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def variable_of(name: str, environ: Mapping[str, str]) -> str | None:
    """Return the variable that gives a setting, as the environment spells it: ours, else one by Kafka's name for it."""
    own = [
        key
        for key, value in environ.items()
        if key.upper() == _variable(name) and value and not is_service_link(key, value)
    ]
    aliases = [client.variable_of(alias, environ) for client, alias in _aliases(name)]
    return next((variable for variable in (*reversed(own), *aliases) if variable is not None), None)


def _aliases(name: str) -> list[tuple[ClientProperties, str]]:
    """Return the clients' names for one of our settings, the strongest first."""
    return [(client, alias) for client in CLIENTS.values() for alias in client.aliases_of(name)]


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
        f"{name} is no setting of the {client.title}; the nearest is {right}"
        for client in CLIENTS.values()
        for name, right in client.near_misses(environ)
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
    return _own_names(values | {setting: _table(setting, values.get(setting, {}), path) for setting in CLIENTS})


def _table(setting: str, table: Any, path: str | Path) -> dict[str, str]:
    """Return the properties in a client's table."""
    if not isinstance(table, dict):
        raise SettingsError(f"{setting} ({path}): expected a table, [{setting}]")
    properties = dict(_flat(table))
    for name, value in properties.items():
        if not all(isinstance(item, str | int | float) for item in (value if isinstance(value, list) else [value])):
            raise SettingsError(
                f"[{setting}] {name} ({path}): expected a text, a number, true or false, or a list of these"
            )
    return {name: as_text(value) for name, value in properties.items()}


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
    _refuse_unknown(variables, frozenset(map(_variable, names - CLIENTS.keys())), " (environment)")


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
    def _pairs(self) -> dict[str, dict[str, str]]:
        return _pairs(self.cli_settings)

    def source_of(self, name: str) -> SettingSource:
        """Return the source of a setting that is not a default."""
        options = [f"--{name.replace('_', '-')}"] if self.cli_settings.get(name) is not None else []
        options += [
            f"{client.option} {alias}" for client, alias in _aliases(name) if alias in self._pairs[client.setting]
        ]
        return SettingSource(next(iter(options), None), variable_of(name, self.environ))

    def source_of_property(self, client: ClientProperties, name: str) -> SettingSource:
        """Return the source of a property of a client."""
        option = f"{client.option} {name}" if name in self._pairs[client.setting] else None
        return SettingSource(option, client.variable_of(name, self.environ))

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
        if name in CLIENTS:  # the message begins with the property's name
            prop, _, message = message.partition(" ")
            source = self.source_of_property(CLIENTS[name], prop)
            return f"{self._spelled(source) or f'[{name}] {prop} ({self.path})'} {message}"
        spelled = self._spelled(self.source_of(name)) or f"{self._name_in_file(name)} ({self.path})"
        return f"{spelled}: expected {message or expected(fields[name])}"

    def _spelled(self, source: SettingSource) -> str | None:
        return source.option or (f"{source.variable} (environment)" if source.variable else None)

    def _name_in_file(self, name: str) -> str:
        """Look in the file once more for a client's name of a setting; a pipe can be read only once: our own there."""
        if self.path is None or not Path(self.path).is_file():
            return name
        values = _parsed(self.path)
        named = (
            f"[{client.setting}] {alias}"
            for client, alias in _aliases(name)
            if alias in dict(_flat(values.get(client.setting, {})))
        )
        return name if name in values else next(named, name)


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
    """Rename the clients' names for our settings; our own name wins within one source."""
    renamed = dict(values)
    for setting in CLIENTS.keys() & values.keys():
        renamed[setting] = properties = dict(values[setting])
        for alias, name in CLIENTS[setting].aliases.items():
            if alias in properties:
                renamed.setdefault(name, properties.pop(alias))
    return renamed


def _pairs(cli_settings: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the properties given by options such as `-X`, for each client's setting."""
    return {
        setting: dict(_pair(client, text) for text in cli_settings.get(setting) or ())
        for setting, client in CLIENTS.items()
    }


def _pair(client: ClientProperties, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise SettingsError(f"{client.option}: expected prop=value, as in {client.option} {client.example}")
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
