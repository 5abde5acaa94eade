"""`python -m benchmarks`: run the parts, print their tables, put them into docs/performance.md."""

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path

from benchmarks import machine

ROOT = Path(__file__).parents[1]


def main(arguments: list[str] | None = None) -> int:
    """The exit code."""
    from benchmarks import parts, report, rust  # noqa: PLC0415 - after `_undisturbed`, and --help needs none of it
    from benchmarks.host import neighbours  # noqa: PLC0415 - the same
    from benchmarks.old import OldCommitError, check_out  # noqa: PLC0415 - the same
    from benchmarks.run import ROUNDS, prepared  # noqa: PLC0415 - the same
    from benchmarks.watching import RaceError  # noqa: PLC0415 - the same
    from tests.support.kafka.jars import BrokerError  # noqa: PLC0415 - the same

    given = _parser(parts.PARTS, parts.BUSY_PARTS, ROUNDS).parse_args(arguments)
    names = given.only or (parts.BUSY_PARTS if given.neighbours else parts.PARTS)
    if given.neighbours and (others := set(names) - set(parts.BUSY_PARTS)):
        print(f"benchmarks: --neighbours has no place for {', '.join(sorted(others))}", file=sys.stderr)
        return 2
    try:
        with prepared(quick=given.quick, rounds=1 if given.quick else given.rounds) as run:
            run.also, run.neighbours = dict(given.also), given.neighbours
            if given.old:
                run.say(f"setting up {given.old}")
                run.old = check_out(given.old)
            if given.rust:
                run.say("building the Rust peer")
                run.rust = rust.command(run.room)
            docs = _copied(ROOT / "docs", run.room / "docs") if given.quick else ROOT / "docs"
            about = report.of_the_machine()
            report.show([about])
            run.stack.enter_context(neighbours(given.neighbours))
            for name in names:
                findings = parts.run(name, run)
                if given.neighbours:
                    findings = findings.beside_neighbours()
                report.show(findings.tables)
                report.write(report.Findings([about, *findings.tables], findings.figures), docs)
    except (BrokerError, OldCommitError, RaceError, rust.RustError, report.ReportError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("benchmarks: stopped; what was measured so far is written", file=sys.stderr)
        return 130
    return 0


def _parser(names: tuple[str, ...], busy: tuple[str, ...], rounds: int) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=names, help="this part (may be said again)")
    parser.add_argument("--rounds", type=int, default=rounds, help="how often each takes its turn (%(default)s)")
    parser.add_argument(
        "--quick", action="store_true", help="tiny counts, one round, written nowhere: whether the benchmarks work"
    )
    parser.add_argument(
        "--neighbours",
        type=int,
        default=0,
        metavar="N",
        help=f"N processes stream through memory meanwhile; for {', '.join(busy)}, into tables of their own",
    )
    parser.add_argument(
        "--old",
        metavar="COMMIT",
        help=f"this commit as a contestant of {', '.join(busy)}: from a git worktree and an environment in build/",
    )
    parser.add_argument(
        "--rust",
        action="store_true",
        help="the same work in Rust as a contestant of throughput: built by cargo in build/, which takes minutes once",
    )
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        type=_named,
        metavar="NAME=COMMAND",
        help="one more contestant for throughput: reads topic $IN of $BOOTSTRAP in group $GROUP, writes to $OUT (and "
        "what is invalid to $DLQ); compared with at-least-once when its name says so, else with exactly-once",
    )
    return parser


def _named(text: str) -> tuple[str, str]:
    name, _, command = text.partition("=")
    if not name or not command:
        raise argparse.ArgumentTypeError("expected NAME=COMMAND")
    return name, command


def _copied(docs: Path, to: Path) -> Path:
    """A copy of the document, to write into."""
    to.mkdir()
    shutil.copy(docs / "performance.md", to)
    return to


def _undisturbed() -> None:
    """Start anew without what slows numpy, before numpy is there."""
    environment = dict(os.environ)
    if (wanted := machine.undisturbed(environment)) != environment:
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks", *sys.argv[1:]], wanted)


if __name__ == "__main__":
    _undisturbed()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that brokers and contestants are ended in order
    sys.exit(main())
