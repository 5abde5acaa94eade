"""`session-scorer dead-letters`: its commands, and what each is put together from.

Imports stand inside the commands, as in main.py.
"""

import sys
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from consumer.cli import OF_SETTINGS
from consumer.cli.help import Command, Group

if TYPE_CHECKING:
    from consumer.dead_letters.record import Filter, Writers


_HELP: Final = """List, redrive or make dead letters.

\b
Examples:
  session-scorer dead-letters list --code bad_date --limit 10
  session-scorer dead-letters redrive --since 2h
"""

app = typer.Typer(cls=Group, no_args_is_help=True, rich_markup_mode=None, help=_HELP)

_USED: Final = ("bootstrap_servers", "group_id", "kafka", "dead_letters_topic", "config", "log_level", "log_format")
"""The settings that all of these commands read."""

Code = Annotated[str | None, typer.Option(metavar="CODE", help="Only those with this code.")]
Field = Annotated[str | None, typer.Option("--field", metavar="NAME", help="Only those wrong in this field.")]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Only those dated from then on: 2026-11-23T10:15 (UTC), or 1h: ago.")
]
Source = Annotated[
    str | None,
    typer.Option(metavar="TOPIC-PARTITION-OFFSET", help="Only that of this input record, as `list` names it."),
]
FromGroup = Annotated[
    str | None, typer.Option(metavar="NAME", help="Those of this other group or connector, instead of our group's.")
]
AnyWriter = Annotated[bool, typer.Option("--any-writer", help="Those of our group and of all others.")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Only those dated before then.")]


@app.command("list", cls=Command, context_settings=OF_SETTINGS, add_help_option=False)
def list_(context: typer.Context) -> None:
    """List dead letters: when, what is wrong, where from. Never their contents."""

    def command(  # noqa: PLR0913, PLR0917 - typer takes the parameters for the command's options
        given: dict[str, Any],
        code: Code = None,
        field: Field = None,
        since: Since = None,
        until: Until = None,
        source: Source = None,
        from_group: FromGroup = None,
        any_writer: AnyWriter = False,
        limit: Annotated[int, typer.Option(min=0, metavar="N", help="Show at most so many (0: all).")] = 0,
        as_json: Annotated[bool, typer.Option("--json", help="JSON Lines; the counts go to stderr.")] = False,
    ) -> None:
        """List dead letters: when, what is wrong, where from. Never their contents.

        \b
        Examples:
          session-scorer dead-letters list --since 1h
          session-scorer dead-letters list --field click_events --json

        Reads the dead-letter topic from its beginning to its end of now, partition by partition, and changes nothing.
        """
        from contextlib import closing

        from consumer.dead_letters.report import Listing, show

        chosen, connection = _settings(given)
        writers = _writers(chosen.group_id, from_group, any_writer=any_writer)
        listing = Listing(writers, _filter(code, field, since, until, source), limit, as_json)
        _admin(connection, [chosen.dead_letters_topic], [])
        with closing(_letterbox(chosen, connection)) as box:
            for line in show(box.letters(), listing, typer.echo):
                typer.echo(line, err=as_json)

    _call(command, context)


@app.command(cls=Command, context_settings=OF_SETTINGS, add_help_option=False)
def redrive(context: typer.Context) -> None:
    """Write dead letters back to the input topic, each once. Without --yes only says what it would do."""

    def command(  # noqa: PLR0913, PLR0917 - the same
        given: dict[str, Any],
        code: Code = None,
        field: Field = None,
        since: Since = None,
        until: Until = None,
        source: Source = None,
        from_group: FromGroup = None,
        any_writer: AnyWriter = False,
        limit: Annotated[int, typer.Option(min=0, metavar="N", help="At most so many (0: all).")] = 1000,
        rate: Annotated[float, typer.Option(min=0.01, max=1e6, metavar="N", help="Letters a second.")] = 100,
        max_attempts: Annotated[
            int, typer.Option(min=1, metavar="N", help="Leave those that were tried so often already.")
        ] = 3,
        yes: Annotated[bool, typer.Option("--yes", help="Do it.")] = False,
    ) -> None:
        """Write dead letters back to the input topic, each once. Without --yes only says what it would do.

        \b
        Examples:
          session-scorer dead-letters redrive --code bad_date
          session-scorer dead-letters redrive --code bad_date --rate 50 --yes

        Key, value and headers are those of the event as it came; header dead_letter.attempts counts. What is done is
        kept in the consumer group GROUP-redrive, in the same transactions: stop it and start it again as you like.
        """
        from contextlib import closing
        from threading import Event

        from consumer.dead_letters.redrive import Plan, survey
        from consumer.dead_letters.redrive import redrive as write_back
        from consumer.dead_letters.report import done, foreseen
        from consumer.kafka.producer import KafkaProducer
        from consumer.observability.output import interruptible
        from consumer.process import stop_on_signals

        chosen, connection = _settings(given)
        writers = _writers(chosen.group_id, from_group, any_writer=any_writer)
        wanted = _filter(code, field, since, until, source)
        plan = Plan(writers, wanted, chosen.input_topic, chosen.dead_letters_topic, limit, rate, max_attempts)
        stop = Event()
        _admin(connection, [chosen.dead_letters_topic], [chosen.input_topic], _progress_of(chosen))
        with (
            stop_on_signals(stop),
            closing(_letterbox(chosen, connection)) as box,
            interruptible(sys.stdout, stop) as out,
        ):
            if yes:
                producer = KafkaProducer(connection, f"{chosen.group_id}-redrive")
                lines = done(write_back(box, producer, plan, stop), plan)
            else:
                lines = foreseen(survey(box, plan, stop), plan)
            for line in lines:
                typer.echo(line, file=out)

    _call(command, context, ["input_topic"])


@app.command(cls=Command, context_settings=OF_SETTINGS, add_help_option=False)
def skip(context: typer.Context) -> None:
    """Go past a batch that cannot be read, leaving a dead letter in its place."""

    def command(
        given: dict[str, Any],
        partition: Annotated[int, typer.Option(min=0, metavar="P", help="Of the input topic.")],
        offset: Annotated[int, typer.Option(min=0, metavar="O", help="Where the batch begins, as the worker said.")],
    ) -> None:
        """Go past a batch that cannot be read, leaving a dead letter in its place.

        \b
        Example:
          session-scorer dead-letters skip --partition 3 --offset 1842

        For a batch whose checksum is wrong or that cannot be decompressed, at which the worker stops for ever. No
        worker may be running on the partition. The dead letter (code unreadable_batch) and the group's new offset are
        one transaction.
        """
        import time
        from contextlib import closing

        from consumer.dead_letters.skip import Place, require_idle
        from consumer.dead_letters.skip import skip as go_past
        from consumer.kafka.producer import KafkaProducer
        from consumer.kafka.unreadable import Probe

        chosen, connection = _settings(given)
        place = Place(chosen.group_id, chosen.input_topic, partition, offset)
        require_idle(place, _admin(connection, [place.topic], [chosen.dead_letters_topic], place.group_id))
        with closing(Probe(connection, place.group_id, place.topic, partition)) as probe:
            producer = KafkaProducer(connection, f"{place.group_id}-skip")
            start, end = go_past(probe, producer, place, chosen.dead_letters_topic, lambda: time.time_ns() // 1_000_000)
        typer.echo(
            f"skipped {end - start:,} offsets, {start} to {end - 1}, of {place.topic}, partition {partition}; the dead "
            f"letter is in {chosen.dead_letters_topic}; group {place.group_id} goes on at offset {end}"
        )

    _call(command, context, ["input_topic"])


def _call(command: Callable[..., None], context: typer.Context, further: Collection[str] = ()) -> None:
    from consumer.cli.options import call_with_settings

    call_with_settings(command, context, {*_USED, *further})


def _settings(given: dict[str, Any]) -> tuple[Any, Any]:
    from consumer.config import settings
    from consumer.kafka.config import Connection
    from consumer.observability import logs

    chosen = settings.load(given)
    level = "error" if chosen.log_level == "info" else chosen.log_level  # a person reads this
    logs.configure(level, log_format=chosen.log_format)
    return chosen, Connection(chosen.bootstrap_servers, chosen.kafka)


def _admin(connection: Any, read: list[str], write: list[str], group: str | None = None) -> Any:
    from consumer.kafka.admin import Admin

    admin = Admin(connection)
    admin.require_topics(read, write, group=group)
    return admin


def _letterbox(chosen: Any, connection: Any) -> Any:
    from consumer.kafka.reader import Letterbox

    return Letterbox(connection, _progress_of(chosen), chosen.dead_letters_topic)


def _progress_of(chosen: Any) -> str:
    """The group that keeps how far redrives have come."""
    return f"{chosen.group_id}-redrive"


def _writers(group_id: str, from_group: str | None, *, any_writer: bool) -> "Writers":
    from consumer.dead_letters.record import Writers

    if from_group is not None and any_writer:
        raise typer.BadParameter("--any-writer takes them all: give one of the two", param_hint="--from-group")
    return Writers(group_id, from_group, any_writer)


def _filter(code: str | None, field: str | None, since: str | None, until: str | None, source: str | None) -> "Filter":
    import time

    from consumer.dead_letters.record import Filter, parse_source, parse_time
    from consumer.stream.dead_letters import CODES

    if code is not None and code not in CODES:
        raise typer.BadParameter(f"there is no code {code}; there are {', '.join(CODES)}", param_hint="--code")
    now = time.time_ns() // 1_000_000

    def parsed(text: str | None, option: str) -> int | None:
        try:
            return None if text is None else parse_time(text, now)
        except ValueError:
            wanted = "a time as 2026-11-23T10:15:04, or as 30m, 1h, 2d: ago"
            raise typer.BadParameter(f"expected {wanted}", param_hint=option) from None

    try:
        record = None if source is None else parse_source(source)
    except ValueError:
        raise typer.BadParameter("expected TOPIC-PARTITION-OFFSET, as sessions-3-1842", param_hint="--source") from None
    return Filter(code, field, parsed(since, "--since"), parsed(until, "--until"), record)
