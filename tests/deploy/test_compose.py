"""docker-compose.yml and deploy/ fit together and fit the code, as far as that shows without an engine."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from ruamel.yaml import YAML

from consumer.config.settings import Settings, setting_names
from consumer.kafka.properties import PRODUCER
from consumer.observability.health import Health
from consumer.observability.http_server import Server
from consumer.stream.serialization import MOST_AHEAD_MS
from tests.support.fakes import FakeClock
from tests.support.kafka import jars
from tools.metrics_page import busy_metrics

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "dashboards" / "session-scorer.json").read_text())
QUERIES = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
RECORDED = r"job\w*:[\w:]+"
OF_PROMETHEUS = {"up": {"job", "instance"}, "ALERTS": {"job", "alertname", "alertstate", "severity"}}


def read_yaml(path: str) -> Any:
    return YAML(typ="safe").load(ROOT / path)


def queries_of_the_rules() -> Iterator[tuple[str, str]]:
    """Those that ask for metrics of ours or for what is recorded of them."""
    for group in read_yaml("deploy/prometheus/rules.yml")["groups"]:
        for rule in group["rules"]:
            if "session_scorer_" in rule["expr"]:
                yield rule.get("alert") or rule["record"], rule["expr"]


COMPOSE = read_yaml("docker-compose.yml")
SERVICES = COMPOSE["services"]


def instructions(name: str) -> list[str]:
    """What follows this instruction in the Dockerfile, each time, its lines joined."""
    text = DOCKERFILE.read_text().replace("\\\n", " ")
    return [line.removeprefix(name).strip() for line in text.splitlines() if line.startswith(f"{name} ")]


def environment() -> dict[str, str]:
    """The environment of the image."""
    return dict(pair.split("=", 1) for line in instructions("ENV") for pair in line.split())


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_compose_file_fits_the_compose_schema() -> None:
    run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    run(str(BIN / "hadolint"), "deploy/Dockerfile")


def test_nothing_of_the_compose_file_is_reachable_from_other_machines() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_images_that_are_pulled_are_pinned_to_a_version() -> None:
    pulled = [service["image"] for service in SERVICES.values() if "build" not in service]
    assert all(re.fullmatch(r"(ghcr\.io/)?[a-z/-]+:v?\d+\.\d+\.\d+", image) for image in pulled), pulled
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{jars.version()}"


def test_what_the_compose_file_mounts_is_in_the_repository() -> None:
    volumes = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    mounted = [volume.split(":")[0] for volume in volumes if volume.startswith(".")]
    assert mounted
    assert all((ROOT / path).exists() for path in mounted)


def test_the_variables_given_to_the_consumer_are_settings_of_it() -> None:
    variables = {**environment(), **SERVICES["consumer"]["environment"]}
    ours = {name.removeprefix("SESSION_SCORER_").lower() for name in variables if name.startswith("SESSION_SCORER_")}
    assert "bootstrap_servers" in ours
    assert ours <= setting_names()


def topics() -> dict[str, dict[str, str]]:
    """The settings of every topic that is made, by its name; retention is the only one that differs."""
    script = SERVICES["topics"]["command"][0]
    common = dict(re.findall(r"--config ([\w.]+)=(\w+)", script))
    made = re.findall(r"^create (\S+) (\d+)$", script, re.MULTILINE)
    return {topic: {**common, "retention.ms": retention} for topic, retention in made}


def test_the_topics_made_are_those_the_consumer_uses_by_default() -> None:
    fields = Settings.model_fields
    used = [fields[name].default for name in fields if name.endswith("_topic")]
    assert sorted(topics()) == sorted(used)


def test_what_comes_of_an_event_is_kept_longer_than_the_event_whose_timestamp_it_carries() -> None:
    events = int(topics()["sessions"]["retention.ms"])
    outputs = [int(settings["retention.ms"]) for topic, settings in topics().items() if topic != "sessions"]
    assert min(outputs) > events


def test_the_topics_take_every_timestamp_and_size_that_the_consumer_writes() -> None:
    for settings in topics().values():
        assert settings["message.timestamp.type"] == "CreateTime"
        assert int(settings["message.timestamp.before.max.ms"]) == 2**63 - 1
        assert int(settings["message.timestamp.after.max.ms"]) > MOST_AHEAD_MS
        assert int(settings["max.message.bytes"]) == PRODUCER["message.max.bytes"]


def test_two_consumers_share_the_partitions() -> None:
    partitions = re.search(r"--partitions (\d+)", SERVICES["topics"]["command"][0])
    assert partitions is not None
    assert SERVICES["consumer"]["scale"] == 2
    assert int(partitions[1]) % SERVICES["consumer"]["scale"] == 0


def test_a_plain_up_starts_everything_and_grafana_and_kafka_ui_can_be_left_out() -> None:
    chosen = dict(line.split("=", 1) for line in (ROOT / ".env").read_text().splitlines() if "=" in line)
    profiles = {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service}
    screens = [chosen["COMPOSE_PROFILES"]]
    assert profiles == {"grafana": screens, "kafka-ui": screens, "registry": ["registry"]}


def test_the_consumer_has_the_time_to_stop_that_it_allows_itself() -> None:
    grace = float(SERVICES["consumer"]["stop_grace_period"].removesuffix("s"))
    assert grace > Settings.model_fields["shutdown_seconds"].default


@pytest.mark.parametrize("name", ["consumer", "feeder"])
def test_what_runs_our_code_may_neither_write_nor_gain_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_feeder_knows_its_options() -> None:
    options = [word for word in SERVICES["feeder"]["command"] if word.startswith("--")]
    done = subprocess.run(
        [sys.executable, "examples/feeder.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert options
    assert all(option in done.stdout for option in options)


def test_the_image_runs_as_nobody_in_particular_and_starts_the_consumer() -> None:
    assert instructions("USER")[-1] == "10001:10001"
    assert json.loads(instructions("ENTRYPOINT")[-1]) == ["/opt/session-scorer/bin/session-scorer"]
    assert json.loads(instructions("CMD")[-1]) == ["run"]


def test_what_the_image_is_built_from_is_let_in_and_nothing_else_is() -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert next(rule for rule in rules if not rule.startswith("#")) == "*"
    let_in = [rule[1:] for rule in rules if rule.startswith("!")]
    for path in [path for line in instructions("COPY") if "--from" not in line for path in line.split()[:-1]]:
        assert (ROOT / path).exists()
        assert any(rule == path or rule.startswith(f"{path}/") for rule in let_in), path


def test_what_builds_the_wheel_in_the_image_is_what_the_lock_for_development_holds() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^\S+==\S+", (ROOT / "requirements" / name).read_text(), re.MULTILINE))

    assert any(pin.startswith("hatchling==") for pin in pins("build.txt"))
    assert not any(pin.startswith("twine==") for pin in pins("build.txt"))  # make dist's
    assert pins("build.txt") | pins("dist.txt") <= pins("dev.txt")


def test_the_image_says_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"VERSION={project['version']}" in instructions("ARG")


def test_the_bill_of_materials_lists_what_the_lock_holds_and_lies_where_the_label_says(tmp_path: Path) -> None:
    (command,) = [line for line in instructions("RUN") if "cyclonedx-py" in line]
    tool, *options = shlex.split(command)
    named = tmp_path / options[options.index("--output-file") + 1]
    given = {named.name: str(named), "/opt/session-scorer/bin/python": sys.executable}
    # to hold this environment's 150 packages against CycloneDX's schema takes 8 s; the build does it for the image's 21
    run(str(BIN / Path(tool).name), *(given.get(option, option) for option in options), "--no-validate")
    bill = json.loads(named.read_text())
    listed = {f"{re.sub('[-_.]+', '-', each['name']).lower()}=={each['version']}" for each in bill["components"]}
    locked = set(re.findall(r"^(\S+==\S+) \\", (ROOT / "requirements" / "base.txt").read_text(), re.MULTILINE))
    assert locked
    assert locked <= listed
    (copied,) = [line for line in instructions("COPY") if named.name in line]
    assert f'session-scorer.sbom="{copied.split()[-1]}{named.name}"' in " ".join(instructions("LABEL"))


def healthy(port: int) -> bool:
    """What the image's HEALTHCHECK says, with this machine's Python and this port."""
    _, command = instructions("HEALTHCHECK")[-1].split("CMD", 1)
    _, *options = json.loads(command)
    variables = {"SESSION_SCORER_METRICS_PORT": str(port)}
    return subprocess.run([sys.executable, *options], env=variables, capture_output=True, check=False).returncode == 0


def test_the_image_is_healthy_for_as_long_as_the_loop_moves() -> None:
    clock = FakeClock()
    server = Server("127.0.0.1", 0, CollectorRegistry(), Health(clock, loop_seconds=30))
    try:
        assert healthy(server.port)
        clock.sleep(31)
        assert not healthy(server.port)
    finally:
        server.close()
    assert not healthy(server.port)


def test_prometheus_asks_every_consumer_where_it_answers() -> None:
    (job,) = read_yaml("deploy/prometheus/prometheus.yml")["scrape_configs"]
    (place,) = job["dns_sd_configs"]
    port = environment()["SESSION_SCORER_METRICS_PORT"]
    assert place["names"] == ["consumer"]
    assert str(place["port"]) == port
    assert instructions("EXPOSE") == [port]
    assert SERVICES["consumer"]["ports"][0].endswith(f":{port}")


def test_prometheus_has_the_rules() -> None:
    (rules,) = read_yaml("deploy/prometheus/prometheus.yml")["rule_files"]
    place = f"./deploy/prometheus/{rules}:/etc/prometheus/{rules}:ro"
    assert place in SERVICES["prometheus"]["volumes"]


def test_grafana_finds_its_data_source_and_its_dashboard() -> None:
    (source,) = read_yaml("deploy/grafana/provisioning/datasources/prometheus.yml")["datasources"]
    (provider,) = read_yaml("deploy/grafana/provisioning/dashboards/dashboards.yml")["providers"]
    variable, *_ = DASHBOARD["templating"]["list"]
    assert source["url"] == "http://prometheus:9090"
    assert variable["current"]["value"] == source["uid"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]


def exposed() -> dict[str, set[str]]:
    """Every sample on /metrics, and its labels, after a batch; and what Prometheus has of its own and by its rules."""
    metrics = busy_metrics()
    rules = [rule for group in read_yaml("deploy/prometheus/rules.yml")["groups"] for rule in group["rules"]]
    labels = defaultdict(
        set, OF_PROMETHEUS | {rule["record"]: recorded_labels(rule) for rule in rules if "record" in rule}
    )
    for family in metrics.registry.collect():
        for sample in family.samples:
            labels[sample.name] |= set(sample.labels)
    return labels


def recorded_labels(rule: dict[str, str]) -> set[str]:
    """The labels of a recorded value, which begin its name: job_topic:…"""
    return set(rule["record"].partition(":")[0].split("_"))


def labels_in(query: str) -> Iterator[str]:
    for group in re.findall(r"by \((.+?)\)", query):
        yield from group.split(", ")
    yield from re.findall(r"[{,]\s*(\w+)\s*[=!]", query)


@pytest.mark.parametrize(("title", "query"), [*QUERIES, *queries_of_the_rules()])
def test_a_query_of_dashboard_and_rules_names_only_what_the_consumer_exposes(title: str, query: str) -> None:
    labels = exposed()
    names = re.findall(rf"{RECORDED}|\b(?:session_scorer|process)_\w+|\bALERTS\b|\bup\b", query)
    assert names, title
    assert set(names) <= labels.keys()
    # those two Prometheus adds to all it reads
    assert set(labels_in(query)) - {"job", "instance"} <= {label for name in names for label in labels[name]}


def test_every_metric_of_the_consumer_stands_on_the_dashboard() -> None:
    asked = " ".join(query for _, query in QUERIES)
    ours = [name for name in exposed() if name.startswith("session_scorer_")]
    families = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in ours}
    assert {name for name in families if name not in asked} == set()
