"""Each setting as it is shown: its value, where it was set, and never a secret."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.config.client_properties import CLIENTS, KAFKA, SCHEMA_REGISTRY, ClientProperties
from consumer.config.settings import Origin, Settings, load_settings, origins
from consumer.config.sources import DEFAULT, choices

PLACES: Final = ("command line", "environment", "file")  # the strongest first
TEXTS: Final = st.text("abcdefgh._-", min_size=1, max_size=9).filter(lambda text: text.strip(".") != "")
VALUES: Final[dict[str, st.SearchStrategy[Any]]] = {
    "group_id": TEXTS,
    "metrics_host": TEXTS,
    "input_topic": TEXTS,
    "create_topics": st.booleans(),
    "slot": st.integers(0, 1000),
    "batch_events": st.integers(1, 1_000_000),
    "latency_budget": st.floats(0.001, 60_000),
    "breaker_ratio": st.floats(0.001, 1),
    **{name: st.sampled_from(choices(Settings.model_fields[name])) for name in ("delivery", "on_gap", "log_level")},
}
SECRETS: Final = {
    "kafka": (
        *("sasl.password", "ssl.key.password", "ssl.keystore.password", "ssl.key.pem"),
        *("sasl.oauthbearer.client.secret", "sasl.oauthbearer.config", "sasl.kerberos.kinit.cmd"),
        "sasl.oauthbearer.assertion.private.key.passphrase",
    ),
    "schema_registry": ("basic.auth.user.info", "bearer.auth.client.secret"),
}
UNKNOWN: Final = ("of.a.newer.client", "sasl.token", "x")  # not taken from the environment
SECRET: Final = "hunter:2"  # begins each, except those that have a form of their own
FORMED: Final = {"bearer.auth.token": "hunter2", "proxy": "http://me:hunter2@proxy:3128"}
WRITTEN: Final = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])

Placed = Mapping[str, Mapping[str, Any]]
NOTHING: Final[Placed] = {place: {} for place in PLACES}


def settings_by_place() -> st.SearchStrategy[Placed]:
    """Some settings in each place."""
    return st.fixed_dictionaries({place: st.fixed_dictionaries({}, optional=VALUES) for place in PLACES})


@st.composite
def secrets_by_place(draw: st.DrawFn, client: ClientProperties) -> Placed:
    """Some secret properties in each place, each with a value that begins with SECRET."""
    values, secrets = st.text(WRITTEN).map(SECRET.__add__), SECRETS[client.setting]
    known = st.dictionaries(st.sampled_from(secrets), values)
    every = st.dictionaries(st.sampled_from([*secrets, *UNKNOWN]), values)
    return {"command line": draw(every), "environment": draw(known), "file": draw(every)}


def text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def shown(
    settings: Placed, properties: Placed = NOTHING, client: ClientProperties = KAFKA
) -> tuple[Settings, list[Origin]]:
    """Load settings and properties of a client from their places; return them, and what is shown of each."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "scorer.toml")
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings["file"].items()]
        lines += [
            f"[{client.setting}]",
            *(f'"{name}" = {json.dumps(value, ensure_ascii=False)}' for name, value in properties["file"].items()),
        ]
        path.write_text("\n".join(lines), encoding="utf-8")
        pairs = [f"{name}={value}" for name, value in properties["command line"].items()]
        cli_settings: dict[str, Any] = {"config": str(path), client.setting: pairs}
        cli_settings |= {name: text(value) for name, value in settings["command line"].items()}
        environ = {f"SESSION_SCORER_{name.upper()}": text(value) for name, value in settings["environment"].items()}
        environ |= {client.variable_name(name): value for name, value in properties["environment"].items()}
        with mock.patch.dict(os.environ, environ, clear=True):
            resolved = load_settings(cli_settings)
            return resolved, origins(resolved, cli_settings, os.environ)


def expected_origin(name: str, settings: Placed, path: Path | None) -> str:
    place = next((place for place in PLACES if name in settings[place]), DEFAULT)
    described = {"environment": f"environment variable SESSION_SCORER_{name.upper()}", "file": f"file {path}"}
    return described.get(place, place)


@given(settings_by_place())
def test_setting_is_shown_with_its_strongest_origin(settings: Placed) -> None:
    resolved, origins_shown = shown(settings)
    assert [each.name for each in origins_shown] == [name for name in Settings.model_fields if name not in CLIENTS]
    for each in (each for each in origins_shown if each.name in VALUES):
        values = [settings[place][each.name] for place in PLACES if each.name in settings[place]]
        assert each.value == (values[0] if values else Settings.model_fields[each.name].default)
        assert each.origin == expected_origin(each.name, settings, resolved.config)
        assert str(each) == f"{each.name} = {'not set' if each.value is None else text(each.value)} ({each.origin})"


@given(settings_by_place())
def test_shown_settings_give_the_same_settings_again(settings: Placed) -> None:
    resolved, origins_shown = shown(settings)
    values = {each.name: each.value for each in origins_shown if each.value is not None and each.name != "config"}
    again, _ = shown({**NOTHING, "file": json.loads(json.dumps(values))})
    assert again.model_dump(exclude={"config"}) == resolved.model_dump(exclude={"config"})


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
@given(data=st.data())
def test_no_secret_is_shown(client: ClientProperties, data: st.DataObject) -> None:
    secrets = data.draw(secrets_by_place(client))
    resolved, origins_shown = shown(NOTHING, secrets, client)
    given_names = {name for place in PLACES for name in secrets[place]}
    properties = getattr(resolved, client.setting)
    assert properties.keys() == given_names
    assert all(value.startswith(SECRET) for value in properties.values())
    assert {f"{client.setting}.{name}" for name in given_names} <= {each.name for each in origins_shown}
    assert SECRET not in "".join(f"{each}{each.as_dict()}" for each in origins_shown)


@pytest.mark.parametrize(("name", "value"), FORMED.items())
def test_no_secret_of_a_form_is_shown(name: str, value: str) -> None:
    resolved, origins_shown = shown(NOTHING, {**NOTHING, "environment": {name: value}}, SCHEMA_REGISTRY)
    assert resolved.schema_registry == {name: value}
    assert "hunter" not in "".join(f"{each}{each.as_dict()}" for each in origins_shown)


@pytest.mark.parametrize(
    ("client", "name"),
    [
        (KAFKA, "sasl.username"),
        (KAFKA, "ssl.key.location"),
        (KAFKA, "security.protocol"),
        (SCHEMA_REGISTRY, "ssl.key.location"),
        (SCHEMA_REGISTRY, "bearer.auth.client.id"),
    ],
)
def test_property_that_is_no_secret_is_shown(client: ClientProperties, name: str) -> None:
    _, origins_shown = shown(NOTHING, {**NOTHING, "environment": {name: "/a"}}, client)
    origin = f"environment variable {client.variable_name(name)}"
    assert str(origins_shown[-1]) == f"{client.setting}.{name} = /a ({origin})"
