"""deploy/kubernetes: kinds as clusters know them, and a worker that runs as it must. Rendered for real, no cluster."""

import copy
import http.client
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from ruamel.yaml import YAML

from consumer.app import _LAST_RESORT_SECONDS
from consumer.config import settings, sources
from consumer.config.client_properties import KAFKA
from consumer.config.settings import PREFIX, Settings, setting_names
from consumer.kafka.properties import CONSUMER, PRODUCER
from consumer.observability.health import Health
from consumer.observability.http_server import Server
from tests.deploy.manifests import (
    KUBERNETES,
    OF_WORKERS,
    PLACES,
    complaints,
    container,
    every_text,
    objects,
    one,
    pod,
    those,
    variables,
)
from tests.support.go_programs import ROOT
from tools.make_prometheus_rule import OBJECT, RULES, prometheus_rule

DOCUMENT = Path(__file__).parents[2] / "docs" / "kubernetes.md"
VERSIONS = ["1.31", "1.37"]  # the oldest that docs/kubernetes.md names, and the newest whose schemas are here
MIB = 1024 * 1024

# the first test may have to build kustomize
pytestmark = [pytest.mark.deploy, pytest.mark.timeout(600)]


@pytest.mark.parametrize("kubernetes", VERSIONS)
@pytest.mark.parametrize("place", PLACES)
def test_every_object_fits_the_schema_of_its_kind(place: str, kubernetes: str) -> None:
    found = {f"{each['kind']}/{each['metadata']['name']}": complaints(each, kubernetes) for each in objects(place)}
    assert len(found) == len(objects(place))
    assert not {name: said for name, said in found.items() if said}


@pytest.mark.parametrize("place", PLACES)
def test_a_misspelt_field_would_be_found_in_every_kind(place: str) -> None:
    for each in objects(place):
        broken = copy.deepcopy(each)
        broken.setdefault("spec" if "spec" in each else "metadata", {})["replicsa"] = 2
        assert any("replicsa" in said for said in complaints(broken, VERSIONS[-1])), each["kind"]


@pytest.mark.parametrize("place", OF_WORKERS)
def test_the_image_is_of_the_version_that_is_here(place: str) -> None:
    assert container(place)["image"].rpartition(":")[2] == version("session-scorer")


@pytest.mark.parametrize("place", OF_WORKERS)
def test_the_workers_take_their_environment(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables(place).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(PREFIX + "CONFIG", raising=False)  # it is a Secret's
    chosen = settings.load_settings()
    assert chosen.bootstrap_servers == variables(place)[PREFIX + "BOOTSTRAP_SERVERS"]
    assert chosen.metrics_host == "0.0.0.0"
    # a variable that spells no property of Kafka is not refused, it is passed over
    assert len(chosen.kafka) == sum(name.startswith("KAFKA_") for name in variables(place))


@pytest.mark.parametrize("place", OF_WORKERS)
def test_the_variables_are_settings(place: str) -> None:
    ours = {name.removeprefix(PREFIX).lower() for name in variables(place) if name.startswith(PREFIX)}
    assert ours
    assert ours <= setting_names()


@pytest.mark.parametrize("place", OF_WORKERS)
def test_no_variable_of_a_service_reaches_the_worker_which_would_warn_of_it(place: str) -> None:
    service = one(place, "Service")["metadata"]["name"]
    variable = f"{service.upper().replace('-', '_')}_SERVICE_HOST"
    assert variable in "".join(sources.ignored_variables({variable: "10.0.0.1"}))
    assert pod(place)["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_stands_in_what_is_rendered(place: str) -> None:
    assert those(place, "Secret") == []
    for each in those(place, "ConfigMap"):
        names = {KAFKA.property_name(name): value for name, value in each["data"].items() if "KAFKA_" in name}
        assert KAFKA.masked(names) == names
    assert not [text for text in every_text(objects(place)) if "PRIVATE KEY" in text]


@pytest.mark.parametrize("place", OF_WORKERS)
def test_nothing_but_the_config_map_makes_the_environment(place: str) -> None:
    assert "env" not in container(place)
    assert "initContainers" not in pod(place)["spec"]


@pytest.mark.parametrize("place", ["overlays/production", "overlays/scram"])
def test_every_file_that_a_variable_names_is_mounted_from_a_secret_for_the_worker_alone(place: str) -> None:
    files = {value for value in variables(place).values() if value.startswith("/")}
    (mount,) = [each for each in container(place)["volumeMounts"] if each["name"] == "kafka"]
    (volume,) = [each for each in pod(place)["spec"]["volumes"] if each["name"] == "kafka"]
    assert files
    assert {str(Path(each).parent) for each in files} == {mount["mountPath"]}
    assert mount["readOnly"] is True
    assert (volume.get("secret") or volume["projected"])["defaultMode"] == 0o440
    sources = volume.get("projected", {}).get("sources", [])
    names = {item["path"] for source in sources for item in source["secret"]["items"]}
    assert not sources or names == {Path(each).name for each in files}


def test_the_settings_file_of_the_example_is_one_and_its_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + "CONFIG", str(KUBERNETES / "overlays" / "scram" / "settings.toml.example"))
    chosen = settings.load_settings()
    (mount,) = [each for each in container("overlays/scram")["volumeMounts"] if each["name"] == "kafka"]
    assert chosen.kafka["sasl.password"] == "the password"
    assert "the password" not in str(settings.masked(chosen))
    assert Path(chosen.kafka["ssl.ca.location"]).parent == Path(mount["mountPath"])


@pytest.mark.parametrize("place", OF_WORKERS)
def test_a_worker_has_the_time_to_stop_that_it_allows_itself(place: str) -> None:
    stop = Settings.model_fields["shutdown_seconds"].default + _LAST_RESORT_SECONDS
    assert pod(place)["spec"]["terminationGracePeriodSeconds"] > stop


@pytest.mark.parametrize("place", OF_WORKERS)
def test_a_worker_has_the_memory_that_its_settings_allow_with_three_brokers(place: str) -> None:
    queues = int(CONSUMER["queued.max.messages.kbytes"]) * 1024 + int(PRODUCER["queue.buffering.max.kbytes"]) * 1024
    answers = 3 * int(CONSUMER["fetch.max.bytes"])
    batch = 4 * Settings.model_fields["batch_bytes"].default
    least = 190 * MIB + queues + answers + batch  # docs/delivery.md, Memory
    resources = container(place)["resources"]
    assert int(resources["requests"]["memory"].removesuffix("Mi")) * MIB >= least
    assert int(resources["limits"]["memory"].removesuffix("Mi")) >= 710  # the worst of the bombs there
    assert "cpu" not in resources["limits"]


@pytest.mark.parametrize("place", OF_WORKERS)
def test_the_probes_ask_what_the_worker_answers(place: str) -> None:
    probes = {name: container(place)[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    server = Server("127.0.0.1", 0, CollectorRegistry(), Health())
    try:
        said = {name: status(server.port, each["path"]) for name, each in probes.items()}
    finally:
        server.close()
    # no broker has answered it: that is no reason to start it anew
    assert said == {"startupProbe": 200, "livenessProbe": 200, "readinessProbe": 503}
    assert {each["port"] for each in probes.values()} == {"metrics"}


def status(port: int, path: str) -> int:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        link.request("GET", path)
        return link.getresponse().status
    finally:
        link.close()


@pytest.mark.parametrize("place", OF_WORKERS)
def test_a_worker_is_nobody_may_gain_nothing_and_writes_to_tmp_alone(place: str) -> None:
    assert pod(place)["spec"]["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "fsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container(place)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    # what is written goes to /dev/shm, which every pod has
    assert all(each.get("readOnly") for each in container(place).get("volumeMounts", []))
    assert pod(place)["spec"]["automountServiceAccountToken"] is False
    assert one(place, "ServiceAccount")["automountServiceAccountToken"] is False
    assert one(place, "Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("place", OF_WORKERS)
def test_a_version_that_never_gets_ready_does_not_block_the_next_one(place: str) -> None:
    spec = one(place, "StatefulSet")["spec"]
    assert spec["podManagementPolicy"] == "Parallel"
    assert spec["serviceName"] == one(place, "Service")["metadata"]["name"]
    assert one(place, "Service")["spec"]["clusterIP"] == "None"


@pytest.mark.parametrize("place", OF_WORKERS)
def test_everything_about_the_workers_finds_them(place: str) -> None:
    labels = pod(place)["metadata"]["labels"].items()
    selectors = [
        one(place, "StatefulSet")["spec"]["selector"]["matchLabels"],
        one(place, "Service")["spec"]["selector"],
        one(place, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        one(place, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        *(each["labelSelector"]["matchLabels"] for each in pod(place)["spec"]["topologySpreadConstraints"]),
        *(each["spec"]["selector"]["matchLabels"] for each in those(place, "PodMonitor")),
    ]
    assert all(selector and selector.items() <= labels for selector in selectors)


@pytest.mark.parametrize("place", OF_WORKERS)
def test_the_metrics_are_where_everybody_looks_for_them(place: str) -> None:
    (port,) = container(place)["ports"]
    (served,) = one(place, "Service")["spec"]["ports"]
    (let_in,) = one(place, "NetworkPolicy")["spec"]["ingress"]
    assert str(port["containerPort"]) == variables(place)[PREFIX + "METRICS_PORT"]
    assert port["containerPort"] == Settings.model_fields["metrics_port"].default
    assert (served["port"], served["targetPort"]) == (port["containerPort"], port["name"])
    assert [each["port"] for each in let_in["ports"]] == [port["containerPort"]]
    for monitor in those(place, "PodMonitor"):
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        assert (endpoint["port"], endpoint["path"]) == (port["name"], "/metrics")


@pytest.mark.parametrize("place", OF_WORKERS)
def test_the_network_lets_a_worker_reach_the_brokers_and_dns_and_nobody_else(place: str) -> None:
    policy = one(place, "NetworkPolicy")["spec"]
    brokers = variables(place)[PREFIX + "BOOTSTRAP_SERVERS"].split(",")
    kafka, names = policy["egress"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert {each["port"] for each in kafka["ports"]} == {int(each.rpartition(":")[2]) for each in brokers}
    assert {each["port"] for each in names["ports"]} == {53}
    assert all(rule.get("to") for rule in policy["egress"])  # an empty one is everybody
    assert all(rule.get("from") for rule in policy["ingress"])


def test_the_operator_has_the_rules_that_ship_with_the_overlays_runbook() -> None:
    url = YAML(typ="safe").load(KUBERNETES / "overlays" / "production" / "runbook.yaml")["data"]["url"]
    written = one("overlays/production", "PrometheusRule")["spec"]["groups"]
    assert url.startswith("https://")
    expected = re.sub(r"(?<=runbook_url: )\S+(?=#)", url, RULES.read_text(encoding="utf-8"))
    assert written == YAML(typ="safe").load(expected)["groups"]
    assert OBJECT.read_text(encoding="utf-8") == prometheus_rule(), (
        f"{OBJECT} is out of date: run python -m tools.make_prometheus_rule"
    )


def test_the_job_is_the_one_that_the_alerts_ask_for() -> None:
    label = one("overlays/production", "PodMonitor")["spec"]["jobLabel"]
    asked = set(re.findall(r'job="(.+?)"', RULES.read_text()))
    assert asked == {pod("overlays/production")["metadata"]["labels"][label]}


def test_the_document_names_every_secret_and_nothing_that_is_not_there() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for place in OF_WORKERS:
        assert all(f"secret generic {name}" in text or f"docker-registry {name}" in text for name in secrets(place))
    paths = re.findall(r"deploy/kubernetes[\w/.-]*\w", text)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def secrets(place: str) -> set[str]:
    """The names of those that a pod is waiting for."""
    spec = pod(place)["spec"]
    volumes = [each.get("secret", {}).get("secretName") for each in spec.get("volumes", [])]
    projected = [source for each in spec.get("volumes", []) for source in each.get("projected", {}).get("sources", [])]
    pulled = [each["name"] for each in spec.get("imagePullSecrets", [])]
    found: list[Any] = [*volumes, *(source["secret"]["name"] for source in projected), *pulled]
    return {name for name in found if name}
