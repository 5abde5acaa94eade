"""Where the `session-scorer` command begins: before anything is imported that takes time, so that Ctrl-C is quiet."""

import sys


def main() -> None:
    """Runs the command line; exit status as cli/main.py says, 130 after a Ctrl-C while it was still being imported."""
    try:
        from consumer.cli import main as cli  # noqa: PLC0415 - takes 0.2 s, in which Ctrl-C would print a traceback
    except KeyboardInterrupt:
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
