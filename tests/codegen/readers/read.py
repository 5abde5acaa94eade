"""Reads messages into the types of datamodel-code-generator: `read.py FILE`, one message a line, in base64."""

import base64
import importlib
import sys
from pathlib import Path

Message = importlib.import_module("message").ROOT  # generated beside this program
lines = Path(sys.argv[1]).read_text().split()
messages = [Message.model_validate_json(base64.b64decode(line)) for line in lines]
last = [message.model_dump_json(by_alias=True, exclude_unset=True) for message in messages[-2:]]
sys.stdout.write("\n".join([str(len(messages)), *last, ""]))
