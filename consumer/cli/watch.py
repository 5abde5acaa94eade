"""`session-scorer watch`: its options. Imports stand inside the command, as in main.py."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from consumer.console.watch import Alerts


def watch(  # noqa: PLR0913, PLR0917 - typer takes the parameters for the command's options
    addresses: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="URL",
            help="Where each answers: HOST, HOST:PORT or a whole address (default: http://127.0.0.1:9108/metrics).",
        ),
    ] = None,
    interval: Annotated[float, typer.Option(min=0.1, max=3600, metavar="SECONDS", help="How often to look.")] = 2,
    once: Annotated[bool, typer.Option("--once", help="Look once, and end: 1 when nobody answers.")] = False,
    bootstrap_servers: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Show the newest alerts too, read from this Kafka.", rich_help_panel="Alerts"
        ),
    ] = None,
    alerts_topic: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Where they are (default: as set for `run`).", rich_help_panel="Alerts"),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file of settings, as for `run`.", rich_help_panel="Alerts")
    ] = None,
    kafka: Annotated[
        list[str] | None,
        typer.Option("-X", metavar="PROP=VALUE", help="A setting of the Kafka client.", rich_help_panel="Alerts"),
    ] = None,
) -> None:
    """Watch running consumers: speed, latency, results, dead letters, lag, live.

    \b
    Examples:
      session-scorer watch
      session-scorer watch worker-1:9108 worker-2:9108
      session-scorer watch --bootstrap-servers kafka:9092

    Asks each for its /metrics and changes nothing. On a terminal it draws, in a pipe it writes a line each time;
    Ctrl-C ends it. With --bootstrap-servers it shows the newest alerts as well, as a reader of no group.
    """
    from threading import Event

    from consumer.process import stop_on_signals

    stop = Event()
    with stop_on_signals(stop):  # from here on, so that Ctrl-C is no error while the rest is imported
        from consumer.console.scrape import address
        from consumer.console.watch import main
        from consumer.observability.output import interruptible

        try:
            asked = [address(text) for text in addresses or ["127.0.0.1"]]
        except ValueError:
            wanted = "expected the addresses of workers, as in http://127.0.0.1:9108/metrics or worker-1:9108"
            raise typer.BadParameter(wanted, param_hint="URL") from None
        if bootstrap_servers is None and (alerts_topic, config, kafka) != (None, None, None):
            raise typer.BadParameter(
                "only together with --bootstrap-servers", param_hint="--alerts-topic, --config, -X"
            )
        given: dict[str, Any] = {
            "bootstrap_servers": bootstrap_servers,
            "alerts_topic": alerts_topic,
            "config": config,
            "kafka": kafka,
        }
        alerts = None if bootstrap_servers is None else _alerts(given)
        with interruptible(sys.stdout, stop) as out:
            main(list(dict.fromkeys(asked)), alerts, None if once else interval, stop, out)


def _alerts(given: dict[str, Any]) -> "Alerts":
    from consumer.config import settings
    from consumer.console.alerts import MOST
    from consumer.kafka.admin import Admin
    from consumer.kafka.config import Connection
    from consumer.kafka.reader import Tail

    chosen = settings.load(given)
    connection = Connection(chosen.bootstrap_servers, chosen.kafka)
    Admin(connection).require_topics([chosen.alerts_topic])
    return Tail(connection, chosen.alerts_topic, back=2 * MOST)  # every second offset may be the end of a transaction
