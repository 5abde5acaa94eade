"""Score the content of a file: one event or an array of events in, the same shape out."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from consumer.printable import escaped
from scoring import InvalidEvent, Scorer, Verdict
from scoring.tables import BOM, CSV, HEAD_BYTES, JSON, JSON_LINES, PARQUET, TEXT, UNKNOWN, ObjectSample, recognise

_TOKENS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},"]', re.DOTALL)
_CONTRIBUTION: Final = re.compile(r'\{\s+("feature": .+)\s+("value": .+)\s+("contribution": .+)\s+\}')
_BLANK: Final = b" \t\r\n"
_SEVERAL: Final = re.compile(rb"\}[ \t\r]*\n\s*\{")
_TABLES: Final = "`session-scorer score` takes it, by the ending of its name"


def predict(scorer: Scorer, data: bytes, *, explain: bool = False) -> Any:
    """Return the verdict on one event as a dict, or raise InvalidEvent; for an array return a list.

    An invalid event in an array becomes `{"error": …}`. An object without a known field is invalid here: the file
    holds something else. `explain` adds the base rate and the contributions of all features to each verdict.
    """
    if data.lstrip(_BLANK)[:1] != b"[":
        event = data.strip(_BLANK)
        verdict = scorer.explain(event) if explain else scorer.score(event)
        if (fault := _fault_of_schema(event)) is not None:
            raise fault
        return _as_dict(verdict, explain=explain)
    events = elements(data)
    return [
        _as_dict(verdict if isinstance(verdict, InvalidEvent) else _fault_of_schema(event) or verdict, explain=explain)
        for event, verdict in zip(events, scorer.score_many(events, explain=explain), strict=True)
    ]


def _fault_of_schema(event: bytes) -> InvalidEvent | None:
    """Return an error for a valid event without a known field: where it has them inside, and similar keys."""
    sample = ObjectSample()
    sample.add([event])
    if not sample.is_strange:
        return None
    hints = [f"they are inside {sample.nested_in!r}, give that by itself"] if sample.nested_in else []
    hints += [alike] if (alike := sample.report().lookalikes()) else []
    message = ": ".join(["no field of a session event", *hints])
    return InvalidEvent("no_known_field", None, message)  # type: ignore[arg-type]  # a code of this command alone


def describe(data: bytes) -> str:
    """Describe data that is no JSON, and what to do with it; "" when that is uncertain."""
    head = data[:HEAD_BYTES]
    content = recognise(head)
    if content.kind in {CSV, PARQUET}:
        return f"it is {content.description}: {_TABLES}"
    if content.kind == JSON_LINES and _SEVERAL.search(head):
        return f"it is JSON Lines, an event a line: {_TABLES}"
    if content.kind in {TEXT, UNKNOWN, JSON, JSON_LINES}:
        return "it begins with a byte order mark: save it as UTF-8 without one" if data.startswith(BOM) else ""
    return f"it is {content}"


def errors_in(verdicts: Any) -> Sequence[dict[str, Any]]:
    """Return the errors among the results of `predict`."""
    return [verdict["error"] for verdict in verdicts if "error" in verdict] if isinstance(verdicts, list) else []


def elements(data: bytes) -> list[bytes]:
    """Split a JSON array into its elements, byte for byte. Raises InvalidEvent without its end, or with text after it.

    Only brackets and strings are recognised: an element that is no JSON, or nested too deep, spoils no other.
    """
    depth, start, parts = 0, 0, []
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
            parts.append(data[start : token.start()].strip(_BLANK))
            start = token.end()
        if depth == 0:
            break
    if depth or data[start:].strip(_BLANK):
        raise InvalidEvent("not_json", None, "not JSON")
    return [] if parts == [b""] else parts


def _as_dict(verdict: Verdict | InvalidEvent, *, explain: bool) -> dict[str, Any]:
    if isinstance(verdict, InvalidEvent):
        return {"error": {"code": verdict.code, "field": verdict.field, "message": verdict.message}}
    explanation = {"base_rate": verdict.base_rate, "contributions": verdict.contributions} if explain else {}
    return verdict.as_dict() | explanation


def as_json(verdicts: Any, *, pretty: bool) -> str:
    """Encode as JSON: in one line; when `pretty`, indented, with a line for each contribution."""
    text = msgspec.json.encode(verdicts)
    if not pretty:
        return escaped(text.decode())
    indented = msgspec.json.format(text, indent=2).decode()
    return escaped(_CONTRIBUTION.sub(r"{\1 \2 \3}", indented))
