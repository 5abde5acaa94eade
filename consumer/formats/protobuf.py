"""Read Protobuf messages as JSON, by Google's compiler and library.

Fields have the names of the schema. A field that tracks its presence is left out when it is absent; another one then
has its default, as proto3 defines it. Bytes are Base64, an enum is its name, as in Protobuf's own JSON; integers of 64
bits are numbers.
"""

import base64
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable, Container, Iterator
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from consumer.errors import WorkerError
from consumer.formats.schema import RegisteredSchema
from consumer.formats.values import JsonValues, encode, read_each, too_deep
from consumer.printable import shortened
from scoring import InvalidEvent
from scoring.contract import DATE, IDENTITIES, MODEL_FIELDS
from scoring.decoding import JoinedValues

_MAIN: Final = "session_scorer_event.proto"
_COMPILE_SECONDS: Final = 30
_WRAPPERS: Final = "google/protobuf/wrappers.proto"
_WELL_KNOWN: Final = "google.protobuf."
_TIMESTAMP: Final = "google.protobuf.Timestamp"
_ANY: Final = "google.protobuf.Any"
_CONFLUENT: Final = "confluent_kafka.schema_registry.confluent"
_BUILT_IN: Final = (_CONFLUENT, f"{_CONFLUENT}.type", f"{_CONFLUENT}.types", "google.type")
"""Packages with the files that registries know, which a schema imports without a reference."""
_TEXTS: Final = frozenset({FieldDescriptor.CPPTYPE_STRING, FieldDescriptor.CPPTYPE_ENUM})
_WARNING: Final = re.compile(r"WARNING|W\d{4} |.* warning: ")
_FIELDS: Final = {*MODEL_FIELDS, *IDENTITIES}


def protobuf_reader(schema: RegisteredSchema) -> Callable[[JoinedValues], JsonValues]:
    """Return the reader of a schema's messages. Raises ValueError if it is no Protobuf schema.

    The reader raises WorkerError for a message whose transaction_date has no wall clock.
    """
    return _MessageReader(schema).read_all


def field_kinds(schema: RegisteredSchema) -> dict[str, set[str]]:
    """Return the kind of JSON value that each field has, in the message with the most fields of the contract.

    Raises as `protobuf_reader` does.
    """
    messages = list(_compile(schema).message_types_by_name.values())
    if not messages:
        return {}
    event = max(messages, key=lambda message: len(_FIELDS & set(message.fields_by_name)))
    _require_wall_clock(schema, event)
    return {field.name: {_kind(field)} for field in event.fields}


def _kind(field: Any) -> str:
    if field.is_repeated:
        return "object" if _is_map(field) else "array"
    if field.message_type is not None and field.message_type.file.name == _WRAPPERS:
        return _kind(field.message_type.fields_by_name["value"])
    if field.message_type is not None:
        return "string" if field.message_type.full_name == _TIMESTAMP else "object"
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return "boolean"
    return "string" if field.cpp_type in _TEXTS else "number"


class _MessageReader:
    """Reads payloads: the indices that lead to the type of a message in its schema, then the message."""

    def __init__(self, schema: RegisteredSchema) -> None:
        self._schema = schema
        self._file = _compile(schema)
        self._types: dict[tuple[int, ...], type[Message]] = {}

    def read_all(self, payloads: JoinedValues) -> JsonValues:
        """Return the messages as JSON."""
        return read_each(payloads, self._read)

    def _read(self, payload: bytes) -> bytes:
        indices, start = _message_indices(payload)
        try:
            return encode(_members(self._type(indices).FromString(payload[start:])))
        except InvalidEvent:
            raise
        except RecursionError:
            raise too_deep() from None
        except (DecodeError, json_format.Error, TypeError, ValueError):  # the last three of a well-known type
            raise InvalidEvent("not_protobuf", None, f"not a message of schema {self._schema.id}") from None

    def _type(self, indices: tuple[int, ...]) -> type[Message]:
        """Return the class of the message that is meant. Raises InvalidEvent and WorkerError."""
        if indices not in self._types:
            found: Any = None
            try:
                for index in indices:
                    types = self._file.message_types_by_name if found is None else found.nested_types_by_name
                    found = list(types.values())[index]
            except IndexError:
                raise InvalidEvent("bad_framing", None, f"schema {self._schema.id} has no such message") from None
            _require_wall_clock(self._schema, found)
            self._types[indices] = GetMessageClass(found)
        return self._types[indices]


def _require_wall_clock(schema: RegisteredSchema, message: Descriptor) -> None:
    field = message.fields_by_name.get(DATE)
    if field is not None and field.message_type is not None and field.message_type.full_name == _TIMESTAMP:
        raise WorkerError(
            f"schema {schema.id}: {DATE} is a {_TIMESTAMP}, which has no wall clock, and the hour of a session is "
            "local: make it a string"
        )


def _message_indices(payload: bytes) -> tuple[tuple[int, ...], int]:
    """Return the indices of a message's type, and where the message begins. Raises InvalidEvent."""
    try:
        count, at = _varint(payload, 0)
        indices = []
        for _ in range(count):
            index, at = _varint(payload, at)
            indices.append(index)
    except IndexError:
        raise InvalidEvent("bad_framing", None, "the indices of the message's type are cut off") from None
    return tuple(indices) or (0,), at  # 0 indices stand for the first message


def _varint(payload: bytes, at: int) -> tuple[int, int]:
    """Return a zigzag varint and the position behind it. Raises InvalidEvent, and IndexError at the end."""
    number = shift = 0
    while (byte := payload[at]) >= 0x80:
        number |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        if shift > 28:
            break
    number |= byte << shift
    if number & 1 or shift > 28:  # negative, or more than any schema has
        raise InvalidEvent("bad_framing", None, "the indices of the message's type are no indices")
    return number >> 1, at + 1


def _members(message: Message) -> dict[str, Any]:
    return {
        field.name: _value(field, getattr(message, field.name))
        for field in type(message).DESCRIPTOR.fields
        if not field.has_presence or message.HasField(field.name)
    }


def _value(field: Any, value: Any) -> Any:
    if not field.is_repeated:
        return _single(field, value)
    if _is_map(field):
        of_keys, of_values = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        return {_key(_single(of_keys, key)): _single(of_values, value[key]) for key in value}
    return [_single(field, item) for item in value]


def _is_map(field: Any) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def _single(field: Any, value: Any) -> Any:
    """Return a value that JSON has. Raises ValueError, and what the JSON of a well-known type raises."""
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return value if known is None else known.name
    kind = field.message_type
    if kind is None:
        return _text_of_bytes(field, value) if isinstance(value, bytes) else value
    if kind.file.name == _WRAPPERS:
        return _single(kind.fields_by_name["value"], value.value)
    if kind.full_name.startswith(_WELL_KNOWN) and kind.full_name != _ANY:  # whose JSON needs the type of its content
        return json_format.MessageToDict(value)
    return _members(value)


def _text_of_bytes(field: Any, value: bytes) -> str:
    if field.type == FieldDescriptor.TYPE_STRING:  # of proto2, whose strings the library does not check
        raise ValueError("not UTF-8")
    return base64.b64encode(value).decode()


def _compile(schema: RegisteredSchema) -> Any:
    """Return the descriptor of the schema's file. Raises ValueError, and WorkerError if the compiler cannot run."""
    try:
        with TemporaryDirectory(prefix="session-scorer-") as directory:
            files = _compiled(schema, Path(directory))
        pool = DescriptorPool()
        for file in files:
            pool.Add(file)
        return pool.FindFileByName(_MAIN)
    except OSError as error:
        raise WorkerError(
            f"schema {schema.id} cannot be compiled: {error.strerror or error}; look at memory and TMPDIR"
        ) from error
    except TypeError as error:  # of the library, for descriptors that protoc lets pass
        raise ValueError("its descriptors do not fit together") from error


def _compiled(schema: RegisteredSchema, directory: Path) -> list[FileDescriptorProto]:
    """Return the descriptors of the schema's file, and before it of those that it imports."""
    root, compiled, output = (directory / name for name in ("sources", "compiled", "descriptors"))
    texts = {**schema.references, _MAIN: schema.text}
    descriptors = FileDescriptorSet(file=_built_in_files(texts))
    for name, text in texts.items():
        if (file := _serialized(name, text)) is not None:
            descriptors.file.append(file)
        else:
            _write_source(root, name, text)
    compiled.write_bytes(descriptors.SerializeToString())
    _run_protoc(root, compiled, output)
    return list(FileDescriptorSet.FromString(output.read_bytes()).file)


def _built_in_files(texts: Container[str]) -> Iterator[FileDescriptorProto]:
    """Yield the files that registries know, except those that are among the texts."""
    for package in filter(find_spec, _BUILT_IN):
        for module in pkgutil.iter_modules(import_module(package).__path__):
            if module.name.endswith("_pb2"):
                file = import_module(f"{package}.{module.name}").DESCRIPTOR
                if file.name not in texts:
                    yield FileDescriptorProto.FromString(file.serialized_pb)


def _serialized(name: str, text: str) -> FileDescriptorProto | None:
    """Return a file as Confluent's client for Python registers it, in Base64; None for a source.

    Confluent's registry makes a source of it; Apicurio's keeps it as it is.
    """
    try:
        file = FileDescriptorProto.FromString(base64.b64decode(text, validate=True))
    except (ValueError, DecodeError):
        return None
    file.name = name
    return file


def _write_source(root: Path, name: str, text: str) -> None:
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise ValueError("a reference has a path outside of the schema")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _run_protoc(root: Path, compiled: Path, output: Path) -> None:
    """Compile in a process of its own: the compiler prints, and may be stopped.

    Raises ValueError with the compiler's first complaint, and OSError if it cannot come to an end.
    """
    command = [sys.executable, "-I", "-m", "grpc_tools.protoc", f"--proto_path={root}", "--include_imports"]
    command += [f"--proto_path={files('grpc_tools') / '_proto'}", f"--descriptor_set_in={compiled}"]
    command += [f"--descriptor_set_out={output}", _MAIN]
    try:
        # the command is ours; what it reads are files of a directory of our own
        done = subprocess.run(command, check=False, capture_output=True, timeout=_COMPILE_SECONDS)  # noqa: S603 - as above
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"protoc did not end within {_COMPILE_SECONDS} s") from None
    if done.returncode < 0:
        raise ChildProcessError(f"protoc was ended by signal {-done.returncode}")
    if done.returncode:
        lines = done.stderr.decode(errors="replace").replace(f"{root}/", "").replace(_MAIN, "schema").splitlines()
        complaints = (line for line in lines if not _WARNING.match(line))
        raise ValueError(f"protoc refuses it: {shortened(next(complaints, ''))}")
