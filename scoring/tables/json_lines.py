"""Files of JSON Lines as blocks of text, in which the rows keep their places.

Reading a block, finding its lines and decoding them take compiled loops, which hold no lock: threads can share a file.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.decoding import Decoded, JoinedValues, decode, decode_joined, join_values
from scoring.kernels import compiled_lines
from scoring.kernels.json_text import PADDING
from scoring.tables import source
from scoring.tables.columns import NO_RENAMES, Renames, rename_keys
from scoring.tables.source import Chunk, FileError, Lines, Row, Source, open_bytes

_USUAL_LINE: Final = 256  # bytes; a block with shorter ones is searched twice
_LONGEST_END: Final = 4096  # bytes of a last line that a block has room for from the start
_BOM: Final = b"\xef\xbb\xbf"
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_string: Final = msgspec.json.Decoder(str).decode


class Block(NamedTuple):
    """Complete lines: text[start:end], with PADDING bytes behind them."""

    text: bytearray
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class JsonRows:
    """The lines of a block that are not blank, without the blanks around them."""

    text: bytearray  # with PADDING bytes behind the last row
    starts: NDArray[np.int64]  # (n,)
    ends: NDArray[np.int64]  # (n,)
    renames: Renames = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.starts)

    def decode(self) -> Decoded:
        """Decode the rows that are valid events; collect the faults of the others."""
        if not self.renames:
            return decode_joined(JoinedValues(self.text, self.starts, self.ends))
        decoded = decode([self.event(i) for i in range(len(self))])
        return replace(decoded, learned_keys=None)  # they are not those of the rows

    @property
    def lines(self) -> Lines:
        """The rows as in the file."""
        return Lines(self.text, self.starts, self.ends)

    @property
    def events(self) -> list[Row]:
        """All rows with the contract's names; none has a fault before it is decoded."""
        return [(self.event(i), None) for i in range(len(self))]

    def as_json(self, rows: Sequence[int]) -> list[bytes]:
        """Return these rows as they are in the file."""
        return list(map(self.row, rows))

    def columns(self, rows: Sequence[int]) -> None:
        """Return None: JSON Lines have no columns."""

    def row(self, i: int) -> bytes:
        """Return a row as it is in the file."""
        return bytes(self.text[self.starts[i] : self.ends[i]])

    def event(self, i: int) -> bytes:
        """Return a row with the contract's names for renamed columns."""
        return rename_keys(self.row(i), self.renames) if self.renames else self.row(i)


def open_json_lines(path: Path, renames: Renames) -> Source:
    """Open a file of JSON Lines. Raises FileError while it is read."""
    compiled_lines()  # before there are threads

    def chunks() -> Iterator[Chunk]:
        with open_bytes(path) as file:
            for block in read_blocks(file.bytes, path, source.BLOCK_BYTES):
                yield Chunk(partial(find_rows, block, renames), file.done())

    def keys() -> list[str]:
        with open_bytes(path) as file:
            return collect_keys(read_blocks(file.bytes, path, source.BLOCK_BYTES))

    return Source("jsonl", chunks, keys, renames=renames)


def read_blocks(file: BufferedIOBase, path: Path, block_bytes: int) -> Iterator[Block]:
    """Yield the file in blocks of complete lines, without a byte order mark, which editors write.

    Raises FileError for a line of 16 MiB or more.
    """
    is_first = True
    while (block := _read_block(file, path, block_bytes)) is not None:
        yield block._replace(start=len(_BOM)) if is_first and block.text.startswith(_BOM) else block
        is_first = False


def _read_block(file: BufferedIOBase, path: Path, block_bytes: int) -> Block | None:
    """Return the next block; None at the end of the file."""
    text = bytearray(block_bytes + _LONGEST_END + PADDING)
    with memoryview(text) as view, view[:block_bytes] as room:
        size = file.readinto(room)
    if not size:
        return None
    del text[size:]
    rest = b"" if text.endswith(b"\n") else file.readline(source.LINE_BYTES)
    if len(rest) == source.LINE_BYTES:
        raise FileError(f"{path}: a line of 16 MiB or more: is this JSON Lines, one object a line?")
    text += rest
    text += bytes(PADDING)
    return Block(text, 0, size + len(rest))


def find_rows(block: Block, renames: Renames = NO_RENAMES) -> JsonRows:
    """Find the rows of a block."""
    text = np.frombuffer(block.text, np.uint8)
    find = compiled_lines().find_lines
    count = len(text) // _USUAL_LINE
    starts, ends = np.empty((2, count), np.int64)
    if (found := find(text, block.start, block.end, starts, ends)) > count:
        starts, ends = np.empty((2, found), np.int64)
        find(text, block.start, block.end, starts, ends)
    return JsonRows(block.text, starts[:found], ends[:found], renames)


def join_rows(rows: Sequence[bytes]) -> JsonRows:
    """Return rows of JSON as a block."""
    return JsonRows(*join_values(rows))


def collect_keys(blocks: Iterator[Block]) -> list[str]:
    """Return the keys of all objects in the blocks, in the order of their first appearance."""
    keys: dict[str, None] = {}
    for block in blocks:
        rows = find_rows(block)
        if _has_other_keys(rows, keys):
            for i in range(len(rows)):
                keys.update(dict.fromkeys(_keys_of(rows.row(i))))
    return list(keys)


def _has_other_keys(rows: JsonRows, keys: Mapping[str, Any]) -> bool:
    """Return False when no row has a key but these."""
    decoded = rows.decode()
    if decoded.keys is None or not keys.keys() >= set(map(_string, key_texts(rows.text, decoded.keys))):
        return True
    return any(not keys.keys() >= set(_keys_of(rows.row(i))) for i in decoded.left_positions)


def key_texts(text: bytearray, keys: NDArray[np.int64]) -> list[bytes]:
    """Return the JSON of the keys at these places, (k, 2), which have no escapes."""
    texts = (text[start : start + size] for start, size in keys.tolist())
    return [bytes(key[: key.index(b'"', 1) + 1]) for key in texts]


def _keys_of(row: bytes) -> Sequence[str]:
    """Return the keys of an object; none of what is no object."""
    try:
        return list(_members(row))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []  # rejected, with the reason, when it is scored
