"""`session-scorer demo`. Slow imports stand inside, so that a Ctrl-C meanwhile stops the command without an error."""

import sys
from itertools import islice
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Final

import typer

from consumer.cli.options import Artifacts, Login, ManifestSha256, Unverified, warn
from consumer.observability.bounded_output import interruptible
from consumer.process import stop_on_signals

if TYPE_CHECKING:
    from consumer.demo.feeder import Feed

_SEED: Final = 1  # of the generated sessions: every demo shows the same ones
_EVENTS: Final = 20_000


def demo(  # noqa: PLR0913, PLR0917 - typer makes options of parameters
    events: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Number of events (default: 20000, or all lines of --input)."),
    ] = None,
    rate: Annotated[float, typer.Option(min=0.01, max=1e6, metavar="N", help="Events per second.")] = 1000,
    source: Annotated[
        Path | None,
        typer.Option(
            "--input", metavar="FILE.jsonl", help="Send the lines of this file (default: generated sessions)."
        ),
    ] = None,
    bootstrap_servers: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Use this broker, exactly-once (default: one inside this process)."),
    ] = None,
    login: Login = None,
    metrics_port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="PORT", help="Port of /metrics (0: any free port).")
    ] = 0,
    artifacts: Artifacts = None,
    allow_unverified: Unverified = False,
    manifest_sha256: ManifestSha256 = None,
    kafka: Annotated[
        list[str] | None, typer.Option("-X", metavar="PROP=VALUE", help="A property of the Kafka client.")
    ] = None,
) -> None:
    """Score generated sessions from end to end and show it live.

    \b
    Examples:
      session-scorer demo
      session-scorer demo --input my-sessions.jsonl --rate 200
      session-scorer demo --bootstrap-servers localhost:9092

    Needs nothing else: it starts a broker of its own. On a real broker it creates topics with names of its own, and
    leaves them there.
    """
    stop = Event()
    with stop_on_signals(stop):
        from consumer.demo.main import main as run_demo

        cli_settings = {
            "metrics_port": str(metrics_port),
            "artifacts": artifacts,
            "allow_unverified": allow_unverified or None,
            "manifest_sha256": manifest_sha256,
            "login": login,
            "kafka": kafka,
        }
        with interruptible(sys.stdout, stop) as out:
            run_demo(cli_settings, _feed(source, events, rate), bootstrap_servers, stop, out)


def _feed(source: Path | None, events: int | None, rate: float) -> "Feed":
    """Return at most `events` lines of the file, or of generated sessions with invalid ones among them."""
    from consumer.demo.feeder import Feed, lines, mixed

    if source is not None:
        return Feed(islice(lines(source, warn), events), None, rate)
    from training.synthetic.dataset import keyed_events
    from training.synthetic.invalid_events import invalid_samples

    count = events or _EVENTS
    stream = mixed(keyed_events(_SEED), (event.value for event in invalid_samples(_SEED)), _SEED)
    return Feed(islice(stream, count), count, rate)
