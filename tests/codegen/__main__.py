"""Generates types from docs/api by each generator, lets them read messages, and prints how that went.

`python -m tests.codegen`, by hand: it needs Node.js 20, npm, Go, a JDK 17 and Maven, and takes two minutes.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.codegen.generators import GENERATORS, CodegenError, install_others, install_python
from tests.codegen.messages import messages
from tests.codegen.reading import read


def main() -> None:
    failed = False
    sys.stdout.write("| types | schema | messages read | later code | 30-digit identity |\n|---|---|---|---|---|\n")
    with TemporaryDirectory(prefix="codegen-") as directory:
        tools = Path(directory)
        install_python(tools)
        install_others(tools)
        for kind, values in messages().items():
            for generate in GENERATORS:
                room = tools / f"{generate.__name__}-{kind}"
                room.mkdir()
                try:
                    reading = read(generate(tools, kind, room), values, room)
                except CodegenError as error:
                    failed = True
                    sys.stderr.write(f"{generate.__name__}, {kind}: {error}\n")
                    continue
                failed |= reading.messages != len(values)
                cells = (
                    generate.__name__,
                    kind,
                    f"{reading.messages} of {len(values)}",
                    reading.later_code,
                    reading.identity,
                )
                sys.stdout.write("| " + " | ".join(map(str, cells)) + " |\n")
                sys.stdout.flush()
    sys.exit(failed)


if __name__ == "__main__":
    main()
