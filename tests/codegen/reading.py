"""What a program with generated types makes of messages."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.codegen.generators import Command, run
from tests.codegen.messages import IDENTITY, LATER_CODE


class Reading(NamedTuple):
    """How many messages were read, and what of the two unusual ones at the end is still there."""

    messages: int
    later_code: bool
    identity: str  # exact, rounded, or none


def read(command: Command, messages: Sequence[bytes], room: Path) -> Reading:
    """Let the program read the messages, one a line of base64. Raises CodegenError when it refuses one."""
    lines = room / "messages.txt"
    lines.write_bytes(b"".join(base64.b64encode(message) + b"\n" for message in messages))
    count, *last = run([*command, str(lines)], room).splitlines()
    return Reading(int(count), any(LATER_CODE in line for line in last), _identity(json.loads(last[-1])))


def _identity(message: dict[str, object]) -> str:
    found = message.get("user_id")
    if found == IDENTITY and isinstance(found, int):
        return "exact"
    return "rounded" if found == float(IDENTITY) else "none"
