"""`session-scorer dead-letters`: its commands."""

import inspect
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Annotated, Any, Final, NamedTuple, get_type_hints

import typer

from consumer.cli.help import Command, Group
from consumer.cli.main import STANDARD
from consumer.cli.setting_options import takes_settings
from consumer.config.connection import connect
from consumer.config.settings import Settings, load_settings
from consumer.dead_letters import export as exports
from consumer.dead_letters import redrive as redrives
from consumer.dead_letters import report
from consumer.dead_letters import skip as skips
from consumer.dead_letters.export import ExportedDeadLetters, ExportedFrom
from consumer.dead_letters.offset_ranges import RedriveProgress, decode
from consumer.dead_letters.record import DeadLetter, Filter, WriterFilter, parse_source, parse_time
from consumer.dead_letters.redrive import Plan
from consumer.kafka.admin import Admin
from consumer.kafka.config import Connection
from consumer.kafka.producer import KafkaProducer
from consumer.kafka.reader import KafkaDeadLetterReader
from consumer.kafka.unreadable import KafkaProbe
from consumer.observability import logs
from consumer.observability.bounded_output import interruptible
from consumer.process import exit_on_signals, stop_on_signals
from consumer.records import DEAD_LETTER_CODES, Partition
from consumer.runtime import now_ms

_HELP: Final = """Inspect and replay dead letters.

\b
Examples:
  session-scorer dead-letters list --code bad_date --limit 10
  session-scorer dead-letters redrive --since 2h
"""

app = typer.Typer(cls=Group, no_args_is_help=True, add_completion=False, rich_markup_mode=None, help=_HELP)

_USED: Final = frozenset(
    ("bootstrap_servers", "login", "group_id", "kafka", "dead_letters_topic", "config", "log_level", "log_format")
)
"""The settings that all of these commands read."""


def _codes() -> list[str]:
    return list(DEAD_LETTER_CODES)


class _Filters(NamedTuple):
    """The options that select dead letters."""

    code: Annotated[
        str | None, typer.Option(metavar="CODE", help="Only letters with this code.", autocompletion=_codes)
    ] = None
    field: Annotated[
        str | None, typer.Option("--field", metavar="NAME", help="Only letters with a fault in this field.")
    ] = None
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only letters since TIME: UTC (2026-11-23T10:15) or an age (30m, 1h, 2d)."),
    ] = None
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Only letters before TIME.")] = None
    source: Annotated[
        str | None,
        typer.Option(
            metavar="TOPIC-PARTITION-OFFSET", help="Only the letter of this input record, as `list` prints it."
        ),
    ] = None
    from_group: Annotated[
        str | None, typer.Option(metavar="NAME", help="Letters of this other group or connector instead of our group.")
    ] = None
    any_writer: Annotated[bool, typer.Option("--any-writer", help="Letters of every group and connector.")] = False

    def writers(self, group_id: str) -> WriterFilter:
        """Return the condition on the writer. Raises BadParameter."""
        if self.from_group is not None and self.any_writer:
            raise typer.BadParameter(
                "--any-writer includes every group: give one of the two", param_hint="--from-group"
            )
        return WriterFilter(group_id, self.from_group, self.any_writer)

    def conditions(self) -> Filter:
        """Return all other conditions. Raises BadParameter."""
        if self.code is not None and self.code not in DEAD_LETTER_CODES:
            raise typer.BadParameter(
                f"there is no code {self.code}; the codes are {', '.join(DEAD_LETTER_CODES)}", param_hint="--code"
            )
        try:
            record = None if self.source is None else parse_source(self.source)
        except ValueError:
            raise typer.BadParameter(
                "expected TOPIC-PARTITION-OFFSET, as sessions-3-1842", param_hint="--source"
            ) from None
        now = now_ms()
        since, until = _time(self.since, now, "--since"), _time(self.until, now, "--until")
        return Filter(self.code, self.field, since, until, record)


def _takes_filters(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with the options of `_Filters` in place of its parameter `filters`."""

    def with_filters(**values: Any) -> None:
        filters = _Filters(**{name: values.pop(name) for name in _Filters._fields})
        command(**values, filters=filters)

    hints, kind = get_type_hints(_Filters, include_extras=True), inspect.Parameter.POSITIONAL_OR_KEYWORD
    options = [
        inspect.Parameter(name, kind, default=default, annotation=hints[name])
        for name, default in _Filters._field_defaults.items()
    ]
    own = [each for each in inspect.signature(command).parameters.values() if each.name != "filters"]
    required = [each for each in own if each.default is inspect.Parameter.empty]
    with_filters.__doc__ = command.__doc__
    # typer makes options of the signature
    with_filters.__signature__ = inspect.Signature([*required, *options, *own[len(required) :]])  # type: ignore[attr-defined]
    return with_filters


@app.command("list", cls=Command)
@takes_settings(_USED)
@_takes_filters
def list_(
    cli_settings: dict[str, Any],
    filters: _Filters,
    limit: Annotated[int, typer.Option(min=0, metavar="N", help="Print at most N (0: all).")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON Lines; counts go to stderr.")] = False,
) -> None:
    """List dead letters: when, what is wrong, where from. Never their contents.

    \b
    Examples:
      session-scorer dead-letters list --since 1h
      session-scorer dead-letters list --field click_events --json

    Reads the dead-letter topic, partition by partition, up to its current end. Changes nothing.
    """
    settings, connection = _load_settings(cli_settings)
    writers = filters.writers(settings.group_id)
    listing = report.Listing(writers, filters.conditions(), limit, as_json)
    Admin(connection).require_topics([settings.dead_letters_topic])
    with closing(_reader(settings, connection)) as reader:
        for line in report.print_dead_letters(reader.dead_letters(), listing, typer.echo):
            typer.echo(line, err=as_json)


@app.command("export", cls=Command)
@takes_settings(_USED)
@_takes_filters
def export(
    cli_settings: dict[str, Any],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="File to write, JSON Lines.")],
    filters: _Filters,
    limit: Annotated[int, typer.Option(min=0, metavar="N", help="Export at most N (0: all).")] = 0,
) -> None:
    """Export dead letters into a file, with their contents: to be corrected, then redriven by redrive --from.

    \b
    Example:
      session-scorer dead-letters export --code bad_date -o letters.jsonl
      sed -i 's/2026-02-30/2026-02-28/' letters.jsonl
      session-scorer dead-letters redrive --from letters.jsonl --yes

    A line has the event, key and headers of one dead letter. Only you may read the file. Changes nothing in Kafka.
    """
    _require_file(output, "--output")
    settings, connection = _load_settings(cli_settings)
    writers = filters.writers(settings.group_id)
    listing = report.Listing(writers, filters.conditions(), limit)
    counts, topic = report.ListingCounts(), settings.dead_letters_topic
    admin = Admin(connection)
    admin.require_topics([topic])
    origin = ExportedFrom(admin.cluster().cluster_id, topic)
    with exit_on_signals(), closing(_reader(settings, connection)) as reader, exports.new_file(output) as file:
        for dead_letter in report.select(reader.dead_letters(), listing, counts):
            file.write(exports.encode_line(dead_letter, origin))
    for line in counts.lines(listing):
        typer.echo(line)


@app.command("redrive", cls=Command)
@takes_settings(_USED | {"input_topic"})
@_takes_filters
def redrive(  # noqa: PLR0913, PLR0917 - typer makes options of parameters
    cli_settings: dict[str, Any],
    filters: _Filters,
    limit: Annotated[int, typer.Option(min=0, metavar="N", help="Redrive at most N (0: all).")] = 1000,
    rate: Annotated[float, typer.Option(min=0.01, max=1e6, metavar="N", help="Letters per second.")] = 100,
    max_attempts: Annotated[
        int, typer.Option(min=1, metavar="N", help="Leave letters that have had N attempts already.")
    ] = 3,
    from_file: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="The letters of this file, which export wrote.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write; without it only a plan is printed.")] = False,
) -> None:
    """Write dead letters back to the input topic, each once. Without --yes only print what would be done.

    \b
    Examples:
      session-scorer dead-letters redrive --code bad_date
      session-scorer dead-letters redrive --code bad_date --rate 50 --yes
      session-scorer dead-letters redrive --from corrected.jsonl --yes

    Key, value and headers are those of the original event; header dead_letter.attempts counts. Progress is committed
    to the consumer group GROUP-redrive in the same transactions, so the command can be stopped and restarted.
    """
    _require_file(from_file, "--from")
    settings, connection = _load_settings(cli_settings)
    writers = filters.writers(settings.group_id)
    criteria = filters.conditions()
    plan = Plan(writers, criteria, settings.inputs, settings.dead_letters_topic, limit, rate, max_attempts)
    stop = Event()
    admin = Admin(connection)
    inputs = admin.input_topics(settings.inputs)
    admin.require_topics([plan.dead_letters_topic], inputs, group=_redrive_group(settings))
    with (
        stop_on_signals(stop),
        closing(_reader(settings, connection)) as reader,
        interruptible(sys.stdout, stop) as out,
    ):
        letters: redrives.DeadLetterReader = reader
        if from_file is not None:
            origin = ExportedFrom(admin.cluster().cluster_id, plan.dead_letters_topic)
            letters = ExportedDeadLetters(from_file, origin, reader.ends(), reader)
        if yes:
            producer = KafkaProducer(connection, f"{settings.group_id}-redrive")
            lines = report.describe_redrive(redrives.redrive(letters, producer, plan, stop), plan)
        else:
            lines = report.describe_dry_run(redrives.dry_run(letters, plan, stop), plan)
        for line in lines:
            typer.echo(line, file=out)


@app.command("skip", cls=Command)
@takes_settings(_USED | {"input_topic"})
def skip(
    cli_settings: dict[str, Any],
    partition: Annotated[int, typer.Option(min=0, metavar="P", help="Partition of the input topic.")],
    offset: Annotated[int, typer.Option(min=0, metavar="O", help="First offset of the batch, from the worker's log.")],
) -> None:
    """Skip a batch that cannot be read, and write a dead letter for it.

    \b
    Example:
      session-scorer dead-letters skip --partition 3 --offset 1842

    For a batch with a wrong checksum, or one that cannot be decompressed: the worker stops there every time. No worker
    may be running on the partition. The dead letter (code unreadable_batch) and the group's new offset are one
    transaction.
    """
    settings, connection = _load_settings(cli_settings)
    group_id, topic, letters = settings.group_id, _only_topic(settings), settings.dead_letters_topic
    target = skips.SkipTarget(group_id, Partition(topic, partition), offset)
    admin = Admin(connection)
    admin.require_topics([topic], [letters], group=group_id)
    skips.require_idle(target, admin.readers(group_id, target.partition))
    with closing(KafkaProbe(connection, group_id, target.partition)) as probe:
        producer = KafkaProducer(connection, f"{group_id}-skip")
        start, end = skips.skip(probe, producer, target, letters, now_ms())
    typer.echo(
        f"skipped {end - start:,} offsets, {start} to {end - 1}, of {topic}, partition {partition}; the dead letter is "
        f"in {letters}; group {group_id} goes on at offset {end}"
    )


def _load_settings(cli_settings: dict[str, Any]) -> tuple[Settings, Connection]:
    """Load the settings and configure the log, which is quieter than that of `run`: a person reads it."""
    settings = load_settings(cli_settings)
    level = "error" if settings.log_level == "info" else settings.log_level
    logs.configure(level, log_format=settings.log_format)
    return settings, connect(settings)


def _only_topic(settings: Settings) -> str:
    topic, *others = settings.inputs.topics
    if others or settings.inputs.patterns:
        raise typer.BadParameter("name the topic of the batch alone", param_hint="--input-topic")
    return topic


def _require_file(path: Path | None, option: str) -> None:
    """Raise BadParameter for -: an export is its owner's alone, and is read twice."""
    if path == Path(STANDARD):
        raise typer.BadParameter("name a file: this option takes no standard stream", param_hint=option)


def _reader(settings: Settings, connection: Connection) -> KafkaDeadLetterReader[DeadLetter, RedriveProgress]:
    return KafkaDeadLetterReader(connection, _redrive_group(settings), settings.dead_letters_topic, DeadLetter, decode)


def _redrive_group(settings: Settings) -> str:
    """Return the consumer group that keeps the progress of redrives."""
    return f"{settings.group_id}-redrive"


def _time(text: str | None, now: int, option: str) -> int | None:
    try:
        return None if text is None else parse_time(text, now)
    except ValueError:
        expected = "a UTC time (2026-11-23T10:15:04) or an age (30m, 1h, 2d)"
        raise typer.BadParameter(f"expected {expected}", param_hint=option) from None
