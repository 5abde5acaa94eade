"""Protobuf messages are read by the names of their schema."""

import base64
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass

from consumer.errors import WorkerError
from consumer.formats import protobuf
from consumer.formats.protobuf import protobuf_reader
from consumer.formats.schema import RegisteredSchema
from scoring.decoding import join_values

SESSION = """
syntax = "proto3";
package shop;
import "google/protobuf/wrappers.proto";
import "google/protobuf/timestamp.proto";
import "place.proto";

message Other { int32 number = 1; }
message Session {
  message Inner { string text = 1; }
  enum Kind { NONE = 0; BIG = 1; }
  int64 click_events = 1;
  optional int64 scroll_events = 2;
  double time_on_page = 3;
  float amount = 4;
  string language = 5;
  bool is_new = 6;
  bytes raw = 7;
  Kind kind = 8;
  Inner inner = 9;
  repeated Inner list = 10;
  map<string, int64> counts = 11;
  map<bool, Inner> by_flag = 12;
  google.protobuf.Int64Value wrapped = 13;
  google.protobuf.Timestamp sent_at = 14;
  Place place = 15;
  uint64 large = 16;
  oneof contact { string mail = 17; string phone = 18; }
}
"""
REFERENCES = {"place.proto": 'syntax = "proto3"; message Place { string city = 1; }'}
DEFAULTS = {
    "click_events": 0,
    "time_on_page": 0.0,
    "amount": 0.0,
    "language": "",
    "is_new": False,
    "raw": "",
    "kind": "NONE",
    "list": [],
    "counts": {},
    "by_flag": {},
    "large": 0,
}


def schema(text: str = SESSION, references: dict[str, str] | None = None) -> RegisteredSchema:
    return RegisteredSchema(7, "PROTOBUF", text, REFERENCES if references is None else references)


def message(name: str, values: dict[str, Any]) -> bytes:
    file = protobuf._compile(schema())
    encoded = ParseDict(values, GetMessageClass(file.message_types_by_name[name])(), descriptor_pool=file.pool)
    return encoded.SerializeToString()


def read(payloads: list[bytes], of: RegisteredSchema | None = None) -> tuple[list[Any], dict[int, str]]:
    values = protobuf_reader(of or schema())(join_values(payloads))
    texts = [values.joined.value(row) for row in range(len(payloads))]
    faults = {row: f"{fault.code}: {fault.message}" for row, fault in values.faults.items()}
    return [json.loads(text) if text else None for text in texts], faults


def test_absent_fields_are_gaps_or_defaults() -> None:
    assert read([b"\2\2"]) == ([DEFAULTS], {})


def test_every_kind_of_field_is_read() -> None:
    values = {
        "click_events": -(2**63),
        "scroll_events": 0,
        "time_on_page": 1.5,
        "amount": 0.5,
        "language": "é",
        "is_new": True,
        "raw": "AP8=",
        "kind": "BIG",
        "inner": {"text": "a"},
        "list": [{"text": "b"}, {"text": ""}],
        "counts": {"x": 2**53 + 1},
        "by_flag": {"true": {"text": "c"}},
        "wrapped": 2**60,
        "sent_at": "2026-11-29T10:00:00Z",
        "place": {"city": "Ulm"},
        "large": 2**64 - 1,
        "phone": "",
    }

    assert read([b"\2\2" + message("Session", values)]) == ([values], {})


def test_the_indices_choose_the_message() -> None:
    inner = message("Session", {"inner": {"text": "a"}})[2:]

    values, faults = read([b"\0" + message("Other", {"number": 3}), b"\2\0" + b"", b"\4\2\0" + inner])

    assert (values, faults) == ([{"number": 3}, {"number": 0}, {"text": "a"}], {})


@pytest.mark.parametrize(
    "payload", [b"", b"\2", b"\1\0", b"\2\6", b"\4\0\0", b"\2\x80", b"\xff" * 9, b"\2\xff\xff\xff\xff\x7f"]
)
def test_other_indices_are_bad_framing(payload: bytes) -> None:
    values, faults = read([payload, b"\0"])

    assert values == [None, {"number": 0}]
    assert faults[0].startswith("bad_framing: ")


@pytest.mark.parametrize("content", [b"\x08", b"\x0a\x05a", b"\x07", b"\x2a\1\xff"])
def test_other_bytes_are_not_protobuf(content: bytes) -> None:
    assert read([b"\2\2" + content])[1] == {0: "not_protobuf: not a message of schema 7"}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Timestamp", b"\x08\xff\xff\xff\xff\xff\xff\xff\x7f"),  # seconds: 2**63 - 1
        ("Duration", b"\x08\xff\xff\xff\xff\xff\xff\xff\x7f"),
        ("Struct", b"\x0a\x10\x0a\1a\x12\x0b\x11\0\0\0\0\0\0\xf8\x7f\0\0"),
        ("FieldMask", b"\x0a\2_A"),
    ],
)
def test_a_well_known_type_without_json_is_not_protobuf(kind: str, value: bytes) -> None:
    file = {"Struct": "struct", "FieldMask": "field_mask"}.get(kind, kind.lower())
    text = f"""syntax = "proto3"; import "google/protobuf/{file}.proto";
      message S {{ google.protobuf.{kind} field = 1; }}"""

    values, faults = read([b"\0\x0a" + bytes([len(value)]) + value, b"\0"], schema(text, {}))

    assert values == [None, {}]
    assert faults[0].partition(":")[0] == "not_protobuf"


def test_any_is_its_type_and_bytes() -> None:
    text = """syntax = "proto3"; import "google/protobuf/any.proto"; message S { google.protobuf.Any field = 1; }"""

    assert read([b"\0\x0a\x0a\x0a\3a/b\x12\3abc"], schema(text, {})) == (
        [{"field": {"type_url": "a/b", "value": "YWJj"}}],
        {},
    )


def test_wrapped_bytes_are_base64() -> None:
    text = """syntax = "proto3"; import "google/protobuf/wrappers.proto";
      message S { google.protobuf.BytesValue one = 1; map<int32, google.protobuf.BytesValue> some = 2; }"""

    values = read([b"\0\x0a\4\x0a\2\0\xff\x12\x07\x08\3\x12\3\x0a\1a"], schema(text, {}))

    assert values == ([{"one": "AP8=", "some": {"3": "YQ=="}}], {})


@pytest.mark.parametrize("content", [b"\x0a\1\xff", b"\x12\3\x0a\1\xff"])
def test_a_string_of_proto2_must_be_utf8(content: bytes) -> None:
    text = 'syntax = "proto2"; message S { optional string language = 1; map<string, int32> m = 2; }'

    assert read([b"\0" + content, b"\0\x0a\1a"], schema(text, {})) == (
        [None, {"language": "a", "m": {}}],
        {0: "not_protobuf: not a message of schema 7"},
    )


def test_absent_fields_of_proto2_and_editions_are_gaps() -> None:
    proto2 = "message S { optional int64 click_events = 1 [default = 5]; required int64 n = 2; }"
    edition = 'edition = "2023"; message S { int64 click_events = 1; }'

    assert read([b"\0\x10\1", b"\0"], schema(proto2, {})) == (
        [{"n": 1}, {}],
        {},
    )
    assert read([b"\0", b"\0\x08\0"], schema(edition, {})) == ([{}, {"click_events": 0}], {})


def test_a_field_may_have_the_name_of_an_attribute() -> None:
    text = 'syntax = "proto3"; message S { int32 DESCRIPTOR = 1; int32 class = 2; }'
    assert read([b"\0\x08\1"], schema(text, {})) == ([{"DESCRIPTOR": 1, "class": 0}], {})


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("confluent/type/decimal", "confluent.type.Decimal"),
        ("google/type/datetime", "google.type.DateTime"),
        ("google/type/money", "google.type.Money"),
    ],
)
def test_files_that_registries_know_need_no_reference(file: str, kind: str) -> None:
    text = f"""syntax = "proto3"; import "confluent/meta.proto"; import "{file}.proto";
      message S {{ int64 click_events = 1 [(confluent.field_meta).doc = "x"]; {kind} other = 2; }}"""

    assert read([b"\0\x08\1"], schema(text, {})) == ([{"click_events": 1}], {})
    assert protobuf.field_kinds(schema(text, {})) == {"click_events": {"number"}, "other": {"object"}}


def test_a_reference_comes_before_a_file_that_registries_know() -> None:
    own = 'syntax = "proto3"; package google.type; message Money { string own = 1; }'
    text = 'syntax = "proto3"; import "google/type/money.proto"; message S { google.type.Money m = 1; }'

    read_values = read([b"\0\x0a\3\x0a\1a"], schema(text, {"google/type/money.proto": own}))

    assert read_values == ([{"m": {"own": "a"}}], {})


def test_the_kinds_are_those_of_the_message_with_most_fields_of_the_contract() -> None:
    text = """syntax = "proto3"; import "google/protobuf/timestamp.proto";
      message A { google.protobuf.Timestamp transaction_date = 1; }
      message B { int64 click_events = 1; string language = 2; map<string, int32> counts = 3; }"""

    assert protobuf.field_kinds(schema(text, {})) == {
        "click_events": {"number"},
        "language": {"string"},
        "counts": {"object"},
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('syntax = "proto3";\nmessage S { int32 a = ; }', "protoc refuses it: schema:2:23: Expected field number."),
        ('import "google/protobuf/empty.proto"; import "a/b.proto";', "protoc refuses it: a/b.proto: File not found."),
    ],
)
def test_a_refused_schema_has_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"^protoc") as raised:
        protobuf_reader(schema(text, {}))
    assert str(raised.value) == reason


def test_a_directory_that_cannot_be_written_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with pytest.raises(
        WorkerError, match=r"^schema 7 cannot be compiled: No such file or directory; look at memory and TMPDIR$"
    ):
        protobuf_reader(schema())


@pytest.mark.parametrize(
    ("program", "message"),
    [("kill -9 $$", "protoc was ended by signal 9; look at memory"), ("sleep 9", "protoc did not end within 0.1 s")],
)
def test_a_compiler_that_is_stopped_is_an_error(
    program: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stopped = tmp_path / "python"
    stopped.write_text(f"#!/bin/sh\nexec 2>&-; {program}\n")
    stopped.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stopped))
    monkeypatch.setattr(protobuf, "_COMPILE_SECONDS", 0.1 if "sleep" in program else 30)
    with pytest.raises(WorkerError, match=f"^schema 7 cannot be compiled: {message}"):
        protobuf_reader(schema())


def test_a_number_of_the_contract_must_be_finite() -> None:
    values, faults = read(
        [b"\2\2" + message("Session", {"time_on_page": "NaN"}), b"\2\2" + message("Session", {"amount": "Infinity"})]
    )

    assert faults.keys() == {0}
    assert faults[0].startswith("out_of_range: time_on_page")
    assert values[1]["amount"] is None


def test_a_date_without_a_wall_clock_is_refused() -> None:
    text = """syntax = "proto3"; import "google/protobuf/timestamp.proto";
      message S { google.protobuf.Timestamp transaction_date = 1; }"""

    with pytest.raises(
        WorkerError, match=r"^schema 7: transaction_date is a google.protobuf.Timestamp, which has no wall"
    ):
        read([b"\0"], schema(text, {}))


def test_a_message_nested_in_itself_is_not_protobuf() -> None:
    text = 'syntax = "proto3"; message S { S next = 1; }'
    nested = b""
    for _ in range(5000):
        size = len(nested)
        nested = b"\x0a" + (bytes([size & 127 | 128, size >> 7]) if size > 127 else bytes([size])) + nested

    assert read([b"\0" + nested], schema(text, {}))[1][0].partition(":")[0] == "not_protobuf"


@pytest.mark.parametrize("reference_is_source", [True, False])
def test_a_schema_in_base64_is_read(reference_is_source: bool) -> None:
    compiled = protobuf._compile(schema())
    (place,) = [file for file in compiled.dependencies if file.name == "place.proto"]
    text, reference = (base64.b64encode(file.serialized_pb).decode() for file in (compiled, place))
    of = schema(text, REFERENCES if reference_is_source else {"place.proto": reference})
    payload = b"\0" + message("Session", {"click_events": 3, "place": {"city": "Pune"}})

    assert read([payload], of) == read([payload])


@pytest.mark.parametrize(
    ("text", "references"),
    [
        ("message", {}),
        ("Zm9v", {}),
        ('syntax = "proto3"; import "nowhere.proto";', {}),
        ('syntax = "proto3"; import "../x.proto";', {"../x.proto": 'syntax = "proto3";'}),
        ('syntax = "proto3"; import "/x.proto";', {"/etc/session-scorer.proto": 'syntax = "proto3";'}),
    ],
)
def test_other_text_is_no_schema(text: str, references: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"protoc refuses it|a path outside"):
        protobuf_reader(schema(text, references))
    assert not Path("/etc/session-scorer.proto").exists()
