"""The settings file that `config init` writes: it lists all settings and changes none."""

import re
from pathlib import Path
from typing import Any

import pytest

from consumer.cli.setting_options import GROUPS
from consumer.config.client_properties import CLIENTS, ClientProperties
from consumer.config.settings import Settings, load_settings
from consumer.config.settings_file import settings_file
from consumer.config.sources import choices, file

TEXT = settings_file(GROUPS)
UNCOMMENTED = re.sub(r"^#(?! )", "", TEXT, flags=re.MULTILINE)


def loaded(tmp_path: Path, text: str) -> dict[str, Any]:
    path = tmp_path / "scorer.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings({"config": str(path)}).model_dump(exclude={"config"})


def test_file_as_written_changes_nothing(tmp_path: Path) -> None:
    assert loaded(tmp_path, TEXT) == load_settings().model_dump(exclude={"config"})


def test_uncommented_file_has_the_defaults(tmp_path: Path) -> None:
    defaults = load_settings().model_dump(exclude={"config"})
    assert loaded(tmp_path, UNCOMMENTED) | {setting: {} for setting in CLIENTS} == defaults
    path = tmp_path / "scorer.toml"
    listed = file(path, frozenset(Settings.model_fields)).keys() - CLIENTS.keys()
    assert listed == {name for name, value in defaults.items() if value is not None} - CLIENTS.keys()


def test_every_setting_is_listed_with_its_help_and_values() -> None:
    paragraphs = {
        name: " ".join(comment.replace("# ", "").split()).lower()
        for comment, name in re.findall(r"\n\n((?:# .+\n)+)#\s?(\w+) =", TEXT)
    }
    assert paragraphs.keys() == Settings.model_fields.keys() - {"config", *CLIENTS}
    for name, paragraph in paragraphs.items():
        field = Settings.model_fields[name]
        assert (field.description or "").lower() in paragraph
        assert all(choice in paragraph for choice in choices(field))
    assert "expected: a number above 0 up to 60000." in paragraphs["latency_budget"]


def test_settings_stand_in_the_groups_of_help() -> None:
    titles = re.findall("^# == (.+) ==$", TEXT, re.MULTILINE)
    assert titles == [*GROUPS, "Kafka client", "Schema Registry client"]
    order = [name for names in GROUPS.values() for name in names]
    listed = re.findall(r"^#\s?([a-z_\d]+) =", TEXT, re.MULTILINE)
    assert listed == [name for name in order if name in listed]


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
def test_examples_of_a_client_are_properties_without_secrets(tmp_path: Path, client: ClientProperties) -> None:
    examples = loaded(tmp_path, UNCOMMENTED)[client.setting]
    assert "ssl.ca.location" in examples
    assert examples.keys() <= client.names
    assert client.masked(examples) == examples
