"""Start the `session-scorer` command. Slow imports come late, so that Ctrl-C is quiet from the beginning."""

import os
import sys

INTERRUPTED = 130  # exit status after Ctrl-C, as shells report it

try:
    import signal
    import site
    from typing import NoReturn
except KeyboardInterrupt:
    sys.exit(INTERRUPTED)


def main() -> NoReturn:
    """Run the command line; exit status as cli/main.py says, 130 after a Ctrl-C."""
    _leave_on_interrupt()
    _leave_out_current_directory()
    from consumer.cli import main as cli  # noqa: PLC0415 - takes 0.2 s, in which Ctrl-C would print a traceback
    from consumer.observability.bounded_output import call_with_bounded_output  # noqa: PLC0415 - the same

    call_with_bounded_output(cli.main)


def _leave_on_interrupt() -> None:
    """End the process at once on Ctrl-C. As an exception it could be lost, or printed, inside the imports.

    `make demo` starts the process with SIGINT blocked, because the interpreter prints a traceback while it starts.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as under nohup, or in the background of a script
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _leave_out_current_directory() -> None:
    """Keep the current directory out of the import path, here and in processes started from here.

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
