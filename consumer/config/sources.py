"""Where settings stand, and what to say when one is wrong there."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, Final, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from consumer.config import kafka_properties

_SERVICE_LINK: Final = re.compile(
    r"(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_LINKED: Final = re.compile(r"(tcp|udp|sctp)://")
_OF_TESTS: Final = "SESSION_SCORER_TEST_"  # what the project's own tests are told; no settings


class SettingsError(Exception):
    """A setting is wrong. The message is one line: which, where it stands, what was expected; never its value."""


def command_line(given: Mapping[str, Any]) -> dict[str, Any]:
    """What was said on the command line, by name, `-X` taken apart."""
    values = {name: value for name, value in given.items() if value is not None and name != "kafka"}
    pairs = _pairs(given)
    return _own_names(values | ({"kafka": pairs} if pairs else {}))


def exposed(given: Mapping[str, Any]) -> list[str]:
    """The properties on the command line that are secrets: whoever may list processes sees them."""
    return kafka_properties.secrets(command_line(given).get("kafka", {}))


def kafka_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """What KAFKA_* says, and the files that KAFKA_*_FILE name. Raises SettingsError for a file that says nothing."""
    said, paths = kafka_properties.from_environment(environ), kafka_properties.files_from_environment(environ)
    return _own_names({"kafka": said | {name: _from_file(name, path, said) for name, path in paths.items()}})


def _from_file(name: str, path: str, said: Mapping[str, str]) -> str:
    """The file's text without the end of its line: a secret as Docker and Kubernetes hand it over."""
    variable = kafka_properties.variable_name(name)
    where = f"{variable}_FILE (environment)"
    if name in said:
        raise SettingsError(f"{where}: {variable} is there too, and one of them must go")
    try:
        text = Path(path).read_text("utf-8-sig").rstrip("\r\n")
    except OSError as error:
        raise SettingsError(f"{where}: {path} cannot be read: {error.strerror}") from None
    except ValueError:  # its words quote what could not be decoded
        raise SettingsError(f"{where}: {path} is not text in UTF-8") from None
    if not text:
        raise SettingsError(f"{where}: {path} is empty")
    return text


def environment(environ: Mapping[str, str], prefix: str, known: frozenset[str]) -> dict[str, str]:
    """Return the settings that variables of our prefix name; empty ones and Kubernetes' service links do not count."""
    said = {
        name.upper(): value
        for name, value in environ.items()
        if value and not is_service_link(name.upper(), value, prefix)
    }
    return {name: said[prefix + name.upper()] for name in known - {"kafka"} if prefix + name.upper() in said}


def variable_of(name: str, environ: Mapping[str, str], prefix: str) -> str | None:
    """Return the variable that gives a setting, as the environment spells it: ours, else one by Kafka's name for it."""
    ours = [
        key
        for key, value in environ.items()
        if key.upper() == prefix + name.upper() and value and not is_service_link(key.upper(), value, prefix)
    ]
    kafkas = [kafka_properties.variable_of(alias, environ) for alias in kafka_properties.aliases(name)]
    return next((each for each in (*reversed(ours), *kafkas) if each is not None), None)


def is_service_link(variable: str, value: str, prefix: str) -> bool:
    """Return whether Kubernetes sets it, for a Service named as we are: SESSION_SCORER_PORT=tcp://10.0.0.1:9108."""
    name = variable.removeprefix(prefix)
    of_a_port = name.endswith("PORT") and _LINKED.match(value) is not None
    return variable.startswith(prefix) and (of_a_port or _SERVICE_LINK.fullmatch(name) is not None)


def ignored(environ: Mapping[str, str], prefix: str) -> list[str]:
    """Say of variables that look like settings and are none: Kubernetes' service links, and slips in KAFKA_*."""
    links = sorted(name for name, value in environ.items() if is_service_link(name.upper(), value, prefix))
    said = [
        f"{name} is no setting of the Kafka client; the nearest is {right}"
        for name, right in kafka_properties.near_misses(environ)
    ]
    if links:
        said.append(f"{', '.join(links)}: set by Kubernetes for a Service of that name (enableServiceLinks)")
    return said


def file(path: str | Path | None, known: frozenset[str]) -> dict[str, Any]:
    """What the TOML file says; nothing when none is named. Raises SettingsError for what is not as it should be."""
    if path is None:
        return {}
    values = _parsed(path)
    _refuse_unknown(values, known - {"config"}, f" ({path})")
    if not isinstance(values.get("kafka", {}), dict):
        raise SettingsError(f"kafka ({path}): expected a table, [kafka]")
    kafka = dict(_flat(values.get("kafka", {})))
    for name, value in kafka.items():
        if not all(isinstance(each, str | int | float) for each in (value if isinstance(value, list) else [value])):
            raise SettingsError(
                f"[kafka] {name} ({path}): expected a text, a number, true or false, or a list of these"
            )
    return _own_names(values | {"kafka": {name: _text(value) for name, value in kafka.items()}})


def _parsed(path: str | Path) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text("utf-8-sig"))  # some editors begin a file with a mark
    except OSError as error:
        raise SettingsError(f"the settings file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"the settings file {path} is not text in UTF-8 (byte {error.start}): save it so") from None
    except ValueError as error:  # it names a position, not what stands there
        raise SettingsError(f"the settings file {path} is not TOML: {error}") from None


def refuse_unknown_variables(environ: Mapping[str, str], prefix: str, known: frozenset[str]) -> None:
    """Raises SettingsError for a variable of our own prefix that is no setting: a slip that would pass unseen."""
    variables = [
        name
        for name, value in environ.items()
        if name.upper().startswith(prefix)
        and not name.startswith(_OF_TESTS)
        and not is_service_link(name.upper(), value, prefix)
    ]
    settings = frozenset(prefix + name.upper() for name in known - {"kafka"})
    _refuse_unknown([name.upper() for name in variables], settings, " (environment)")


class Places(NamedTuple):
    """The places that were looked at, to find the one in which a wrong value stands."""

    given: Mapping[str, Any]
    environ: Mapping[str, str]
    prefix: str
    path: Path | None

    def explain(self, error: ValidationError, fields: Mapping[str, FieldInfo]) -> str:
        """One line for all that is wrong."""
        return "; ".join(self._line(detail, fields) for detail in error.errors(include_url=False, include_input=False))

    def _line(self, detail: Any, fields: Mapping[str, FieldInfo]) -> str:
        said = str(detail["ctx"]["error"]) if detail["type"] == "value_error" else ""
        if not detail["loc"]:
            return said
        name = str(detail["loc"][0])
        if name == "kafka":  # what is said begins with the property's name
            name, _, said = said.partition(" ")
            return f"{self._spelled_property(name)} {said}"
        return f"{self._spelled(name)}: expected {said or expected(fields[name])}"

    def _spelled(self, name: str) -> str:
        if self.given.get(name) is not None:
            return "--" + name.replace("_", "-")
        pairs = _pairs(self.given)
        if alias := next((each for each in kafka_properties.aliases(name) if each in pairs), None):
            return f"-X {alias}"
        if variable := variable_of(name, self.environ, self.prefix):
            return f"{variable} (environment)"
        return f"{self._spelled_in_file(name)} ({self.path})"

    def _spelled_in_file(self, name: str) -> str:
        """Look at the file once more for Kafka's name of the setting; our own where it can be read only once."""
        if self.path is None or not self.path.is_file():
            return name
        values = _parsed(self.path)
        kafka = dict(_flat(values.get("kafka", {})))
        alias = next((each for each in kafka_properties.aliases(name) if each in kafka and name not in values), None)
        return f"[kafka] {alias}" if alias else name

    def _spelled_property(self, name: str) -> str:
        if name in _pairs(self.given):
            return f"-X {name}"
        if variable := kafka_properties.variable_of(name, self.environ):
            return f"{variable} (environment)"
        return f"[kafka] {name} ({self.path})"


def expected(field: FieldInfo) -> str:
    """What a value of this setting must be, in words."""
    kind = _kind(field.annotation)
    if get_origin(kind) is Literal or hasattr(kind, "__members__"):
        return " or ".join(str(choice) for choice in (get_args(kind) or list(kind)))
    words = {int: "a whole number", float: "a number", bool: "true or false", Path: "a path", dict: "names and texts"}
    return words.get(get_origin(kind) or kind, "a text that is not empty") + _range(_bounds(field))


def _kind(annotation: Any) -> Any:
    """The type itself: without None, and without what annotates it."""
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
    """Kafka's names for settings of ours count as ours, unless ours is said in the same place."""
    kafka = dict(values.get("kafka", {}))
    for alias, name in kafka_properties.ALIASES.items():
        if alias in kafka:
            values.setdefault(name, kafka.pop(alias))
    return values | ({"kafka": kafka} if "kafka" in values else {})


def _pairs(given: Mapping[str, Any]) -> dict[str, str]:
    """Return what `-X` says, by name."""
    return dict(_pair(text) for text in given.get("kafka") or ())


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise SettingsError("-X: expected prop=value, as in -X security.protocol=SSL")
    return name.strip(), value


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """`security.protocol = "SSL"` is a table in a table to TOML, and one name to Kafka."""
    for name, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _refuse_unknown(names: Any, known: frozenset[str], place: str) -> None:
    for name in names:
        if name not in known:
            nearest = get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise SettingsError(f"{name}{place}: there is no such setting; the nearest is {nearest}")
