"""What `predict` makes of a file: one event or an array of them in, the same shape out."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from consumer.printable import escaped
from scoring import InvalidEvent, Scorer, Verdict
from scoring.tables import BOM, CSV, HEAD_BYTES, JSON, JSON_LINES, PARQUET, TEXT, UNKNOWN, ObjectSample, recognise

_TOKENS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},"]', re.DOTALL)
_BLANK: Final = b" \t\r\n"
_SEVERAL: Final = re.compile(rb"\}[ \t\r]*\n\s*\{")
_TABLES: Final = "`session-scorer score` takes it, by the ending of its name"


def predict(scorer: Scorer, data: bytes) -> Any:
    """For one event its verdict as a dict, or InvalidEvent raised; for an array a list, `{"error": …}` in it for each
    that is invalid. An object with no field of an event is invalid here: a file holds something else."""
    if data.lstrip(_BLANK)[:1] != b"[":
        event = data.strip(_BLANK)
        verdict = scorer.score(event)
        if (fault := _fault_of_schema(event)) is not None:
            raise fault
        return verdict.as_dict()
    events = elements(data)
    return [
        _shown(answer if isinstance(answer, InvalidEvent) else _fault_of_schema(event) or answer)
        for event, answer in zip(events, scorer.score_many(events), strict=True)
    ]


def _fault_of_schema(event: bytes) -> InvalidEvent | None:
    """Say that a valid event has no known field, where it has them inside, and which keys look like one."""
    sample = ObjectSample()
    sample.add([event])
    if not sample.is_strange:
        return None
    hints = [f"they are inside {sample.nested_in!r}, give that by itself"] if sample.nested_in else []
    hints += [alike] if (alike := sample.report().lookalikes()) else []
    message = ": ".join(["no field of a session event", *hints])
    return InvalidEvent("no_known_field", None, message)  # type: ignore[arg-type]  # a code of this command alone


def described(data: bytes) -> str:
    """Say what data that is no JSON holds, and what to do about it; "" where that is not certain."""
    head = data[:HEAD_BYTES]
    found = recognise(head)
    if found.kind in {CSV, PARQUET}:
        return f"it is {found.description}: {_TABLES}"
    if found.kind == JSON_LINES and _SEVERAL.search(head):
        return f"it is JSON Lines, an event a line: {_TABLES}"
    if found.kind in {TEXT, UNKNOWN, JSON, JSON_LINES}:
        return "it begins with a byte order mark: save it as UTF-8 without one" if data.startswith(BOM) else ""
    return f"it is {found}"


def invalid(answers: Any) -> Sequence[dict[str, Any]]:
    """The errors among what `predict` returned."""
    return [answer["error"] for answer in answers if "error" in answer] if isinstance(answers, list) else []


def elements(data: bytes) -> list[bytes]:
    """The elements of a JSON array, byte for byte. Raises InvalidEvent when it has no end, or something after it.

    Only brackets and strings are told apart: what is no JSON inside an element, or nested beyond measure, is that
    element's fault and no other's.
    """
    depth, start, found = 0, 0, []
    for token in _TOKENS.finditer(data):
        sign = token[0]
        if sign in b"[{":
            depth += 1
            start = token.end() if depth == 1 else start
        elif sign in b"]}":
            depth -= 1
        elif sign == b'"':  # a string without end
            break
        if depth == 0 or (sign == b"," and depth == 1):
            found.append(data[start : token.start()].strip(_BLANK))
            start = token.end()
        if depth == 0:
            break
    if depth or data[start:].strip(_BLANK):
        raise InvalidEvent("not_json", None, "not JSON")
    return [] if found == [b""] else found


def _shown(answer: Verdict | InvalidEvent) -> dict[str, Any]:
    if isinstance(answer, InvalidEvent):
        return {"error": {"code": answer.code, "field": answer.field, "message": answer.message}}
    return answer.as_dict()


def as_json(answers: Any, *, pretty: bool) -> str:
    """For a person when `pretty`, else in one line."""
    text = msgspec.json.encode(answers)
    return escaped((msgspec.json.format(text, indent=2) if pretty else text).decode())
