"""What `predict` makes of a file: one event or an array of them in, the same shape out."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from consumer.printable import escaped
from scoring import InvalidEvent, Scorer, Verdict
from scoring.tables.file_format import (
    BOM,
    CSV,
    HEAD_BYTES,
    JSON,
    JSON_LINES,
    PARQUET,
    TEXT,
    UNKNOWN,
    recognise,
)

_TOKENS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},"]', re.DOTALL)
_BLANK: Final = b" \t\r\n"
_SEVERAL: Final = re.compile(rb"\}[ \t\r]*\n\s*\{")
_TABLES: Final = "`session-scorer score` takes it, by the ending of its name"


def predict(scorer: Scorer, data: bytes) -> Any:
    """For one event its verdict as a dict, or InvalidEvent raised; for an array a list, `{"error": …}` in it for each
    that is invalid."""
    if data.lstrip(_BLANK)[:1] != b"[":
        return scorer.score(data.strip(_BLANK)).as_dict()
    return [_shown(answer) for answer in scorer.score_many(elements(data))]


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
