"""Where the `session-scorer` command begins: before anything is imported that takes time, so that Ctrl-C is quiet."""

import os
import site
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Runs the command line; exit status as cli/main.py says, 130 after a Ctrl-C while it was still being imported."""
    _leave_out_current_directory()
    try:
        from consumer.cli import main as cli  # noqa: PLC0415 - takes 0.2 s, in which Ctrl-C would print a traceback
        from consumer.observability.output import call_with_bounded_output  # noqa: PLC0415 - the same
    except KeyboardInterrupt:
        sys.exit(130)
    call_with_bounded_output(cli.main)


def _leave_out_current_directory() -> None:
    """Import nothing from the current directory, neither here nor in processes started from here.

    Python puts it on the path of `python -m` and of processes that it starts with `-c` or `-m`, as multiprocessing
    does; an empty entry of PYTHONPATH means it, too. It stays when it is named there, or is where the program is.
    """
    os.environ["PYTHONSAFEPATH"] = "1"  # heeded by the processes that are started
    named = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    if named:
        os.environ["PYTHONPATH"] = os.pathsep.join(named)
    else:
        os.environ.pop("PYTHONPATH", None)
    program = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH120, PTH100 - pathlib is not imported yet
    kept = {program, os.path.dirname(os.__file__), *site.getsitepackages(), *map(os.path.abspath, named)}  # noqa: PTH120
    sys.path[:] = [entry for entry in sys.path if entry in kept or not _is_current(entry)]


def _is_current(entry: str) -> bool:
    try:
        return os.path.samefile(entry or ".", ".")  # noqa: PTH121 - as above
    except OSError:
        return False


if __name__ == "__main__":
    main()
