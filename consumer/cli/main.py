"""`session-scorer`: the commands, and the one place where an error of ours becomes a line on stderr.

Imports stand inside the commands: `--help` needs none of them, and `predict` no Kafka.
"""

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from consumer.cli import OF_SETTINGS, streams
from consumer.cli.artifacts import Artifacts, Pinned, Unverified, load
from consumer.cli.check import check
from consumer.cli.dead_letters import app as dead_letters
from consumer.cli.evaluate import evaluate
from consumer.cli.help import CONTEXT, Command, Group
from consumer.cli.model import app as model
from consumer.cli.tables import AllowMissing, Map, table_options, warn
from consumer.cli.train import train
from consumer.cli.watch import watch
from consumer.printable import printable

_OURS: Final = frozenset({"consumer", "scoring", "training"})
_LONGEST_NAME: Final = 200  # of a file that is looked for, in characters
_SEED: Final = 1  # of the demo's sessions: everyone sees the same ones

_SCORE: Final = "Score events"  # groups of commands
_OPERATE: Final = "Operate"
_MODELS: Final = "Models"

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=CONTEXT,
)


def main() -> None:
    """The entry point. Exit status: 0 done; 1 the input or the world is at fault, one line on stderr; 2 wrong usage."""
    streams.open_missing_streams()
    try:
        with streams.flushed_output():
            app(prog_name="session-scorer")
    except OSError as error:
        streams.report(error)
        sys.exit(1)
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _OURS:
            raise  # a mistake of ours, not of the user: its traceback is wanted
        streams.say(one_line(error))
        sys.exit(1)


def one_line(error: Exception) -> str:
    """What the error says, with its code where it has one."""
    code = getattr(error, "code", None)
    return printable(" ".join(str(error).split())) + (f" ({code})" if code else "")


class InputError(Exception):
    """What was given cannot be read. The message is one line."""


def _version(wanted: bool) -> None:
    if wanted:
        from consumer.config.version import program_version

        typer.echo(f"session-scorer {program_version()}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Score session events with a Random Forest: from Kafka, from files, one at a time.

    \b
    Examples:
      session-scorer demo                              watch it at work
      session-scorer score sessions.csv -o scored.csv  score a file
      session-scorer check                             is `run` ready?
      session-scorer run --create-topics               score a topic

    COMMAND --help says more of each.
    """


@app.command(
    cls=Command,
    context_settings=OF_SETTINGS,
    add_help_option=False,
    rich_help_panel=_SCORE,
    short_help="Score events from Kafka until told to stop.",
)
def run(context: typer.Context) -> None:
    """Score events from Kafka until told to stop (SIGTERM, SIGHUP, Ctrl-C)."""
    from consumer.app import main as run_consumer
    from consumer.cli.options import call_with_settings

    def command(given: dict[str, Any]) -> None:
        """Score events from Kafka until told to stop (SIGTERM, SIGHUP, Ctrl-C).

        \b
        Examples:
          session-scorer run --bootstrap-servers kafka:9092 --create-topics
          session-scorer run --config scorer.toml --log-format json
          session-scorer run -X security.protocol=SSL -X ssl.ca.location=ca.pem

        Each option is also a setting in the environment (SESSION_SCORER_INPUT_TOPIC=…) and in a TOML file
        (input_topic = "…"); the command line comes first, then the environment, then the file.
        """
        run_consumer(given)

    call_with_settings(command, context)


@app.command(cls=Command, rich_help_panel=_SCORE)
def demo(  # noqa: PLR0913, PLR0917 - typer takes the parameters for the command's options
    events: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="How many to feed (default: 20000, or all lines of --input)."),
    ] = None,
    rate: Annotated[float, typer.Option(min=0.01, max=1e6, metavar="N", help="Events a second.")] = 1000,
    source: Annotated[
        Path | None,
        typer.Option("--input", metavar="FILE.jsonl", help="Feed this file's lines (default: generated sessions)."),
    ] = None,
    bootstrap_servers: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Run on this broker, exactly-once (default: one inside this process)."),
    ] = None,
    metrics_port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="PORT", help="Port of /metrics (0: a free one).")
    ] = 0,
    artifacts: Artifacts = None,
    allow_unverified: Unverified = False,
    manifest_sha256: Pinned = None,
    kafka: Annotated[
        list[str] | None, typer.Option("-X", metavar="PROP=VALUE", help="A setting of the Kafka client.")
    ] = None,
) -> None:
    """Show it at work: sessions in, scores and alerts out, live.

    \b
    Examples:
      session-scorer demo
      session-scorer demo --input my-sessions.jsonl --rate 200
      session-scorer demo --bootstrap-servers localhost:9092

    Needs nothing but this program: it brings a broker of its own. On a real one it uses topics of its own names,
    and leaves them there.
    """
    from threading import Event

    from consumer.process import stop_on_signals

    stop = Event()
    with stop_on_signals(stop):  # from here on, so that Ctrl-C is no error while the rest is imported
        from consumer.demo.main import main as run_demo
        from consumer.observability.output import interruptible

        given = {
            "metrics_port": str(metrics_port),
            "artifacts": artifacts,
            "allow_unverified": allow_unverified or None,
            "manifest_sha256": manifest_sha256,
            "kafka": kafka,
        }
        with interruptible(sys.stdout, stop) as out:
            run_demo(given, _feed(source, events, rate), bootstrap_servers, stop, out)


def _feed(source: Path | None, events: int | None, rate: float) -> Any:
    """So many lines of the file, or of generated sessions with broken ones among them."""
    from itertools import islice

    from consumer.demo.feeder import Feed, lines, mixed

    if source is not None:
        return Feed(islice(lines(source, warn), events), None, rate)
    from training.synthetic.dataset import keyed_events
    from training.synthetic.invalid_events import broken

    count = events or 20_000
    stream = mixed(keyed_events(_SEED), (each.value for each in broken(_SEED)), _SEED)
    return Feed(islice(stream, count), count, rate)


@app.command(cls=Command, rich_help_panel=_SCORE)
def predict(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="JSON: one event, or an array of events.")],
    artifacts: Artifacts = None,
    allow_unverified: Unverified = False,
    manifest_sha256: Pinned = None,
) -> None:
    """Score one event, or an array of them, from a file or stdin.

    \b
    Examples:
      echo '{"transaction_amount": 20000}' | session-scorer predict -
      session-scorer predict event.json
    """
    from consumer.offline import predict as predictions
    from scoring import InvalidEvent

    data = _read(file)
    scorer = load(artifacts, allow_unverified, manifest_sha256)
    try:
        answers = predictions.predict(scorer, data)
    except InvalidEvent as error:
        what = predictions.described(data) if error.code == "not_json" else ""
        said = one_line(error) + (f"; {what}" if what else "")
        raise InputError(f"{'stdin' if file == '-' else file}: {said}") from None
    typer.echo(predictions.as_json(answers, pretty=sys.stdout.isatty()))
    if errors := predictions.invalid(answers):
        typer.echo(f'session-scorer: {len(errors)} of {len(answers)} events are invalid, see "error"', err=True)
        raise typer.Exit(1)


@app.command(cls=Command, rich_help_panel=_SCORE)
def score(  # noqa: PLR0913, PLR0917 - typer takes the parameters for the command's options
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A .csv, .jsonl, .ndjson or .parquet file.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="What to write; its ending says the format.")
    ],
    allow_missing: AllowMissing = False,
    renames: Map = None,
    artifacts: Artifacts = None,
    allow_unverified: Unverified = False,
    manifest_sha256: Pinned = None,
) -> None:
    """Score all rows of a file.

    \b
    Examples:
      session-scorer score sessions.csv -o scored.csv
      session-scorer score sessions.jsonl.gz -o scored.parquet

    The columns of the input come out again, with those of the verdict after them. Invalid rows go to
    OUTPUT.rejected.jsonl, as they came and with the reason. A file with fewer than 8 of the 16 model fields is
    refused before anything is written.
    """
    options = table_options(allow_missing, renames)
    from consumer.offline.progress import Reporting, shown_progress
    from consumer.offline.score_file import rejected_path, score_file
    from consumer.process import exit_on_signals, tune_garbage_collector

    scorer = load(artifacts, allow_unverified, manifest_sha256)
    tune_garbage_collector()
    with exit_on_signals(), shown_progress(source.name) as progress:
        counts = score_file(scorer, source, output, Reporting(progress, warn), table=options)
    aside = f"; {counts.rejected:,} invalid in {rejected_path(output)}" if counts.rejected else ""
    if not counts.scored:
        raise InputError("; ".join([f"{source}: no row was scored{aside or ': there is none'}", *counts.summary()]))
    typer.echo(f"{counts.scored:,} rows scored in {output}{aside}", err=True)
    for line in counts.summary():
        typer.echo(line, err=True)


app.command(
    cls=Command,
    context_settings=OF_SETTINGS,
    add_help_option=False,
    rich_help_panel=_OPERATE,
    short_help="Check that all is as `run` needs it.",
)(check)
app.command(cls=Command, rich_help_panel=_OPERATE, short_help="Watch running consumers, live.")(watch)
app.add_typer(dead_letters, name="dead-letters", rich_help_panel=_OPERATE)
app.command(cls=Command, rich_help_panel=_MODELS)(train)
app.command(cls=Command, rich_help_panel=_MODELS)(evaluate)
app.add_typer(model, name="model", rich_help_panel=_MODELS)


def _read(file: str) -> bytes:
    if file.lstrip()[:1] in {"{", "["} and not Path(file[:_LONGEST_NAME]).exists():
        raise InputError("JSON in place of a file name: pipe it, echo '{…}' | session-scorer predict -")
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
