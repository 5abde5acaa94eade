"""deploy/helm: the chart's objects are those of deploy/kubernetes but for names, and wrong values are refused."""

import copy
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.manifests import Object, complaints, objects, rendered
from tests.support.go_programs import HELM, ROOT, GoProgramError

CHART = ROOT / "deploy" / "helm" / "session-scorer"
EXAMPLES = {"base": None, "overlays/scram": "scram.yaml", "overlays/production": "certificates.yaml"}
# kubectl creates the namespace before its Secrets; the operators' objects come from deploy/kubernetes
NOT_IN_THE_CHART = {"Namespace", "PodMonitor", "PrometheusRule", "ScaledObject", "TriggerAuthentication"}

# the first test may have to build helm
pytestmark = [pytest.mark.deploy, pytest.mark.timeout(900)]


def values(place: str) -> list[str | Path]:
    example = EXAMPLES[place]
    return [] if example is None else ["--values", CHART / "examples" / example]


def chart(place: str, *options: str, release: str = "session-scorer") -> list[Object]:
    return rendered(HELM, "template", release, CHART, "--namespace", release, *values(place), *options)


def without_hash(objects: list[Object]) -> dict[str, Any]:
    """Return the objects by kind, the ConfigMap and what refers to it without the hash at the end of its name."""
    found = {each["kind"]: each for each in objects if each["kind"] not in NOT_IN_THE_CHART}
    pod = found["StatefulSet"]["spec"]["template"]["spec"]
    names = [found["ConfigMap"]["metadata"], pod["containers"][0]["envFrom"][0]["configMapRef"]]
    assert names[0]["name"] == names[1]["name"]
    for each in names:
        each["name"] = each["name"].rpartition("-")[0]
    return found


@pytest.mark.parametrize("place", EXAMPLES)
def test_the_objects_are_those_of_kustomize(place: str) -> None:
    found = chart(place)
    assert len(found) == len({each["kind"] for each in found}) == 6
    assert without_hash(found) == without_hash(copy.deepcopy(objects(place)))


@pytest.mark.parametrize("place", EXAMPLES)
def test_lint_finds_nothing(place: str) -> None:
    assert "0 chart(s) failed" in HELM.run("lint", "--strict", CHART, *values(place))


def test_another_release_shares_no_name_and_no_label() -> None:
    release = "rescore"
    for each in chart("base", release=release):
        assert each["metadata"]["name"].startswith(release)
        assert each["metadata"]["namespace"] == release
        assert "session-scorer" not in str(each).replace("session-scorer:", "").replace("'name': 'session-scorer'", "")


def test_a_changed_setting_is_another_config_map() -> None:
    names = {
        each["metadata"]["name"]
        for level in ("info", "debug")
        for each in chart("base", "--set", f"settings.SESSION_SCORER_LOG_LEVEL={level}")
        if each["kind"] == "ConfigMap"
    }
    assert len(names) == 2


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("replcas=3", "replcas"),
        ("image.name=mine", "name"),
        ("replicas=two", "replicas"),
        ("settings.BOOTSTRAP_SERVERS=kafka:9092", "BOOTSTRAP_SERVERS"),
        ("settings.SESSION_SCORER_METRICS_PORT=9108", "SESSION_SCORER_METRICS_PORT"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(option: str, message: str) -> None:
    with pytest.raises(GoProgramError, match=message):
        chart("base", "--set", option)


@pytest.mark.parametrize("place", EXAMPLES)
def test_every_object_fits_the_schema_of_its_kind(place: str) -> None:
    assert [said for each in chart(place) for said in complaints(each, "1.31")] == []


def test_the_version_is_that_of_the_program() -> None:
    text = (CHART / "Chart.yaml").read_text(encoding="utf-8")
    assert re.findall(r'^(?:version|appVersion): "?([^"\n]+)', text, re.MULTILINE) == [version("session-scorer")] * 2
