"""Types that a generator makes of docs/api read what the pipeline writes. `python -m tests.codegen` tries others."""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from consumer.records import DEAD_LETTER_CODES
from scoring import LEVELS
from scoring.rules import REASON_CODES
from tests.codegen.generators import CodegenError, install_python, pydantic
from tests.codegen.messages import Messages, messages
from tests.codegen.reading import Reading, read
from tests.support.message_schemas import SCHEMAS

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(300)]  # registries may be slow


@pytest.fixture(scope="module")
def tools() -> Iterator[Path]:
    with TemporaryDirectory() as directory:
        install_python(Path(directory))
        yield Path(directory)


@pytest.fixture(scope="module")
def real() -> Messages:
    return messages()


def test_the_messages_have_every_level_every_code_and_every_form(real: Messages) -> None:
    results = [json.loads(value) for value in real["result"]]
    assert len(results) > 3000
    assert {result["risk_level"] for result in results} == {*LEVELS}
    assert {code for result in results for code in result["reason_codes"]} > {*REASON_CODES}
    assert {"event", "event_schema_id", "event_schema_guid", "event_bytes", "key_bytes"} <= {
        name for result in results for name in result
    }
    letters = [json.loads(headers) for headers in real["dead-letter-headers"]]
    assert {headers["dead_letter.code"] for headers in letters} > {*DEAD_LETTER_CODES}
    assert len(real["alert"]) > 50


@pytest.mark.parametrize("kind", SCHEMAS)
def test_generated_pydantic_types_read_every_message(tools: Path, real: Messages, kind: str, tmp_path: Path) -> None:
    command = pydantic(tools, kind, tmp_path)
    identity = "none" if kind == "dead-letter-headers" else "exact"
    assert read(command, real[kind], tmp_path) == Reading(len(real[kind]), kind != "event", identity)


def test_generated_types_refuse_what_the_schema_refuses(tools: Path, real: Messages, tmp_path: Path) -> None:
    wrong = json.dumps(json.loads(real["result"][0]) | {"risk_level": "low"}).encode()
    command = pydantic(tools, "result", tmp_path)
    with pytest.raises(CodegenError, match="risk_level"):
        read(command, [wrong, wrong], tmp_path)
