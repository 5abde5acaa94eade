"""The objects of deploy/kubernetes as kustomize makes them, and what each of their kinds must look like."""

import json
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from tests.support.go_programs import KUSTOMIZE, PACKAGES, ROOT, GoProgram

KUBERNETES = ROOT / "deploy" / "kubernetes"
SCHEMAS = Path(__file__).parent / "schemas"
PLACES = ["base", "overlays/production", "overlays/scram", "strimzi"]
OF_WORKERS = PLACES[:3]
Object = dict[str, Any]


@cache
def objects(place: str) -> list[Object]:
    """All of one place: read, not changed."""
    return rendered(KUSTOMIZE, "build", KUBERNETES / place)


def rendered(program: GoProgram, *arguments: str | Path) -> list[Object]:
    """Return the objects that the program prints; the test is skipped where there is no Go to build it with."""
    if shutil.which("go") is None and not program.path.exists():
        pytest.skip(f"no go to build {program.name} with ({PACKAGES})")
    return [each for each in YAML(typ="safe").load_all(program.run(*arguments)) if each]


def those(place: str, kind: str) -> list[Object]:
    """All objects of one kind."""
    return [each for each in objects(place) if each["kind"] == kind]


def one(place: str, kind: str) -> Object:
    """The only object of its kind."""
    (found,) = those(place, kind)
    return found


def pod(place: str) -> Any:
    """What a worker's pod is made from: metadata and spec."""
    return one(place, "StatefulSet")["spec"]["template"]


def container(place: str) -> Any:
    """The worker itself."""
    (found,) = pod(place)["spec"]["containers"]
    return found


def variables(place: str) -> dict[str, str]:
    """The environment that a worker is given: all of it comes from the one ConfigMap."""
    (source,) = container(place)["envFrom"]
    (found,) = [
        each for each in those(place, "ConfigMap") if each["metadata"]["name"] == source["configMapRef"]["name"]
    ]
    return dict(found["data"])


def complaints(thing: Object, version: str) -> list[str]:
    """What an API server of this version of Kubernetes would say of it; what is an operator's has its own versions."""
    path = SCHEMAS / f"{thing['kind'].lower()}.json"
    if not path.exists():
        return _of_kubernetes(thing, version)
    kept = json.loads(path.read_text())
    if thing["apiVersion"] != kept["apiVersion"]:
        return [f"{thing['apiVersion']} is not {kept['apiVersion']}"]
    return [error.message for error in Draft202012Validator(_closed(kept["schema"])).iter_errors(thing)]


def _of_kubernetes(thing: Object, version: str) -> list[str]:
    try:
        kubernetes_validate.validate(thing, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [error.message]
    return []


def _closed(schema: Any) -> Any:
    """The same schema, which now refuses fields that it does not name, as the API server does (kubectl's
    --validate=strict); by JSON Schema's own rule a misspelt field would be any field."""
    closed = dict(schema)
    if "properties" in schema:
        closed["properties"] = {name: _closed(each) for name, each in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            closed.setdefault("additionalProperties", False)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            closed[name] = _closed(schema[name])
    return closed


def every_text(node: Any) -> Iterator[str]:
    """Each text in it, however deep."""
    if isinstance(node, dict):
        node = [*node.keys(), *node.values()]
    if isinstance(node, list):
        for each in node:
            yield from every_text(each)
    elif isinstance(node, str):
        yield node
