"""`session-scorer config`: the settings file that it writes, and the settings that it shows."""

import json
import resource
from pathlib import Path

import pytest

from tests.support.command_line import Call

# -- init ------------------------------------------------------------------------------------------------------------


def test_init_prints_a_file_that_show_reads(call: Call, tmp_path: Path) -> None:
    said = call("config", "init")
    assert (said.status, said.err) == (0, "")
    assert '\n#group_id = "session-scorer"\n' in said.out
    path = tmp_path / "scorer.toml"
    path.write_text(said.out, encoding="utf-8")
    assert call("config", "show", "--changed", "--config", path).out == f"config = {path} (command line)\n"


def test_init_writes_a_new_file_only(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "scorer.toml"
    assert call("config", "init", "-o", path) == (0, "", "")
    assert path.read_text(encoding="utf-8") == call("config", "init", "--output", "-").out
    path.write_text("group_id = 'mine'", encoding="utf-8")
    said = call("config", "init", "-o", path)
    assert said.status == 1
    assert said.line == f"session-scorer: {path}: already exists: name another file"
    assert path.read_text(encoding="utf-8") == "group_id = 'mine'"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("none/scorer.toml", "cannot be written: No such file or directory"),
        ("x" * 300, "cannot be written: File name too long"),
        ("", "already exists: name another file"),
    ],
)
def test_file_that_cannot_be_written_is_one_line(call: Call, tmp_path: Path, name: str, line: str) -> None:
    said = call("config", "init", "-o", tmp_path / name)
    assert said.status == 1
    assert said.line == f"session-scorer: {tmp_path / name}: {line}"


def test_init_leaves_no_part_of_a_file_on_a_full_disk(call: Call, tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        said = call("config", "init", "-o", tmp_path / "scorer.toml")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert said.line == f"session-scorer: {tmp_path / 'scorer.toml'}: cannot be written: File too large"
    assert list(tmp_path.iterdir()) == []


# -- show ------------------------------------------------------------------------------------------------------------


def test_show_prints_each_setting_with_its_origin(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scorer.toml"
    path.write_text('slot = 3\n[kafka]\n"client.rack" = "a"\n', encoding="utf-8")
    monkeypatch.setenv("SESSION_SCORER_GROUP_ID", "fraud")
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "hunter2")
    said = call("config", "show", "--config", path, "--create-topics", "-X", "debug=hunter2")
    assert (said.status, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[:3] == [
        f"config = {path} (command line)",
        "bootstrap_servers = localhost:9092 (default)",
        "group_id = fraud (environment variable SESSION_SCORER_GROUP_ID)",
    ]
    assert "create_topics = true (command line)" in lines
    assert "artifacts = not set (default)" in lines
    assert lines[-3:] == [
        f"kafka.client.rack = a (file {path})",
        "kafka.debug = *** (command line)",
        "kafka.sasl.password = *** (environment variable KAFKA_SASL_PASSWORD)",
    ]


def test_show_leaves_out_defaults_when_asked(call: Call) -> None:
    assert call("config", "show", "--changed") == (0, "", "")
    said = call("config", "show", "--changed", "--slot", "2", "--json")
    assert json.loads(said.out) == {"settings": [{"name": "slot", "value": 2, "from": "command line"}]}


def test_check_shows_the_same_settings(call: Call) -> None:
    arguments = ["--bootstrap-servers", "127.0.0.1:1", "--json", "-X", "sasl.password=hunter2"]
    checked = json.loads(call("check", *arguments).out)["settings"]
    assert json.loads(call("config", "show", *arguments).out) == {"settings": checked}


def test_property_that_contradicts_the_login_is_said_to_be_set_there(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "scorer.toml"
    path.write_text('login = "gcp"\n[kafka]\n"sasl.password" = "hunter2"', encoding="utf-8")
    assert f"[kafka] sasl.password ({path}) contradicts login gcp" in call("config", "show", "--config", path).line
    path.write_text('login = "gcp"', encoding="utf-8")
    monkeypatch.setenv("KAFKA_SASL_MECHANISM", "PLAIN")
    said = call("config", "show", "--config", path)
    assert "KAFKA_SASL_MECHANISM (environment) contradicts login gcp" in said.line


def test_value_does_not_control_the_terminal(call: Call) -> None:
    said = call("config", "show", "--changed", "--artifacts", "\x1b[2J")
    assert said.out == "artifacts = ?[2J (command line)\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--metrics-port", "x", "--delivery", "y"],
        ["--config", "/nowhere.toml"],
        ["-X", "acks=1"],
        ["-X", "transaction.timeout.ms=soon"],
        ["-X", "hunter2"],
        ["-X", " =hunter2"],
        ["--input-format", "avro"],
        ["--schema-registry-url", "https://me:hunter2@registry"],
        ["-R", "hunter2"],
        ["-R", "timeout=hunter2"],
    ],
    ids=" ".join,
)
def test_wrong_setting_is_the_line_of_run(call: Call, arguments: list[str]) -> None:
    said = call("config", "show", *arguments)
    assert (said.status, said.out) == (1, "")
    assert "hunter2" not in said.line
    assert said == call("run", *arguments)
