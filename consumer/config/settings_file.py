"""The text of a settings file that lists every setting with its help and default, and changes none."""

import json
from collections.abc import Collection, Iterator, Mapping
from textwrap import wrap
from typing import Final, NamedTuple

from pydantic.fields import FieldInfo

from consumer.config.client_properties import CLIENTS, ClientProperties
from consumer.config.settings import Settings
from consumer.config.sources import ANY_TEXT, expected

_WIDTH: Final = 100
_ABSENT: Final = frozenset({"config", *CLIENTS})
"""Settings without a line: a file does not name itself, and properties of a client have a table."""

_HEAD: Final = (
    "Settings of session-scorer, for its option --config. A line #name = value shows a default: remove the # to change "
    "it. A line without a value shows that nothing is set by default. Options (--group-id) and variables of the "
    "environment (SESSION_SCORER_GROUP_ID) take precedence over this file."
)


class _Examples(NamedTuple):
    """What the table of a client shows: where its properties come from, one that is a secret, and some that are not."""

    library: str
    secret: str
    properties: Mapping[str, str | int]


_EXAMPLES: Final = {
    "kafka": _Examples(
        "librdkafka",
        "sasl.password",
        {
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": "/etc/ssl/certs/ca-certificates.crt",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "session-scorer",
            "client.rack": "eu-central-1a",
        },
    ),
    "schema_registry": _Examples(
        "confluent-kafka",
        "basic.auth.user.info",
        {"ssl.ca.location": "/etc/ssl/certs/ca-certificates.crt", "timeout": 10, "max.retries": 3},
    ),
}


def settings_file(groups: Mapping[str, Collection[str]]) -> str:
    """Return the TOML text; `groups` maps titles to names of settings."""
    return "\n".join(_lines(groups)) + "\n"


def _lines(groups: Mapping[str, Collection[str]]) -> Iterator[str]:
    yield from _comment(_HEAD)
    for title, names in groups.items():
        yield from ("", f"# == {title} ==")
        for name in names:
            if name not in _ABSENT:
                yield from _setting(name, Settings.model_fields[name])
    for client in CLIENTS.values():
        yield from ("", f"# == {client.title} ==", "", *_table(client))


def _table(client: ClientProperties) -> Iterator[str]:
    library, secret, properties = _EXAMPLES[client.setting]
    yield from _comment(
        f"Properties of the {client.title} ({library}), passed through under their own names. Keep secrets out of this "
        f"file: {client.file_variable(secret)}=/run/secrets/{client.setting} in the environment reads {secret} from a "
        "file, and so for every property. The lines are examples, not defaults."
    )
    yield f"[{client.setting}]"
    yield from (f'#"{name}" = {json.dumps(value)}' for name, value in properties.items())


def _setting(name: str, field: FieldInfo) -> Iterator[str]:
    help_text, accepted = field.description or "", expected(field)
    yield ""
    yield from _comment(
        f"{help_text[:1].upper()}{help_text[1:]}." + ("" if accepted == ANY_TEXT else f" Expected: {accepted}.")
    )
    # a text, number or boolean of JSON is one of TOML
    yield f"# {name} =" if field.default is None else f"#{name} = {json.dumps(field.default)}"


def _comment(text: str) -> list[str]:
    return wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
