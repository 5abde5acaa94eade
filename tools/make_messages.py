"""Writes docs/api, and the tables of docs/messages.md: `python -m tools.make_messages`.

Run it after the contract, a code or a golden message has changed.
"""

import io
import json
import re
import textwrap
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from consumer.config.settings import Settings
from scoring.schemas import event_schema
from tests.support.message_schemas import SCHEMAS, Schema, alert, dead_letter_headers, result, result_headers
from tools.field_tables import field_table

ROOT: Final = Path(__file__).parents[1]
PLACE: Final = ROOT / "docs" / "api"
PAGE: Final = ROOT / "docs" / "messages.md"
FIELDS: Final = re.compile(r"(<!-- fields: (\S+) -->\n).*?(<!-- /fields -->)", re.DOTALL)
GOLDEN: Final = ROOT / "tests" / "consumer" / "golden"
DRAFT: Final = "http://json-schema.org/draft-07/schema#"

KEY: Final = {
    "description": "Any bytes, by convention the user_id. Results, alerts and dead letters have the key of their event."
}
# what each topic holds, and what session-scorer does with it
CHANNELS: Final = {
    "sessions": ("event", "receive", "Session events, one JSON object each. A record without a value is skipped."),
    "results": ("result", "send", "One result for each valid event. Read with isolation.level=read_committed."),
    "alerts": ("alert", "send", "The High results, each with the features that moved its score most."),
    "dead_letters": ("dead_letter", "send", "The invalid events, unchanged; headers describe the error."),
}


def files() -> dict[str, str]:
    """All that stands in docs/api, by name."""
    given = samples()
    schemas = {
        f"{name}.schema.json": _json({"$schema": DRAFT, **schema, "examples": [given[name]]})
        for name, schema in SCHEMAS.items()
    }
    return {"asyncapi.yaml": _yaml(document()), **schemas}


def page(text: str) -> str:
    """Return docs/messages.md with its tables of fields and its samples made again."""
    return FIELDS.sub(lambda found: found[1] + _fields(found[2]) + found[3], text)


def _fields(name: str) -> str:
    sample = textwrap.indent(_json(samples()[name]), "    ")
    known = SCHEMAS["result"]["properties"] if name == "alert" else ()
    return f"{field_table(SCHEMAS[name], known)}\nA sample:\n\n{sample}\n"


def samples() -> dict[str, Any]:
    """Return one sample of each message, by the name of its schema: the golden messages of the tests."""
    alert_ = json.loads(_golden("alert"))
    headers: dict[str, str] = dict(json.loads(_golden("dead_letter"))["headers"])
    ours = {name: value for name, value in headers.items() if name in SCHEMAS["dead-letter-headers"]["properties"]}
    return {
        "event": alert_["event"],
        "result": json.loads(_golden("result")),
        "alert": alert_,
        "dead-letter-headers": ours,
    }


def document() -> dict[str, Any]:
    """The AsyncAPI document, complete in itself."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "session-scorer",
            "version": version("session-scorer"),
            "description": "Scores session events from Kafka, each exactly once. How to use this: docs/messages.md.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": {name: _channel(name) for name in CHANNELS},
        "operations": {f"{action}_{name}": _operation(name, action) for name, (_, action, _) in CHANNELS.items()},
        "components": {
            "messages": _messages(),
            "schemas": _schemas(),
            "securitySchemes": _security_schemes(),
        },
    }


def _servers() -> dict[str, Any]:
    variables = {
        "host": {"default": "localhost", "description": "Any broker of the cluster."},
        "port": {"default": "9092"},
    }
    common = {"host": "{host}:{port}", "variables": variables}
    schemes = [_ref(f"securitySchemes/{name}") for name in _security_schemes()]
    return {
        "plain": {**common, "protocol": "kafka", "description": "Without TLS, without a login."},
        "secure": {
            **common,
            "protocol": "kafka-secure",
            "description": "With TLS and one of these logins, by the properties of the Kafka client.",
            "security": schemes,
        },
    }


def _security_schemes() -> dict[str, Any]:
    granted = {"tokenUrl": "https://authorization.example/token", "availableScopes": {}}
    return {
        "scram512": {"type": "scramSha512", "description": "sasl.mechanisms=SCRAM-SHA-512."},
        "scram256": {"type": "scramSha256", "description": "sasl.mechanisms=SCRAM-SHA-256."},
        "certificate": {"type": "X509", "description": "A client's certificate: ssl.certificate.location."},
        "oauth": {
            "type": "oauth2",
            "description": "sasl.mechanisms=OAUTHBEARER; the address of the tokens is your own.",
            "flows": {"clientCredentials": granted},
        },
    }


def _channel(name: str) -> dict[str, Any]:
    message, _, description = CHANNELS[name]
    topic = Settings.model_fields["input_topic" if name == "sessions" else f"{name}_topic"].default
    return {
        "address": topic,
        "description": f"{description} The name is a setting.",
        "servers": [{"$ref": "#/servers/plain"}, {"$ref": "#/servers/secure"}],
        "messages": {message: _ref(f"messages/{message}")},
        "bindings": {"kafka": {"topic": topic, "bindingVersion": "0.5.0"}},
    }


def _operation(name: str, action: str) -> dict[str, Any]:
    message, _, description = CHANNELS[name]
    made = {
        "action": action,
        "channel": {"$ref": f"#/channels/{name}"},
        "summary": description,
        "messages": [{"$ref": f"#/channels/{name}/messages/{message}"}],
    }
    return made | {"bindings": _of_group()} if action == "receive" else made


def _of_group() -> dict[str, Any]:
    group = {"type": "string", "default": Settings.model_fields["group_id"].default}
    return {"kafka": {"groupId": group, "bindingVersion": "0.5.0"}}


def _messages() -> dict[str, Any]:
    given = samples()
    model = {"model_version": given["result"]["model_version"]}
    letter = {"headers": given["dead-letter-headers"], "payload": json.loads(_golden("dead_letter"))["value"]}
    kept = {"contentType": "application/octet-stream"}
    return {
        "event": _message("event", {"payload": given["event"]}),
        "result": _message("result", {"headers": model, "payload": given["result"]}, headers="result_headers"),
        "alert": _message("alert", {"headers": model, "payload": given["alert"]}, headers="result_headers"),
        "dead_letter": kept | _message("dead_letter", letter, headers="dead_letter_headers"),
    }


def _message(name: str, sample: object, headers: str | None = None) -> dict[str, Any]:
    return {
        "name": name,
        **({"headers": _ref(f"schemas/{headers}")} if headers else {}),
        "payload": _ref(f"schemas/{name}"),
        "bindings": {"kafka": {"key": KEY, "bindingVersion": "0.5.0"}},
        "examples": [sample],
    }


def _schemas() -> dict[str, Schema]:
    of_event = _ref("schemas/event")
    return {
        "event": event_schema(),
        "result": result(of_event),
        "alert": alert(of_event),
        "result_headers": result_headers(),
        "dead_letter": {
            "title": "Dead letter",
            "description": "The unchanged event: any bytes, JSON or not; null if it did not fit.",
        },
        "dead_letter_headers": dead_letter_headers(),
    }


def _ref(place: str) -> dict[str, str]:
    return {"$ref": f"#/components/{place}"}


def _golden(name: str) -> str:
    return (GOLDEN / f"{name}.json").read_text(encoding="utf-8")


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _yaml(value: object) -> str:
    writer, text = YAML(), io.StringIO()
    writer.width = 120
    writer.indent(mapping=2, sequence=4, offset=2)
    writer.representer.ignore_aliases = lambda _: True  # what stands in two places is written in both
    text.write("# Generated: python -m tools.make_messages\n")
    writer.dump(value, text)
    return text.getvalue()


def main() -> None:
    PLACE.mkdir(exist_ok=True)
    for name, text in files().items():
        (PLACE / name).write_text(text, encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
