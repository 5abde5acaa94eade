"""docs/api/asyncapi.yaml, read by AsyncAPI's own parser (npm: tests/deploy/asyncapi).

Of version 3 that parser leaves the examples alone: tests/test_messages.py looks at them.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tools.make_messages import document

HERE = Path(__file__).parent / "asyncapi"
DOCUMENT = Path(__file__).parents[2] / "docs" / "api" / "asyncapi.yaml"
ERROR = 0  # the severity of a diagnostic; 1 is a warning, 2 and 3 are hints

Diagnose = Callable[[str], list[Any]]

pytestmark = pytest.mark.deploy


@pytest.fixture(scope="module")
def diagnose() -> Iterator[Diagnose]:
    """Asks the parser what it says of a document. Where there is no npm the test is skipped; CI has it."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("no npm: install Node.js 20")
    with TemporaryDirectory() as directory:
        place = shutil.copytree(HERE, directory, dirs_exist_ok=True)
        subprocess.run([npm, "ci"], cwd=place, check=True, stdin=subprocess.DEVNULL, timeout=100)

        def ask(text: str) -> list[Any]:
            done = subprocess.run(
                [node, "diagnose.js"], cwd=place, input=text.encode(), capture_output=True, check=True
            )
            found: list[Any] = json.loads(done.stdout)
            return found

        yield ask


def errors(diagnostics: list[Any]) -> list[str]:
    return [f"{'.'.join(each['path'])}: {each['message']}" for each in diagnostics if each["severity"] == ERROR]


def test_the_lock_has_a_hash_for_every_package_and_names_no_registry() -> None:
    root, *packages = json.loads((HERE / "package-lock.json").read_text(encoding="utf-8"))["packages"].values()
    assert root["dependencies"] == {"@asyncapi/parser": "3.6.3"}
    assert all(each["integrity"].startswith("sha512-") for each in packages)
    assert not any("resolved" in each for each in packages)


def test_asyncapi_s_own_parser_finds_nothing_wrong_with_the_document(diagnose: Diagnose) -> None:
    found = diagnose(DOCUMENT.read_text(encoding="utf-8"))
    assert [each["code"] for each in found] == ["asyncapi-latest-version"]  # 3.1 is out, and fewer tools read it
    assert errors(found) == []


def without_a_channel(broken: Any) -> None:
    del broken["channels"]["results"]


def with_an_action_that_is_none(broken: Any) -> None:
    broken["operations"]["send_results"]["action"] = "publish"


def with_a_type_that_is_none(broken: Any) -> None:
    broken["components"]["schemas"]["event"]["properties"]["click_events"]["type"] = "count"


def with_a_message_that_is_nowhere(broken: Any) -> None:
    broken["channels"]["alerts"]["messages"]["alert"]["$ref"] = "#/components/messages/alarm"


def with_a_version_that_is_none(broken: Any) -> None:
    broken["asyncapi"] = "3"


@pytest.mark.parametrize(
    ("damage", "place"),
    [
        (without_a_channel, "channels"),
        (with_an_action_that_is_none, "operations"),
        (with_a_type_that_is_none, "components.schemas"),
        (with_a_message_that_is_nowhere, "operations.send_alerts"),
        (with_a_version_that_is_none, "asyncapi"),
    ],
)
def test_a_document_that_is_broken_is_refused(diagnose: Diagnose, damage: Callable[[Any], None], place: str) -> None:
    broken = json.loads(json.dumps(document()))
    damage(broken)
    found = errors(diagnose(json.dumps(broken)))
    assert any(place in each for each in found), found
